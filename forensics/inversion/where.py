"""Where in the picture: which parts the generated pictures reproduce, and where the prompt moves the network.

Two maps that do not know of each other. The first compares pixels: a place is reproduced where at least half of the
seeds agree with the target, in the mean over a small window (Webster 2023 masks by equality of pixels in the same way).
The second asks the network alone: the norm of the difference of its velocities with and without the prompt at every
latent cell, on the noised target (Kim et al. 2026, the cheap form of their per-pixel measure). A plain background is
reproduced by any picture, so the share of the picture's detail stands beside the share of its area.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from forensics.device import noise
from forensics.diffusion.base import Condition, DiffusionModel
from forensics.inversion.fidelity import NEAR
from forensics.pictures.tensors import fit

VERSION = "1"
WINDOW = 16
"""Windows along the shorter side: agreement is judged on means over one window around each pixel."""
DETAIL = 0.05
"""Standard deviation of the target within a window from which a place counts as detail."""
LEVELS = (2.0, 4.0, 8.0)
"""Noise over signal at which the difference of the velocities is taken; levels beyond the model's are left out."""
DRAWS = 4
"""Draws of noise at each level."""


@dataclass(frozen=True, slots=True)
class Region:
    """What the pictures of several seeds reproduce of one target, from pixels alone."""

    share: Tensor
    """(H, W) float32 in [0, 1]: share of the seeds that agree with the target there."""
    mask: Tensor
    """(H, W) bool: at least half of the seeds agree."""
    area: float
    """Share of the picture that is reproduced, in [0, 1]."""
    detail: float | None
    """The same, of the places with detail alone; None where the target has none."""
    variation: float
    """Root mean square deviation of the seeds from their mean: 0 where all seeds give one picture."""

    @property
    def sentence(self) -> str:
        """The shares in words."""
        detail = "it has no detail" if self.detail is None else f"a share of {self.detail:.2f} of its detail"
        return f"at least half of the seeds bring back a share of {self.area:.2f} of the area of the picture; {detail}"

    @property
    def scores(self) -> tuple[tuple[str, float], ...]:
        """For ranking among the controls; a target without detail scores its area as detail."""
        return ("area", self.area), ("detail", self.area if self.detail is None else self.detail)


@dataclass(frozen=True, slots=True)
class Where:
    """The region, and where the prompt moves the network, at the target's own size."""

    region: Region
    score: Tensor
    """(H, W) float32 >= 0: velocity difference of the latent cell there, mean over levels and draws."""
    agreement: float | None
    """Spearman correlation over the latent cells of `share` and `score`; None where one of them is constant."""


def region(target: Tensor, pictures: Tensor) -> Region:
    """Of one target (1, 3, H, W) and the pictures (N, 3, H, W) that its prompt gave, one a seed.

    Raises:
        ValueError: no pictures, or pictures of another size.
    """
    if not len(pictures) or pictures.shape[-2:] != target.shape[-2:]:
        raise ValueError(f"pictures {tuple(pictures.shape)} do not belong to a target {tuple(target.shape)}")
    target, pictures = target.cpu().float(), pictures.cpu().float()
    off = local_mean((pictures - target).square().mean(dim=1, keepdim=True)).sqrt()  # (N, 1, H, W)
    share = (off <= NEAR).float().mean(dim=0)[0]
    mask = share >= 0.5
    busy = local_mean(target.square()) - local_mean(target).square()
    detailed = busy.mean(dim=1)[0].clamp_min(0).sqrt() >= DETAIL
    return Region(
        share=share,
        mask=mask,
        area=float(mask.float().mean()),
        detail=float(mask[detailed].float().mean()) if bool(detailed.any()) else None,
        variation=float((pictures - pictures.mean(dim=0)).square().mean().sqrt()),
    )


def where_evaluations(model: DiffusionModel) -> int:
    """Evaluations that `where` takes."""
    return 2 * DRAWS * len(_levels(model))


def where(target: Tensor, pictures: Tensor, condition: Condition, model: DiffusionModel) -> Where:
    """Both maps. Raises ValueError as `region`."""
    from scipy.stats import spearmanr  # takes most of a second, and few commands come here

    found = region(target, pictures)
    cells = score_map(target, condition, model)  # (h, w)
    height, width = found.share.shape
    pooled = F.adaptive_avg_pool2d(found.share[None, None], (cells.shape[0], cells.shape[1]))[0, 0]
    varied = bool(pooled.std() > 0 and cells.std() > 0)
    return Where(
        region=found,
        score=F.interpolate(cells[None, None], (height, width), mode="nearest")[0, 0],
        agreement=float(spearmanr(pooled.flatten(), cells.flatten()).statistic) if varied else None,
    )


@torch.no_grad()
def score_map(target: Tensor, condition: Condition, model: DiffusionModel) -> Tensor:
    """(h, w) on the CPU: ‖velocity with the prompt - velocity without‖₂ over the channels of each latent cell."""
    picture, _ = fit(target, model.native_px, model.stride)
    data = model.unit(model.encode(picture), model.times(1)[0])
    alone = condition.unguided()
    empty = model.condition("", 1.0)
    maps = []
    for sigma in _levels(model):
        time = model.at_noise_level(torch.tensor(sigma, dtype=torch.float64))
        eps = torch.stack([noise(tuple(data.shape[1:]), k, "where", sigma) for k in range(DRAWS)])
        state = model.diffuse(data.expand(DRAWS, -1, -1, -1), eps, time)
        difference = model.velocity(state, time, alone) - model.velocity(state, time, empty)  # (DRAWS, C, h, w)
        maps.append(difference.norm(dim=1).mean(dim=0).cpu())
    return torch.stack(maps).mean(dim=0)


def shown(target: Tensor, found: Region) -> Tensor:
    """(1, 3, H, W): the target with everything that is not reproduced faded, and the border of the region in black."""
    grey = target.cpu().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    faded = 0.8 + 0.2 * grey
    mask = found.mask[None, None].float()
    picture = torch.where(mask.bool(), target.cpu(), faded)
    inner = 1 - F.max_pool2d(1 - mask, 3, stride=1, padding=1)
    return torch.where((mask - inner).bool(), torch.zeros(()), picture)


def score_shown(found: Where) -> Tensor:
    """(1, 3, H, W): the score map in grey, white where the prompt moves the network most."""
    top = float(found.score.max())
    return (found.score / top if top else found.score)[None, None].expand(1, 3, -1, -1).contiguous()


def local_mean(x: Tensor) -> Tensor:
    """(B, C, H, W) -> the same size: mean over an odd square, a `WINDOW`th of the shorter side, cut at the edges."""
    side = max(3, min(x.shape[-2:]) // WINDOW // 2 * 2 + 1)
    return F.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False)


def _levels(model: DiffusionModel) -> tuple[float, ...]:
    return tuple(s for s in LEVELS if model.noise_range[0] <= s <= model.noise_range[1])
