"""How often a picture recurs in a collection: repetition in the training set is what gets a work remembered.

Near-duplicates are rows with the same bytes, or whose perceptual hash differs in at most `NEAR_BITS` of 64 bits. The
bound was fixed before any measurement. It finds renderings and recompressions; crops, mirrors and collages are left to
the copy descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc
from PIL import Image

from forensics.case import Repeats
from forensics.retrieval.phash import NEAR_BITS, distances, phash
from forensics.retrieval.readers.native import LanceIndex

CLUSTER_SHOWN = 20
RULE = (
    "A near-duplicate has the same bytes, or a perceptual hash (DCT, 64 bits) that differs in at most "
    f"{NEAR_BITS} bits; crops and mirrored pictures are not found by it."
)
NOT_COUNTED = "Near-duplicates were not counted: this collection stores no perceptual hashes."
_COLUMNS = ("row_id", "sha256", "phash", "repetitions")
_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """A picture whose repeats are counted."""

    of: str
    """What the count is called."""
    phash: int
    sha256: str = ""
    """Of the file, where rows with the very bytes are to be told apart."""
    row: int | None = None
    """Its own row in the collection, which is no repeat of itself but stands in the training set as often as stated."""


@dataclass(slots=True)
class _Tally:
    same: int = 0
    stated: int | None = None
    near: list[tuple[int, int]] = field(default_factory=list)
    """(bits that differ, row id)"""

    def state(self, times: int | None) -> None:
        if times is not None:
            self.stated = times + (self.stated or 0)


def of_picture(tag: str, picture: Image.Image, sha256: str = "") -> Target:
    """A picture from outside the collection."""
    return Target(tag, phash(picture), sha256)


def of_rows(index: LanceIndex, rows: Sequence[tuple[str, int]]) -> tuple[Target, ...]:
    """Rows of the collection, as (name, row id). One whose picture was never seen has no hash and is left out."""
    found = index.values([n for _, n in rows], ["phash", "sha256"])
    return tuple(
        Target(name, values["phash"], values["sha256"].hex() if values["sha256"] else "", number)
        for (name, number), values in zip(rows, found, strict=True)
        if values["phash"]
    )


def count(index: LanceIndex, targets: Sequence[Target]) -> tuple[Repeats, ...]:
    """The repeats of every target, in one pass over the hashes and digests of all rows."""
    tallies = [_Tally() for _ in targets]
    for batch in index.dataset.scanner(columns=list(_COLUMNS), batch_size=_ROWS).to_batches():
        ids, hashes = (batch.column(n).to_numpy(zero_copy_only=False) for n in ("row_id", "phash"))
        digests, times = batch.column("sha256"), batch.column("repetitions")
        for target, tally in zip(targets, tallies, strict=True):
            bits = distances(target.phash, hashes.astype(np.uint64))
            near = (bits <= NEAR_BITS) & (hashes != 0)
            if target.sha256:
                equal = pc.fill_null(pc.equal(digests, bytes.fromhex(target.sha256)), False)
                same = equal.to_numpy(zero_copy_only=False) & (ids != target.row)
                tally.same += int(same.sum())
                near |= same
            for place in np.flatnonzero(near):
                tally.state(times[int(place)].as_py())
                if ids[place] != target.row:
                    tally.near.append((int(bits[place]), int(ids[place])))
    return tuple(_repeats(index, t, tally) for t, tally in zip(targets, tallies, strict=True))


def _repeats(index: LanceIndex, target: Target, tally: _Tally) -> Repeats:
    found = index.values([n for _, n in tally.near], ["training_id"])
    ordered = sorted((bits, values["training_id"]) for (bits, _), values in zip(tally.near, found, strict=True))
    cluster = tuple(name for _, name in ordered[:CLUSTER_SHOWN])
    return Repeats(target.of, tally.same, len(tally.near), tally.stated, cluster)
