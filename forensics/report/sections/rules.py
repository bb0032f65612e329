"""Where the report answers what rules of evidence ask of an expert's method, and what is missing: factor by factor."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Absent, Case, ControlFacts, ValidationFacts
from forensics.report import words


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of one rule."""

    rule: str
    asks: str
    answered: str
    anchor: str
    """Section that answers it."""
    missing: str


def factors(case: Case) -> tuple[Factor, ...]:
    """The factors of FRE 702, Daubert, CPR 35 and ENFSI, in this order."""
    validated = isinstance(case.validation, ValidationFacts)
    controls = case.controls.used if isinstance(case.controls, ControlFacts) else 0
    rates = "Error rates on works of known status, with intervals" if validated else "No record of known status applies"
    data = f"{words.counted(len(case.items), 'file', 'files')} received"
    if controls:
        data += f", {words.counted(controls, 'control work', 'control works')}"
    if not isinstance(case.index, Absent):
        data += f", an index of {words.count(case.index.count)} pictures"
    person = "A person’s part: nothing here supplies it."
    return (
        Factor(
            "FRE 702(a)",
            "Knowledge that helps the court",
            "Questions and answers in plain words",
            "answers",
            "Whether it helps is for the court. The proponent shows (a) to (d) to be more likely than not.",
        ),
        Factor(
            "FRE 702(b)",
            "Sufficient facts or data",
            data,
            "how-sure",
            "Coverage of the index beyond what its maker states; who chose the files.",
        ),
        Factor(
            "FRE 702(c)",
            "Reliable principles and methods",
            "One card a method, with what it cannot say",
            "method",
            "The parts are published; this combination: no peer review known.",
        ),
        Factor(
            "FRE 702(d)",
            "Reliable application to the facts",
            "Protocol hashed before the run; settings, versions, seeds",
            "app-parameters",
            "The opinion itself, which a person forms and signs.",
        ),
        Factor(
            "Daubert",
            "Tested, and can be tested",
            "Every number can be computed again from the case folder",
            "app-verify",
            "A repetition by a laboratory that had no part in it.",
        ),
        Factor(
            "Daubert",
            "Peer review and publication",
            "References of each method",
            "references",
            "This combination: no peer review known.",
        ),
        Factor(
            "Daubert",
            "Known or potential error rate",
            rates,
            "validation",
            "Rates for pictures of other kinds and for other checkpoints." if validated else "The rates themselves.",
        ),
        Factor(
            "Daubert",
            "Standards that control the operation",
            "Fixed protocol and fixed sentences; custody log",
            "custody",
            "Accreditation of who operates it.",
        ),
        Factor(
            "Daubert",
            "General acceptance",
            "Structured with reference to ENFSI 2015",
            "references",
            "Nothing is known of acceptance of this combination.",
        ),
        Factor(
            "CPR PD 35, 3.2",
            "Facts, instructions, who carried out what, range of opinion, summary",
            "Forms for a person; summary of conclusions",
            "app-person",
            person,
        ),
        Factor(
            "CPR PD 35, 3.2(6)",
            "Facts that detract from the opinion",
            "What tells against each answer; limits",
            "how-sure",
            "What a person knows beyond the measurements.",
        ),
        Factor(
            "ENFSI 2015",
            "Two propositions set against each other",
            "Three pairs, never merged",
            "how-sure",
            "Whether these are the propositions of the parties.",
        ),
        Factor(
            "ENFSI 2015",
            "Strength as a ratio with its words",
            "Ratios only inside what was studied, bounded by the data"
            if validated
            else "No ratio is given; ranks among controls stand in its place",
            "how-sure",
            "The probability of a proposition, which depends on other evidence.",
        ),
    )
