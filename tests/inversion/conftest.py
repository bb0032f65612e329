"""The tiny checkpoints of tests/diffusion, for this folder too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parents[1] / "diffusion"
if str(HERE) not in sys.path:  # for `tiny`
    sys.path.append(str(HERE))
_spec = importlib.util.spec_from_file_location("diffusion_conftest", HERE / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
folders, models, one_thread = _module.folders, _module.models, _module.one_thread
