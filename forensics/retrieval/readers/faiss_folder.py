"""A FAISS index with metadata beside it, as clip-retrieval and LAION publish them: read-only, and to be probed.

    image.index                             one file; or a folder with populated.index and merged_index.ivfdata
    metadata/*.parquet or metadata/*.arrow  row i of the files in order of their names describes vector i
    img_emb/*.npy                           the vectors themselves, where they were kept, in the same order
    ivf_old_to_new_mapping.npy              where the index holds the vectors in another order

Metadata that belong to other vectors are the classic failure of these folders, and give captions without any relation
to the pictures. Their number must agree, and `probe` compares stored vectors with fresh ones of the pictures that the
rows name. Rows mostly carry an address and a caption and no bytes: a hit is a lead until its picture is fetched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from forensics import foreign
from forensics.case import Fact, IndexFacts
from forensics.errors import IndexError_
from forensics.retrieval import exact, recall
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
from forensics.retrieval.encoders import Encoder
from forensics.retrieval.readers import alignment
from forensics.retrieval.readers.alignment import Alignment
from forensics.retrieval.readers.folder import map_vectors
from forensics.retrieval.readers.layout import UNIT_TOLERANCE
from forensics.retrieval.readers.rows import Rows
from forensics.retrieval.readers.shards import Shards
from forensics.retrieval.words import normalised, pick, plain

INDEX, METADATA, RAW, MAPPING = "image.index", "metadata", "img_emb", "ivf_old_to_new_mapping.npy"
NPROBES, REFINE = 16, 10
"""Of an approximate search: partitions read, and how many times k rows are compared again where vectors were kept."""
_INNER_PRODUCT, _L2 = 0, 1


class FaissFolder:
    """A `TrainingIndex`; with the vectors themselves also a `Store`, and then searched exactly."""

    backend = "exact"
    versions: ClassVar[bool] = False

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """By FAISS's file, where there is no manifest of another layout."""
        return files.exists(INDEX) and not files.exists("manifest.json")

    @classmethod
    def opened(cls, location: str, stated: Stated) -> FaissFolder:
        """See `Reader`."""
        said = (stated.embedder, stated.embedder_digest)
        return cls(Path(location), embedder=said[0], embedder_digest=said[1], pictures=stated.pictures)

    def __init__(
        self, location: Path, *, embedder: str = "", embedder_digest: str = "", pictures: Path | None = None
    ) -> None:
        """Open a folder.

        Args:
            location: the folder.
            embedder: what made the vectors, as the user states it: the folder does not record it.
            embedder_digest: likewise.
            pictures: folder that the rows' `image_path` start from, or img2dataset's output with the rows' keys; the
                folder itself where none is given.

        Raises:
            IndexError_: FAISS is not installed, a file is missing or damaged, or the numbers of rows differ.
        """
        self.location = location
        self._index = _read(location / INDEX)
        self.count, self.dimension = int(self._index.ntotal), int(self._index.d)
        self._rows = Rows(location / METADATA)
        self._raw = [map_vectors(p) for p in sorted((location / RAW).glob("*.npy"))]
        self._starts = np.cumsum([0, *(len(m) for m in self._raw)])
        self._check_counts()
        self._mapping = _mapping(location / MAPPING, self.count)
        self._back = None if self._mapping is None else np.argsort(self._mapping)
        self.kind, self._lossless = _kind(self._index)
        self.keeps_vectors = bool(self._raw) or self._lossless
        if self._lossless and not self._raw:
            _direct_map(self._index)
        self._check_unit()
        self.pictures = foreign.resolved(pictures or location)
        listed = any(re.fullmatch(r"\d+\.parquet", path.name) for path in self.pictures.iterdir())
        self._packed = Shards(self.pictures) if listed else None
        self.aligned = alignment.UNPROBED
        self._shown_to = ""
        dtype = str(self._raw[0].dtype) if self._raw else "float32" if self._lossless else self.kind
        self.columns = (Column(CLIP, embedder, embedder_digest, "as the user states it", self.dimension, dtype),)
        self._stated = f"as stated by the user: {embedder or 'nothing stated'} {embedder_digest}".strip()

    def probe(self, encoder: Encoder) -> Alignment:
        """Embed pictures that rows name and compare: see `alignment`. Where they agree, the model is shown as well.

        Raises:
            IndexError_: rows and vectors do not belong together, or the model is another one.
        """
        if self._shown_to == encoder.digest:
            return self.aligned
        _direct_map(self._index)
        self.aligned = alignment.check(str(self.location), self._rows.files, self.fetch, self._stored, encoder)
        self._shown_to = encoder.digest
        if self.aligned.shown and not self.columns[0].digest:
            column = replace(self.columns[0], digest=encoder.digest, embedder=self.columns[0].embedder or encoder.name)
            self.columns = (column,)
        return self.aligned

    # TrainingIndex

    def info(self) -> IndexInfo:
        """What it is, with what it cannot do."""
        recall_ = "every row can be compared" if self.keeps_vectors else "not measurable: the vectors were not kept"
        return IndexInfo(
            facts=IndexFacts(
                name=foreign.resolved(self.location).name,
                count=self.count,
                embedder=self._stated,
                digest="none: the folder has no manifest",
                built="not recorded",
                coverage="The folder does not state what it covers.",
                source="not recorded",
                facts=(
                    Fact("engine", f"FAISS {self.kind}" + (", with the vectors beside it" if self._raw else "")),
                    Fact("dimension", str(self.dimension)),
                    Fact("recall", recall_),
                    Fact("metadata describe the vectors", self.aligned.sentence),
                    Fact("verification", "unverified: the folder records no digests"),
                    Fact("rows without a picture", "leads, until their picture is fetched, hashed and embedded"),
                ),
            ),
            columns=self.columns,
            capabilities=Capabilities(
                exact=self.keeps_vectors, vectors=self.keeps_vectors, bytes=False, versions=False, filter=False
            ),
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
        """The k best rows of each query. See `TrainingIndex`."""
        queries = exact.checked(vectors, k, mode, self.columns, column, self.location.name)
        if where is not None:
            raise not_offered(self.location.name, "a search under a condition")
        if mode == "ann":
            return self._approximate(queries, k, params or {}, column)
        if not self.keeps_vectors:
            raise not_offered(self.location.name, "exact search: the index holds vectors in reduced precision only")
        coverage = f"All {self.count} rows were compared; none was skipped."
        return [exact.hits(rows, coverage) for rows in exact.search(self, column, queries, k)]

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows; a picture is given where the row names a file below the folder of pictures."""
        return [self._row(n, v) for n, v in zip(row_ids, self._rows.take([int(n) for n in row_ids]), strict=True)]

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one query with these rows; none where only quantised vectors are stored."""
        described(self.columns, self.location.name, column)
        if not self.keeps_vectors:
            return [None for _ in row_ids]
        return list(exact.cosines(self, column, vector, [int(n) for n in row_ids]))

    def verify(self, level: str = "quick") -> VerifyReport:
        """There is nothing to verify against."""
        if level not in ("quick", "full"):
            raise ValueError(f"level is {level!r}; expected 'quick' or 'full'")
        raise IndexError_(
            f"{self.location} records no digests: there is nothing to verify against.",
            hint="Build an index with `forensics index build` from the pictures themselves.",
        )

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """The index against an exact search over the vectors, one query at a time."""
        if not self.keeps_vectors:
            raise not_offered(self.location.name, "vectors, without which recall is not measurable")
        truth = self.search(queries, k, column=column)
        found, seconds = [], []
        for query in queries:
            began = time.perf_counter()
            found += self.search(query[None], k, mode="ann", params=params, column=column)
            seconds.append(time.perf_counter() - began)
        used = {"nprobes": NPROBES, "refine": REFINE} | dict(params or {})
        return recall.report([h.row_ids.tolist() for h in truth], [h.row_ids.tolist() for h in found], seconds, k, used)

    # Store

    def blocks(
        self, column: str, rows: int, where: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Every row, in order."""
        for start in range(0, self.count, rows):
            numbers = np.arange(start, min(self.count, start + rows))
            yield numbers, self._exactly(numbers)

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) float64; float16 and float32 widen without rounding."""
        return np.asarray(self._exactly(np.array(numbers, np.int64)), np.float64).reshape(-1, self.dimension)

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(nothing: no digest of stored bytes is known, training id)."""
        rows = self._rows.take([int(n) for n in numbers])
        return [("", _name(values, n)) for values, n in zip(rows, numbers, strict=True)]

    def _exactly(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        if not self._raw:
            return self._reconstructed(numbers)
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        out = np.empty((len(numbers), self.dimension), self._raw[0].dtype)
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            out[here] = self._raw[shard][numbers[here] - self._starts[shard]]
        return out

    def _reconstructed(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        places = numbers if self._mapping is None else self._mapping[numbers]
        found: NDArray[np.float32] = self._index.reconstruct_batch(np.ascontiguousarray(places))
        return found

    def _stored(self, numbers: list[int]) -> NDArray[np.float64]:
        """What the index itself has: it is the index whose rows are in question, not the vectors beside it."""
        return self._reconstructed(np.array(numbers, np.int64)).astype(np.float64)

    def _approximate(self, queries: Vectors, k: int, params: Params, column: str) -> list[Hits]:
        wanted = k * params.get("refine", REFINE) if self.keeps_vectors else k
        _set_probes(self._index, params.get("nprobes", NPROBES))
        values, places = self._index.search(queries, min(wanted, self.count))
        cosines = values if self._index.metric_type == _INNER_PRODUCT else 1 - values / 2
        coverage = "An approximate index chose the rows; " + (
            "their similarity is that of the vectors beside it."
            if self.keeps_vectors
            else "how many it misses is not known, and similarities are its estimates."
        )
        answers = []
        for query, at, estimates in zip(queries, places, cosines, strict=True):
            numbers = at[at >= 0] if self._back is None else self._back[at[at >= 0]]
            if self.keeps_vectors:
                rows = exact.ranked(self, column, query, numbers, k)
            else:
                rows = sorted(
                    ((int(n), float(np.clip(v, -1, 1))) for n, v in zip(numbers, estimates[at >= 0], strict=True)),
                    key=lambda pair: (-pair[1], pair[0]),
                )
            answers.append(exact.hits(rows, coverage, "ann"))
        return answers

    def _row(self, number: int, values: dict[str, Any]) -> Row:
        words = normalised(values)
        path = pick(words, "path")
        picture = foreign.resolved(self.pictures / path) if path else None
        # A row must not name files outside the pictures' folder, by `..` or by an absolute path.
        if picture is not None and not (picture.is_relative_to(self.pictures) and picture.is_file()):
            picture = None
        named = plain(words.get("key")) or path
        known = self._packed.by_key(PurePosixPath(named).stem) if self._packed else None
        return Row(
            training_id=_name(values, number),
            caption=pick(words, "caption"),
            creator=pick(words, "creator"),
            # A digest in such metadata is of the bytes as downloaded, not of any picture at hand.
            sha256=known.sha256 if known else "",
            picture=picture,
            image=known.image if known else None,
            url=pick(words, "url"),
            licence=pick(words, "licence"),
            source_sha256=known.source_sha256 if known else "",
        )

    def _check_counts(self) -> None:
        if self.count == 0:
            raise IndexError_(f"The index {self.location} has no rows.", hint="Obtain the folder again.")
        for what, count in (("rows of metadata", self._rows.count), ("vectors beside it", int(self._starts[-1]))):
            if count != self.count and not (what == "vectors beside it" and not self._raw):
                raise IndexError_(
                    f"The FAISS index of {self.location} holds {self.count} vectors, and there are {count} {what}.",
                    hint="Captions would be attributed to the wrong pictures. Obtain the folder again.",
                )
        for one in self._raw:
            if one.shape[1] != self.dimension or one.dtype != self._raw[0].dtype:
                raise IndexError_(
                    f"The vectors of {self.location / RAW} do not all have {self.dimension} components of one type.",
                    hint="Vectors of two models were mixed. Obtain the folder again.",
                )
        if self._index.metric_type not in (_INNER_PRODUCT, _L2):
            raise IndexError_(
                f"The FAISS index of {self.location} compares neither by inner product nor by distance.",
                hint="Such an index says nothing of cosines.",
            )

    def _check_unit(self) -> None:
        if not self.keeps_vectors:
            return
        numbers = np.unique(np.linspace(0, self.count - 1, min(self.count, 1000)).astype(np.int64))
        norms = np.linalg.norm(self._exactly(numbers).astype(np.float64), axis=1)
        bad = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_TOLERANCE["float16"]))  # many were in half precision once
        if len(bad):
            raise IndexError_(
                f"Vector {int(numbers[bad[0]])} of {self.location} is not a unit vector.",
                hint="Store embeddings divided by their Euclidean norm; they are not normalised silently.",
            )


def _name(values: dict[str, Any], number: int) -> str:
    words = normalised(values)
    names = (plain(words.get(column)) for column in ("training_id", "key", "image_path"))
    return next((name for name in names if name), pick(words, "path") or pick(words, "url") or str(number))


def _read(path: Path) -> Any:
    try:
        import faiss
    except ImportError as exc:
        raise IndexError_(
            f"{path} is a FAISS index, and FAISS is not installed.", hint="Install `forensics[faiss]`."
        ) from exc
    file = path / "populated.index" if path.is_dir() else path
    # Lists in a file of their own are mapped from it anyway, found beside the index wherever both were moved; asked to
    # map the index as well, FAISS leaves them unmapped and the first use of them is a crash.
    apart = faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_ONDISK_SAME_DIR
    try:
        if path.is_dir():
            return faiss.read_index(str(file), apart)
        found = faiss.read_index(str(file), faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_MMAP)
        if (inverted := _inverted(found)) is not None:
            lists = faiss.downcast_InvertedLists(inverted.invlists)
            if isinstance(lists, faiss.OnDiskInvertedLists) and Path(lists.filename).name != file.name:
                found = faiss.read_index(str(file), apart)
    except RuntimeError as exc:
        raise IndexError_(f"{file} is not a readable FAISS index.", hint="Obtain the folder again.") from exc
    return found


def _kind(index: Any) -> tuple[str, bool]:
    """(name of the kind, whether it holds the vectors as they were)."""
    import faiss

    found = faiss.downcast_index(index)
    return type(found).__name__, type(found) in (
        faiss.IndexFlat,
        faiss.IndexFlatIP,
        faiss.IndexFlatL2,
        faiss.IndexIVFFlat,
    )


def _inverted(index: Any) -> Any:
    """The inverted file inside an index, whatever stands before it; none where there is none."""
    import faiss

    return faiss.try_extract_index_ivf(index)


def _direct_map(index: Any) -> None:
    """Vectors of an inverted file are found by number only with a map, of eight bytes a row."""
    if (inverted := _inverted(index)) is not None:
        inverted.make_direct_map()


def _set_probes(index: Any, nprobes: int) -> None:
    if (inverted := _inverted(index)) is not None:
        inverted.nprobe = min(nprobes, inverted.nlist)


def _mapping(path: Path, count: int) -> NDArray[np.int64] | None:
    if not path.is_file():
        return None
    try:
        found = np.load(path, allow_pickle=False).astype(np.int64)
    except (OSError, ValueError) as exc:
        raise IndexError_(f"{path} is not readable: {exc}.", hint="Obtain the folder again.") from exc
    if not np.array_equal(np.sort(found), np.arange(count)):
        raise IndexError_(f"{path} is not an order of {count} rows.", hint="Obtain the folder again.")
    return found
