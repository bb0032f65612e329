"""Resemblance in style: the disputed image among the creators of the index. Nothing else of the case depends on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from forensics import hands
from forensics.case import Absent, Colour, CreatorScore, Palette, Style, StyleMeasure, WorkStyle
from forensics.events import Emit, Event
from forensics.pictures.tensors import to_tensor
from forensics.retrieval import picture_of
from forensics.retrieval.base import TrainingIndex
from forensics.retrieval.creators import holdings
from forensics.similarity import style
from forensics.similarity.lpips import Lpips
from forensics.stages.context import Context
from forensics.stages.search import Found
from forensics.stages.works import Work

LEAST, MOST = 4, 6
"""Works of a creator: with fewer than the first it is left out, of more than the second so many are drawn."""
FEWEST, LARGEST = 10, 200
"""Creators: with fewer there is no rank worth stating; of more those with most works are taken."""
_WHAT = "stylistic resemblance"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which works stand for which creators."""

    names: tuple[str, ...]
    owners: tuple[int, ...]
    rows: tuple[int, ...]
    """Row of the index for each work."""
    passed_over: int
    """Creators with too few works."""


def resemble(
    disputed: Work,
    compared: Sequence[Work],
    found: Found,
    index: TrainingIndex | Absent,
    context: Context,
) -> Style | Absent:
    """Rank the creators of an index by how near their works lie to the disputed image in manner and in palette.

    Args:
        compared: works put forward, and the neighbours whose pictures are at hand.
        context: its controls say how near any such picture lies to the creator nearest to it.
    """
    if isinstance(index, Absent):
        return Absent(_WHAT, index.reason, index.remedy)
    lpips, controls, emit = context.instruments.at_hand.get("lpips"), context.controls.works, context.emit
    if not isinstance(lpips, Lpips):
        return Absent(_WHAT, "The network whose feature maps are compared (AlexNet of LPIPS) is not at hand.")
    held = holdings(index)
    if isinstance(held, Absent):
        return Absent(_WHAT, held.reason, held.remedy)
    chosen = _chosen(held, {n.training_id for n in found.neighbours})
    if len(chosen.names) < FEWEST:
        return Absent(
            _WHAT,
            f"Only {len(chosen.names)} creators of the index have {LEAST} works or more beside the neighbours found; "
            f"a rank needs {FEWEST}.",
        )
    works = _pictures(index, chosen, emit)
    if works is None:
        return Absent(_WHAT, "The index does not hold the pictures of its creators.")
    emit(Event("style", 0, 1, f"{len(works)} works of {len(chosen.names)} creators"))
    asked = [disputed.pixels, *(w.pixels for w in compared), *(c.pixels for c in controls)]
    measures = []
    for name, protocol, describe, likeness in (
        ("manner", style.MANNER_PROTOCOL, lambda p: style.manner(lpips, p), style.by_manner),
        ("palette", style.PALETTE_PROTOCOL, style.palette, style.by_palette),
    ):
        described = context.workshop.describing(f"{style.VERSION}, {name}", describe)
        known, others = (np.stack(hands.each(described, group)) for group in (works, asked))
        like = likeness(known)
        creators = style.Creators(chosen.owners, like(known, known))
        to_compared = like(others[:1], others[1 : 1 + len(compared)])[0]
        measures.append(_measure(name, protocol, creators, chosen.names, like(others, known), to_compared, compared))
    emit(Event("style", 1, 1, f"{len(works)} works of {len(chosen.names)} creators"))
    return Style(
        works=len(works),
        selection=_selection(chosen, len(works)),
        measures=tuple(measures),
        palettes=tuple(_palette(w) for w in (disputed, *compared)),
        creator_of_nearest=found.neighbours[0].creator.strip() if found.neighbours else "",
    )


def _chosen(held: Mapping[str, Sequence[tuple[str, int]]], found: set[str]) -> _Chosen:
    """Creators and works by rules that do not look at the disputed image's style.

    The neighbours found are left out: what they share with the disputed image may be more than style.
    """
    left = {name: [(tid, row) for tid, row in rows if tid not in found] for name, rows in held.items()}
    enough = sorted((name for name, rows in left.items() if len(rows) >= LEAST), key=lambda n: (-len(left[n]), n))
    names = tuple(sorted(enough[:LARGEST]))
    owners, numbers = [], []
    for owner, name in enumerate(names):
        drawn = sorted(left[name], key=lambda held: hashlib.sha256(held[0].encode()).hexdigest())[:MOST]
        owners += [owner] * len(drawn)
        numbers += [row for _, row in drawn]
    return _Chosen(names, tuple(owners), tuple(numbers), len(held) - len(names))


def _pictures(index: TrainingIndex, chosen: _Chosen, emit: Emit) -> list[Tensor] | None:
    """The works, in order; none where the index lacks the picture of any of them."""
    pictures = []
    for done, row in enumerate(index.fetch(chosen.rows)):
        if done % 50 == 0:
            emit(Event("style", done, len(chosen.rows), "works of the index"))
        picture = picture_of(row)
        if picture is None:
            return None
        pictures.append(to_tensor(picture))
    return pictures


def _measure(
    name: str,
    protocol: str,
    creators: style.Creators,
    names: Sequence[str],
    asked: style.Array,
    to_compared: style.Array,
    compared: Sequence[Work],
) -> StyleMeasure:
    """One measure of all: `asked` holds the likeness of the disputed image, the compared ones and the controls."""
    own, *others = (creators.rank(row) for row in asked)
    controls = others[len(compared) :]
    best = max(own.scores)
    left_out = [creators.left_out(work).rank(int(owner)) for work, owner in enumerate(creators.owners)]
    held = np.bincount(creators.owners)
    return StyleMeasure(
        name=name,
        protocol=protocol,
        creators=tuple(
            CreatorScore(names[c], int(held[c]), round(own.scores[c], 6), rank) for rank, c in enumerate(own.order, 1)
        ),
        works=tuple(
            WorkStyle(work.id, int((asked[0] > value).sum()), len(creators.owners))
            for work, value in zip(compared, to_compared, strict=True)
        ),
        k=sum(max(ranking.scores) >= best for ranking in controls),
        n=len(controls),
        own_first=sum(rank == 1 for rank in left_out),
        own_median=float(np.median(left_out)),
    )


def _palette(work: Work) -> Palette:
    return Palette(work.id, tuple(Colour(rgb, round(share, 4)) for rgb, share in style.colours(work.pixels)))


def _selection(chosen: _Chosen, works: int) -> str:
    return (
        f"{len(chosen.names)} creators of whom the index holds at least {LEAST} works, the neighbours found left out; "
        f"of each at most {MOST} works, drawn by digest, {works} in all. Names as the index writes them: two spellings "
        f"count as two. {chosen.passed_over} further names were passed over."
    )
