"""The protocol: every parameter, threshold and primary measurement, fixed and hashed before the run.

Changing any value changes the digest; changing what a value means changes `VERSION`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

from forensics.case import FileDigest, Setting
from forensics.schema import canonical

VERSION = "3"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The parameters of one profile."""

    version: str
    profile: str
    neighbours: int
    """Rows of the training index that are shown and compared."""
    controls: int
    """Control works put through the same search, at most."""
    control_pool: int
    """Works drawn by seed, of which those nearest to the disputed image in complexity become the controls."""
    search_controls: int
    """Controls put through the rungs that search with the target in hand, which cost most: the first so many drawn."""
    rungs: tuple[str, ...]
    """Rungs of the ladder that are run, in this order. The budget of those that search is that of the profile."""
    seeds: int
    """Pictures generated per prompt."""
    steps: int
    """Steps of the sampler, for regeneration and for the ODE."""
    guidance: float
    """Classifier-free guidance of regeneration."""
    refinements: int
    """Fixed-point corrections per step of the ODE inversion."""
    codelength_levels: int
    """Noise levels of the codelength, from pure noise to the finest."""
    codelength_finest: float
    """Noise over signal down to which the rate-distortion curve is followed."""
    codelength_shown: int
    """Every so many levels a picture is decoded for the rate-distortion curve."""
    codelength_draws: int
    """Draws of noise at every level."""
    codelength_cut: float
    """Noise over signal down to which bits are counted for the ranks: the nearest level of the grid."""
    primary_retention: str
    """Title of the pre-declared primary measurement of the retention pair."""
    primary_retention_with_control_checkpoint: str
    """The same for cases with a control checkpoint.

    Both were chosen on the calibration half of the ladder study, before its test half: `choice` in
    `samples/reference/ladder-study.json` holds the candidates with their figures.
    """
    primary_derivation: str
    """The pre-declared primary measurement of the derivation pair."""
    near_pixels_ssim: float
    """SSIM at or above which, together with the LPIPS bound, two pictures are said to correspond throughout."""
    near_pixels_lpips: float
    """LPIPS at or below which, together with the SSIM bound, two pictures are said to correspond throughout."""
    rank_level: float
    """p at or below which a comparison with controls is said to set the result apart from them."""

    def retention(self, *, controlled: bool) -> str:
        """Title of the primary measurement of retention in a case with or without a control checkpoint."""
        return self.primary_retention_with_control_checkpoint if controlled else self.primary_retention

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the parameters."""
        return hashlib.sha256(self.canonical).hexdigest()

    @property
    def canonical(self) -> bytes:
        """The parameters as canonical JSON: the protocol file in the case folder."""
        return canonical(self)

    @property
    def rows(self) -> tuple[Setting, ...]:
        """Every parameter as a setting, for the appendix."""
        source = f"protocol {self.version}, profile {self.profile}"
        named = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        return tuple(
            Setting(name.replace("_", " "), ", ".join(value) if isinstance(value, tuple) else str(value), source)
            for name, value in named
        )

    @property
    def file(self) -> FileDigest:
        """The protocol as a hashed file."""
        return FileDigest("protocol.json", self.digest, len(self.canonical))


_STANDARD = Protocol(
    version=VERSION,
    profile="standard",
    neighbours=5,
    controls=99,
    control_pool=199,
    search_controls=19,
    rungs=("autoencoder", "ode", "regeneration", "hard_prompt", "soft_prompt"),
    seeds=8,
    steps=20,
    guidance=3.0,
    refinements=2,
    codelength_levels=40,
    codelength_finest=0.1,
    codelength_shown=4,
    codelength_draws=2,
    codelength_cut=1.0,
    primary_retention="Codelength, share that the prompt saves",
    primary_retention_with_control_checkpoint="Codelength, share saved against the control checkpoint",
    primary_derivation="LPIPS between the disputed image and the work compared with it, one laid over the other where "
    "they correspond",
    near_pixels_ssim=0.80,
    near_pixels_lpips=0.10,
    rank_level=0.05,
)

PROFILES = {
    # Nineteen controls at the least: with fewer no p can reach the level.
    "quick": dataclasses.replace(
        _STANDARD,
        profile="quick",
        neighbours=3,
        controls=19,
        control_pool=39,
        seeds=3,
        steps=12,
        codelength_draws=1,
        rungs=("autoencoder", "ode", "regeneration"),
    ),
    "standard": _STANDARD,
    "deep": dataclasses.replace(
        _STANDARD,
        profile="deep",
        neighbours=10,
        controls=199,
        control_pool=399,
        seeds=32,
        steps=50,
        codelength_draws=4,
        rungs=(*_STANDARD.rungs, "noise", "latent"),
    ),
}
