"""Does the checkpoint give the work back: the finding on retention."""

from __future__ import annotations

from forensics.case import (
    Absent,
    Comparison,
    Finding,
    Given,
    Inversion,
    LedgerRow,
    Pair,
    PromptKind,
    Role,
    Statistic,
    stops_at,
)
from forensics.findings.evidence import (
    BACK_UNALIGNED,
    Evidence,
    asked_of,
    counted,
    lower,
    p_words,
    ranked,
    sensitivity,
)
from forensics.verbal import NOTHING_CONTRARY, PROMPTS


def retention(evidence: Evidence) -> Finding:
    question = "Does the checkpoint give the disputed image back otherwise than works it has not seen?"
    if isinstance(evidence.checkpoint, Absent):
        answer = f"Not evaluated: {lower(evidence.checkpoint.reason)}"
        return Finding("F2", Pair.RETENTION, question, answer, evidence.ratio(Pair.RETENTION), (), (), ())
    if evidence.origin is not None and evidence.origin.gate.not_asked:
        reason = evidence.origin.gate.not_asked
        ratio = Absent("likelihood ratio", reason, "Put the original forward with --original.")
        return Finding("F2", Pair.RETENTION, question, f"Not asked: {lower(reason)}", ratio, (), (), ())
    rank = evidence.primary(Pair.RETENTION)
    run = next((i for i in evidence.inversions if i.method == "regeneration"), None)
    if rank is None or run is None:
        answer = _not_ranked(run, evidence)
        limits = (*_limits(evidence, run), *reconstruction(evidence))
        return Finding("F2", Pair.RETENTION, question, answer, evidence.ratio(Pair.RETENTION), (), (), limits)
    answer = (
        f"{_plainly(rank, evidence)} Told the prompt ({run.prompt_source}), the checkpoint needs "
        f"{_share(rank.value)} bits for "
        f"{asked_of(evidence)} than {_than(rank)}. "
        f"{ranked(rank, evidence.protocol, 'reach at least as large a share', asked_of(evidence))}"
    )
    cites = [rank.id]
    back = evidence.comparison(Statistic.PROMPT_MEDIAN_LPIPS)
    if back is not None:
        cites.append(back.id)
        answer += (
            f" From the prompt alone, {len(run.seeds)} seeds gave pictures whose median LPIPS to {asked_of(evidence)} "
            f"is {back.value:.3f}; {back.k} of {back.n} controls are at least as close to theirs "
            f"(p = {p_words(back.p)}).{_supplied(run)}"
        )
    apart = evidence.announces(rank)
    answer += "".join(f" {_asked_with(other, evidence)}" for other in _tried(evidence, run))
    if evidence.ledger:
        answer += f" {claim(evidence.ledger)}"
    if apart:
        answer += _by_chance(evidence)
    # Against retention tells that works never seen come back as well; where retention is not said, it is a limit.
    also_back = reconstruction(evidence)
    contrary = [*sensitivity(evidence, Pair.RETENTION, rank), *(also_back if apart else ())]
    for other in evidence.secondary(Pair.RETENTION):
        # A secondary measurement speaks for something by its corrected p, and against it by the plain one.
        against = other.p > evidence.protocol.rank_level
        if against if apart else evidence.announces(other):
            contrary.append(counted(other))
    contrary += [
        _asked_with(other, evidence)
        for other in _tried(evidence, run)
        if other.hits is not None and apart == (other.hits.hits == 0)
    ]
    return Finding(
        "F2",
        Pair.RETENTION,
        question,
        answer,
        evidence.ratio(Pair.RETENTION),
        tuple(cites),
        tuple(contrary) or (NOTHING_CONTRARY,),
        (*_limits(evidence, run), *(() if apart else also_back)),
    )


def _not_ranked(run: Inversion | None, evidence: Evidence) -> str:
    """The answer where nothing was set beside controls; what was asked is counted all the same."""
    if run is None or run.prompt_kind.ranked:
        return "Not evaluated: the primary measurement could not be made; the reason stands among the absent items."
    asked = "".join(f" {_asked_with(other, evidence)}" for other in (run, *_tried(evidence, run)))
    return (
        f"Not evaluated: nobody stated a caption of the work, and the works that the checkpoint has not seen have no "
        f"counterpart of {PROMPTS[run.prompt_kind]}.{asked}"
    )


def _tried(evidence: Evidence, first: Inversion) -> tuple[Inversion, ...]:
    """What else the checkpoint was asked in words, beside the first prompt."""
    return tuple(
        i for i in evidence.inversions if i.given is Given.WORDS and not i.checkpoint and i is not first and i.hits
    )


def _asked_with(run: Inversion, evidence: Evidence) -> str:
    """How often the picture came back for one prompt, named by its class."""
    came = "was not counted" if run.hits is None else f"came back in {run.hits.hits} of {run.hits.draws} tries"
    return f"Asked with {PROMPTS[run.prompt_kind]} (“{run.prompt}”), {asked_of(evidence)} {came}."


def _by_chance(evidence: Evidence) -> str:
    """How often works never trained on reach the level, where a validation record says so."""
    if isinstance(evidence.validation, Absent):
        return ""
    pair = next((p for p in evidence.validation.pairs if p.pair is Pair.RETENTION), None)
    if pair is None:
        return ""
    (at_05, n), (at_01, _) = pair.false_05, pair.false_01
    return (
        f" In the validation {at_05} of {n} works that the checkpoint was not trained on reached p ≤ 0.05 as well, and "
        f"{at_01} reached p ≤ 0.01."
    )


def _share(saved: float) -> str:
    return f"{100 * abs(saved):.1f} % {'fewer' if saved >= 0 else 'more'}"


def _than(rank: Comparison) -> str:
    if rank.statistic is Statistic.SAVED_AGAINST_CONTROL:
        return "the control checkpoint, which is told the same prompt"
    return "without it"


def _plainly(rank: Comparison, evidence: Evidence) -> str:
    """The rank of retention in plain words, for a reader who stops after one sentence."""
    target = asked_of(evidence)
    if rank.statistic is Statistic.SAVED_AGAINST_CONTROL:
        start, than = "Beside the control checkpoint, the one examined saves", ""
    else:
        start, than = "The prompt saves the checkpoint", ", each with a prompt of its own"
    apart = evidence.announces(rank)
    if apart and rank.k == 0:
        return f"{start} more on {target} than on any of {rank.n} works it has not seen{than}."
    if rank.k == 0:
        return (
            f"{start} most on {target} among {rank.n + 1} works, {rank.n} of them works it has not seen{than}; so few "
            "works announce nothing."
        )
    if apart:
        return f"{start} more on {target} than on {rank.n - rank.k} of {rank.n} works it has not seen{than}."
    if rank.k == rank.n:
        return f"{start} no more on {target} than on any of {rank.n} works it has not seen{than}."
    return (
        f"{start} as much on {target} as on some works it has not seen{than}: {rank.k} of {rank.n} reach that or more."
    )


def claim(ledger: tuple[LedgerRow, ...]) -> str:
    """How far the ladder carries, in one sentence: up to the first rung where control works succeed too."""
    stop = stops_at(ledger)
    if stop is None:
        return (
            f"At none of the {len(ledger)} rungs run did control works succeed too; the last is “{ledger[-1].rung}”"
            f"{_bits(ledger[-1])}."
        )
    before = ledger[: ledger.index(stop)]
    came = [row for row in before if row.reached]
    if came:
        return (
            f"The image comes back, and control works do not, up to the rung “{came[-1].rung}”{_bits(came[-1])}. At "
            f"the rung “{stop.rung}”{_bits(stop)} control works succeed too, and from there on a reconstruction says "
            "nothing about this image."
        )
    if before:
        return (
            f"Below the rung “{stop.rung}”{_bits(stop)}, where control works succeed too, the image does not "
            "come back within the reach of the autoencoder."
        )
    return (
        f"Already at the rung with the fewest supplied bits, “{stop.rung}”{_bits(stop)}, control works come as near: "
        "no rung tells the image from works the checkpoint has not seen."
    )


def _bits(row: LedgerRow) -> str:
    return "" if isinstance(row.bits, Absent) else f" ({row.bits:,.0f} bits supplied)".replace(",", "\u202f")


def _supplied(run: Inversion) -> str:
    if isinstance(run.supplied_bits, Absent):
        return ""
    return f" Prompt and choice of the seed amount to {run.supplied_bits:.0f} bits of supplied information."


def reconstruction(evidence: Evidence) -> tuple[str, ...]:
    """What speaks against reading a reconstruction as retention: the controls come back as well."""
    rows = []
    for comparison in evidence.secondary(Pair.RETENTION, Role.CEILING):
        if comparison.controls:
            values = sorted(score.value for score in comparison.controls)
            rows.append(
                f"{comparison.title}: {comparison.value:.3f} for {asked_of(evidence)}; median of the controls "
                f"{values[len(values) // 2]:.3f}. Reconstruction with the target in hand succeeds on unseen works too "
                "and is no sign of retention."
            )
    return tuple(rows)


def _limits(evidence: Evidence, run: Inversion | None) -> tuple[str, ...]:
    rows = [BACK_UNALIGNED]
    if run is not None and run.prompt_kind is PromptKind.NEIGHBOUR:
        rows.append(
            "The prompt was found with the disputed image in hand; each control was given its own neighbour's caption."
        )
    if any(i.prompt_kind is PromptKind.FILE for i in evidence.inversions):
        rows.append(
            "What a file says of itself can be written by anyone. Where it is true it is the recipe of the disputed "
            "image: that this comes back from its own recipe says nothing of a work."
        )
    if evidence.origin is not None and evidence.origin.gate.grounds:
        rows.append(evidence.origin.gate.sentence)
    else:
        rows.append(
            "If the disputed image is itself an output of the checkpoint, its regeneration says nothing about training."
        )
    rows.append(
        "The results hold for the weights named by their digests, not for a service that uses other weights or filters."
    )
    return tuple(rows)
