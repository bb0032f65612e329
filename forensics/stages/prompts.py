"""Which prompts are tried, in the order fixed by the protocol, and which ones the controls get."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Absent, Item, PromptKind
from forensics.pictures.intake import prompt_stated
from forensics.settings import Settings
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and how it was chosen."""

    text: str
    source: str
    kind: PromptKind
    """Controls get a prompt of the same kind."""


def choose_prompts(settings: Settings, disputed: Item, found: Found) -> tuple[Prompt, ...]:
    """The prompts, in the order fixed by the protocol: claimed captions, what the file states, the nearest caption."""
    if settings.captions:
        return tuple(Prompt(text, "claimed caption", PromptKind.CLAIMED) for text in settings.captions)
    if stated := prompt_stated(disputed.generator):
        return (Prompt(stated, "prompt stated in the file", PromptKind.FILE),)
    if found.neighbours and found.neighbours[0].caption:
        return (Prompt(found.neighbours[0].caption, "caption of neighbour N1", PromptKind.NEIGHBOUR),)
    return ()


def control_prompts(prompt: Prompt, controls: ControlGroup, found: Found) -> list[str] | Absent:
    """For every control a prompt of the same kind as the disputed image's, or how many controls lack one."""
    of_neighbours = prompt.kind is PromptKind.NEIGHBOUR
    texts = [hit.row.caption for hit in found.control_top] if of_neighbours else [w.caption for w in controls.works]
    lacking = sum(not text for text in texts) + max(0, len(controls.works) - len(texts))
    if not controls.works or not lacking:
        return texts
    whose = "first neighbours of the control works" if of_neighbours else "control works"
    return Absent(
        "prompts of the controls",
        f"{lacking} of the {len(controls.works)} {whose} carry no caption, so the "
        "same search could not be run on them.",
        "Supply captions, for the controls as well.",
    )
