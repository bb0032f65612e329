"""Weights that stay in their files: each layer is widened when its turn comes, and let go after it.

Weights of half precision take twice their size in float32, and a machine that holds the file may not hold that. A file
of safetensors is mapped into memory, so that its pages belong to the system, which takes them back at need; what a
layer computes with is made from them at each pass. The values are those of a network that was widened at once, to the
last bit, for the same numbers enter the same kernels in the same order of memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers that hold nearly all weights; of the others the weights are widened at once."""
_FORMATS = {4: torch.channels_last}
"""Dimensions of a weight -> the order of memory in which `SampledModel` runs it."""


class _Widened(nn.Module):
    """The weight of one layer in the precision of the pass."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, stored: Tensor) -> Tensor:
        form = _FORMATS.get(stored.dim(), torch.preserve_format)
        return stored.to(self.dtype, memory_format=form)


def keep(module: Any, dtype: torch.dtype) -> Any:
    """The same network, in place, that computes in `dtype` and holds its large weights as they were read.

    Args:
        module: with its weights as the files have them, mapped.
        dtype: of the pass.
    """
    for part in list(module.modules()):
        large = isinstance(part, _LAYERS) and isinstance(getattr(part, "weight", None), nn.Parameter)
        for name, held in list(part.named_parameters(recurse=False)):
            if large and name == "weight":
                held.requires_grad_(False)
                parametrize.register_parametrization(part, name, _Widened(dtype), unsafe=True)
            else:
                held.data = held.data.to(dtype)
        for name, held in list(part.named_buffers(recurse=False)):
            if held.is_floating_point():
                part.register_buffer(name, held.to(dtype), persistent=name not in part._non_persistent_buffers_set)
    return module


def kept(module: Any) -> bool:
    """Whether a network holds its weights so."""
    return any(isinstance(part, _Widened) for part in module.modules())
