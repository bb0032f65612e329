"""What else could explain a close correspondence: one table for each, with what was measured for and against.

Each row says what would decide it, because none of these measurements does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from forensics.case import (
    Absent,
    Assessment,
    Case,
    CommonElements,
    Comparison,
    ControlFacts,
    Given,
    Origin,
    Pair,
    PromptKind,
    Statistic,
)
from forensics.report import words
from forensics.report.sections import answers

MEASURED_NOTHING = "Nothing was measured that bears on it."
_IMAGE_PROMPT = ("denoising", "strength", "init", "img2img", "inpaint", "mask", "controlnet", "ip-adapter", "ipadapter")
"""Fragments of the names of parameters that generators write where a picture was an input."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explanation of a close correspondence."""

    name: str
    measured: str
    speaks_for: str
    speaks_against: str
    decides: str


@dataclass(frozen=True, slots=True)
class Explained:
    """The explanations of one correspondence."""

    work: str
    title: str
    rows: tuple[Explanation, ...]
    """Of works after the first, only those that its table does not hold word for word."""


def explanations(case: Case) -> tuple[Explained, ...]:
    """A table for every work that corresponds throughout or in part; the first two, which the answers rest on."""
    close = [a for a in case.assessments if a.grade in words.CORRESPONDING]
    made = [_explained(case, a) for a in close]
    rest = [replace(e, rows=tuple(r for r in e.rows if r not in made[0].rows)) for e in made[1:]]
    return (*made[:1], *rest)


def _explained(case: Case, a: Assessment) -> Explained:
    rows = (_weights(case), _image_prompt(case)) if case.command != "compare" else ()
    title = f"{case.item(case.disputed).exhibit} and {a.work}: {a.grade.value}"
    return Explained(a.work, title, (*rows, _common(case, a.work), _chance(case, a.work)))


def _weights(case: Case) -> Explanation:
    plain = [v for v in answers.drawn(case) if v.given is Given.WORDS]
    own = [v for v in plain if not v.checkpoint]
    measured = "; ".join(
        f"{'control checkpoint ' + v.checkpoint if v.checkpoint else 'checkpoint'}, words alone: {answers.came(v)}"
        for v in plain
    )
    hit = [v for v in own if v.hits and v.hits.hits]
    missed = [v for v in own if v.hits and not v.hits.hits]
    rank = next((c for c in case.comparisons if c.primary_for is Pair.RETENTION), None)
    fors, againsts = [], []
    if hit:
        fors.append("The picture comes back from words, without having been an input.")
    if any(v.hits and not v.hits.hits for v in plain if v.checkpoint) and hit:
        fors.append("It does not under the control checkpoint, given the same words.")
    if rank is not None and rank.k == 0:
        fors.append(f"No control reaches as far by the primary measurement ({rank.id}).")
    if missed:
        againsts.append("From words alone the picture did not come back in any try.")
    if any(v.prompt_kind is PromptKind.NEIGHBOUR for v in own):
        againsts.append(
            "The words were chosen with the picture in hand, as the caption of its nearest training picture."
        )
    if rank is not None and rank.k:
        againsts.append(f"{rank.k} of {rank.n} controls reach as far by the primary measurement ({rank.id}).")
    return Explanation(
        "The weights: the checkpoint gives the picture because it learned it",
        words.sentence(_capital(measured)) if measured else "No words were at hand, so nothing was drawn from words.",
        " ".join(fors) or MEASURED_NOTHING,
        " ".join(againsts) or MEASURED_NOTHING,
        "Logs of what users asked for; the same words at other versions; the list of training works.",
    )


def _image_prompt(case: Case) -> Explanation:
    item = case.item(case.disputed)
    stated = [f.name for f in item.generator if any(part in f.name.lower() for part in _IMAGE_PROMPT)]
    text = " ".join(f.value.lower() for f in item.generator)
    hinted = [part for part in ("denoising strength", "img2img", "inpaint", "controlnet") if part in text]
    origin = case.origin if isinstance(case.origin, Origin) else None
    output = origin is not None and origin.gate.output
    if not item.generator:
        measured = "The file states no parameters of generation; what it might have stated can have been removed."
    elif stated or hinted:
        measured = f"The file states {words.listed([f'“{n}”' for n in (*stated, *hinted)])}."
    else:
        measured = "The file states parameters of generation, and none of them names an input picture."
    return Explanation(
        "A picture as input: the work, or one like it, was given to a generator as a template",
        measured,
        "Such a statement stands in the file." if stated or hinted else MEASURED_NOTHING,
        "No such statement stands in the file; its absence means little."
        if item.generator and not (stated or hinted)
        else ("The autoencoder shows no trace of this checkpoint." if origin and not output else MEASURED_NOTHING),
        "The project file or the log of the service; the same seed and words, run with and without an input picture.",
    )


def _searched(case: Case) -> str:
    if isinstance(case.index, Absent) or not case.neighbours:
        return "No collection was searched for a third picture, so whether there is one is open."
    found = sum(n.exhibit is not None for n in case.neighbours)
    return (
        f"The {words.count(case.index.count)} pictures of the index were searched with the disputed image, and the "
        f"nearest {found} compared with it. A work outside the index is not found in this way."
    )


def _common(case: Case, work: str) -> Explanation:
    found = next((c for c in case.correspondences if c.work == work), None)
    shared = found.common if found else None
    fors = againsts = MEASURED_NOTHING
    if isinstance(shared, CommonElements):
        if shared.work is not None:
            some = words.counted(len(shared.shared_by), "item", "items")
            fors = f"{some} of the index have parts of {work} as well: {', '.join(shared.shared_by)}."
        else:
            againsts = f"No part of {work} is shared by two or more of the {len(shared.examined)} items nearest to it."
    return Explanation(
        "A common origin: both rest on a third picture, a template or a stock drawing",
        _searched(case),
        fors,
        againsts,
        "Dated publications, drafts and layered files of the work; a search of other collections.",
    )


def _chance(case: Case, work: str) -> Explanation:
    nearest = any(n.exhibit == work for n in case.neighbours)
    wanted = Statistic.ALIGNED_TO_NEAREST if nearest else Statistic.ALIGNED_TO_WORK
    rank: Comparison | None = next((c for c in case.comparisons if c.statistic is wanted and c.of in ("", work)), None)
    facts = case.controls if isinstance(case.controls, ControlFacts) else None
    parts = []
    if rank is not None:
        parts.append(f"{rank.k} of {rank.n} control works are as near to a work by the same comparison ({rank.id}).")
    if facts is not None and facts.complexity is not None:
        low = min(s.value for s in facts.complexity.controls)
        high = max(s.value for s in facts.complexity.controls)
        parts.append(
            f"There is about as much to the picture as to these works: {words.number(facts.complexity.disputed, 2)} "
            f"beside {words.number(low, 2)} to {words.number(high, 2)} {facts.complexity.measure}."
        )
    return Explanation(
        "Chance: works as simple as this one are often alike",
        " ".join(parts) or "No control works were at hand, so chance was not measured.",
        f"{rank.k} of {rank.n} controls come as near." if rank is not None and rank.k else MEASURED_NOTHING,
        "No control comes as near." if rank is not None and rank.k == 0 else MEASURED_NOTHING,
        "More control works of the same kind and simplicity, best by the same hand and made later.",
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
