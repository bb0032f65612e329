"""Vectors in `.npy` files and nothing else that is agreed on: one file, or a folder of them in order of their names.

A Parquet file of the same name beside one describes its rows; without it they have their numbers only.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from forensics.errors import IndexError_
from forensics.retrieval.base import IndexInfo
from forensics.retrieval.building.files import Files
from forensics.retrieval.readers.folder import Folder
from forensics.retrieval.readers.layout import Manifest, Shard


class Arrays(Folder):
    """A `TrainingIndex` and a `Store` over `.npy` files, read-only."""

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """A `.npy` file, or a folder that holds such and is no embeddings folder."""
        if files.size("") is not None:
            return files.uri.endswith(".npy")
        arrays = any(name.endswith(".npy") for name in files.names(""))
        return arrays and not (Folder.recognises(files) or files.exists("image.index"))

    def info(self) -> IndexInfo:
        """What it is; pictures are offered where the rows name some."""
        named = any("image_path" in rows.column_names for rows in self._rows)
        found = super().info()
        return replace(found, capabilities=replace(found.capabilities, bytes=named))

    def _found(self, location: Path) -> tuple[Path, Manifest | None, tuple[Shard, ...]]:
        files = [location] if location.is_file() else sorted(location.glob("*.npy"))
        folder = location.parent if location.is_file() else location
        if not files:
            raise IndexError_(f"{location} holds no .npy files.", hint="Give a file of vectors, or a folder of them.")
        rows = {path: path.with_suffix(".parquet") for path in files}
        return folder, None, tuple(Shard(p.name, rows[p].name if rows[p].is_file() else "") for p in files)
