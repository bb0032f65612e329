"""Learned perceptual distance (LPIPS) with its pinned AlexNet trunk; no download, no output, CPU only.

R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018. The package `lpips` holds the linear heads; the trunk comes from `forensics.weights`.
"""

from __future__ import annotations

import logging
from functools import reduce
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file
from torch import Tensor

from forensics import hands, weights
from forensics.case import Better, Metric
from forensics.errors import WeightsError
from forensics.similarity.inputs import SIZE_SENTENCE, check, common, same_size
from forensics.similarity.lpips_network import Network

HEADS_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
"""Of `weights/v0.1/alex.pth` in the lpips wheel."""
MIN_FULL_SIDE = 32
"""Shorter side below which AlexNet's last feature map is empty."""
_log = logging.getLogger(__name__)


def _network() -> Network:
    """The network with verified heads and trunk. Raises WeightsError where either is missing or differs."""
    trunk = weights.resolve("lpips-alexnet")
    # The package is found, not imported: it would load torchvision and torch's compiler.
    heads = Path(str(metadata.distribution("lpips").locate_file("lpips/weights/v0.1/alex.pth")))
    actual = weights.sha256_file(heads) if heads.is_file() else "no file"
    if actual != HEADS_SHA256:
        raise WeightsError(
            f"The LPIPS heads in the lpips package differ from their pinned digest: {actual}.",
            hint="Install lpips 0.1.4 again; values measured with other heads are not comparable.",
        )
    _log.debug("LPIPS trunk %s", trunk)
    return Network(load_file(trunk), torch.load(heads, map_location="cpu", weights_only=True))


class Lpips:
    """Weighted distance of AlexNet features, averaged over the picture."""

    needs: ClassVar[tuple[str, ...]] = ()
    facts: Metric = Metric(
        name="lpips",
        title="Learned perceptual distance (LPIPS), without alignment",
        version="alex-v0.1/1",
        better=Better.LOWER,
        low=0.0,
        high=2.0,
        answers="Would small patches at the same places of the two pictures look alike to an observer?",
        silent=(
            "It was fitted to human judgements of 64-pixel patches and is weakest for changes of colour and for blur. "
            "It does not find parts that were moved, mirrored or cropped, and it does not say how a likeness arose."
        ),
        protocol=(
            f"{SIZE_SENTENCE}; no alignment. RGB scaled to [-1, 1] for the network. Package lpips, network alex, "
            "version 0.1, linear heads and AlexNet trunk by pinned digest, trunk stored in float16; "
            "each pair computed alone, float32 on the CPU. The scale has no upper end; "
            "random black and white dots against plain grey reach 1.5, and 2 is the end of the scale stated here."
        ),
        reference=(
            "R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang, The Unreasonable Effectiveness of Deep Features "
            "as a Perceptual Metric, CVPR 2018."
        ),
    )

    def __init__(self) -> None:
        """Load the network once. Raises WeightsError."""
        self._net = _network()
        self._before: tuple[Tensor, list[Tensor]] = torch.empty(0), []

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64, 0 for equal pixels, lower is more alike. Raises ValueError on wrong shape or range."""
        return self._distances(*common(a, b))

    def full_size(self, a: Tensor, b: Tensor) -> Tensor:
        """The same at the pictures' own common size, as published golden values are stated.

        Values at different sizes are not comparable. Raises ValueError on wrong shape, range or different sizes.
        """
        same_size(a, b)
        if min(a.shape[-2:]) < MIN_FULL_SIDE:
            raise ValueError(f"{tuple(a.shape[-2:])} pixels: at least {MIN_FULL_SIDE} a side are needed")
        return self._distances(a.cpu().float(), b.cpu().float())

    @torch.inference_mode()
    def layer(self, a: Tensor, b: Tensor, index: int) -> Tensor:
        """(B,) float64: the part of one feature map in the distance at the pictures' own common size.

        The parts of all five maps add up to `full_size`. Raises ValueError on wrong shape, range or different sizes.
        """
        same_size(a, b)
        pairs = zip(a.cpu().float().split(1), b.cpu().float().split(1), strict=True)
        parts = [self._parts(x, y)[index] for x, y in pairs]
        return torch.cat(parts).double() if parts else torch.zeros(0, dtype=torch.float64)

    @torch.inference_mode()
    def maps(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) in [0, 1] -> the five feature maps (C, h, w) of the trunk, before any weighting.

        Raises ValueError on wrong shape or range.
        """
        check(pixels, pixels)
        return self.trunk(pixels)

    def trunk(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """`maps`, unchecked and with gradients to the pixels where the caller asks for them."""
        return tuple(layer[0] for layer in self._net.maps(pixels.cpu().float()))

    @torch.inference_mode()
    def _distances(self, a: Tensor, b: Tensor) -> Tensor:
        # One pair at a time: the value of a pair must not depend on which others share its batch.
        if not len(a):
            return torch.zeros(0, dtype=torch.float64)
        self._first(a[:1])  # it is known before two hands ask for it
        pairs = zip(a.split(1), b.split(1), strict=True)
        # The parts one after the other, as published.
        return torch.cat(hands.each(lambda pair: reduce(torch.add, self._parts(*pair)), pairs)).double()

    def _parts(self, x: Tensor, y: Tensor) -> list[Tensor]:
        return self._net.parts(self._first(x), self._net.units(y))

    def _first(self, x: Tensor) -> list[Tensor]:
        """What the network makes of the first picture of a pair: not again where the pair before had the same pixels.

        One picture is measured against many, be they codings of it, estimates of it, or works.
        """
        before, units = self._before
        if not torch.equal(before, x):
            units = self._net.units(x)
            self._before = x.clone(), units  # a copy: the pixels may be written to
        return units
