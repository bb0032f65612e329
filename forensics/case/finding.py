"""Graded words and findings: answers to one question, citing measurements, with their limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from forensics.case.received import Absent
from forensics.case.statistic import Pair
from forensics.case.validation import LikelihoodRatio


class Grade(StrEnum):
    """Fixed words for how far two pictures correspond. They describe measurements; they decide nothing."""

    SAME_PIXELS = "same pixels"
    """The decoded pixels are equal, byte for byte."""
    THROUGHOUT = "corresponds throughout"
    IN_PART = "corresponds in part"
    SUBJECT = "same subject or manner only"
    NONE = "no correspondence measured"
    INSUFFICIENT = "insufficient measurements"


@dataclass(frozen=True, slots=True)
class Assessment:
    """How far one work corresponds to the disputed image, in graded technical words."""

    id: str
    work: str
    """Exhibit id of the work compared with the disputed image."""
    grade: Grade
    basis: str
    """Why this grade, with the numbers, as sentences from fixed templates."""
    corresponds: tuple[str, ...]
    differs: tuple[str, ...]
    subject_or_manner: tuple[str, ...]
    """What is only subject, idea or manner."""
    cites: tuple[str, ...]
    """Measurement ids."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer to one question, from a fixed template, with what it cites and where it ends."""

    id: str
    pair: Pair
    question: str
    answer: str
    likelihood_ratio: LikelihoodRatio | Absent
    cites: tuple[str, ...]
    """Ids of comparisons and measurements."""
    contrary: tuple[str, ...]
    """Sentences that tell against the answer. An answer that was given carries at least one, if only to say that no
    contrary measurement was made; one that was not evaluated has none."""
    limits: tuple[str, ...]
