"""Which prompts are tried, each of a declared class, in the order fixed by the protocol; which ones the controls get.

One prompt alone is ranked among the control works: a caption that a party states for the work, and where none is stated
the caption of the training picture that the disputed one was found to be a copy of, else of the nearest one. Of these
two classes every control has a counterpart, its own caption or its own neighbour's. Prompts that are declared as
reworded or as generic, and what the disputed file says of itself, have none: they are tried with the same seeds,
counted by their class, and ranked among nothing. A statement in a file is as easily written as any other text, and
where it is true, it is the recipe of the disputed picture and no caption of the work; it is offered, and never stands
in for a caption that nobody stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forensics.case import Absent, Item, PromptKind
from forensics.pictures.intake import prompt_stated
from forensics.settings import Settings
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup
from forensics.verbal import PROMPTS

_SOURCES = {
    PromptKind.CLAIMED: "claimed caption",
    PromptKind.NEIGHBOUR: "caption of the nearest training picture",
    PromptKind.REWORDED: "declared as reworded",
    PromptKind.GENERIC: "declared as generic",
    PromptKind.FILE: "as stated in the file",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and how it was chosen."""

    text: str
    source: str
    kind: PromptKind
    """Controls get a prompt of the same kind, or none."""


def choose_prompts(settings: Settings, disputed: Item, found: Found) -> tuple[Prompt, ...]:
    """The prompts of an examination, in the order fixed by the protocol; none twice.

    The first is ranked among controls, where its class has a counterpart among them (`PromptKind.ranked`).
    """
    named = found.namesake
    near = Prompt(named.caption, named.source, PromptKind.NEIGHBOUR) if named is not None else None
    return in_order(settings, prompt_stated(disputed.generator), near)


def of_neighbour(caption: str) -> Prompt:
    """The caption of a training picture as a prompt, where how the picture was chosen is not known."""
    return Prompt(caption, _SOURCES[PromptKind.NEIGHBOUR], PromptKind.NEIGHBOUR)


def in_order(settings: Settings, stated: str, near: Prompt | None) -> tuple[Prompt, ...]:
    """The prompts, claimed captions first, and in their absence the neighbour's; then what is only tried.

    Args:
        stated: what the disputed file says it was made with; empty where it says nothing.
        near: of a training picture; None where there is none. It is not used where a caption is claimed.
    """
    stands_in = () if settings.captions or near is None else (near,)
    offered = (
        *_of(PromptKind.CLAIMED, settings.captions),
        *stands_in,
        *_of(PromptKind.REWORDED, settings.reworded),
        *_of(PromptKind.GENERIC, settings.generic),
        *_of(PromptKind.FILE, (stated,)),
    )
    found: dict[str, Prompt] = {}
    for prompt in offered:
        if prompt.text:  # the same words again belong to the class that comes first
            found.setdefault(prompt.text, prompt)
    return tuple(found.values())


def _of(kind: PromptKind, texts: Sequence[str]) -> list[Prompt]:
    return [Prompt(text, _SOURCES[kind], kind) for text in texts]


def control_prompts(prompt: Prompt, controls: ControlGroup, found: Found) -> list[str] | Absent:
    """For every control a prompt of the same kind as the disputed image's, or why there is none for each of them."""
    if not prompt.kind.ranked:
        return Absent(
            "prompts of the controls",
            "Nobody stated a caption of the work, and no training index offers one. What is at hand is "
            f"{PROMPTS[prompt.kind]}; control works have no words of that class, so what came back is counted and not "
            "ranked.",
            "Pass --caption with the words that the work is known by, where a party states them.",
        )
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
