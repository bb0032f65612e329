"""The figures of a validation record as lines of text: what the command prints."""

from __future__ import annotations

from forensics.case import Absent, titled
from forensics.statistics.discrimination import Rate
from forensics.statistics.record import ValidationRecord


def table(record: ValidationRecord) -> list[str]:
    """The acceptance figures as lines of text."""
    lines = [
        f"{record.name}: checkpoint {record.checkpoint_digest[:16]}, protocol {record.protocol_version} "
        f"({record.protocol_digest[:16]})"
    ]
    for name, form in record.forms.items():
        if isinstance(form, Absent):
            lines.append(f"{name}: not evaluated: {form.reason}")
            continue
        n, wrong = form.n_sources, (form.misleading_first, form.misleading_second)
        low, high = form.cllr_interval
        lines += [
            f"{name}: {', '.join(map(titled, form.calibrator.features))}",
            f"  sources: calibration {n.calibration_first}/{n.calibration_second}, test {n.test_first}/{n.test_second}",
            f"  Cllr {form.cllr:.3f} ({low:.3f} to {high:.3f}), Cllr_min {form.cllr_min:.3f}, Cllr_cal "
            f"{form.cllr_cal:.3f}; AUC {_rate(form.auc)}; TPR at 1 % FPR {_rate(form.tpr_at_fpr_01)}",
            f"  ratio between {10**form.bounds.lower:.3g} and {10**form.bounds.upper:.3g}; misleading "
            f"{wrong[0].k}/{wrong[0].n} and {wrong[1].k}/{wrong[1].n}, worst {10**form.worst_first:.3g} and "
            f"{10**form.worst_second:.3g}, beyond the bound without it {form.beyond_bound}",
        ]
        lines += [
            f"  {level.name}: n {level.n}, AUC {level.auc.value:.3f}, p <= 0.05 {level.flagged_05.k}, p <= 0.01 "
            f"{level.flagged_01.k}, median LR {10**level.median_log10:.3g}"
            + ("" if level.in_first else " (shown only)")
            for level in form.levels
        ]
        lines += [
            f"  false flags, {p.name}: p <= 0.05 {p.false_05.k}/{p.n} (expected {p.expected_05[0]}-{p.expected_05[1]}, "
            f"binomial {p.binomial_05[0]}-{p.binomial_05[1]}), p <= 0.01 {p.false_01.k}/{p.n} (expected "
            f"{p.expected_01[0]}-{p.expected_01[1]}, binomial {p.binomial_01[0]}-{p.binomial_01[1]}), "
            f"KS {p.ks_distance:.3f} (p {p.ks_p:.3f})"
            for p in form.p_values
        ]
        lines += [
            f"  {s.name}: n {s.n_first}/{s.n_second}, AUC {s.auc.value:.3f}, median change of log10 LR "
            f"{s.median_change_first:+.2f} and {s.median_change_second:+.2f}, misleading {s.misleading_first.k} and "
            f"{s.misleading_second.k}"
            for s in form.robustness
        ]
        if form.refused:
            lines.append(f"  refused: {form.refused}")
    lines += [f"blind baseline, {b.name}: AUC {_rate(b.auc)}" for b in record.baselines]
    lines += [f"{r.name}: {r.n} works, largest difference {r.largest:.2g}" for r in record.repeatability]
    return [*lines, *(f"{fact.name}: {fact.value}" for fact in record.cost)]


def _rate(rate: Rate) -> str:
    return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
