"""Court-grade evidence about whether a generative image model gives back a work.

`forensics` on the command line; `analyze`, `compare` and `open_case` from Python (`forensics.api`).
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forensics.api import OpenedCase, analyze, compare, open_case

__all__ = ["OpenedCase", "__version__", "analyze", "compare", "open_case"]
__version__ = "0.1.0"

# OpenMP reads this once, when torch loads it. Its threads otherwise spin while they wait for one another, and with one
# other busy program on two cores the stage of origin then took thirty times as long (96 s instead of 3).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# numpy's library of matrix products reads this once as well. A second thread of it goes on spinning after each product,
# on the core that another part of an examination is at, and gains nothing: the products here are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def __getattr__(name: str) -> Any:
    """The doors for Python, opened when they are asked for: `forensics --help` needs none of them."""
    if name in __all__:
        return getattr(importlib.import_module("forensics.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
