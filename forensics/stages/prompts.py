"""Which prompts are tried, in the order fixed by the protocol, and which ones the controls get."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Item
from forensics.pictures.intake import prompt_stated
from forensics.settings import Settings
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and how it was chosen."""

    text: str
    source: str
    kind: str
    """`claimed`, `file` or `neighbour`: controls get a prompt of the same kind."""


def choose_prompts(settings: Settings, disputed: Item, found: Found) -> tuple[Prompt, ...]:
    """The prompts, in the order fixed by the protocol: claimed captions, what the file states, the nearest caption."""
    if settings.captions:
        return tuple(Prompt(text, "claimed caption", "claimed") for text in settings.captions)
    if stated := prompt_stated(disputed.generator):
        return (Prompt(stated, "prompt stated in the file", "file"),)
    if found.neighbours and found.neighbours[0].caption:
        return (Prompt(found.neighbours[0].caption, "caption of neighbour N1", "neighbour"),)
    return ()


def control_prompts(prompt: Prompt, controls: ControlGroup, found: Found) -> list[str]:
    """For every control a prompt of the same kind as the disputed image's; none where a control has none."""
    if prompt.kind == "neighbour":
        return [hit.row.caption for hit in found.control_top]
    captions = [work.caption for work in controls.works]
    return captions if all(captions) else []
