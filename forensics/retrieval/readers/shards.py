"""The output of img2dataset as a collection: rows and pictures, and no vectors, so nothing to search.

    00000.tar or 00000/     pictures as stored, usually resized
    00000.parquet           key, url, caption, status, error_message, sha256 (of the bytes as downloaded), ...

What it is good for: pictures and both digests of a row that was found elsewhere, above all to probe a FAISS folder made
from these shards. `forensics index build` makes an index of it that can be searched and cited.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from forensics.case import Fact, IndexFacts
from forensics.errors import IndexError_
from forensics.retrieval.base import (
    CLIP,
    Capabilities,
    Hits,
    IndexInfo,
    Params,
    RecallReport,
    Row,
    Stated,
    Vectors,
    VerifyReport,
    not_offered,
)
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.places import Place
from forensics.retrieval.building.sources import loose_pictures, packed_places, rows_by_key, shard_names
from forensics.retrieval.words import normalised, pick

_KEPT = 64
"""Shards whose contents are kept in memory once listed."""
_BUILD = "`forensics index build` makes an index of these shards that can be searched."


class Shards:
    """A `TrainingIndex` without vectors. Rows are numbered by shard and key; those not downloaded are counted only."""

    versions: ClassVar[bool] = False

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """By the listings of its shards, which are numbered."""
        return files.size("") is None and any(re.fullmatch(r"\d+\.parquet", name) for name in files.names(""))

    @classmethod
    def opened(cls, location: str, stated: Stated) -> Shards:
        """See `Reader`. There are no vectors, so it matters to nobody what made them."""
        return cls(location)

    def __init__(self, location: Path | str) -> None:
        """Read the listings of all shards.

        Args:
            location: folder or address.

        Raises:
            IndexError_: no shards, or one whose listing is not readable.
        """
        self.place = Place(location)
        self._files = self.place.walk()
        self._shards = [s for s in shard_names(self._files) if f"{s}.parquet" in self._files]
        if not self._shards:
            raise IndexError_(f"{location} holds no listings of shards.", hint="Give the output folder of img2dataset.")
        self._loose = loose_pictures(self._files, self._shards)
        self.skipped: Counter[str] = Counter()
        counts = []
        for shard in self._shards:
            statuses = Counter(str(row.get("status", "success")) for row in rows_by_key(self.place, shard).values())
            counts.append(statuses.pop("success", 0))
            self.skipped += statuses
        self._starts = np.cumsum([0, *counts])
        self.count = int(self._starts[-1])
        self._places: dict[str, dict[str, tuple[int, int]]] = {}
        self._held: tuple[str, list[dict[str, Any]]] | None = None

    # TrainingIndex

    def info(self) -> IndexInfo:
        """What it is."""
        left_out = ", ".join(f"{status}: {n}" for status, n in sorted(self.skipped.items()))
        return IndexInfo(
            facts=IndexFacts(
                name=Path(self.place.address).name,
                count=self.count,
                embedder="none: the collection has no vectors",
                digest="none: the folder has no manifest",
                built="not recorded",
                coverage="The folder does not state what it covers.",
                source="img2dataset",
                facts=(
                    Fact("engine", "tar files and Parquet, as img2dataset writes them"),
                    Fact("shards", str(len(self._shards))),
                    Fact("not downloaded", left_out or "0"),
                    Fact(
                        "digests", "of the bytes as downloaded, as listed; of the bytes as stored, computed on reading"
                    ),
                ),
            ),
            columns=(),
            capabilities=Capabilities(exact=False, vectors=False, bytes=True, versions=False, filter=False),
            snapshot="",
            rows_digest="",
        )

    def search(
        self,
        vectors: Vectors,
        k: int,
        mode: str = "exact",
        where: str | None = None,
        params: Params | None = None,
        column: str = CLIP,
    ) -> list[Hits]:
        """There are no vectors. Raises IndexError_."""
        raise IndexError_(f"{self.place} holds pictures and no vectors.", hint=_BUILD)

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows with the bytes of their pictures. Raises IndexError_ where a shard lacks a picture it lists."""
        return [self._row(*self._find(int(n))) for n in row_ids]

    def by_key(self, key: str) -> Row | None:
        """The row with this key; none where no shard has it."""
        for shard in self._shards:
            if key.startswith(shard) and (row := next((r for r in self._listed(shard) if r["key"] == key), None)):
                return self._row(shard, row)
        return None

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """There are no vectors."""
        return [None for _ in row_ids]

    def verify(self, level: str = "quick") -> VerifyReport:
        """Img2dataset lists no digests of what it stored. Raises IndexError_."""
        if level not in ("quick", "full"):
            raise ValueError(f"level is {level!r}; expected 'quick' or 'full'")
        raise IndexError_(f"{self.place} lists no digests of the pictures as stored.", hint=_BUILD)

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """There is nothing to search."""
        raise not_offered(Path(self.place.address).name, "vectors, without which there is no recall")

    def _find(self, number: int) -> tuple[str, dict[str, Any]]:
        if not 0 <= number < self.count:
            raise IndexError_(f"There is no row {number} in {self.place}.", hint="Rows count those downloaded.")
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        name = self._shards[shard]
        return name, self._listed(name)[number - int(self._starts[shard])]

    def _listed(self, shard: str) -> list[dict[str, Any]]:
        if self._held is None or self._held[0] != shard:
            rows = rows_by_key(self.place, shard)
            good = (key for key in sorted(rows) if rows[key].get("status", "success") == "success")
            self._held = shard, [rows[key] | {"key": key} for key in good]
        return self._held[1]

    def _row(self, shard: str, listed: dict[str, Any]) -> Row:
        key = listed["key"]
        data = self._bytes(shard, key)
        if data is None:
            raise IndexError_(
                f"{self.place}: shard {shard} lists the picture {key} and does not hold it.", hint="Obtain it again."
            )
        words = normalised(listed)
        source = pick(words, "sha256")
        return Row(
            training_id=key,
            caption=pick(words, "caption"),
            creator=pick(words, "creator"),
            sha256=hashlib.sha256(data).hexdigest(),
            picture=None,
            image=data,
            url=pick(words, "url"),
            licence=pick(words, "licence"),
            source_sha256=source if re.fullmatch(r"[0-9a-f]{64}", source) else "",
        )

    def _bytes(self, shard: str, key: str) -> bytes | None:
        try:
            if f"{shard}.tar" in self._files:
                found = self._packed(shard).get(key)
                if found is None:
                    return None
                with self.place.open(f"{shard}.tar") as stream:
                    stream.seek(found[0])
                    return stream.read(found[1])
            name = self._loose[shard].get(key)
            return None if name is None else self.place.read(name)
        except OSError as exc:
            raise IndexError_(f"{self.place}: shard {shard} is not readable: {exc}.", hint="Obtain it again.") from exc

    def _packed(self, shard: str) -> dict[str, tuple[int, int]]:
        """Going through a tar file takes long, so what was found in the last ones is kept."""
        if shard not in self._places:
            if len(self._places) >= _KEPT:
                self._places.pop(next(iter(self._places)))
            self._places[shard] = packed_places(self.place, f"{shard}.tar")
        return self._places[shard]
