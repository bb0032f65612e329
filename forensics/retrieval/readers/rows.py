"""Rows of metadata in many Parquet or Arrow files, read where they lie: such collections do not fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forensics.errors import IndexError_


class Rows:
    """Files in order of their names, their rows numbered through. Only what is asked for is read."""

    def __init__(self, folder: Path) -> None:
        """Open every file, reading its description only.

        Raises:
            IndexError_: no such files, or one that is not readable.
        """
        files = sorted(p for p in folder.iterdir() if p.suffix in (".parquet", ".arrow")) if folder.is_dir() else []
        if not files:
            raise IndexError_(
                f"{folder} holds no Parquet or Arrow files.",
                hint="Metadata in HDF5 are not read; convert them to Parquet.",
            )
        self._parts: list[tuple[Path, int]] = []
        """(file, row group of a Parquet file or record batch of an Arrow file)"""
        lengths: list[int] = []
        self.files: list[range] = []
        """Rows of each file."""
        for path in files:
            first = sum(lengths)
            for part, length in enumerate(_lengths(path)):
                self._parts.append((path, part))
                lengths.append(length)
            self.files.append(range(first, sum(lengths)))
        self._starts = np.cumsum([0, *lengths])
        self.count = int(self._starts[-1])
        self._held: tuple[int, pa.Table] | None = None

    def take(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """These rows, in this order. Raises IndexError_ where one does not exist or its file is not readable."""
        found: dict[int, dict[str, Any]] = {}
        for number in sorted(set(numbers)):
            if not 0 <= number < self.count:
                raise IndexError_(f"There is no row {number}.", hint="Row ids come from a search.")
            part = int(np.searchsorted(self._starts, number, side="right")) - 1
            table = self._table(part)
            found[number] = table.slice(number - int(self._starts[part]), 1).to_pylist()[0]
        return [found[n] for n in numbers]

    def _table(self, part: int) -> pa.Table:
        if self._held is None or self._held[0] != part:
            path, place = self._parts[part]
            self._held = part, _read(path, place)
        return self._held[1]


def _lengths(path: Path) -> list[int]:
    try:
        if path.suffix == ".parquet":
            described = pq.read_metadata(path)
            return [described.row_group(i).num_rows for i in range(described.num_row_groups)]
        with pa.memory_map(str(path)) as source:
            file = pa.ipc.open_file(source)
            return [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{path} is not readable: {exc}.", hint="Obtain the folder again.") from exc


def _read(path: Path, place: int) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path, memory_map=True) as file:
                return file.read_row_group(place)
        source = pa.memory_map(str(path))
        return pa.Table.from_batches([pa.ipc.open_file(source).get_batch(place)])
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{path} is not readable: {exc}.", hint="Obtain the folder again.") from exc
