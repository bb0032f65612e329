"""How often the search misses a work that is in the index: the known-item test, where one was made for these rows."""

from __future__ import annotations

import json
from pathlib import Path

from forensics.case import Fact
from forensics.resources import samples
from forensics.retrieval.base import IndexInfo

AT, ASKED = "hit@5", "one score"
NAME = "Known-item test"
NONE = "none was made for this index: how often this search misses an altered work that is in it is not known"


def fact(info: IndexInfo, study: Path | None = None) -> Fact:
    """What the test found for an index, by the digest of its rows.

    Args:
        info: of the index searched.
        study: file written by `tests.studies.retrieval_study`; the one that ships where none is named.
    """
    path = study or samples() / "reference" / "retrieval-study.json"
    if not info.rows_digest or not path.is_file():
        return Fact(NAME, NONE)
    made = json.loads(path.read_text(encoding="utf-8"))
    if made["index"]["rows_digest"] != info.rows_digest:
        return Fact(NAME, NONE)
    parts = []
    for row in made["rows"]:
        if row["asked"] == ASKED and row["change"] != "none":
            figure = row["all"][AT]
            parts.append(f"{row['change']} {figure['hits']} ({figure['low']:.3f} to {figure['high']:.3f})")
    return Fact(
        NAME,
        f"{made['works']} works of this index were altered and searched for in this way; among the first "
        f"{AT.removeprefix('hit@')} were, with 95 % bounds of the share: {', '.join(parts)}",
    )
