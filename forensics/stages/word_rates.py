"""How often the word of a comparison was wrong on pictures of known status, where a study of its very bounds exists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forensics.case import Outcome
from forensics.resources import samples
from forensics.similarity import correspondence, outcome

NONE = "How often this word errs has not been measured for these bounds: no study of this version is at hand."
_DETAIL = (Outcome.REPRODUCES.value, Outcome.PARTLY.value)


def sentence(study: Path | None = None) -> str:
    """The rates of the test half, with their limits.

    Args:
        study: file written by `forensics.validation.comparison_study`; the one that ships where none is named.
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
    rest = ", ".join(f"{row['case']} {row['right']} of {row['works']}" for row in others)
    return (
        f"How often this word errs was measured on works held out from every choice, without an index. Said to "
        f"reproduce: {pairs}. Renderings changed by program ({kinds}) received the word required in {right} of "
        f"{works}; of the other kinds: {rest}. The works are clip art of at most 128 pixels; for pictures of another "
        "kind no rate is known."
    )


def _program(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The cases, with the words that an examination gives: neither subject nor style enters them."""
    rows: list[dict[str, Any]] = made["words without subject and style, as the program gives them"]["test"]
    return rows


def _not_so(row: dict[str, Any]) -> str:
    return (
        f"of {row['pairs']:,} pairs ({row['pairs of']}) {row['reproduces']} (upper limit of the 95 % interval "
        f"{row['upper bound 95 %']:.2%}), and {row['words'].get(Outcome.PARTLY.value, 0)} in part"
    )
