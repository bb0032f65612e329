"""Rate-distortion curves: how near the target one comes for how many bits, from a checkpoint and from a codec."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from forensics import hands
from forensics.case import CurveKind, RateCurve, RatePoint
from forensics.controls.cache import Values
from forensics.diffusion.base import Condition, DiffusionModel
from forensics.embedders.copies import CopyDescriptor
from forensics.inversion.codelength import Codelength
from forensics.overlay import thumbnail_level
from forensics.pictures import codecs
from forensics.pictures.tensors import fit, to_picture, to_tensor, unfit
from forensics.similarity.base import Similarity


@dataclass(frozen=True, slots=True)
class Near:
    """How near one picture comes to the target."""

    distance: float
    """LPIPS."""
    cosine: float | None
    """Of the copy descriptor; none without one."""
    thumbnail: int
    """Side in pixels of the largest thumbnail as which they agree; 0 where none of 32 does."""


@dataclass(frozen=True, slots=True)
class Axes:
    """What nearness is measured by along a curve."""

    measure: Similarity
    """LPIPS."""
    descriptor: CopyDescriptor | None = None

    @property
    def versions(self) -> dict[str, str]:
        """Of what stands beside LPIPS, for the key of stored values."""
        rows = {"measure thumbnail": thumbnail_level.VERSION}
        return rows | ({"measure descriptor": self.descriptor.digest} if self.descriptor is not None else {})

    def of(self, target: Tensor, pictures: Tensor) -> list[Near]:
        """The pictures (N, 3, H, W) beside the target (1, 3, H, W)."""

        def near(picture: Tensor) -> Near:
            return self.beside(target, picture, float(self.measure(target, picture)[0]))

        return hands.each(near, pictures.split(1))

    def beside(self, target: Tensor, picture: Tensor, distance: float) -> Near:
        """One picture whose LPIPS is known."""
        cosine = None
        if self.descriptor is not None:
            cosine = float(self.descriptor.embed(picture)[0] @ self.descriptor.embed(target)[0])
        planes = [t[0].mean(0).numpy() for t in (target, picture)]
        everywhere = np.ones(planes[0].shape, dtype=np.bool_)
        level = thumbnail_level.measure(planes[0], planes[1], everywhere, interval=False).level
        return Near(distance, cosine, level)


@torch.no_grad()
def decoded(length: Codelength, target: Tensor, model: DiffusionModel, axes: Axes, draws: int) -> list[list[Near]]:
    """(draws, places): how near to the target (1, 3, H, W) what a receiver of the bits so far decodes comes."""
    if length.estimates is None:
        raise ValueError("the codelength was taken without keeping estimates")
    step = fit(target, model.native_px, model.stride)[1]
    found = []
    for states in length.estimates[:draws]:
        pictures = unfit(torch.cat(hands.each(lambda state: model.decode(state[None]).cpu(), states)), step)
        found.append(axes.of(target, pictures))
    return found


def of_checkpoint(
    name: str,
    kind: CurveKind,
    length: Codelength,
    condition: Condition,
    target: Tensor,
    model: DiffusionModel,
    axes: Axes,
) -> RateCurve:
    """The curve of the disputed image, spread over the draws of noise. The prompt is charged for."""
    prompt = condition.bits
    near = decoded(length, target, model, axes, len(length.bits))
    told = (length.told + prompt).tolist()
    points = [
        _point([row[i] for row in told], [row[i] for row in near], f"noise over signal {length.sigmas[place]:.3g}")
        for i, place in enumerate(length.places)
    ]
    charged = f"The {condition.tokens} tokens of the prompt are charged with {prompt:.0f} bits." if prompt else ""
    return RateCurve(name, kind, tuple(points), len(length.bits), charged)


def of_controls(scores: Sequence[Values], prompts: Sequence[float], length: Codelength) -> RateCurve:
    """Median and 5th to 95th percentile over the controls, at each level.

    Args:
        prompts: bits of each control's own prompt.
        length: of the disputed image, for the levels.
    """
    points = []
    for i, place in enumerate(length.places):
        told = [row["told"][i] + prompt for row, prompt in zip(scores, prompts, strict=True)]
        near = [row["distance"][i] for row in scores]
        setting = f"noise over signal {length.sigmas[place]:.3g}"
        (b, b_low, b_high), (d, d_low, d_high) = (_percentiles(values) for values in (told, near))
        cosine = statistics.median(row["cosine"][i] for row in scores) if all("cosine" in r for r in scores) else None
        side = int(statistics.median_low(row["thumbnail"][i] for row in scores))
        points.append(RatePoint(b, b_low, b_high, d, d_low, d_high, setting, cosine, side))
    charged = "Each control's own prompt is charged for. One draw of noise a level."
    return RateCurve("control works", CurveKind.CONTROLS, tuple(points), len(scores), charged)


def of_codec(codec: codecs.Codec, target: Tensor, axes: Axes) -> RateCurve:
    """The codec at every quality and size tried, without the codings that another one beats in bits and LPIPS."""
    made = codecs.codings(to_picture(target), codec)
    near = hands.each(lambda coding: float(axes.measure(target, to_tensor(coding.picture))[0]), made)
    points: list[RatePoint] = []
    for coding, distance in sorted(zip(made, near, strict=True), key=lambda pair: (pair[0].bits, pair[1])):
        if points and distance >= points[-1].distance:
            continue
        cost = float(coding.bits)
        at = f"quality {coding.quality}" + ("" if coding.scale == 1 else f" at {coding.scale:g} of each side")
        beside = axes.beside(target, to_tensor(coding.picture), distance)
        points.append(RatePoint(cost, cost, cost, distance, distance, distance, at, beside.cosine, beside.thumbnail))
    overhead = (
        f"The container is left out of the bits: what the same settings spend on a single white pixel, "
        f"{codecs.container_bits(codec, codec.qualities[len(codec.qualities) // 2])} bits at quality "
        f"{codec.qualities[len(codec.qualities) // 2]}."
    )
    return RateCurve(codec.name, CurveKind.CODEC, tuple(points), 1, overhead)


def bits_at(curves: Sequence[RateCurve], distance: float) -> tuple[float, str] | None:
    """Fewest bits at which any of the curves comes as near, and its name; None where none does."""
    found = [
        (cost, curve.name)
        for curve in curves
        if (cost := codecs.bits_at([(p.bits, p.distance) for p in curve.points], distance)) is not None
    ]
    return min(found, default=None)


def _point(bits: Sequence[float], near: Sequence[Near], setting: str) -> RatePoint:
    distances = [n.distance for n in near]
    mean = (sum(bits) / len(bits), sum(distances) / len(distances))
    cosines = [n.cosine for n in near if n.cosine is not None]
    return RatePoint(
        mean[0],
        min(bits),
        max(bits),
        mean[1],
        min(distances),
        max(distances),
        setting,
        statistics.median(cosines) if cosines else None,
        statistics.median_low(n.thumbnail for n in near),
    )


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    median, low, high = np.percentile(values, [50, 5, 95])
    return float(median), float(low), float(high)
