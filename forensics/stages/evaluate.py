"""Likelihood ratios: the validation record that fits this examination, and what it says of the measurements made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forensics.case import (
    NO_VALIDATION,
    Absent,
    Checkpoint,
    LikelihoodRatio,
    Measurement,
    Metric,
    Pair,
    ValidationFacts,
)
from forensics.embedders.open_clip import Embedder
from forensics.errors import SettingsError
from forensics.protocol import Protocol
from forensics.resources import samples
from forensics.stages import domain
from forensics.stages.context import Context, Models
from forensics.stages.measure import Measured
from forensics.stages.origin import Traced
from forensics.stages.works import Work
from forensics.statistics import record as records
from forensics.statistics.record import PropositionRecord, ValidationRecord

FILE = "validation.json"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The record used and the ratio of each pair; for every pair without one, the reason."""

    facts: ValidationFacts | Absent = NO_VALIDATION
    ratios: Mapping[Pair, LikelihoodRatio | Absent] = field(default_factory=dict)


def evaluate(
    disputed: Work,
    works: Sequence[str],
    measured: Measured,
    traced: Traced,
    models: Models,
    embedder: Embedder | None,
    context: Context,
) -> Evaluated:
    """The ratios that a record for this checkpoint and this version of the protocol allows.

    Args:
        disputed: the disputed image.
        works: exhibit ids of the works compared with it; the first alone has a ratio of derivation.
        traced: what was measured of the autoencoder.
        embedder: what tells how like the works of the record the pictures are; None where there is none.

    Raises:
        SettingsError: a record was named and cannot be read.
    """
    asked, control = measured.asked, models.control
    found = _record(models.checkpoint, context.protocol, context.settings.validation)
    if isinstance(found, Absent):
        why = Absent("likelihood ratio", found.reason, "The rank among the control works is offered instead.")
        return Evaluated(found, dict.fromkeys(Pair, why))
    record, data = found
    digest = records.digest_of(data)
    controlled = control.digest if control is not None and control.digest == record.control_checkpoint_digest else ""
    context.ledger.put_file(FILE, data)
    properties = _properties(disputed, record, embedder)
    properties_asked = properties if asked is disputed else _properties(asked, record, embedder)
    propositions = record.propositions
    retention = propositions.retention_with_control_checkpoint if controlled else propositions.retention
    statistics: dict[str, float] = {c.statistic: c.value for c in (*measured.comparisons, *traced.comparisons)}
    first = works[0] if works else ""
    pair = _pair(measured, disputed.id, first)
    ratios = {
        Pair.DERIVATION: _ratio(propositions.derivation, digest, pair, properties, ""),
        Pair.RETENTION: _ratio(retention, digest, statistics, properties_asked, _kind(measured)),
        Pair.ORIGIN: _ratio(propositions.origin, digest, statistics, properties, ""),
    }
    return Evaluated(records.facts(record, digest, FILE, controlled, properties), ratios)


def _record(
    checkpoint: Checkpoint, protocol: Protocol, location: str | None
) -> tuple[ValidationRecord, bytes] | Absent:
    parameters = {row.name: row.value for row in protocol.rows}
    reason = NO_VALIDATION.reason
    for path in [Path(location)] if location else sorted((samples() / "reference").glob("validation-*.json")):
        try:
            record, data = records.load(path)
        except SettingsError:
            if location:
                raise
            continue  # one that ships with the program and is of an older form is as good as none
        misfit = records.unfit(record, checkpoint.digest, protocol.version, parameters)
        if not misfit:
            return record, data
        if location or record.checkpoint_digest == checkpoint.digest:
            reason = misfit
    return Absent(NO_VALIDATION.what, reason, NO_VALIDATION.remedy)


def _properties(work: Work, record: ValidationRecord, embedder: Embedder | None) -> dict[str, float]:
    if embedder is None or embedder.digest != record.embedder:
        return domain.properties(work.pixels)
    return domain.properties(work.pixels, embedder.images(work.pixels)[0].tolist(), record.centre)


def feature(metric: Metric) -> str:
    """How a measure of a pair of pictures is called in a record: another version of it is another measurement."""
    return f"{metric.name.upper()} ({metric.version})"


def _pair(measured: Measured, disputed: str, work: str) -> dict[str, float]:
    names = {metric.name: feature(metric) for metric in measured.metrics}
    rows = (m for m in measured.measurements if isinstance(m, Measurement))
    return {names[m.metric]: m.value for m in rows if (m.a, m.b) == (disputed, work)}


def _kind(measured: Measured) -> str:
    return next((i.prompt_kind for i in measured.inversions if i.method == "regeneration"), "")


def _ratio(
    form: PropositionRecord | Absent,
    digest: str,
    values: Mapping[str, float],
    properties: Mapping[str, float],
    prompt: str,
) -> LikelihoodRatio | Absent:
    if isinstance(form, Absent):
        return Absent("likelihood ratio", form.reason, form.remedy)
    return records.likelihood_ratio(form, digest, values, properties, prompt)
