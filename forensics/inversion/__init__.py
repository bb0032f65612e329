"""The ladder: ways of getting a target back from a checkpoint, each charged for the bits it was given.

A new rung is one file with a class that has the shape of `base.Rung`, and one row here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forensics.registry import Registry

if TYPE_CHECKING:
    from forensics.inversion.base import Rung

INVERSIONS: Registry[type[Rung]] = Registry(
    "inversion",
    {
        "autoencoder": "forensics.inversion.autoencoder:Autoencoder",
        "ode": "forensics.inversion.ode:Ode",
        "regeneration": "forensics.inversion.regeneration:Regeneration",
        "hard_prompt": "forensics.inversion.hard_prompt:HardPrompt",
        "soft_prompt": "forensics.inversion.soft_prompt:SoftPrompt",
        "noise": "forensics.inversion.noise:Noise",
        "latent": "forensics.inversion.latent:Latent",
    },
)
"""Rung -> its class, in the order of the ladder."""

__all__ = ["INVERSIONS"]
