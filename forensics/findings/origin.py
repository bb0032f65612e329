"""Did the checkpoint make the disputed image: the finding on origin."""

from __future__ import annotations

from forensics.case import (
    Absent,
    Comparison,
    Finding,
    Pair,
    Role,
    StatedRecipe,
)
from forensics.findings.evidence import (
    NO_ORIGIN,
    ORIGIN_LIMITS,
    Evidence,
    after_holm,
    by_correction,
    lower,
    p_words,
    too_few,
)
from forensics.verbal import NOTHING_CONTRARY, placed_among_controls


def origin(evidence: Evidence) -> Finding:
    question = "Was the disputed image made by this checkpoint, or by another of its family?"
    stated = [f.value for f in evidence.disputed.generator if f.name == "prompt"]
    contrary = tuple(f"The file states a prompt: “{value}”. Metadata can be forged." for value in stated)
    contrary += tuple(f"The file states: {f.name}, {f.value}" for f in evidence.disputed.provenance[:4])
    rank = evidence.primary(Pair.ORIGIN)
    if rank is None or evidence.origin is None:
        why = evidence.checkpoint if isinstance(evidence.checkpoint, Absent) else NO_ORIGIN
        answer = f"Not evaluated: {lower(why.reason)}"
        return Finding("F3", Pair.ORIGIN, question, answer, why, (), contrary, ())
    low, high = rank.k_interval
    answer = (
        f"{_place(rank, evidence)} {rank.title}: {rank.value:.3f} under the checkpoint's autoencoder. "
        f"{rank.k} of {rank.n} control works score as low (p = {p_words(rank.p)}{after_holm(rank)}; 95 % interval for "
        f"that share {low:.2f} to {high:.2f})."
    )
    if turned := _turned(rank, evidence):
        answer = f"Undecided. {answer} {turned}"
    recipe = evidence.origin.recipe
    if isinstance(recipe, StatedRecipe):
        answer += (
            f" The recipe stated in the file ({recipe.generator}) was followed: {recipe.share_equal:.1%} of the values "
            f"are equal, the largest difference is {recipe.largest_difference} of 255 levels."
        )
    answer += f" {evidence.origin.gate.sentence}"
    for other in evidence.secondary(Pair.ORIGIN):
        against = other.p > evidence.protocol.rank_level if evidence.announces(rank) else evidence.announces(other)
        if against:
            contrary += (f"{other.title}: {other.k} of {other.n} controls score as low (p = {p_words(other.p)}).",)
    contrary += _lost_less(rank, evidence)
    return Finding(
        "F3",
        Pair.ORIGIN,
        question,
        answer,
        evidence.ratio(Pair.ORIGIN),
        (rank.id,),
        contrary or (NOTHING_CONTRARY,),
        ORIGIN_LIMITS,
    )


def _lost_less(rank: Comparison, evidence: Evidence) -> tuple[str, ...]:
    """Other autoencoders that give the disputed image back better than the one that it is held to come from."""
    found = evidence.origin
    if found is None or isinstance(found.reconstructions, Absent) or not evidence.announces(rank):
        return ()
    own = found.reconstructions[0]
    ratio = min(found.reconstructions, key=lambda r: r.ratio)
    layer = min(found.reconstructions, key=lambda r: r.layer)
    said: tuple[str, ...] = ()
    if ratio is not own:
        said += (
            f"The autoencoder of {ratio.autoencoder} gives a lower ratio: {ratio.ratio:.3f}, the checkpoint's "
            f"{own.ratio:.3f}.",
        )
    if layer is not own:
        said += (
            f"The autoencoder of {layer.autoencoder} gives a lower LPIPS distance: {layer.layer:.4f}, the "
            f"checkpoint's {own.layer:.4f}.",
        )
    return said


def _turned(rank: Comparison, evidence: Evidence) -> str:
    """Where the answer hangs on how the file was handled: the alterations under which it turns."""
    held = evidence.announces(rank)
    altered = evidence.secondary(Pair.ORIGIN, Role.STABILITY)
    turning = [c for c in altered if evidence.announces_in_place(c, rank) != held]
    if not turning:
        return ""
    ranks = "; ".join(f"{c.of}: {c.k} of {c.n} controls score as low (p = {p_words(c.p)})" for c in turning)
    return f"The rank turns when every picture is altered alike ({ranks}); no answer rests on it."


def _place(rank: Comparison, evidence: Evidence) -> str:
    if evidence.announces(rank):
        return (
            f"The result {placed_among_controls(rank.k)}, as it does for pictures made by the decoder of this "
            "autoencoder."
        )
    if rank.k == 0:
        return too_few(rank, evidence.protocol)
    said = "The measurement does not distinguish the disputed image from works that the checkpoint did not make."
    return said + by_correction(rank, evidence.protocol)
