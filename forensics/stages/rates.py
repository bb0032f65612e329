"""Rate-distortion curves: how near the target one comes for how many bits, from a checkpoint and from a codec."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from forensics import codecs
from forensics.case import CurveKind, RateCurve, RatePoint
from forensics.control_cache import Values
from forensics.diffusion.base import Condition, DiffusionModel
from forensics.images import fit, to_picture, to_tensor, unfit
from forensics.inversion.codelength import Codelength
from forensics.similarity.base import Similarity


@torch.no_grad()
def distances(
    length: Codelength, target: Tensor, model: DiffusionModel, measure: Similarity, draws: int
) -> list[list[float]]:
    """(draws, places): the measure between the target (1, 3, H, W) and what a receiver of the bits so far decodes."""
    if length.estimates is None:
        raise ValueError("the codelength was taken without keeping estimates")
    step = fit(target, model.native_px, model.stride)[1]
    found = []
    for states in length.estimates[:draws]:
        pictures = unfit(torch.cat([model.decode(state[None]).cpu() for state in states]), step)
        same = target.expand(len(pictures), -1, -1, -1)
        found.append([float(v) for v in measure(same, pictures)])
    return found


def of_checkpoint(
    name: str, kind: CurveKind, length: Codelength, condition: Condition, target: Tensor, model: DiffusionModel,
    measure: Similarity,
) -> RateCurve:  # fmt: skip
    """The curve of the disputed image, spread over the draws of noise. The prompt is charged for."""
    prompt = condition.tokens * math.log2(model.vocabulary)
    near = distances(length, target, model, measure, len(length.bits))
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
        points.append(RatePoint(b, b_low, b_high, d, d_low, d_high, setting))
    charged = "Each control's own prompt is charged for. One draw of noise a level."
    return RateCurve("control works", CurveKind.CONTROLS, tuple(points), len(scores), charged)


def of_codec(codec: codecs.Codec, target: Tensor, measure: Similarity) -> RateCurve:
    """The codec at every quality and size tried, without the codings that another one beats on both axes."""
    made = codecs.codings(to_picture(target), codec)
    near = [float(measure(target, to_tensor(coding.picture))[0]) for coding in made]
    points: list[RatePoint] = []
    for coding, distance in sorted(zip(made, near, strict=True), key=lambda pair: (pair[0].bits, pair[1])):
        if points and distance >= points[-1].distance:
            continue
        cost = float(coding.bits)
        at = f"quality {coding.quality}" + ("" if coding.scale == 1 else f" at {coding.scale:g} of each side")
        points.append(RatePoint(cost, cost, cost, distance, distance, distance, at))
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


def _point(bits: Sequence[float], near: Sequence[float], setting: str) -> RatePoint:
    mean = (sum(bits) / len(bits), sum(near) / len(near))
    return RatePoint(mean[0], min(bits), max(bits), mean[1], min(near), max(near), setting)


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    median, low, high = np.percentile(values, [50, 5, 95])
    return float(median), float(low), float(high)
