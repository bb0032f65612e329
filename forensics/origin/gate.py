"""The gate: of which picture retention is asked, if not of the disputed image.

A model gives its own outputs back more easily than anything else, trained on or not. Likelihoods and inversions of such
a picture say nothing about training; the question is then put to the original, or to the nearest training work. The
same holds for an altered copy: a model that learned a work gives back the work, not its mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forensics.case import Absent, Comparison, Gate, StatedRecipe
from forensics.verbal import placed_among_controls

RULE = (
    "The disputed image is treated as an output of the checkpoint if the primary measurement of origin, ranked among "
    "the control works, has p at or below {level:g}, or if the recipe stated in the file gives it back within "
    "{levels} levels of 255 at every pixel. Retention is then asked of the first work put forward, else of the nearest "
    "training work. Otherwise, if the disputed image is an altered copy of one of these and an unaltered copy of none, "
    "retention is asked of the first that it is an altered copy of: saving again and scaling alter nothing."
)
LEVELS = 2
"""Largest difference of a value, in levels of 255, up to which a regenerated picture counts as given back."""


def gate(
    primary: Comparison | None,
    recipe: StatedRecipe | Absent,
    level: float,
    candidates: Sequence[str],
    disputed: str,
    copies: Mapping[str, Sequence[str]] | None = None,
) -> Gate:
    """Decide of which picture retention is asked.

    Args:
        primary: the primary comparison of origin, if it was made.
        recipe: what following the stated recipe gave.
        level: p at or below which the primary measurement is held to show an output, by the protocol.
        candidates: exhibits of the originals, then of the nearest training works, in the order of preference.
        disputed: exhibit of the disputed image.
        copies: candidates that the disputed image is a copy of -> in which ways it is altered, in words.
    """
    grounds = []
    if primary is not None and primary.p <= level:
        grounds.append(
            f"By the primary measurement of origin it {placed_among_controls(primary.k)} ({primary.k} of {primary.n} "
            f"at least as extreme, p = {primary.p:.3f})."
        )
    if isinstance(recipe, StatedRecipe) and recipe.largest_difference <= LEVELS:
        grounds.append(
            "The recipe stated in the file gives it back: the largest difference of a value is "
            f"{recipe.largest_difference} of 255 levels."
        )
    rule = RULE.format(levels=LEVELS, level=level)
    if grounds:
        target = candidates[0] if candidates else disputed
        return Gate(rule, True, tuple(grounds), target, _of_output(target, disputed))
    found = copies or {}
    if found and all(found.values()):
        target = next(name for name in candidates if name in found)
        how = ", ".join(found[target])
        ground = f"Laid over {target}, {disputed} agrees with it in detail, altered: {how}."
        sentence = (
            f"Nothing measured shows {disputed} to be an output of the checkpoint. It agrees with {target} in detail, "
            f"altered ({how}); a checkpoint learns a work as it was, so retention is measured on {target} instead."
        )
        return Gate(rule, False, (ground,), target, sentence)
    sentence = f"Nothing measured shows {disputed} to be an output of the checkpoint; retention is measured on it."
    return Gate(rule, False, (), disputed, sentence)


def retention_target(decided: Gate | None, disputed: str) -> str:
    """Exhibit of the picture that the retention measurements are made on."""
    return decided.target if decided is not None else disputed


def _of_output(target: str, disputed: str) -> str:
    why = f"{disputed} looks like an output of the checkpoint, and a model gives its own outputs back in any case."
    if target == disputed:
        return (
            f"{why} Neither an original nor a training work is at hand to measure retention on instead; the "
            f"measurements of retention on {disputed} say nothing about training."
        )
    return f"{why} Retention is therefore measured on {target} instead."
