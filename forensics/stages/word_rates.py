"""How often the word of a comparison was wrong on pictures of known status, where a study of its very bounds exists."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forensics.case import Outcome
from forensics.overlay import correspondence, judge, outcome
from forensics.resources import samples

NONE = "How often this word errs has not been measured for these bounds: no study of this version is at hand."


def sentence(study: Path | None = None) -> str:
    """The rates of the test half, with their limits.

    Args:
        study: file written by `tests.studies.overlay_study`; the one that ships where none is named.
    """
    path = study or samples() / "reference" / "overlay-study.json"
    if not path.is_file():
        return NONE
    made = json.loads(path.read_text(encoding="utf-8"))
    if not {correspondence.VERSION, judge.VERSION, outcome.VERSION} <= set(made["versions"]):
        return NONE
    if made["calibrated"] != asdict(outcome.BOUNDS):
        return NONE
    test = made["test"]
    edits = [row for row in test["copies"] if row["edit"] != "itself"]
    right, pairs = sum(row["right"] for row in edits), sum(row["pairs"] for row in edits)
    changed = test["one thing changed"]
    return (
        "How often the outcome words err was measured on pictures held out from every choice, without an index: "
        "photographs, drawn wallpapers, stamps, clip art and text pages. Where the work was changed by program "
        f"({', '.join(row['edit'] for row in edits)}), “{Outcome.REPRODUCES.said}” or “{Outcome.PARTLY.said}” was "
        f"said of {right} of {pairs}; where one thing in it was replaced, “{Outcome.PARTLY.said}” of "
        f"{changed['right']} of {changed['pairs']}. Where the two works have nothing in common: "
        f"{'; '.join(map(_not_so, test['no copies']))}. Signs of one series share their frame in truth. For pictures "
        "of other kinds no rate is known."
    )


def _not_so(row: dict[str, Any]) -> str:
    count = f"{row['pairs']:_}".replace("_", "\u202f")
    said = row["words"]
    return (
        f"of {count} pairs ({row['pairs of']}) “{Outcome.REPRODUCES.said}” was said of {row['reproduces']} "
        f"(upper limit of the 95 % interval {100 * row['interval'][1]:.2f} %), “{Outcome.PARTLY.said}” of "
        f"{said.get(Outcome.PARTLY.value, 0)} and “{Outcome.ARRANGEMENT.said}” of "
        f"{said.get(Outcome.ARRANGEMENT.value, 0)}"
    )
