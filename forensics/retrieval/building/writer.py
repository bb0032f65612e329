"""Writing shards and the manifest over them; no network, no torch.

The same rows and vectors give the same bytes under one version of numpy and pyarrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forensics import __version__, files
from forensics.case import FileDigest
from forensics.errors import IndexError_
from forensics.retrieval.base import Vectors
from forensics.retrieval.readers.layout import MANIFEST, METADATA, VECTORS, Excluded, Manifest, Shard

SHARD_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the metadata; the fields are the columns."""

    training_id: str
    image_path: str
    caption: str
    creator: str
    sha256: str
    """Of the picture file as stored."""
    source_sha256: str
    """Of an earlier form of the work (as downloaded, before rendering), where the source records it."""
    url: str
    licence: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a manifest says beyond its files."""

    name: str
    embedder: str
    embedder_digest: str
    preprocessing: str
    built: str
    """UTC."""
    coverage: str
    """What part of a checkpoint's training set the rows are, as a sentence."""
    source: str
    pictures: str
    """Folder that the paths of pictures count from, seen from the manifest."""


class Writer:
    """Writes shards and, at the end, the manifest over them."""

    def __init__(self, folder: Path, dimension: int, dtype: str = "float32", shard_rows: int = SHARD_ROWS) -> None:
        """Write into an existing folder. Raises ValueError for another storage type than float16 or float32."""
        if dtype not in ("float16", "float32"):
            raise ValueError(f"vectors are stored as float16 or float32, not {dtype}")
        self._folder, self._dimension, self._dtype, self._shard_rows = folder, dimension, dtype, shard_rows
        self._records: list[Record] = []
        self._vectors: list[Vectors] = []
        self._shards: list[Shard] = []
        self._count = 0
        for name in (VECTORS, METADATA):
            (folder / name).mkdir()

    def add(self, records: Sequence[Record], vectors: Vectors) -> None:
        """Append rows and their (n, D) unit vectors."""
        self._records += records
        self._vectors.append(vectors)
        while len(self._records) >= self._shard_rows:
            self._flush(self._shard_rows)

    def _flush(self, rows: int) -> None:
        together = np.concatenate(self._vectors)
        head, tail = together[:rows], together[rows:]
        number = len(self._shards)
        shard = Shard(f"{VECTORS}/img_emb_{number}.npy", f"{METADATA}/metadata_{number}.parquet")
        np.save(self._folder / shard.vectors, head.astype(self._dtype))
        columns = {f.name: [getattr(r, f.name) for r in self._records[:rows]] for f in fields(Record)}
        types = {f.name: pa.int32() if f.name in ("width", "height") else pa.string() for f in fields(Record)}
        pq.write_table(pa.table(columns, schema=pa.schema(list(types.items()))), self._folder / shard.metadata)
        self._shards.append(shard)
        self._count += rows
        self._records, self._vectors = self._records[rows:], [tail]

    def close(self, said: Said, excluded: tuple[Excluded, ...] = ()) -> Manifest:
        """Write what is left and the manifest. Raises IndexError_ where there is no row at all."""
        if self._records:
            self._flush(len(self._records))
        if not self._count:
            first = f" First reason: {excluded[0].path}: {excluded[0].reason}" if excluded else ""
            raise IndexError_(f"No picture of the source could be used.{first}", hint="Check the source.")
        names = [name for s in self._shards for name in (s.vectors, s.metadata)]
        manifest = Manifest(
            name=said.name,
            count=self._count,
            dimension=self._dimension,
            dtype=self._dtype,
            embedder=said.embedder,
            embedder_digest=said.embedder_digest,
            preprocessing=said.preprocessing,
            built=said.built,
            coverage=said.coverage,
            source=said.source,
            pictures=said.pictures,
            shards=tuple(self._shards),
            files=tuple(FileDigest(n, files.sha256(p), p.stat().st_size) for n in names for p in [self._folder / n]),
            excluded=excluded,
            tool=f"forensics {__version__}",
        )
        (self._folder / MANIFEST).write_bytes(manifest.to_bytes())
        return manifest
