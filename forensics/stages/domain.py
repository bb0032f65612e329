"""What kind of picture the disputed image is, in the few numbers by which it is compared with the works validated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from forensics.pictures import codecs
from forensics.pictures.tensors import resize, to_picture

SIDE = "shorter side in pixels"
COMPLEXITY = "bits per pixel of WebP"
WHITE = "share of white"
KIND = "cosine to the mean embedding of the works validated"
_COMMON = 128
"""Complexity and white are taken at this side: both depend on the size."""
_WHITE = 0.98


def properties(pixels: Tensor, vector: Sequence[float] = (), centre: Sequence[float] = ()) -> dict[str, float]:
    """Size, complexity, white ground and kind of a picture (1, 3, H, W); kind only where both vectors are given."""
    small = resize(pixels, _COMMON, _COMMON)
    picture: Image.Image = to_picture(small)
    found = {
        SIDE: float(min(pixels.shape[-2:])),
        COMPLEXITY: codecs.complexity(picture),
        WHITE: float((small.amin(1) >= _WHITE).float().mean()),
    }
    if len(vector) and len(vector) == len(centre):
        a, b = np.asarray(vector, dtype=np.float64), np.asarray(centre, dtype=np.float64)
        found[KIND] = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return found
