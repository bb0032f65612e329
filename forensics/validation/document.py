"""The validation record as a PDF of its own, with the record attached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from markupsafe import Markup

from forensics.case import Absent, titled
from forensics.defaults import SOURCE
from forensics.report import error_rates, html, pdf, words
from forensics.report.attachments import Attached
from forensics.report.charts import curves as figures
from forensics.report.sections.items import Line, Lines
from forensics.statistics import validity
from forensics.statistics.calibration import density
from forensics.statistics.discrimination import Rate
from forensics.statistics.record import PropositionRecord, ValidationRecord, digest_of, validated

TITLES = {
    "derivation": "Derivation",
    "retention": "Retention",
    "retention_with_control_checkpoint": "Retention, with a control checkpoint",
    "origin": "Origin",
}
MOMENT = "2026-01-01T00:00:00+00:00"
"""The PDF is a function of the record, which carries no time."""


@dataclass(frozen=True, slots=True)
class PairView:
    """One proposition pair."""

    key: str
    title: str
    first: str
    second: str
    features: str
    refused: str
    facts: Lines
    tippett: Markup
    ece: Markup
    densities: Markup
    levels: Lines
    flags: Lines
    shifts: Lines


@dataclass(frozen=True, slots=True)
class View:
    """The whole document."""

    title: str
    name: str
    tool: str
    digest: str
    facts: Lines
    pairs: tuple[PairView, ...]
    absent: tuple[Absent, ...]
    checks: Lines
    limits: tuple[str, ...]


def _cost(name: str) -> str:
    """The label of a row: what was taken from the configuration stands among the costs and is none."""
    return SOURCE.capitalize() if name == SOURCE else f"Cost: {name}"


def write(record: ValidationRecord, data: bytes, path: Path, *, paper: str = "A4") -> Path:
    """Render the record; its bytes are attached.

    Raises:
        RenderingError: something could not be drawn.
    """
    attached = Attached("validation.json", data, "The validation record that this document shows.", "Source")
    text = html.render(view(record, digest_of(data)), "validation.html.j2")
    size = cast("Literal['A4', 'Letter']", paper)
    path.write_bytes(pdf.write(text, {}, attached=(attached,), created=MOMENT, paper=size))
    return path


def view(record: ValidationRecord, digest: str) -> View:
    """The record in words."""
    forms = record.forms
    return View(
        title=f"Validation: {record.name}",
        name=record.name,
        tool=f"{record.tool.name} {record.tool.value}",
        digest=digest,
        facts=(
            Line("Checkpoint", record.checkpoint_name),
            Line("Digest of the checkpoint", words.groups(record.checkpoint_digest), "hash"),
            Line("Digest of the control checkpoint", words.groups(record.control_checkpoint_digest), "hash"),
            Line("Version of the protocol", record.protocol_version),
            Line("Digest of the protocol", words.groups(record.protocol_digest), "hash"),
            *(Line(f.name.capitalize(), f.value) for f in record.parameters),
            *(Line(f"SHA-256: {d.path}", words.groups(d.sha256), "hash") for d in record.data),
            Line("Command", record.command),
        ),
        pairs=tuple(_pair(k, f) for k, f in forms.items() if isinstance(f, PropositionRecord)),
        absent=tuple(f for f in forms.values() if isinstance(f, Absent)),
        checks=(
            *(
                Line(f"Blind baseline: {b.name}", f"{b.inputs}; area {_rate(b.auc)}, limit {words.number(b.limit, 2)}")
                for b in record.baselines
            ),
            *(
                Line(
                    f"Repeated: {r.name}",
                    f"{r.n} works; largest difference of “{titled(r.measurement)}” {r.largest:.2g}, "
                    f"standard deviation {r.deviation:.2g}",
                )
                for r in record.repeatability
            ),
            *(Line(_cost(f.name), f.value) for f in record.cost),
        ),
        limits=record.limits,
    )


def _pair(key: str, form: PropositionRecord) -> PairView:
    priors = np.linspace(-2.5, 2.5, 101)
    flat = [0.0] * len(form.ratios_first), [0.0] * len(form.ratios_second)
    lines = []
    recalibrated = validity.pav(form.ratios_first, form.ratios_second)
    for first, second in ((form.ratios_first, form.ratios_second), recalibrated, flat):
        lines.append(list(zip(priors.tolist(), validity.ece(first, second, priors).tolist(), strict=True)))
    scores = (*form.scores_first, *form.scores_second)
    at = np.linspace(min(scores), max(scores), 121)
    drawn = [
        list(zip(at.tolist(), density(group, at).tolist(), strict=True))
        for group in (form.scores_first, form.scores_second)
    ]
    n, low, high = form.n_sources, *form.cllr_interval
    return PairView(
        key=key,
        title=TITLES[key],
        first=form.first,
        second=form.second,
        features="; ".join(map(titled, form.calibrator.features)),
        refused=form.refused,
        facts=(
            Line("Sources of the calibration half", f"{n.calibration_first} and {n.calibration_second}"),
            Line("Sources of the half tested", f"{n.test_first} and {n.test_second}"),
            Line("Form of the ratio", form.form),
            Line(
                "Cllr",
                f"{words.number(form.cllr)} (95 % interval {words.number(low)} to {words.number(high)}); "
                f"Cllr_min {words.number(form.cllr_min)}, Cllr_cal {words.number(form.cllr_cal)}",
            ),
            Line("Distance from calibration (devPAV)", _devpav(form.devpav)),
            Line("Area under the curve", _rate(form.auc)),
            Line("True positives at 1 % false positives", _rate(form.tpr_at_fpr_01)),
            Line(
                "Bounds of the ratio",
                f"{words.significant(10**form.bounds.lower)} to {words.significant(10**form.bounds.upper)}",
            ),
            Line(
                "Misleading ratios",
                f"{form.misleading_first.k} of {form.misleading_first.n} for the first "
                f"proposition, {form.misleading_second.k} of {form.misleading_second.n} for the second; the worst "
                f"{words.significant(10**form.worst_first)} and {words.significant(10**form.worst_second)}",
            ),
            Line("Misleading ratios held back by a bound", str(form.beyond_bound)),
        ),
        tippett=figures.tippett(validated(form), None),
        ece=error_rates.cross_entropy(*lines),
        densities=error_rates.densities(drawn[0], drawn[1], titled(form.primary)),
        levels=tuple(
            Line(
                level.name,
                f"n = {level.n}; area {_rate(level.auc)}; p at or below 0.05: {level.flagged_05.k}, at or "
                f"below 0.01: {level.flagged_01.k}; median ratio {words.significant(10**level.median_log10)}"
                + ("" if level.in_first else "; shown only, part of neither proposition"),
            )
            for level in form.levels
        ),
        flags=tuple(
            Line(
                p.name,
                f"p at or below 0.05: {p.false_05.k} of {p.n} (expected {p.expected_05[0]} to "
                f"{p.expected_05[1]}); at or below 0.01: {p.false_01.k} (expected {p.expected_01[0]} to "
                f"{p.expected_01[1]}); Kolmogorov-Smirnov distance {words.number(p.ks_distance)}, "
                f"p = {words.number(p.ks_p)}",
            )
            for p in form.p_values
        ),
        shifts=tuple(
            Line(
                s.name,
                f"n = {s.n_first} and {s.n_second}; area {_rate(s.auc)}; median change of log10 of the ratio "
                f"{words.number(s.median_change_first, 2)} and {words.number(s.median_change_second, 2)}; misleading "
                f"{s.misleading_first.k} and {s.misleading_second.k}",
            )
            for s in form.robustness
        ),
    )


def _devpav(value: float | None) -> str:
    if value is None:
        return "not defined: on the half tested the two propositions do not overlap, so calibration cannot be seen"
    return f"{words.number(value, 2)} of log10 of the ratio, on average; 0 is perfect (Vergeer et al. 2021)"


def _rate(rate: Rate) -> str:
    return f"{words.number(rate.value)} (95 % interval {words.number(rate.low)} to {words.number(rate.high)})"
