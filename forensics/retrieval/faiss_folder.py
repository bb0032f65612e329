"""A FAISS index with metadata beside it, as clip-retrieval and LAION publish them: read-only, and to be probed.

    image.index                             one file; or a folder with populated.index and merged_index.ivfdata
    metadata/*.parquet or metadata/*.arrow  row i of the files in order of their names describes vector i
    ivf_old_to_new_mapping.npy              where the vectors were put in another order

Metadata that belong to other vectors are the classic failure of these folders, and give captions without any relation
to the pictures. Their number must agree, and `probe` compares stored vectors with fresh ones of the same pictures.
Rows carry an address and a caption and no bytes: a hit is a lead until the picture is fetched, hashed and embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

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
    Vectors,
    VerifyReport,
    check_queries,
    described,
    not_offered,
)

INDEX, METADATA, MAPPING = "image.index", "metadata", "ivf_old_to_new_mapping.npy"
PROBES = 64
PROBE_COSINE = 0.5
"""Least mean cosine of stored and fresh vectors: quantised ones give 0.8 to 0.9, those of other pictures about 0."""


class FaissFolder:
    """A `TrainingIndex` over a FAISS index; what the index approximates, it approximates."""

    def __init__(self, location: Path, *, embedder: str = "", embedder_digest: str = "") -> None:
        """Open a folder.

        Args:
            location: the folder.
            embedder: what made the vectors, as the user states it: the folder does not record it.
            embedder_digest: likewise.

        Raises:
            IndexError_: FAISS is not installed, a file is missing or damaged, or the numbers of rows differ.
        """
        try:
            import faiss
        except ImportError as exc:
            raise IndexError_(
                f"{location} is a FAISS index, and FAISS is not installed.", hint="Install `forensics[faiss]`."
            ) from exc
        self.location = location
        path = location / INDEX
        file = path / "populated.index" if path.is_dir() else path
        flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
        try:
            self._index = faiss.read_index(str(file), flags | (faiss.IO_FLAG_ONDISK_SAME_DIR if path.is_dir() else 0))
        except RuntimeError as exc:
            raise IndexError_(f"{file} is not a readable FAISS index.", hint="Obtain the folder again.") from exc
        self._rows = _metadata(location)
        mapping = location / MAPPING
        self._mapping: NDArray[np.int64] | None = np.load(mapping, allow_pickle=False) if mapping.is_file() else None
        self._back: NDArray[np.int64] | None = None
        self.count, self.dimension = int(self._index.ntotal), int(self._index.d)
        if self._rows.num_rows != self.count:
            raise IndexError_(
                f"{file} holds {self.count} vectors and {location / METADATA} {self._rows.num_rows} rows.",
                hint="Captions would be attributed to the wrong pictures. Obtain the folder again.",
            )
        self.exhaustive = isinstance(faiss.downcast_index(self._index), faiss.IndexFlat)
        self.kind = type(faiss.downcast_index(self._index)).__name__
        self.probed = "not probed: no pictures were given to compare with"
        stated = "as the user states it"
        self.columns = (Column(CLIP, embedder, embedder_digest, stated, self.dimension, self.kind),)
        self._stated = f"as stated by the user: {embedder or 'nothing stated'} {embedder_digest}".strip()

    def probe(self, pictures: Sequence[tuple[int, NDArray[np.float32]]]) -> float:
        """Compare reconstructed vectors with fresh ones.

        Args:
            pictures: (row, (D,) unit vector of the picture of that row, embedded now); `PROBES` of them, drawn by seed.

        Returns:
            The mean cosine.

        Raises:
            IndexError_: they do not agree, so the metadata belong to other vectors, or the model is another one.
        """
        if hasattr(self._index, "make_direct_map"):
            self._index.make_direct_map()
        cosines = []
        for number, fresh in pictures:
            stored = np.asarray(self._index.reconstruct(self._to_vector(number)), np.float64)
            cosines.append(float(stored @ fresh) / float(np.linalg.norm(stored) * np.linalg.norm(fresh)))
        mean = float(np.mean(cosines))
        if not mean >= PROBE_COSINE:
            raise IndexError_(
                f"The metadata of {self.location} do not describe its vectors: the mean cosine of {len(cosines)} "
                f"stored vectors and of the pictures their rows name is {mean:.2f}.",
                hint="The metadata are in another order, or another model made the vectors; nothing can be cited.",
            )
        self.probed = f"{len(cosines)} rows: mean cosine {mean:.2f} of stored and fresh vectors"
        return mean

    def info(self) -> IndexInfo:
        """What it is, with what it cannot do."""
        recall = "exhaustive index: every row is compared" if self.exhaustive else "not measurable without the vectors"
        return IndexInfo(
            facts=IndexFacts(
                name=self.location.resolve().name,
                count=self.count,
                embedder=self._stated,
                digest="none: the folder has no manifest",
                built="not recorded",
                coverage="The folder does not state what it covers.",
                source="not recorded",
                facts=(
                    Fact("engine", f"FAISS {self.kind}"),
                    Fact("recall", recall),
                    Fact("alignment of metadata", self.probed),
                    Fact("rows", "addresses and captions; a hit is a lead until its picture is fetched and hashed"),
                ),
            ),
            columns=self.columns,
            capabilities=Capabilities(
                exact=self.exhaustive, vectors=self.exhaustive, bytes=False, versions=False, filter=False
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
        """The k best rows of each query, as far as the index finds them. See `TrainingIndex`."""
        found = described(self.columns, self.location.name, column)
        check_queries(found, self.location.name, vectors, k)
        if mode not in ("exact", "ann"):
            raise ValueError(f"mode is {mode!r}; expected 'exact' or 'ann'")
        if where is not None:
            raise not_offered(self.location.name, "a search under a condition")
        if mode == "exact" and not self.exhaustive:
            raise not_offered(self.location.name, "exact search")
        queries = exact.checked(vectors, self.dimension)
        if params and "nprobes" in params and hasattr(self._index, "nprobe"):
            self._index.nprobe = params["nprobes"]
        scores, places = self._index.search(queries, min(k, self.count))
        coverage = (
            f"All {self.count} rows were compared."
            if self.exhaustive
            else "An approximate index chose the rows; how many it misses is not known."
        )
        answers = []
        for at, values in zip(places, scores, strict=True):
            pairs = [(self._to_row(int(p)), float(v)) for p, v in zip(at, values, strict=True) if p >= 0]
            answers.append(exact.hits(sorted(pairs, key=lambda pair: (-pair[1], pair[0])), coverage, mode))
        return answers

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows: leads, without bytes or digest of any."""
        return [self._row(values) for values in self._rows.take(pa.array(list(row_ids), pa.int64())).to_pylist()]

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one query with these rows, as the index stores their vectors; none where it quantised them."""
        described(self.columns, self.location.name, column)
        if not self.exhaustive:
            return [None for _ in row_ids]
        stored = [np.asarray(self._index.reconstruct(self._to_vector(int(n))), np.float64) for n in row_ids]
        return [float(v @ vector) / float(np.linalg.norm(v) * np.linalg.norm(vector)) for v in stored]

    def verify(self, level: str = "quick") -> VerifyReport:
        """There is nothing to verify against."""
        raise IndexError_(
            f"{self.location} records no digests: there is nothing to verify against.",
            hint="Build an index with `forensics index build` from the pictures themselves.",
        )

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """Without the vectors there is no exact search to measure against."""
        raise not_offered(self.location.name, "vectors, without which recall is not measurable")

    def _to_vector(self, row: int) -> int:
        return int(self._mapping[row]) if self._mapping is not None else row

    def _to_row(self, place: int) -> int:
        if self._mapping is None:
            return place
        if self._back is None:
            self._back = np.argsort(self._mapping)
        return int(self._back[place])

    def _row(self, values: dict[str, Any]) -> Row:
        def cell(*names: str) -> str:
            return next((str(values[n]) for n in names if values.get(n) not in (None, "")), "")

        return Row(
            training_id=cell("key", "image_path", "url", "URL"),
            caption=cell("caption", "TEXT"),
            creator=cell("creator"),
            sha256="",  # img2dataset's is of the bytes as fetched, before resizing: not of any picture at hand
            picture=None,
            url=cell("url", "URL"),
            licence=cell("licence", "license", "LICENSE"),
        )


def _metadata(location: Path) -> pa.Table:
    folder = location / METADATA
    files = sorted(p for p in folder.iterdir() if p.suffix in (".parquet", ".arrow")) if folder.is_dir() else []
    if not files:
        raise IndexError_(
            f"{folder} holds no Parquet or Arrow files.", hint="Metadata in HDF5 are not read; convert them to Parquet."
        )
    tables = []
    for path in files:
        try:
            if path.suffix == ".parquet":
                tables.append(pq.read_table(path))
            else:
                with pa.memory_map(str(path)) as source:
                    tables.append(pa.ipc.open_file(source).read_all())
        except (OSError, pa.ArrowException) as exc:
            raise IndexError_(f"{path} is not readable: {exc}.", hint="Obtain the folder again.") from exc
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as exc:
        raise IndexError_(f"The files of {folder} differ in their columns: {exc}.", hint="Obtain them again.") from exc
