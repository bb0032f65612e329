"""Does the disputed image correspond to a work: the finding on derivation, and what tells against it."""

from __future__ import annotations

from collections.abc import Sequence

from forensics.case import (
    Assessment,
    Finding,
    Grade,
    Pair,
)
from forensics.findings.evidence import (
    COMPENSATED,
    HIT_IS_NOT_TRAINING,
    MAY_BE_EDITED,
    NO_DIFFERENCE,
    POSITIVE,
    UNALIGNED,
    Evidence,
    counted,
    ranked,
    sensitivity,
)
from forensics.verbal import NOTHING_CONTRARY


def derivation(evidence: Evidence, assessments: Sequence[Assessment]) -> Finding:
    question = "Does the disputed image correspond to the works put forward, or to the nearest training image?"
    if not evidence.works:
        answer = "Not evaluated: there was no work to compare the disputed image with."
        return Finding("F1", Pair.DERIVATION, question, answer, evidence.ratio(Pair.DERIVATION), (), (), (UNALIGNED,))
    first = assessments[0]
    # The caution about alignment stands among the limits of the finding and need not be said twice on one page.
    answer = f"{first.work}: {first.grade.value}. {first.basis.removesuffix(' ' + MAY_BE_EDITED)}"
    cites = list(first.cites)
    laid = evidence.laid_over(first.work)
    contrary = _against(first, assessments[1:], evidence)
    rank = evidence.primary(Pair.DERIVATION)
    if rank:
        cites.append(rank.id)
        answer += f" {ranked(rank, evidence.protocol)}"
    contrary += sensitivity(evidence, Pair.DERIVATION, rank)
    limits = [UNALIGNED if laid is None else COMPENSATED]
    if any(n.exhibit == first.work for n in evidence.neighbours):
        limits.append("The work compared was found by searching; it was not put forward by a party.")
        limits.append(HIT_IS_NOT_TRAINING)
    return Finding(
        "F1",
        Pair.DERIVATION,
        question,
        answer,
        evidence.ratio(Pair.DERIVATION),
        tuple(cites),
        tuple(contrary) or (NOTHING_CONTRARY,),
        tuple(limits),
    )


def _against(first: Assessment, others: Sequence[Assessment], evidence: Evidence) -> list[str]:
    """What tells against the grade of the first work: differences where it corresponds, likenesses where it does not.

    Whatever says the same as the grade is no point against it, in either direction.
    """
    beside = evidence.secondary(Pair.DERIVATION)
    if first.grade in POSITIVE:
        rows = (
            [f"{first.work}: {row}" for row in first.differs if row != NO_DIFFERENCE]
            if (first.grade is not Grade.SAME_PIXELS)
            else []
        )
        return rows + [counted(c) for c in beside if c.p > evidence.protocol.rank_level]
    if first.grade is Grade.INSUFFICIENT:
        return []
    rows = [f"{a.work}: {a.grade.value}. {a.basis}" for a in others if a.grade in POSITIVE]
    return rows + [counted(c) for c in beside if evidence.announces(c)]
