"""Small files of an index beside its table: at a path of this machine, or behind the address of an object store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from forensics import files
from forensics.case import FileDigest
from forensics.errors import IndexError_

_CHUNK = 1 << 22


def absolute(location: Path | str) -> str:
    """A location as another process can use it: its current folder may be another one. Links are kept as named."""
    return str(location) if "://" in str(location) else os.path.abspath(location)  # noqa: PTH100


class Files:
    """The folder of an index. Names are relative, with forward slashes."""

    def __init__(self, uri: str) -> None:
        """A path, or an address such as `s3://bucket/index`, whose credentials the environment holds.

        Raises:
            IndexError_: an address that this machine cannot resolve.
        """
        self.uri = uri.rstrip("/")
        self.path: Path | None = None
        if "://" not in uri:
            self.path = Path(uri)
            self._fs, self._root = fs.LocalFileSystem(), str(self.path.absolute())
            return
        try:
            self._fs, self._root = fs.FileSystem.from_uri(self.uri)
        except (OSError, pa.ArrowException) as exc:
            raise IndexError_(f"{uri} cannot be reached: {exc}.", hint="Give a path or an object-store URI.") from exc
        if isinstance(self._fs, fs.LocalFileSystem):
            self.path = Path(self._root)

    def address(self, name: str) -> str:
        """What Lance opens: a path on this machine, else the URI.

        Raises:
            IndexError_: a path that Lance does not take.
        """
        if self.path and any(ord(c) < 32 or ord(c) == 127 for c in self._root):
            raise IndexError_(
                f"{self._root!r} holds a control character, which the table of an index cannot lie under.",
                hint="Rename the folder, or name another.",
            )
        return str(self.path / name) if self.path else f"{self.uri}/{name}"

    def exists(self, name: str = "") -> bool:
        """Whether there is such a file or folder."""
        return self._fs.get_file_info(self._at(name)).type != fs.FileType.NotFound

    def names(self, folder: str) -> list[str]:
        """Names of the files right in a folder, sorted; none where the folder is missing."""
        try:
            found = self._fs.get_file_info(fs.FileSelector(self._at(folder), allow_not_found=True))
        except NotADirectoryError:  # a file or a device where the folder should be
            return []
        return sorted(i.base_name for i in found if i.type == fs.FileType.File)

    def size(self, name: str) -> int | None:
        """Bytes of a file; none where it is missing."""
        info = self._fs.get_file_info(self._at(name))
        return info.size if info.type == fs.FileType.File else None

    def read(self, name: str) -> bytes:
        """Bytes of a file. Raises IndexError_ where it is not readable."""
        return b"".join(self._pieces(name))

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole; on this machine it appears under its name only when complete."""
        if self.path is not None:
            files.write(self.path / name, data)  # two workers may write one file
            return
        with self._fs.open_output_stream(self._at(name)) as stream:
            stream.write(data)

    def delete(self, folder: str) -> None:
        """Remove a folder below this one, if it is there."""
        if self.exists(folder):
            self._fs.delete_dir(self._at(folder))

    def make(self) -> None:
        """Make the folder itself."""
        self._fs.create_dir(self._root, recursive=True)

    def digest(self, name: str) -> FileDigest:
        """Size and SHA-256 of a file."""
        sha, size = hashlib.sha256(), 0
        for piece in self._pieces(name):
            sha.update(piece)
            size += len(piece)
        return FileDigest(name, sha.hexdigest(), size)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self._fs.open_input_stream(self._at(name), buffer_size=None) as stream:
                while piece := stream.read(_CHUNK):
                    yield piece
        except (OSError, pa.ArrowException) as exc:
            raise IndexError_(f"{self.uri}/{name} is not readable: {exc}.", hint="Obtain the index again.") from exc
