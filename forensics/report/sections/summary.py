"""What the opinion says beside its answers: the questions of the case file, and what was not tested."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Case, NotMeasured
from forensics.report.sections.limitations import absences


@dataclass(frozen=True, slots=True)
class Summary:
    """What frames the answers."""

    questions: tuple[str, ...]
    untested: tuple[str, ...]
    not_measured: int


def summary(case: Case) -> Summary:
    """Questions as asked, and everything that was not at hand or not measured, by name."""
    return Summary(
        case.matter.questions,
        tuple(dict.fromkeys(a.what for a in absences(case))),
        sum(isinstance(m, NotMeasured) for m in case.measurements),
    )
