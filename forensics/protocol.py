"""The protocol: every parameter, threshold and primary measurement, fixed and hashed before the run.

Changing any value changes the digest; changing what a value means changes `VERSION`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from forensics.case import FileDigest, Setting, Statistic
from forensics.schema import canonical

VERSION = "4"


@dataclass(frozen=True, slots=True)
class Search:
    """Budget of the rungs that search, fixed by the protocol. The defaults are those of the profile `standard`."""

    seed: int = 0
    """Of everything a search draws: noise, levels, first guesses."""
    cut: float = 1.0
    """Noise over signal down to which the codelength that is minimised counts; see `inversion.codelength.Grid`."""
    lengths: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Tokens of the hard prompts looked for; those beyond the text encoder's window are left out."""
    hard_steps: int = 24
    hard_draws: int = 4
    """Draws of noise in every gradient step of the hard prompt."""
    finalists: int = 4
    """Prompts of each length, of those visited, that are compared on fresh draws."""
    finalist_draws: int = 12
    soft_lengths: tuple[int, ...] = (1, 2, 4)
    """Vectors of the soft prompts looked for."""
    soft_steps: int = 40
    soft_draws: int = 4
    soft_bits: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    """Bits per value that are tried, rising."""
    keep: float = 0.9
    """Part of the soft prompt's gain over no prompt that its quantised form must keep."""
    report_draws: int = 32
    """Fresh draws on which the codelength of what was found is measured."""
    noise_steps: int = 120
    noise_draws: int = 8
    noise_checks: int = 6
    """Times at which pictures are drawn from the noise distribution, equally spaced, the first before any step."""
    noise_pictures: int = 4
    """Pictures drawn at each check: all of them must reproduce the target."""
    latent_bits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    """Bits per value of z_T that are tried, rising."""


STANDARD_SEARCH = Search()
"""The budget of the profile `standard`, and of whoever names none."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value fixed in the program that can change a number or a word of the case."""

    name: str
    """Module and name: `overlay.outcome.BOUNDS.whole`."""
    value: str
    """As Python writes it."""


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
    search: Search
    """Budget of the rungs that search with the target in hand."""
    primary_retention: Statistic
    """The pre-declared primary measurement of the retention pair."""
    primary_retention_with_control_checkpoint: Statistic
    """The same for cases with a control checkpoint.

    Both were chosen on the calibration half of the ladder study, before its test half: `choice` in
    `samples/reference/ladder-study.json` holds the candidates with their figures.
    """
    primary_derivation: Statistic
    """The pre-declared primary measurement of the derivation pair where a work is put forward: of the first of them."""
    primary_derivation_without_work: Statistic
    """The same where none is: of the nearest item of the training index."""
    primary_origin: Statistic
    """The pre-declared primary measurement of the origin pair: chosen on the calibration half of the origin study,
    before its test half was looked at."""
    secondary: tuple[Statistic, ...]
    """Every other statistic that is ranked among the controls. Those of one family share Holm's correction."""
    near_pixels_ssim: float
    """SSIM at or above which, together with the LPIPS bound, two pictures are said to correspond throughout."""
    near_pixels_lpips: float
    """LPIPS at or below which, together with the SSIM bound, two pictures are said to correspond throughout."""
    rank_level: float
    """p at or below which a comparison with controls is said to set the result apart from them: after Holm's correction
    over the primary measurements of all questions asked, so that it bounds how often an unseen work is set apart by any
    of them."""
    announce_least: float
    """How many times the smallest p that the controls allow `rank_level` has to be before anything is announced: with
    nineteen controls one unseen work in twenty is the first of all."""
    constants: tuple[Constant, ...] = ()
    """What the stages fix for themselves: bounds of words, levels, draws, versions. Gathered from the modules that use
    them (`stages.declared`), so that none can be left out, before the protocol is hashed."""

    def retention(self, *, controlled: bool) -> Statistic:
        """The primary statistic of retention in a case with or without a control checkpoint."""
        return self.primary_retention_with_control_checkpoint if controlled else self.primary_retention

    def derivation(self, *, put_forward: bool) -> Statistic:
        """The primary statistic of derivation in a case with or without a work put forward."""
        return self.primary_derivation if put_forward else self.primary_derivation_without_work

    def announces(self, p: float, n: int) -> bool:
        """Whether a rank among n controls may be announced as setting a result apart from them."""
        return p <= self.rank_level and self.announce_least <= self.rank_level * (1 + n)

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
        rows = [(f.name, getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in _NESTED]
        rows += [(f"search, {f.name}", getattr(self.search, f.name)) for f in dataclasses.fields(self.search)]
        rows += [(constant.name, constant.value) for constant in self.constants]
        return tuple(Setting(name.replace("_", " "), _shown(value), source) for name, value in rows)

    @property
    def file(self) -> FileDigest:
        """The protocol as a hashed file."""
        written = self.canonical
        return FileDigest("protocol.json", hashlib.sha256(written).hexdigest(), len(written))


_NESTED = ("search", "constants")


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


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
    search=STANDARD_SEARCH,
    primary_retention=Statistic.SAVED_BY_PROMPT,
    primary_retention_with_control_checkpoint=Statistic.SAVED_AGAINST_CONTROL,
    primary_derivation=Statistic.ALIGNED_TO_WORK,
    primary_derivation_without_work=Statistic.ALIGNED_TO_NEAREST,
    primary_origin=Statistic.AUTOENCODER_RATIO,
    secondary=(
        Statistic.COSINE_TO_NEAREST,
        Statistic.COPY_COSINE_TO_NEAREST,
        Statistic.PROMPT_MEDIAN_LPIPS,
        Statistic.PROMPT_BEST_LPIPS,
        Statistic.PROMPT_MEDIAN_SSIM,
        Statistic.PROMPT_DETAIL,
        Statistic.SCORE_GAP,
        Statistic.ROUND_TRIP_LPIPS,
        Statistic.SEARCHED_LPIPS,
        Statistic.AUTOENCODER_LAYER,
        Statistic.AUTOENCODER_RATIO_ALTERED,
    ),
    near_pixels_ssim=0.80,
    near_pixels_lpips=0.10,
    rank_level=0.05,
    announce_least=3.0,
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
        search=Search(
            hard_steps=120,
            hard_draws=8,
            finalists=8,
            finalist_draws=32,
            soft_steps=200,
            soft_draws=8,
            report_draws=128,
            noise_steps=500,
            noise_draws=16,
            noise_checks=21,
            noise_pictures=8,
        ),
    ),
}
