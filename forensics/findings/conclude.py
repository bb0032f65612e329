"""Measurements to graded words and findings: pure, from fixed templates, never beyond what the numbers carry.

The sentences of a finding stand in this package; what an overlay shows and why a gate decides is worded where it is
measured, from fixed sentences as well. Positive and negative outcomes are worded symmetrically, a
positive one is followed by its limits, and nothing is multiplied across the three proposition pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import (
    Absent,
    Assessment,
    Finding,
    LikelihoodRatio,
    Pair,
)
from forensics.findings.derivation import derivation
from forensics.findings.evidence import NO_ORIGIN, Evidence
from forensics.findings.grade import assess
from forensics.findings.origin import origin
from forensics.findings.retention import retention


@dataclass(frozen=True, slots=True)
class Conclusions:
    """Assessments, findings and what they could not rest on."""

    assessments: tuple[Assessment, ...]
    findings: tuple[Finding, ...]
    absences: tuple[Absent, ...]


def conclude(evidence: Evidence) -> Conclusions:
    """Draw the graded assessments and one finding per proposition pair."""
    assessments = tuple(assess(f"S{i}", work, evidence) for i, work in enumerate(evidence.works, 1))
    findings = (derivation(evidence, assessments), retention(evidence), origin(evidence))
    ratios = [evidence.ratio(pair) for pair in Pair]
    missing = (
        []
        if any(isinstance(r, LikelihoodRatio) for r in ratios)
        else list(dict.fromkeys(r for r in ratios if isinstance(r, Absent)))
    )
    if evidence.primary(Pair.ORIGIN) is None:
        missing.append(evidence.checkpoint if isinstance(evidence.checkpoint, Absent) else NO_ORIGIN)
    return Conclusions(assessments, findings, tuple(missing))


# --- assessment of one work -------------------------------------------------------------------------------------------


# --- findings, one per proposition pair -------------------------------------------------------------------------------
