"""Muon for convolutions and matrices, AdamW for the rest.

Jordan et al. 2024 (Muon): the momentum of a weight matrix is replaced by the nearest semi-orthogonal matrix, found by
five Newton-Schulz steps; a convolution counts as the matrix (out, in * height * width). The update is scaled to the
size of an AdamW update (Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2), so learning rates carry
over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def orthogonal(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Nearest semi-orthogonal matrices, roughly (singular values between 0.7 and 1.2); (N, rows, columns) alike."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    x = x.to(matrices.dtype)
    return x.mT if tall else x


class Muon(torch.optim.AdamW):
    """AdamW whose groups marked `matrix` take orthogonalised momentum instead."""

    def __init__(self, model: nn.Module, lr: float, weight_decay: float = 0.01) -> None:
        matrices = [p for p in model.parameters() if p.ndim > 1]
        rest = [p for p in model.parameters() if p.ndim <= 1]
        groups: Iterable[dict[str, Any]] = (
            {"params": rest, "weight_decay": 0.0, "matrix": False},
            {"params": matrices, "weight_decay": weight_decay, "matrix": True},
        )
        super().__init__(groups, lr=lr, betas=(0.9, 0.98))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of all groups."""
        everything = self.param_groups
        for group in everything:
            if group["matrix"]:
                self._orthogonal_step(group["params"], group["lr"], group["weight_decay"])
        self.param_groups = [group for group in everything if not group["matrix"]]
        try:
            super().step()
        finally:
            self.param_groups = everything

    def _orthogonal_step(
        self, params: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        # matrices of one shape go through the iteration together: dozens of small products cost more than one batch
        alike: dict[torch.Size, list[tuple[nn.Parameter, torch.Tensor]]] = {}
        for p in params:
            if p.grad is None:
                continue
            state = self.state[p]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(p)
                state["step"] = torch.zeros(())  # AdamW looks for it when a checkpoint is loaded
            state["momentum"].lerp_(p.grad, 1 - momentum)
            update = p.grad.lerp(state["momentum"], momentum).reshape(p.shape[0], -1)
            alike.setdefault(update.shape, []).append((p, update))
        for shape, members in alike.items():
            scale = 0.2 * max(shape) ** 0.5
            updates = orthogonal(torch.stack([update for _, update in members]))
            for (p, _), update in zip(members, updates, strict=True):
                p.mul_(1 - lr * weight_decay)
                p.add_(update.reshape(p.shape), alpha=-lr * scale)
