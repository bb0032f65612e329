"""Learned local features of a plate: XFeat, in as many of its ways round as are asked for.

G. Potje, F. Cadar, A. Araujo, R. Martins, E. Nascimento, "XFeat: Accelerated Features for Lightweight Image Matching",
CVPR 2024; the network is that of kornia, the published weights ship with the samples in half precision. They find what
is drawn anew, lit anew or painted over where gradients are no longer the same, and are weak where RootSIFT is strong
(small crops, thumbnails, quarter turns), so that both propose and neither decides.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from forensics import weights
from forensics.overlay.keypoints import nearest
from forensics.overlay.plates import Array, Matrix, Plate

SIDE = 512
"""Long side at which features are taken as the picture stands, and mirrored."""
TURNED_SIDE = 320
"""The same for the other six ways round and for the picture in inverted tones."""
FEATURES = 1536
"""At most this many of a picture, the most reliable."""
NEAR = 0.82
"""Cosine of two descriptors from which they may match, the value of the authors."""
WEIGHTS = "xfeat"
"""Row of `forensics.weights`."""


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """One way round of a picture."""

    mirrored: bool = False
    """Left and right exchanged, before it is turned."""
    turns: int = 0
    """Quarter turns, counter-clockwise."""
    inverted: bool = False


PLAIN_WAYS = (Way(), Way(mirrored=True))
OTHER_WAYS = (
    *(Way(mirrored, turns) for mirrored in (False, True) for turns in (1, 2, 3)),
    Way(inverted=True),
    Way(mirrored=True, inverted=True),
)


@dataclass(frozen=True, slots=True)
class Features:
    """Locations and descriptors."""

    points: Matrix
    """(n, 2) float64, pixels of the plate as it stands, whatever way round it was looked at."""
    vectors: Array
    """(n, 64) float32, unit length."""


@dataclass(slots=True)
class Learned:
    """The features of one plate, each way round taken when it is first asked for."""

    plate: Plate
    _made: dict[tuple[Way, int], Features] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, way: Way = Way(), side: int = SIDE) -> Features:
        """Features of the plate seen one way round, its long side `side` pixels. Raises WeightsError."""
        with self._lock:
            if (way, side) not in self._made:
                self._made[way, side] = _detect(self.plate, way, side)
            return self._made[way, side]


def match(a: Features, b: Features) -> Matrix:
    """(k, 4): x, y in the one plate and x, y in the other of mutual nearest neighbours."""
    if not len(a.points) or not len(b.points):
        return np.zeros((0, 4))
    best, value, mutual = nearest(a.vectors @ b.vectors.T)
    kept = mutual & (value >= NEAR)
    return np.concatenate([a.points[kept], b.points[best[kept]]], 1)


def load() -> None:
    """Load the network, which is otherwise loaded when it is first asked for. Raises WeightsError."""
    _network()


@cache
def _network() -> Any:
    """The detector, frozen, float32 on the CPU. Raises WeightsError."""
    from kornia.feature.xfeat import XFeat

    path = weights.resolve(WEIGHTS)
    made = XFeat(top_k=FEATURES)
    # It refines matches of the dense mode, which is not used; its weights do not ship.
    del made.net.fine_matcher
    made.net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return made.eval().requires_grad_(False)


def _detect(plate: Plate, way: Way, side: int) -> Features:
    height, width = plate.size
    scale = side / max(height, width)
    size = (max(32, round(width * scale)), max(32, round(height * scale)))
    small = cv2.resize(plate.rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    seen = _seen(small, way)
    tensor = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None].float() / 255
    if float(tensor.std()) < 1e-3:
        return Features(np.zeros((0, 2)), np.zeros((0, 64), np.float32))
    found = _network().detectAndCompute(tensor)[0]
    points = found["keypoints"].numpy().astype(np.float64)
    points = _back(points, way, small.shape[:2])
    points = (points + 0.5) * [width / size[0], height / size[1]] - 0.5
    kept = np.ones(len(points), bool)
    if plate.ignored is not None and len(points):
        x, y = (np.clip(np.rint(points[:, i]).astype(int), 0, plate.size[1 - i] - 1) for i in (0, 1))
        kept = ~plate.ignored[y, x]
    return Features(points[kept], found["descriptors"].numpy()[kept].astype(np.float32))


def _seen(pixels: NDArray[np.uint8], way: Way) -> NDArray[np.uint8]:
    shown = pixels[:, ::-1] if way.mirrored else pixels
    shown = np.rot90(shown, way.turns)
    return 255 - shown if way.inverted else shown


def _back(points: Matrix, way: Way, size: tuple[int, ...]) -> Matrix:
    """Places in the picture as it was seen -> places in the picture (height, width) as it stands."""
    height, width = size
    x, y = points[:, 0], points[:, 1]
    for turns in range(way.turns, 0, -1):
        # np.rot90 sends (row, column) of a picture of w columns to (w - 1 - column, row); undone turn by turn.
        before = width if turns % 2 else height
        x, y = before - 1 - y, x
    if way.mirrored:
        x = width - 1 - x
    return np.stack([x, y], 1)
