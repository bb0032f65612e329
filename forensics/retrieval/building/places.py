"""Where pictures lie: a folder of this machine, or one behind an address that pyarrow or fsspec can open."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import fs

from forensics.errors import IndexError_


class Place:
    """A folder, read only. Names are relative to it, with forward slashes. It can be sent to another process."""

    def __init__(self, location: Path | str) -> None:
        """A path, or an address such as `s3://bucket/pictures`, whose credentials the environment holds.

        Raises:
            IndexError_: an address that this machine cannot resolve, or no folder there.
        """
        self.address = str(location).rstrip("/") if "://" in str(location) else str(location)
        self.path: Path | None = None
        if "://" not in self.address:
            self.path = Path(location)
            found = self.path.is_dir()
        else:
            self._fs, self._root = _resolve(self.address)
            try:
                found = self._fs.get_file_info(self._root).type != fs.FileType.File
            except (OSError, pa.ArrowException) as exc:
                raise IndexError_(f"{self.address} cannot be reached: {exc}.", hint="Check the address.") from exc
        if not found:
            raise IndexError_(f"{self.address} is not a folder.", hint="Give a folder of pictures or of shards.")

    def walk(self) -> dict[str, int]:
        """Every file below and its size, by name in order. Raises IndexError_ where the folder cannot be listed."""
        if self.path is not None:
            files = ((p.relative_to(self.path).as_posix(), p) for p in self.path.rglob("*") if p.is_file())
            return {name: path.stat().st_size for name, path in sorted(files)}
        try:
            listed = self._fs.get_file_info(fs.FileSelector(self._root, recursive=True))
        except (OSError, pa.ArrowException) as exc:
            raise IndexError_(f"{self.address} cannot be listed: {exc}.", hint="Check the address.") from exc
        prefix = self._root.rstrip("/") + "/"
        return {i.path.removeprefix(prefix): i.size for i in sorted(listed, key=lambda i: i.path) if i.is_file}

    def read(self, name: str) -> bytes:
        """Bytes of a file. Raises OSError where it cannot be read."""
        with self.open(name) as stream:
            return stream.read()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file, at any position of which can be read. Raises OSError where it cannot be."""
        stream: Any
        if self.path is not None:
            stream = (self.path / name).open("rb")
        else:
            try:
                stream = io.BufferedReader(self._fs.open_input_file(f"{self._root}/{name}"), 1 << 20)
            except pa.ArrowException as exc:
                raise OSError(str(exc)) from exc
        with stream:
            yield stream

    def __str__(self) -> str:
        """For messages."""
        return self.address


def _resolve(address: str) -> tuple[Any, str]:
    try:
        return fs.FileSystem.from_uri(address)
    except (OSError, pa.ArrowException):
        pass  # pyarrow knows a few kinds of stores, fsspec many
    try:
        import fsspec

        found, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError, OSError) as exc:
        raise IndexError_(
            f"{address} cannot be reached: {exc}.", hint="Give a path, or the address of an object store."
        ) from exc
    return fs.PyFileSystem(fs.FSSpecHandler(found)), os.fspath(root)
