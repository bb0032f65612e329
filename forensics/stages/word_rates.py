"""How often the word of a comparison was wrong on pictures of known status, where a study of its very bounds exists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forensics.case import Outcome
from forensics.overlay import correspondence, outcome
from forensics.resources import samples

NONE = "How often this word errs has not been measured for these bounds: no study of this version is at hand."
_DETAIL = (Outcome.REPRODUCES.value, Outcome.PARTLY.value)


def sentence(study: Path | None = None) -> str:
    """The rates of the test half, with their limits.

    Args:
        study: file written by `tests.studies.comparison_study`; the one that ships where none is named.
    """
    path = study or samples() / "reference" / "comparison-study.json"
    if not path.is_file():
        return NONE
    made = json.loads(path.read_text(encoding="utf-8"))
    if not {correspondence.VERSION, outcome.VERSION} <= set(made["versions"]):
        return NONE
    pairs = "; ".join(map(_not_so, made["not copies"]["test"]))
    edited = [row for row in _program(made) if row["required"] in _DETAIL]
    others = [row for row in _program(made) if row["required"] not in _DETAIL]
    right, works = sum(row["right"] for row in edited), sum(row["works"] for row in edited)
    kinds = ", ".join(row["case"] for row in edited)
    rest = ", ".join(f"{row['case']} {_in_detail(row)} of {row['works']}" for row in others)
    return (
        "How often the outcome words err was measured on works held out from every choice, without an index. Where "
        f"nothing was reproduced: {pairs}. Where the work was changed by program ({kinds}), the word was the one "
        f"required in {right} of {works}. Where manner, subject, template or arrangement is all that two pictures have "
        f"in common, “{Outcome.REPRODUCES.value}” or “{Outcome.PARTLY.value}” was said of: {rest}. The works are clip "
        "art of at most 128 pixels; for pictures of another kind no rate is known."
    )


def _in_detail(row: dict[str, Any]) -> int:
    return sum(row["words"].get(word, 0) for word in _DETAIL)


def _program(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The cases, with the words that an examination gives: neither subject nor style enters them."""
    rows: list[dict[str, Any]] = made["words without subject and style, as the program gives them"]["test"]
    return rows


def _not_so(row: dict[str, Any]) -> str:
    count = f"{row['pairs']:_}".replace("_", "\u202f")
    said = row["words"]
    return (
        f"of {count} pairs of works ({row['pairs of']}) “{Outcome.REPRODUCES.value}” was said of {row['reproduces']} "
        f"(upper limit of the 95 % interval {100 * row['upper bound 95 %']:.2f} %), “{Outcome.PARTLY.value}” of "
        f"{said.get(Outcome.PARTLY.value, 0)} and “{Outcome.ARRANGEMENT.value}” of "
        f"{said.get(Outcome.ARRANGEMENT.value, 0)}"
    )
