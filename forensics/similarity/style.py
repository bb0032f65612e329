"""Manner and palette: how near a picture lies to the works of one creator among those of many others.

Manner is what Gram matrices of feature maps keep: which features occur together, wherever they lie (Gatys, Ecker and
Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", CVPR). Palette is the distribution of colours
alone. Both leave out place by construction, so neither can say that anything was reproduced: they answer the question
of resemblance in style, which stands apart from every finding.

Absolute values mean little: some creators' works lie near everything (hubs). Each creator's score is therefore lowered
by what works of others reach on it, as in cross-domain similarity local scaling (CSLS; Conneau et al. 2018, "Word
Translation Without Parallel Data", ICLR, section 2.3), and only ranks are reported.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forensics.device import noise
from forensics.pictures.tensors import resize
from forensics.similarity.lpips import Lpips

Array = NDArray[np.float64]

VERSION = "style/1"
SHORT_SIDE, LONG_SIDE = 128, 256
"""Pixels: the shorter side is brought to the first, the longer one is at most the second."""
CHANNELS = 64
"""Channels of every feature map after a fixed projection; the first map has no more of its own."""
DIRECTIONS, QUANTILES = 16, 32
"""Directions in Lab along which distributions of colour are compared, and places at which they are."""
COLOURS = 6
"""Colours of a palette as it is drawn."""
HUB = 10
"""Works of other creators, the nearest, whose mean is subtracted from the score of a creator."""
_PALETTE_SIDE = 64

_SCORE = f"averaged over the works of a creator, less the mean of the {HUB} nearest works of other creators (CSLS)"
MANNER_PROTOCOL = (
    f"{VERSION}, manner: shorter side {SHORT_SIDE} pixels (longer side at most {LONG_SIDE}, bicubic, antialiased); "
    f"the five feature maps of the AlexNet trunk of LPIPS; Gram matrix of each over at most {CHANNELS} channels "
    "(fixed orthonormal projection), signed square root, unit length; the five joined and centred on the mean of the "
    f"creators' works; cosine, {_SCORE}."
)
PALETTE_PROTOCOL = (
    f"{VERSION}, palette: {_PALETTE_SIDE} × {_PALETTE_SIDE} pixels in CIE Lab (D65); sliced Wasserstein distance of "
    f"the distributions of colour, {DIRECTIONS} directions, {QUANTILES} quantiles; negative, {_SCORE}. A plain ground "
    "counts as a colour."
)


def manner(lpips: Lpips, pixels: Tensor) -> Array:
    """(D,) Gram statistics of a picture (1, 3, H, W) in [0, 1]; D = 5 × 64 × 65 / 2. Raises ValueError."""
    rows = []
    for layer, features in enumerate(lpips.maps(_sized(pixels))):
        flat = features.flatten(1).double()
        if len(flat) > CHANNELS:
            flat = _projection(len(flat), layer) @ flat
        gram = flat @ flat.T / flat.shape[1]
        upper = torch.triu_indices(CHANNELS, CHANNELS)
        # Off the diagonal every entry stands for two, so that the length is that of the whole matrix.
        weight = torch.where(upper[0] == upper[1], 1.0, math.sqrt(2.0)).double()
        vector = gram[upper[0], upper[1]]
        vector = vector.sign() * vector.abs().sqrt() * weight
        rows.append(vector / vector.norm().clamp(min=1e-12))
    return np.asarray(torch.cat(rows).numpy(), np.float64)


def palette(pixels: Tensor) -> Array:
    """(16 × 32,) quantiles of the colours of a picture (1, 3, H, W) in [0, 1] along fixed directions in Lab."""
    # One direction a row: rows lie together in memory, and sorting them so takes a third of the time.
    along = np.sort(np.ascontiguousarray((_lab(pixels) @ _directions().T).T), axis=1)
    places = (np.arange(QUANTILES) + 0.5) / QUANTILES * (along.shape[1] - 1)
    low = np.floor(places).astype(int)
    share = places - low
    return np.asarray((along[:, low] * (1 - share) + along[:, low + 1] * share).ravel(), np.float64)


def colours(pixels: Tensor) -> tuple[tuple[str, float], ...]:
    """The palette as it is drawn: hexadecimal sRGB and share of the picture, most first (k-means in Lab)."""
    points = _lab(pixels).astype(np.float32)
    k = min(COLOURS, len(np.unique(points, axis=0)))
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 0.1)
    _, labels, centres = cv2.kmeans(points, k, np.zeros((len(points), 1), np.int32), criteria, 2, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(labels.ravel(), minlength=k) / len(points)
    rgb = cv2.cvtColor(np.asarray(centres, np.float32)[None], cv2.COLOR_Lab2RGB)[0].clip(0, 1)
    names = ["#{:02x}{:02x}{:02x}".format(*np.rint(c * 255).astype(int)) for c in rgb]
    rows = list(zip(names, map(float, shares), strict=True))
    return tuple(sorted((row for row in rows if row[1] > 0), key=lambda row: (-row[1], row[0])))


Likeness = Callable[[Array, Array], Array]
"""(M, D) and (N, D) descriptions -> (M, N), higher is nearer."""


def by_manner(works: Array) -> Likeness:
    """Cosine of rows of `manner`, centred on the mean of the creators' works (N, D)."""
    centre = works.mean(axis=0)
    return lambda a, b: np.asarray(_unit(a - centre) @ _unit(b - centre).T, np.float64)


def by_palette(works: Array) -> Likeness:
    """The negative sliced Wasserstein distance of rows of `palette`, in units of Lab; the works do not enter."""
    return lambda a, b: -_mean_distance(a, b)


@dataclass(frozen=True, slots=True)
class Ranking:
    """One picture among creators."""

    scores: tuple[float, ...]
    """By creator, in the order given; comparable between creators and between pictures."""
    order: tuple[int, ...]
    """Creators from the nearest to the farthest; ties by position."""

    def rank(self, creator: int) -> int:
        """1 for the nearest."""
        return self.order.index(creator) + 1


class Creators:
    """Works of several creators, each with at least two, and how near pictures lie to each creator."""

    def __init__(self, owners: Sequence[int], among: Array) -> None:
        """Take the likeness of N works among themselves.

        Args:
            owners: (N,) number of the creator of each work, 0 to C - 1, each at least twice.
            among: (N, N), higher is nearer.

        Raises:
            ValueError: fewer than two creators, or one with a single work.
        """
        self.owners = np.asarray(owners, int)
        self.count = int(self.owners.max()) + 1 if len(self.owners) else 0
        held = np.bincount(self.owners, minlength=self.count)
        if self.count < 2 or held.min() < 2:
            raise ValueError("at least two creators with two works each are needed")
        self._member = (self.owners[None, :] == np.arange(self.count)[:, None]).astype(float)
        self._held = held
        self._among = among - np.diag(np.diag(among))  # a work's likeness to itself never counts
        means = among @ self._member.T / held  # (N, C): to other creators; the own column is not read
        self._hub = np.array(
            [np.sort(means[self.owners != c, c])[::-1][:HUB].mean() for c in range(self.count)], np.float64
        )

    def rank(self, likeness: Array) -> Ranking:
        """One picture by its (N,) likeness to the works."""
        return self._ranking(likeness @ self._member.T / self._held)

    def left_out(self, work: int) -> Ranking:
        """One of the works itself, compared with the others of its creator and with all of the rest."""
        sums = self._among[work] @ self._member.T
        held = self._held.astype(float)
        own = int(self.owners[work])
        held[own] -= 1
        return self._ranking(sums / held)

    def _ranking(self, mean: Array) -> Ranking:
        scores = mean - self._hub
        return Ranking(tuple(map(float, scores)), tuple(map(int, np.argsort(-scores, kind="stable"))))


def _sized(pixels: Tensor) -> Tensor:
    height, width = pixels.shape[-2:]
    scale = SHORT_SIDE / min(height, width)
    long = min(LONG_SIDE, round(max(height, width) * scale))
    return resize(pixels.float(), SHORT_SIDE if height <= width else long, long if height <= width else SHORT_SIDE)


@functools.cache
def _projection(channels: int, layer: int) -> Tensor:
    """(64, channels) orthonormal rows, the same on every machine up to rounding."""
    q, r = torch.linalg.qr(noise((channels, CHANNELS), 0, "style", layer).double())
    return (q * r.diagonal().sign()).T


def _lab(pixels: Tensor) -> Array:
    """(4096, 3) Lab values of a picture."""
    rgb = resize(pixels.float(), _PALETTE_SIDE, _PALETTE_SIDE)[0].permute(1, 2, 0).contiguous().numpy()
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2Lab).reshape(-1, 3), np.float64)


def _directions() -> Array:
    """(16, 3) unit vectors spread over half a sphere (spiral of Fibonacci)."""
    i = np.arange(DIRECTIONS) + 0.5
    height, turn = i / DIRECTIONS, math.pi * (1 + math.sqrt(5)) * i
    radius = np.sqrt(1 - height**2)
    return np.stack([height, radius * np.cos(turn), radius * np.sin(turn)], axis=1)


def _unit(rows: Array) -> Array:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _mean_distance(a: Array, b: Array) -> Array:
    return np.stack([np.abs(b - row).mean(axis=1) for row in a]) if len(a) else np.zeros((0, len(b)))
