"""Whether the files of an index are the ones its manifest names, and whether its vectors are what they should be."""

from __future__ import annotations

from pathlib import Path

from forensics import inputs
from forensics.errors import IndexError_
from forensics.retrieval.readers.layout import MANIFEST, METADATA, VECTORS, Manifest, Shard

REBUILD = "Obtain the index again from its source, or build it again; a damaged index is not searched."


def listed_shards(location: Path, manifest: Manifest) -> tuple[Shard, ...]:
    """The manifest's shards. Raises IndexError_ where a file is missing, or is there without a digest."""
    listed = {file.path for file in manifest.files}
    for shard in manifest.shards:
        for name in (shard.vectors, shard.metadata):
            if name not in listed:
                raise IndexError_(f"{location / MANIFEST} gives no digest for {name}.", hint=REBUILD)
            if not (location / name).is_file():
                raise IndexError_(f"{location / name} is missing.", hint=REBUILD)
    for path in sorted((*location.glob(f"{VECTORS}/*"), *location.glob(f"{METADATA}/*"))):
        if path.relative_to(location).as_posix() not in listed:
            raise IndexError_(f"{path} is not listed in the manifest.", hint=f"Remove the file. {REBUILD}")
    if not manifest.shards:
        raise IndexError_(f"The index {location} has no rows.", hint="Build it from a source with pictures.")
    return manifest.shards


def check_files(location: Path, manifest: Manifest, *, digests: bool) -> None:
    """Sizes, and digests where asked for. Raises IndexError_ naming the first file that differs."""
    for file in manifest.files:
        path = location / file.path
        if not path.is_file():
            raise IndexError_(f"{path} is missing.", hint=REBUILD)
        if (size := path.stat().st_size) != file.size_bytes:
            raise IndexError_(f"{path} has {size} bytes; the manifest states {file.size_bytes}.", hint=REBUILD)
        if digests and inputs.sha256(path, IndexError_) != file.sha256:
            raise IndexError_(f"{path} differs from the digest in the manifest.", hint=REBUILD)
