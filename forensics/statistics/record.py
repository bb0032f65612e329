"""The validation record: what is known of the error rates of one checkpoint under one version of the protocol.

It is made by `forensics validate` and read by `forensics analyze`. `likelihood_ratio` is the only place where measured
values become a ratio; it refuses wherever the record does not carry one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from forensics import foreign, verbal
from forensics.case import (
    Absent,
    ChangedRates,
    DomainRow,
    Fact,
    FeatureValue,
    FileDigest,
    GroupRates,
    LikelihoodRatio,
    NullRates,
    Pair,
    ValidatedPair,
    ValidationFacts,
    plainly,
)
from forensics.errors import ForensicsError, SettingsError
from forensics.schema import canonical, decode
from forensics.statistics.calibration import Calibrator, Warp
from forensics.statistics.discrimination import Rate

_LARGEST = 256 * foreign.MIB
SCHEMA = 4
"""Version of the wire form of the record."""
PROMPT_KINDS = ("claimed", "file", "neighbour")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the ratio may go, log10, and what sets the limit."""

    lower: float
    upper: float
    n_first: int
    """Sources of the calibration half; the lower bound never goes below their number."""
    n_second: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Independent works behind the figures: pairs and renderings that share a work count once."""

    calibration_first: int
    calibration_second: int
    test_first: int
    test_second: int


@dataclass(frozen=True, slots=True)
class Level:
    """A group of the test half on its own."""

    name: str
    """ "trained on 64 times a pass", "mirrored"."""
    n: int
    auc: Rate
    """Against the works of the second proposition in the test half."""
    flagged_05: Rate
    """Share with p at or below 0.05 among the controls of the calibration half."""
    flagged_01: Rate
    misleading: Rate
    """Share with a ratio on the wrong side of 1."""
    median_log10: float
    """Of the bounded ratios."""
    in_first: bool
    """Whether the group is part of the first proposition; others are shown beside it."""


@dataclass(frozen=True, slots=True)
class PValues:
    """p-values of works for which nothing should be found, ranked among the controls of the calibration half."""

    name: str
    n: int
    controls: int
    false_05: Rate
    false_01: Rate
    expected_05: tuple[int, int]
    """Counts between which 95 % of such samples lie if the works are exchangeable with the controls: beta-binomial,
    because all of them are ranked among the same controls."""
    expected_01: tuple[int, int]
    binomial_05: tuple[int, int]
    """The same at the nominal rate, as if every work had controls of its own."""
    binomial_01: tuple[int, int]
    ks_distance: float
    """Kolmogorov-Smirnov distance between the scores of the works and those of the controls."""
    ks_p: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """What a change to the picture does to the ratio of the same works."""

    name: str
    n_first: int
    n_second: int
    median_change_first: float
    """Median change of log10, before the bounds."""
    median_change_second: float
    auc: Rate
    misleading_first: Rate
    misleading_second: Rate


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a property among the works validated; outside it a ratio is refused."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PropositionRecord:
    """One proposition pair. All ratios are log10; figures are of the test half unless they say otherwise."""

    pair: Pair
    primary: str
    """The pre-declared primary measurement, a `Statistic` or a measure with its version: what p-values rank."""
    first: str
    second: str
    prompts: tuple[str, ...]
    """Kinds of prompt for which this holds; empty where no prompt is involved."""
    calibrator: Calibrator
    form: str
    """How features, bends and penalty of the calibrator were chosen on the calibration half, with the figures."""
    resampled: tuple[tuple[float, ...], ...]
    """Weights, then intercept, of the calibrator fitted to resampled sources: what the interval is drawn from."""
    warps: tuple[Warp, ...]
    """The warp of each of these, thinned to a few knots; empty where the calibrator has none."""
    n_sources: Sources
    bounds: Bounds
    cllr: float
    cllr_interval: tuple[float, float]
    """95 %, resampling sources."""
    cllr_min: float
    cllr_cal: float
    devpav: float | None
    """Mean distance of the bounded ratios from what PAV makes of them, log10 (`validity.devpav`); none where the two
    propositions do not overlap on the test half."""
    auc: Rate
    tpr_at_fpr_01: Rate
    misleading_first: Rate
    misleading_second: Rate
    beyond_bound: int
    """Misleading ratios that would have gone beyond the bound without it."""
    worst_first: float
    """The most misleading bounded ratio under the first proposition, at most 0."""
    worst_second: float
    ratios_first: tuple[float, ...]
    ratios_second: tuple[float, ...]
    scores_first: tuple[float, ...]
    """The primary measurement itself, in the order of the ratios."""
    scores_second: tuple[float, ...]
    levels: tuple[Level, ...]
    p_values: tuple[PValues, ...]
    robustness: tuple[Shift, ...]
    domain: tuple[Range, ...]
    refused: str
    """Why no calibrated statement may be made with this record, as a sentence; empty where one may."""


@dataclass(frozen=True, slots=True)
class Propositions:
    """The pairs, never merged. Retention has a second form for cases with a control checkpoint."""

    derivation: PropositionRecord | Absent
    retention: PropositionRecord | Absent
    retention_with_control_checkpoint: PropositionRecord | Absent
    origin: PropositionRecord | Absent


@dataclass(frozen=True, slots=True)
class Baseline:
    """Whether the two groups could be told apart without the model: then success with it would say nothing."""

    name: str
    """`text` or `image`."""
    inputs: str
    auc: Rate
    limit: float
    exceeded: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same works measured twice."""

    name: str
    """ "second run", "bf16"."""
    measurement: str
    n: int
    largest: float
    """Largest absolute difference of the measurement."""
    deviation: float
    """Root mean square difference divided by √2: the standard deviation of a single measurement."""


@dataclass(frozen=True, slots=True)
class ValidationRecord:
    """Everything a reader needs to judge, and to repeat, the validation of one checkpoint."""

    schema: int
    name: str
    tool: Fact
    command: str
    protocol_version: str
    protocol_digest: str
    parameters: tuple[Fact, ...]
    """Parameters of the protocol that the measurements depend on; a ratio is refused where they differ."""
    checkpoint_name: str
    checkpoint_digest: str
    control_checkpoint_digest: str
    """Empty where none was used."""
    data: tuple[FileDigest, ...]
    """The manifest of works of known status, and one digest over all its pictures."""
    propositions: Propositions
    baselines: tuple[Baseline, ...]
    repeatability: tuple[Repeat, ...]
    embedder: str
    """Digest of the embedder of `centre`; empty without one."""
    centre: tuple[float, ...]
    """Mean embedding of the works of the calibration half: the kind of picture for which the record holds."""
    cost: tuple[Fact, ...]
    limits: tuple[str, ...]

    @property
    def forms(self) -> dict[str, PropositionRecord | Absent]:
        """The records by the names of the wire form."""
        return {name: getattr(self.propositions, name) for name in Propositions.__dataclass_fields__}


def save(record: ValidationRecord, path: Path) -> None:
    """Write the record as canonical JSON."""
    path.write_bytes(canonical(record))


def load(path: Path) -> tuple[ValidationRecord, bytes]:
    """The record and the bytes it was read from.

    Raises:
        SettingsError: no file, no JSON, or not a record of this version.
    """
    hint = "Make one with `forensics validate`."
    try:
        data = foreign.read(path, _LARGEST)
        document = foreign.parse(data)
    except foreign.Unreadable as exc:
        raise SettingsError(f"{path} is no readable validation record.", hint=hint) from exc
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise SettingsError(f"{path} is not a validation record of version {SCHEMA}.", hint=hint)
    try:
        return decode(ValidationRecord, document, "record"), data
    except ForensicsError as exc:
        raise SettingsError(f"{path} is no validation record: {exc.message}", hint=hint) from exc


def unfit(record: ValidationRecord, checkpoint: str, protocol_version: str, parameters: Mapping[str, str]) -> str:
    """Why the record does not hold for this examination, as a sentence; empty where it does.

    Args:
        checkpoint: digest of the checkpoint under examination.
        parameters: the parameters of the protocol in force, by name.
    """
    if record.checkpoint_digest != checkpoint:
        return "The validation record at hand was made with another checkpoint."
    if record.protocol_version != protocol_version:
        return (
            f"The validation record was made with version {record.protocol_version} of the protocol; version "
            f"{protocol_version} is in force."
        )
    for fact in record.parameters:
        if parameters.get(fact.name) != fact.value:
            return (
                f"The validation record was made with {fact.name} {fact.value}; {parameters.get(fact.name, 'none')} is "
                "in force."
            )
    return ""


def likelihood_ratio(
    record: PropositionRecord, digest: str, values: Mapping[str, float], domain: Mapping[str, float], prompt: str = ""
) -> LikelihoodRatio | Absent:
    """The bounded ratio for measured values, or the reason why the record gives none.

    Args:
        digest: SHA-256 of the record.
        values: the features by name.
        domain: properties of the picture by name; those of the record must be among them and inside its ranges.
        prompt: kind of the prompt that was used, of `PROMPT_KINDS`; empty where none was.
    """
    if refusal := record.refused or _outside(record, domain, prompt):
        return Absent("likelihood ratio", refusal, "The rank among the control works is offered instead.")
    missing = [name for name in record.calibrator.features if not math.isfinite(values.get(name, math.nan))]
    if missing:
        reason = f"Not measured in this examination: {'; '.join(map(plainly, missing))}."
        return Absent("likelihood ratio", reason, "The rank among the control works is offered instead.")
    row = [values[name] for name in record.calibrator.features]
    found = record.calibrator.log10_lr(row)
    low, high = _interval(record, row, found)
    lower, upper = record.bounds.lower, record.bounds.upper

    def bounded(log10: float) -> float:
        return min(max(log10, lower), upper)

    return LikelihoodRatio(
        log10=bounded(found),
        low=bounded(low),
        high=bounded(high),
        unbounded=found,
        lower=lower,
        upper=upper,
        band=verbal.band(bounded(found)),
        n_first=record.bounds.n_first,
        n_second=record.bounds.n_second,
        features=tuple(FeatureValue(name, values[name]) for name in record.calibrator.features),
        record=digest,
    )


def _outside(record: PropositionRecord, domain: Mapping[str, float], prompt: str) -> str:
    if record.prompts and prompt not in record.prompts:
        known = " or ".join(record.prompts)
        return f"The validation covers prompts of the kind {known}, not of the kind {prompt or 'none'}."
    for known_range in record.domain:
        value = domain.get(known_range.name, math.nan)
        if not known_range.low <= value <= known_range.high:
            stated = f"{value:.3g}" if math.isfinite(value) else "not known"
            return (
                f"The disputed image is unlike the works validated: {known_range.name} is {stated}, theirs lies "
                f"between {known_range.low:.3g} and {known_range.high:.3g}."
            )
    return ""


def _interval(record: PropositionRecord, row: Sequence[float], found: float) -> tuple[float, float]:
    if not record.resampled:
        return found, found
    # Same features, centres and scales; other weights.
    warps = record.warps or (record.calibrator.warp,) * len(record.resampled)
    ratios = [
        replace(record.calibrator, weights=tuple(fitted[:-1]), intercept=fitted[-1], warp=warp).log10_lr(row)
        for fitted, warp in zip(record.resampled, warps, strict=True)
    ]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return min(float(low), found), max(float(high), found)


def facts(
    record: ValidationRecord,
    digest: str,
    path: str,
    control_checkpoint: str,
    properties: Mapping[str, float] | None = None,
) -> ValidationFacts:
    """What a case states of the record: the forms that apply, and those that give no ratio with the reason.

    Args:
        properties: those of the disputed image by name, to be set beside the ranges of the works validated.
    """
    pairs, refused = [], []
    ranges: dict[tuple[str, float, float], list[str]] = {}
    for name, form in record.forms.items():
        controlled = name == "retention_with_control_checkpoint"
        if controlled != bool(control_checkpoint) and name.startswith("retention"):
            continue
        if isinstance(form, Absent):
            refused.append(form)
            continue
        if form.refused:
            refused.append(Absent(f"likelihood ratio for {form.pair.value}", form.refused))
        pairs.append(validated(form, record.forms["retention"] if controlled else None))
        for r in form.domain:
            ranges.setdefault((r.name, r.low, r.high), []).append(form.pair.value)
    known = properties or {}
    domain = tuple(
        DomainRow(name, value if math.isfinite(value := known.get(name, math.nan)) else None, tuple(of), low, high)
        for (name, low, high), of in sorted(ranges.items())
    )
    repeated = tuple(
        Fact(f"repeatability, {r.name}", f"{r.n} works measured twice: largest difference {r.largest:.2g}")
        for r in record.repeatability
    )
    return ValidationFacts(
        record.name,
        digest,
        path,
        record.checkpoint_digest,
        record.protocol_version,
        tuple(pairs),
        tuple(refused),
        (*(Fact(f"blind baseline, {b.name}", f"AUC {b.auc.value:.3f}") for b in record.baselines), *repeated),
        domain,
        record.limits,
    )


def validated(form: PropositionRecord, sibling: PropositionRecord | Absent | None = None) -> ValidatedPair:
    """One pair as a case states it.

    Args:
        sibling: another form of the same pair, whose study of changes stands in where this one has none.
    """
    controls = form.p_values[0] if form.p_values else None
    studied, of = form, ""
    if not form.robustness and isinstance(sibling, PropositionRecord):
        studied, of = sibling, sibling.primary
    return ValidatedPair(
        pair=form.pair,
        features=form.calibrator.features,
        first=form.first,
        second=form.second,
        n_first=form.n_sources.test_first,
        n_second=form.n_sources.test_second,
        cllr=form.cllr,
        cllr_min=form.cllr_min,
        auc=form.auc.value,
        auc_interval=(form.auc.low, form.auc.high),
        lower=form.bounds.lower,
        upper=form.bounds.upper,
        ratios_first=form.ratios_first,
        ratios_second=form.ratios_second,
        false_05=(controls.false_05.k, controls.false_05.n) if controls else (0, 0),
        false_01=(controls.false_01.k, controls.false_01.n) if controls else (0, 0),
        misleading_first=(form.misleading_first.k, form.misleading_first.n),
        misleading_second=(form.misleading_second.k, form.misleading_second.n),
        groups=tuple(
            GroupRates(g.name, g.n, g.auc.value, g.misleading.k, g.median_log10, g.in_first) for g in form.levels
        ),
        changes=tuple(
            ChangedRates(s.name, s.n_first, s.n_second, s.auc.value, s.misleading_first.k, s.misleading_second.k)
            for s in studied.robustness
        ),
        changes_of=of if studied.robustness else "",
        nulls=tuple(NullRates(v.name, v.n, v.false_05.k, v.false_01.k) for v in form.p_values),
        chosen=form.form,
    )


def digest_of(data: bytes) -> str:
    """SHA-256 of a record's bytes."""
    return hashlib.sha256(data).hexdigest()
