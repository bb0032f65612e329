"""The gate: of which picture retention is asked, if not of the disputed image.

A model gives its own outputs back more easily than anything else, trained on or not. Likelihoods and inversions of such
a picture say nothing about training; the question is then put to the original, or to the nearest training work. The
same holds for an altered copy: a model that learned a work gives back the work, not its mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from forensics.case import Absent, Comparison, Gate, Outcome, Pair, Role, StatedRecipe
from forensics.protocol import Protocol
from forensics.verbal import placed_among_controls

RULE = (
    "The disputed image is treated as an output of the checkpoint if the primary measurement of origin sets it apart "
    "from the control works at the level {level:g}, this question taken by itself, as received and after each of the "
    "alterations tried, or if the "
    "recipe stated in the file gives it back within {levels} levels of 255 at every pixel. Retention is then asked of "
    "the first work put forward, else of the nearest training work that the disputed image is found to be a copy of; "
    "where there is neither it is not asked. Otherwise, if the disputed image is an altered copy of one of these and "
    "an unaltered copy of none, retention is asked of the first that it is an altered copy of: saving again and "
    "scaling alter nothing."
)
LEVELS = 2
"""Largest difference of a value, in levels of 255, up to which a regenerated picture counts as given back."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pictures that retention may be asked of in place of the disputed image."""

    names: tuple[str, ...]
    """Exhibits of the originals, then of the nearest training works, in the order of preference."""
    put_forward: tuple[str, ...] = ()
    """Those of them that a party names."""
    copies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Those that the disputed image is found to be a copy of -> in which ways it is altered, in words."""
    otherwise: Mapping[str, Outcome] = field(default_factory=dict)
    """Those of which that rests on the further source of alignments -> the word without it."""
    source: str = ""
    """Title of that source."""


def gate(
    comparisons: Sequence[Comparison],
    recipe: StatedRecipe | Absent,
    protocol: Protocol,
    candidates: Candidates,
    disputed: str,
) -> Gate:
    """Decide of which picture retention is asked.

    Args:
        comparisons: of origin: the primary one, if it was made, and the same under other handling of the file.
        recipe: what following the stated recipe gave.
        protocol: says when a rank sets the disputed image apart from the controls.
        candidates: the pictures that retention may be asked of instead.
        disputed: exhibit of the disputed image.
    """
    grounds = []
    primary = next((c for c in comparisons if c.primary_for is Pair.ORIGIN), None)
    stable = all(protocol.announces(c.p, c.n) for c in comparisons if c.statistic.kind.role is Role.STABILITY)
    if primary is not None and protocol.announces(primary.p, primary.n) and stable:
        grounds.append(
            f"By the primary measurement of origin it {placed_among_controls(primary.k)} ({primary.k} of {primary.n} "
            f"at least as extreme, p = {primary.p:.3f})."
        )
    if isinstance(recipe, StatedRecipe) and recipe.largest_difference <= LEVELS:
        grounds.append(
            "The recipe stated in the file gives it back: the largest difference of a value is "
            f"{recipe.largest_difference} of 255 levels."
        )
    rule = RULE.format(levels=LEVELS, level=protocol.rank_level)
    if grounds:
        return _of_output(rule, tuple(grounds), candidates, disputed)
    found = candidates.copies
    if found and all(found.values()):
        target = next(name for name in candidates.names if name in found)
        how = ", ".join(found[target])
        ground = f"Laid over {target}, {disputed} agrees with it in detail, altered: {how}."
        sentence = (
            f"Nothing measured shows {disputed} to be an output of the checkpoint. It agrees with {target} in detail, "
            f"altered ({how}); a checkpoint learns a work as it was, so retention is measured on {target} instead."
            f"{_rests(candidates, disputed, target)}"
        )
        return Gate(rule, False, (ground,), target, sentence)
    sentence = f"Nothing measured shows {disputed} to be an output of the checkpoint; retention is measured on it."
    return Gate(rule, False, (), disputed, sentence)


def retention_target(decided: Gate | None, disputed: str) -> str:
    """Exhibit of the picture that the retention measurements are made on."""
    return decided.target if decided is not None else disputed


def _of_output(rule: str, grounds: tuple[str, ...], candidates: Candidates, disputed: str) -> Gate:
    why = f"{disputed} looks like an output of the checkpoint, and a model gives its own outputs back in any case."
    target = next(
        (name for name in candidates.names if name in candidates.put_forward or name in candidates.copies), ""
    )
    if target:
        rests = "" if target in candidates.put_forward else _rests(candidates, disputed, target)
        return Gate(rule, True, grounds, target, f"{why} Retention is therefore measured on {target} instead.{rests}")
    reason = (
        f"{why} No work was put forward, and it was not found to be a copy of any training work at hand, so there is "
        "no picture to ask retention of."
    )
    sentence = f"{reason} What was measured on {disputed} says nothing about training."
    return Gate(rule, True, grounds, disputed, sentence, reason)


def _rests(candidates: Candidates, disputed: str, target: str) -> str:
    """That the subject was moved because of the further source, as a sentence to follow another; empty where not."""
    word, source = candidates.otherwise.get(target), candidates.source
    if word is None:
        return ""
    return (
        f" That {disputed} agrees with {target} in detail was found only with alignments of {source}; without them the "
        f"word would be “{word.said}”, and retention would not be asked of {target}."
    )
