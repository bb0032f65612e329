"""Reading an index folder: digests first, vectors memory-mapped, rows as Parquet.

A folder without our manifest opens as well (that is what clip-retrieval writes), but the facts then say that nothing
could be verified and that the embedder is what the user stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forensics import foreign, inputs
from forensics.case import Fact, IndexFacts
from forensics.errors import IndexError_
from forensics.retrieval import exact
from forensics.retrieval.base import (
    CLIP,
    Capabilities,
    Column,
    Hits,
    IndexInfo,
    Params,
    RecallReport,
    Row,
    Stated,
    Vectors,
    VerifyReport,
    described,
    not_offered,
)
from forensics.retrieval.building.files import Files
from forensics.retrieval.readers.checks import REBUILD, check_files, listed_shards
from forensics.retrieval.readers.layout import (
    MANIFEST,
    UNIT_TOLERANCE,
    VECTORS,
    Manifest,
    Shard,
    pair_shards,
    read_manifest,
)
from forensics.retrieval.words import ALIASES, key, normalised, pick, plain

QUICK_BYTES = 512 << 20
"""Up to this size every digest and norm is checked on opening; above it only sizes and a sample of norms."""
_SAMPLE = 1000
_FIELDS = ("caption", "creator", "sha256", "url", "licence")


class Folder:
    """A `TrainingIndex` and a `Store` over an embeddings folder, read-only and checked on opening."""

    backend = "exact"
    versions: ClassVar[bool] = False

    def __init__(self, location: Path, *, embedder: str = "", embedder_digest: str = "") -> None:
        """Open a folder.

        Args:
            location: the folder.
            embedder: for folders without a manifest: what made the vectors, as the user states it.
            embedder_digest: likewise; with a manifest, the manifest's own is used and these are ignored.

        Raises:
            IndexError_: missing, damaged, misaligned, empty, or not unit vectors.
        """
        self.location, self.manifest, self.shards = self._found(location)
        location = self.location
        self.quick = _total_bytes(location, self.shards) <= QUICK_BYTES
        if self.manifest is not None:
            check_files(location, self.manifest, digests=self.quick)
        self._maps = [map_vectors(location / s.vectors) for s in self.shards]
        self._rows = [_metadata(location, s, len(m)) for s, m in zip(self.shards, self._maps, strict=True)]
        self._starts = np.cumsum([0, *(len(m) for m in self._maps)])
        self.count, self.dimension = int(self._starts[-1]), int(self._maps[0].shape[1])
        self.dtype = str(self._maps[0].dtype)
        self._check_shape()
        self.embedder_digest = self.manifest.embedder_digest if self.manifest else embedder_digest
        base = location / (self.manifest.pictures if self.manifest else ".")
        self.pictures = foreign.resolved(base)
        self.facts = self._facts(embedder)
        m = self.manifest
        said = (m.embedder, m.preprocessing) if m else (embedder, "as the user states it")
        self.columns = (Column(CLIP, said[0], self.embedder_digest, said[1], self.dimension, self.dtype),)
        check_unit(self, None if self.quick else _SAMPLE)

    def _found(self, location: Path) -> tuple[Path, Manifest | None, tuple[Shard, ...]]:
        """(folder, manifest, shards)"""
        if not location.is_dir():
            raise IndexError_(f"There is no index folder {location}.", hint="Make one with `forensics index build`.")
        manifest = read_manifest(location)
        return location, manifest, pair_shards(location) if manifest is None else listed_shards(location, manifest)

    # Reader

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """By its manifest, or by the folder of its vectors where FAISS has none beside it."""
        return files.exists(MANIFEST) or (files.exists(VECTORS) and not files.exists("image.index"))

    @classmethod
    def opened(cls, location: str, stated: Stated) -> Folder:
        """See `Reader`."""
        return cls(Path(location), embedder=stated.embedder, embedder_digest=stated.embedder_digest)

    # TrainingIndex

    def info(self) -> IndexInfo:
        """What it is. Without versions: only what the folder holds now can be cited."""
        return IndexInfo(
            facts=self.facts,
            columns=self.columns,
            capabilities=Capabilities(exact=True, vectors=True, bytes=True, versions=False, filter=False),
            snapshot=self.facts.digest if self.manifest else "",
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
        """The k best rows of each query. See `TrainingIndex`."""
        queries = exact.checked(vectors, k, mode, self.columns, column, self.facts.name)
        if mode == "ann" or where is not None:
            raise not_offered(self.facts.name, "approximate search" if mode == "ann" else "a search under a condition")
        coverage = f"All {self.count} rows were compared; none was skipped."
        return [exact.hits(rows, coverage) for rows in exact.search(self, column, queries, k)]

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows. Raises IndexError_ where a picture differs from the digest of the manifest's own build."""
        return [self._row(int(n)) for n in row_ids]

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one query with these rows."""
        described(self.columns, self.facts.name, column)
        return list(exact.cosines(self, column, vector, [int(n) for n in row_ids]))

    def verify(self, level: str = "quick") -> VerifyReport:
        """Sizes, or every digest and every vector; an error where there is no manifest to verify against."""
        if level not in ("quick", "full"):
            raise ValueError(f"level is {level!r}; expected 'quick' or 'full'")
        if self.manifest is None:
            raise IndexError_(
                f"{self.location} has no manifest: its files were read and agree in shape, but there is no digest to "
                "verify.",
                hint="Build an index with `forensics index build` from the pictures themselves.",
            )
        check_files(self.location, self.manifest, digests=level == "full")
        if level == "full":
            check_unit(self, None)
        size = _total_bytes(self.location, self.shards)
        return VerifyReport(level, len(self.manifest.files), size, self.count if level == "full" else 0)

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """There is nothing approximate here."""
        raise not_offered(self.facts.name, "approximate search, whose recall could be measured")

    # Store

    def blocks(
        self, column: str, rows: int, where: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Every row, in order."""
        for start, mapped in zip(self._starts, self._maps, strict=False):
            for i in range(0, len(mapped), rows):
                block = mapped[i : i + rows]
                yield np.arange(int(start) + i, int(start) + i + len(block)), block

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) float64; float16 and float32 widen without rounding."""
        rows = [self._maps[s][i] for s, i in map(self._place, numbers)]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), self.dimension)

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(SHA-256, training id); where the metadata has no id, the picture's path, else shard and row."""
        places = [self._place(n) for n in numbers]
        return [(self._cell(s, "sha256", i), self._training_id(s, i)) for s, i in places]

    def _row(self, number: int) -> Row:
        shard, i = self._place(number)
        path = self._cell(shard, "path", i)
        picture = foreign.resolved(self.pictures / path) if path else None
        # A row must not name files outside the pictures' folder, by `..` or by an absolute path.
        if picture is not None and not (picture.is_relative_to(self.pictures) and picture.is_file()):
            picture = None
        digest = self._cell(shard, "sha256", i)
        # Without our manifest `sha256` may be img2dataset's, of the bytes as downloaded and not as stored.
        stated = digest if self.manifest is not None else None
        if stated and picture is not None and inputs.sha256(picture, IndexError_) != stated:
            raise IndexError_(f"{picture} differs from the digest that the index records for it.", hint=REBUILD)
        return Row(
            training_id=self._training_id(shard, i),
            caption=self._cell(shard, "caption", i),
            creator=self._cell(shard, "creator", i),
            sha256=digest if self.manifest is not None else "",
            source_sha256="" if self.manifest is not None else digest,
            picture=picture,
            url=self._cell(shard, "url", i),
            licence=self._cell(shard, "licence", i),
        )

    def _place(self, number: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        return shard, number - int(self._starts[shard])

    def _cell(self, shard: int, field: str, i: int) -> str:
        """What a row says of a field, by any of the names it goes by."""
        return pick(self._words(shard, i), field)

    def _words(self, shard: int, i: int) -> dict[str, Any]:
        table = self._rows[shard]
        return normalised({name: table[name][i].as_py() for name in table.column_names})

    def _training_id(self, shard: int, i: int) -> str:
        words = self._words(shard, i)
        names = (plain(words.get(column)) for column in ("training_id", "key", "image_path", "id"))
        return next((name for name in names if name), pick(words, "path") or f"{shard}:{i}")

    def _check_shape(self) -> None:
        if self.count == 0:
            raise IndexError_(f"The index {self.location} has no rows.", hint="Build it from a source with pictures.")
        for shard, mapped, rows in zip(self.shards, self._maps, self._rows, strict=True):
            if mapped.shape[1] != self.dimension or mapped.dtype != self._maps[0].dtype:
                raise IndexError_(
                    f"{shard.vectors} holds {mapped.dtype} vectors of {mapped.shape[1]} components, the first shard "
                    f"{self.dtype} of {self.dimension}.",
                    hint="Shards of two models were mixed; build the index again.",
                )
            if len(mapped) != rows.num_rows:
                raise IndexError_(
                    f"{shard.vectors} has {len(mapped)} vectors and {shard.metadata} has {rows.num_rows} rows.",
                    hint="Captions would be attributed to the wrong pictures. " + REBUILD,
                )
        m = self.manifest
        if m is not None and (m.count, m.dimension, m.dtype) != (self.count, self.dimension, self.dtype):
            raise IndexError_(
                f"{self.location / MANIFEST} states {m.count} {m.dtype} vectors of {m.dimension} components; the "
                f"files hold {self.count} {self.dtype} of {self.dimension}.",
                hint=REBUILD,
            )

    def _facts(self, embedder: str) -> IndexFacts:
        m = self.manifest
        shared = (Fact("dimension", str(self.dimension)), Fact("storage", self.dtype))
        if m is None:
            return IndexFacts(
                name=foreign.resolved(self.location).name,
                count=self.count,
                embedder=f"as stated by the user: {embedder or 'nothing stated'} {self.embedder_digest}".strip(),
                digest="none: the folder has no manifest",
                built="not recorded",
                coverage="The folder does not state what it covers.",
                source="not recorded",
                facts=(*shared, Fact("verification", "unverified: the folder records no digests")),
            )
        how = "digests of all files read" if self.quick else "sizes only: `forensics index verify` reads all digests"
        return IndexFacts(
            name=m.name,
            count=m.count,
            embedder=f"{m.embedder} {m.embedder_digest}",
            digest=inputs.sha256(self.location / MANIFEST, IndexError_),
            built=m.built,
            coverage=m.coverage,
            source=m.source,
            facts=(
                *shared,
                Fact("preprocessing", m.preprocessing),
                Fact("excluded from the source", str(len(m.excluded))),
                Fact("verification on opening", how),
                Fact("made with", m.tool),
            ),
        )


def _total_bytes(location: Path, shards: Sequence[Shard]) -> int:
    return sum((location / name).stat().st_size for s in shards for name in (s.vectors, s.metadata) if name)


def map_vectors(path: Path) -> NDArray[Any]:
    """(N, D) vectors of an .npy file, not read yet. Raises IndexError_ for any other contents."""
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise IndexError_(f"{path} is not a readable .npy file: {exc}.", hint=REBUILD) from exc
    if mapped.ndim != 2 or mapped.dtype.name not in UNIT_TOLERANCE or mapped.shape[1] == 0:
        raise IndexError_(
            f"{path} holds {mapped.dtype} of shape {mapped.shape}; expected (N, D) float16, float32 or float64.",
            hint=REBUILD,
        )
    return mapped


def _metadata(location: Path, shard: Shard, count: int) -> pa.Table:
    if not shard.metadata:
        return pa.table({"row": list(range(count))})
    wanted = {name for field in ("training_id", "path", *_FIELDS) for name in ALIASES[field]}
    path = location / shard.metadata
    try:
        columns = [name for name in pq.read_schema(path).names if key(name) in wanted]
        if columns:
            return pq.read_table(path, columns=columns)
        # Without any of our columns the row count is all the file can tell.
        return pa.table({"row": list(range(pq.read_metadata(path).num_rows))})
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{path} is not a readable Parquet file: {exc}.", hint=REBUILD) from exc


def check_unit(store: Folder, sample: int | None) -> None:
    """Norms of all vectors, or of about `sample` evenly spaced ones. Raises IndexError_ naming the first row off.

    Vectors of another length are refused, not normalised: they come from a step the manifest does not describe.
    """
    step = 1 if sample is None else max(1, store.count // sample)
    for numbers, block in store.blocks(CLIP, 16384):
        start = int(numbers[0])
        chosen = np.arange(-start % step, len(block), step)
        tolerance = UNIT_TOLERANCE[block.dtype.name]
        off = np.abs(np.linalg.norm(block[chosen].astype(np.float64), axis=1) - 1)
        bad = np.flatnonzero(~(off <= tolerance))  # also true of NaN
        if len(bad):
            raise IndexError_(
                f"Vector {start + int(chosen[bad[0]])} of the index {store.facts.name!r} is not a unit vector.",
                hint="Store embeddings divided by their Euclidean norm; they are not normalised silently.",
            )
