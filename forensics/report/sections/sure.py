"""How sure each answer is: rank, ratio with the range it was studied in, error rates, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass

from forensics import verbal
from forensics.case import (
    Absent,
    AnnouncedShare,
    Case,
    Comparison,
    ControlFacts,
    Finding,
    Pair,
    Role,
    ValidatedPair,
    ValidationFacts,
)
from forensics.report import words
from forensics.report.drawn import DETAILED
from forensics.report.sections.sensitivity import LEVEL


@dataclass(frozen=True, slots=True)
class SureRow:
    """One question."""

    name: str
    measured: str
    """The primary measurement and its value."""
    rank: str
    ratio: str
    holds: str
    """Where the ratio holds, and on which works it was studied."""
    errors: str


@dataclass(frozen=True, slots=True)
class Against:
    """What tells against the answer to one question."""

    name: str
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sure:
    """The section."""

    rows: tuple[SureRow, ...]
    checkpoint: str
    """Which checkpoint was examined, and how it is told from another version, as a sentence; empty without any."""
    announced: tuple[str, ...]
    """How often examinations of works never trained on set them apart, as sentences; empty without a checkpoint."""
    store: str
    """How many scores of controls were computed in this run, as a sentence; empty without controls."""


def sure(case: Case) -> Sure:
    """Every question that the material was asked."""
    asked = (Pair.DERIVATION,) if case.command == "compare" else tuple(Pair)
    found = {f.pair: f for f in case.findings}
    rows = tuple(_row(case, pair, found.get(pair)) for pair in asked)
    return Sure(rows, _checkpoint(case), _announced(case), _store(case))


def _announced(case: Case) -> tuple[str, ...]:
    """What the study of unseen works says of the answers above, and how far it reaches."""
    found = case.announced
    if found is None:
        return ()
    if isinstance(found, Absent):
        return (found.reason,)
    n, count, profile, k = found.works, found.controls, found.profile, found.any_question.k
    said = [
        f"Of {n} clip-art pictures of 128 pixels that the shipped reference model was not trained on, each examined as "
        f"the disputed image under the profile {profile} with {count} controls, index and control checkpoint as "
        f"shipped, for {k} at least one of the three answers set the picture apart from its controls (95 % interval of "
        f"that share {_span(found.any_question)})."
    ]
    if k:
        said.append(f"By question: {_by_question(found.questions)}.")
    if found.first != found.questions:
        said.append(f"Ranked above every control, which announces nothing here: {_by_question(found.first)}.")
    if found.profile == "standard":
        said.append("In these examinations the rungs that search with the picture in hand were left out.")
    said.append("Of some of these pictures another version was among the works trained on; they count all the same.")
    used = next((row.value for row in case.settings if row.name == "profile"), found.profile)
    if used != found.profile:
        said.append(f"The profile {used} was not studied.")
    said.append(
        "For pictures of other kinds no such rate is known."
        if found.own_checkpoint
        else "It was measured on the shipped reference model, not on this checkpoint; of this no such rate is known."
    )
    return tuple(said)


def _by_question(shares: tuple[AnnouncedShare, ...]) -> str:
    return ", ".join(f"{one.question} {one.k} of {one.n} ({_span(one)})" for one in shares)


def _span(one: AnnouncedShare) -> str:
    return f"{100 * one.low:.1f} to {100 * one.high:.1f}{words.NARROW}%"


def _checkpoint(case: Case) -> str:
    c = case.checkpoint
    if isinstance(c, Absent):
        return ""
    files = words.counted(len(c.files), "file", "files")
    return (
        f"The checkpoint examined is {c.name}, of the family {c.family}: {files} whose digest begins {c.digest[:8]}. "
        "The answers hold for these files and no others."
    )


def against(case: Case) -> tuple[Against, ...]:
    """Everything that tells against an answer, question by question: by rule, never by title."""
    asked = (Pair.DERIVATION,) if case.command == "compare" else tuple(Pair)
    found = {f.pair: f for f in case.findings}
    return tuple(_against(case, pair, found.get(pair)) for pair in asked)


def _row(case: Case, pair: Pair, finding: Finding | None) -> SureRow:
    name = words.PAIRS[pair][0]
    primary = next((c for c in case.comparisons if c.primary_for is pair), None)
    pairs = case.validation.pairs if isinstance(case.validation, ValidationFacts) else ()
    validated = next((p for p in pairs if p.pair is pair), None)
    if primary is None:
        return SureRow(name, "not made", "no rank", _ratio(case, finding), "–", "–")
    low, high = primary.k_interval
    rank = (
        f"{primary.k} of {primary.n} controls as extreme; p = {words.significant(primary.p)}{_corrected(primary)}; "
        f"share {words.number(low, 2)} to {words.number(high, 2)}"
    )
    measured = f"{primary.id}: {primary.title}, {words.number(primary.value)}"
    holds = _holds(case, validated) if validated else "no record of known status"
    return SureRow(name, measured, rank, _ratio(case, finding), holds, _errors(validated) if validated else "not known")


def _corrected(c: Comparison) -> str:
    if c.p_holm is None:
        return ""
    return f", {words.significant(c.p_holm)} after Holm’s correction over the questions asked"


def _ratio(case: Case, finding: Finding | None) -> str:
    if finding is None:
        return "not evaluated"
    found = finding.likelihood_ratio
    if isinstance(found, Absent):
        if case.command == "compare":
            return "none: it needs a checkpoint that was validated"
        return f"not evaluated: {words.lowered(words.tidy(found.reason)).rstrip('.')}"
    shown = words.significant(found.value)
    if found.bounded:
        return f"{shown}, the bound; {found.band} support"
    low, high = (words.significant(10.0**v) for v in (found.low, found.high))
    return f"{shown}{'' if low == high else f' (95 % interval {low} to {high})'}; {found.band} support"


def _holds(case: Case, p: ValidatedPair) -> str:
    """The ranges studied, with the disputed image's own values, and which works stood for the first proposition."""
    if not isinstance(case.validation, ValidationFacts):
        return "–"
    parts = []
    for row in case.validation.domain:
        if p.pair.value in row.pairs and row.value is not None and not row.low <= row.value <= row.high:
            parts.append(f"outside: {row.name} {words.significant(row.value, 3)}")
    sizes = next((r for r in case.validation.domain if p.pair.value in r.pairs and "side" in r.name), None)
    if sizes is not None:
        low, high = (words.significant(v, 3) for v in (sizes.low, sizes.high))
        parts.append(f"{sizes.name} {low if low == high else f'{low} to {high}'}")
    return f"studied on {p.first}; {'; '.join(parts)}" if parts else f"studied on {p.first}"


def _errors(p: ValidatedPair) -> str:
    parts = []
    k, n = p.misleading_second
    if n:
        parts.append(f"{k} of {n} works of the other kind received a ratio above 1")
        at_bound = sum(v >= p.upper for v in p.ratios_second)
        if at_bound:
            parts.append(f"{at_bound} of them the bound itself")
    k, n = p.misleading_first
    if n:
        parts.append(f"{k} of {n} works of this kind a ratio below 1")
    if p.false_01[1]:
        parts.append(f"{p.false_01[0]} of {p.false_01[1]} unseen works reach p at or below 0.01")
    low = [g for g in p.groups if not g.in_first and g.misleading]
    if low:
        missed, all_of = sum(g.misleading for g in low), sum(g.n for g in low)
        names = words.listed([words.tidy(g.name) for g in low])
        parts.append(f"{missed} of {all_of} works of groups outside it ({names}) a ratio on the wrong side")
    return "; ".join(parts) or "not known"


def opposes(c: Comparison, primary: Comparison) -> bool:
    """Whether a secondary comparison of the same question points the other way from the primary one."""
    if c is primary or c.statistic.kind.pair is not primary.primary_for or c.statistic.kind.role is not Role.EVIDENCE:
        return False
    if (primary.p if primary.p_holm is None else primary.p_holm) <= LEVEL:
        return c.p > LEVEL
    return (c.p if c.p_holm is None else c.p_holm) <= LEVEL


def _against(case: Case, pair: Pair, finding: Finding | None) -> Against:
    primary = next((c for c in case.comparisons if c.primary_for is pair), None)
    points = [words.sentence(c) for c in finding.contrary if c != verbal.NOTHING_CONTRARY] if finding else []
    if primary is not None:
        for c in case.comparisons:
            if opposes(c, primary) and not any(p.startswith(c.title) for p in points):
                points.append(_opposed(c))
    if pair is Pair.DERIVATION:
        points += _nearest_control(case)
    return Against(words.PAIRS[pair][0], tuple(dict.fromkeys(points)))


def _nearest_control(case: Case) -> list[str]:
    """That the nearest control receives a word of correspondence too, where the disputed image received one."""
    found = case.control_correspondence
    corresponds = bool(case.assessments) and case.assessments[0].grade in words.CORRESPONDING
    if found is None or found.outcome not in DETAILED or not corresponds:
        return []
    return [
        f"The nearest control work, {found.laid}, receives the word “{found.outcome.said}” beside the item of the "
        f"index nearest to it, {found.work}, although it is not known to derive from it."
    ]


def _opposed(c: Comparison) -> str:
    """One comparison that points the other way, with both of its p-values."""
    holm = f", {words.significant(c.p_holm)} after Holm’s correction" if c.p_holm is not None else ", uncorrected"
    return f"{c.title} ({c.id}): {words.tally(c)} (p = {words.significant(c.p)}{holm})."


def _store(case: Case) -> str:
    facts = case.controls
    if not isinstance(facts, ControlFacts) or facts.computed is None or facts.stored is None:
        return ""
    if facts.stored == 0:
        return f"All {words.count(facts.computed)} scores of control works were computed in this run."
    return (
        f"{words.count(facts.computed)} scores of control works were first computed in this run; "
        f"{words.count(facts.stored)} were read from a store of earlier runs, each under the digests of the "
        "checkpoint, of the work and of the parameters. A sample of these, drawn by the seed, was computed again; "
        "what came of it stands with the environment."
    )
