"""The folder layout of clip-retrieval's embeddings, and the manifest that makes it evidence.

    img_emb/img_emb_0.npy           (N, D) unit vectors, float16 or float32
    metadata/metadata_0.parquet     N rows, row i describes vector i
    manifest.json                   ours: digests, count, embedder, coverage

clip-retrieval writes the first two and no digests: one flipped bit or one swapped metadata file passes unnoticed, and
misaligned metadata is its classic failure. The manifest names every shard with its digest and row count.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from forensics import foreign
from forensics.case import FileDigest
from forensics.errors import IndexError_
from forensics.schema import of_kinds

_LARGEST = 1024 * foreign.MIB
MANIFEST = "manifest.json"
VECTORS = "img_emb"
METADATA = "metadata"
SCHEMA = 1
UNIT_TOLERANCE = {"float16": 2e-3, "float32": 1e-4, "float64": 1e-4}
"""Largest deviation of a vector's norm from one, by storage type; float16 rounds each component by up to 2^-11."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of vectors and the file of rows beside it, relative to the index folder."""

    vectors: str
    metadata: str


@dataclass(frozen=True, slots=True)
class Excluded:
    """A picture of the source that is not in the index."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index holds, which model made its vectors and what it covers."""

    name: str
    count: int
    dimension: int
    dtype: str
    embedder: str
    embedder_digest: str
    preprocessing: str
    built: str
    """UTC, ISO 8601: the only field that two builds of one source may differ in."""
    coverage: str
    source: str
    pictures: str
    """Folder the rows' picture paths start from, relative to the index folder; it alone may lead upwards."""
    shards: tuple[Shard, ...]
    files: tuple[FileDigest, ...]
    excluded: tuple[Excluded, ...]
    tool: str
    schema: int = SCHEMA

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, UTF-8, one trailing newline."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, indent=1)
        return (text + "\n").encode()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest, or none where the folder has none. Raises IndexError_ where it is not readable."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        data = foreign.read_json(path, _LARGEST)
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this version reads {SCHEMA}")
        data["shards"] = tuple(Shard(**s) for s in data["shards"])
        data["files"] = tuple(FileDigest(**f) for f in data["files"])
        data["excluded"] = tuple(Excluded(**e) for e in data["excluded"])
        manifest = Manifest(**data)
        of_kinds(manifest, "the manifest")
        for name in (*(f.path for f in manifest.files), *(n for s in manifest.shards for n in (s.vectors, s.metadata))):
            if (
                PurePosixPath(name).is_absolute()
                or ".." in PurePosixPath(name).parts
                or not {"\\", "\0"}.isdisjoint(name)
            ):
                raise ValueError(f"{name!r} leads out of the folder")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IndexError_(
            f"{path} is not a readable index manifest: {exc}.", hint="Build the index again, or obtain it again."
        ) from exc
    return manifest


def numbered(folder: Path, stem: str, suffix: str) -> dict[int, Path]:
    """Files `<stem>_<number><suffix>` by number: `img_emb_10` comes after `img_emb_2`, unlike in order of names."""
    pattern = re.compile(rf"{re.escape(stem)}_(\d+){re.escape(suffix)}")
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if match := pattern.fullmatch(path.name):
            number = int(match[1])
            if number in found:
                raise IndexError_(f"{found[number]} and {path} have the same number.", hint="Remove one of them.")
            found[number] = path
    return found


def pair_shards(folder: Path) -> tuple[Shard, ...]:
    """Shards of a folder in order of their numbers.

    Raises:
        IndexError_: no vectors, or vectors without rows, or rows without vectors.
    """
    vectors = numbered(folder / VECTORS, "img_emb", ".npy")
    rows = numbered(folder / METADATA, "metadata", ".parquet")
    if not vectors:
        raise IndexError_(
            f"{folder} holds no {VECTORS}/img_emb_*.npy and is not an index.",
            hint="Give a folder in the layout of clip-retrieval's embeddings; `forensics index build` makes one.",
        )
    if lonely := sorted(vectors.keys() ^ rows.keys()):
        n = lonely[0]
        have, lack = ("vectors", "metadata") if n in vectors else ("metadata", "vectors")
        raise IndexError_(
            f"{folder}: shard {n} has {have} and no {lack}.", hint="Obtain the missing file; rows are never guessed."
        )
    return tuple(
        Shard(vectors[n].relative_to(folder).as_posix(), rows[n].relative_to(folder).as_posix())
        for n in sorted(vectors)
    )
