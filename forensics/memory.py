"""Host memory that can still be had, as the system states it. Takes nothing but the standard library."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_MEMINFO, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Bytes: pages that only cache files count, and a limit set for a container holds. None where nothing says."""
    said = _stated()
    with contextlib.suppress(OSError, ValueError):  # there is no such limit, or `max` stands in its place
        limit, taken = (int((_GROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        left = max(0, limit - taken)
        return left if said is None else min(said, left)
    return said


def _stated() -> int | None:
    with contextlib.suppress(OSError, ValueError, LookupError):
        rows = dict(row.split(":", 1) for row in _MEMINFO.read_text("ascii").splitlines())
        return int(rows["MemAvailable"].split()[0]) * 1024
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None
