"""The gate: if the disputed image looks like the checkpoint's own output, retention is asked of another picture.

A model gives its own outputs back more easily than anything else, trained on or not. Likelihoods and inversions of such
a picture say nothing about training; the question is then put to the original, or to the nearest training work.
"""

from __future__ import annotations

from collections.abc import Sequence

from forensics.case import Absent, Comparison, Gate, StatedRecipe

RULE = (
    "The disputed image is treated as an output of the checkpoint if the primary measurement of origin places it "
    "outside the range of the control works, or if the recipe stated in the file gives it back within {levels} levels "
    "of 255 at every pixel."
)
LEVELS = 2
"""Largest difference of a value, in levels of 255, up to which a regenerated picture counts as given back."""


def gate(
    primary: Comparison | None, recipe: StatedRecipe | Absent, level: float, candidates: Sequence[str], disputed: str
) -> Gate:
    """Decide of which picture retention is asked.

    Args:
        primary: the primary comparison of origin, if it was made.
        recipe: what following the stated recipe gave.
        level: p at or below which a comparison lies outside the range of the controls, by the protocol.
        candidates: exhibits of the originals, then of the nearest training works, in the order of preference.
        disputed: exhibit of the disputed image.
    """
    grounds = []
    if primary is not None and primary.p <= level:
        grounds.append(
            f"The primary measurement of origin places it outside the range of the controls ({primary.k} of "
            f"{primary.n} at least as extreme, p = {primary.p:.3f})."
        )
    if isinstance(recipe, StatedRecipe) and recipe.largest_difference <= LEVELS:
        grounds.append(
            "The recipe stated in the file gives it back: the largest difference of a value is "
            f"{recipe.largest_difference} of 255 levels."
        )
    output = bool(grounds)
    target = candidates[0] if output and candidates else disputed
    return Gate(RULE.format(levels=LEVELS), output, tuple(grounds), target, _sentence(output, target, disputed))


def retention_target(decided: Gate | None, disputed: str) -> str:
    """Exhibit of the picture that the retention measurements are made on."""
    return decided.target if decided is not None else disputed


def _sentence(output: bool, target: str, disputed: str) -> str:
    if not output:
        return f"Nothing measured shows {disputed} to be an output of the checkpoint; retention is measured on it."
    why = f"{disputed} looks like an output of the checkpoint, and a model gives its own outputs back in any case."
    if target == disputed:
        return (
            f"{why} Neither an original nor a training work is at hand to measure retention on instead; the "
            f"measurements of retention on {disputed} say nothing about training."
        )
    return f"{why} Retention is therefore measured on {target} instead."
