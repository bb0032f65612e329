"""The style stage: who stands for whom, and what is said where nobody does."""

from __future__ import annotations

from pathlib import Path

import torch

from forensics import resources, retrieval
from forensics.case import Absent, Neighbour
from forensics.retrieval.creators import holdings
from forensics.stages import style
from forensics.stages.instruments import Instruments
from forensics.stages.search import Found
from forensics.stages.works import Work
from tests.support import context

INDEX = resources.samples() / "reference" / "index"
NO_INDEX = Absent("training index", "No training index was given.", "Pass one.")
DISPUTED = Work("Q1", torch.zeros(1, 3, 32, 32), "")


def neighbour(training_id: str) -> Neighbour:
    return Neighbour(1, training_id, "", "", "", 1.0, "exact", None)


def test_the_holdings_are_those_of_the_rows() -> None:
    index = retrieval.open(INDEX)
    held = holdings(index)
    assert not isinstance(held, Absent)
    name, rows = max(held.items(), key=lambda item: len(item[1]))
    fetched = index.fetch([number for _, number in rows[:5]])
    assert [(row.creator.strip(), row.training_id) for row in fetched] == [(name, tid) for tid, _ in rows[:5]]
    assert sum(map(len, held.values())) <= 1587


def test_neighbours_never_stand_for_their_creator() -> None:
    """What a neighbour shares with the disputed image may be more than style."""
    held = {f"c{i}": tuple((f"{i}-{j}", 10 * i + j) for j in range(5)) for i in range(3)}
    chosen = style._chosen(held, {"1-0", "1-1"})
    assert chosen.names == ("c0", "c2")  # c1 has three works left, too few
    assert chosen.passed_over == 1
    one = style._chosen(held, {"0-4"})
    assert 4 not in one.rows
    assert sum(owner == 0 for owner in one.owners) == style.LEAST


def test_of_many_works_the_draw_is_the_same_every_time() -> None:
    held = {"c": tuple((f"{j}", j) for j in range(30))}
    one, two = style._chosen(held, set()), style._chosen({"c": held["c"][::-1]}, set())
    assert len(one.rows) == style.MOST
    assert one.rows == two.rows


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    found, bare = Found(NO_INDEX), context(tmp_path / "case")
    absent = style.resemble(DISPUTED, [], found, NO_INDEX, bare)
    assert isinstance(absent, Absent)
    assert absent.reason == NO_INDEX.reason
    no_network = style.resemble(DISPUTED, [], found, retrieval.open(INDEX), bare)
    assert isinstance(no_network, Absent)
    assert "AlexNet" in no_network.reason


def test_an_index_of_another_layout_gives_no_creators(tmp_path: Path) -> None:
    class Foreign:
        """A collection that cannot list its columns."""

    said = holdings(Foreign())  # type: ignore[arg-type]
    assert isinstance(said, Absent)
    assert "import" in said.remedy


def test_too_few_creators_are_no_ranking(tmp_path: Path) -> None:
    from forensics.similarity.lpips import Lpips

    index = retrieval.open(INDEX)
    held = holdings(index)
    assert not isinstance(held, Absent)
    everyone = tuple(neighbour(tid) for name in sorted(held)[8:] for tid, _ in held[name])
    found = Found(NO_INDEX, everyone)
    instruments = Instruments({"lpips": Lpips()}, {})
    said = style.resemble(DISPUTED, [], found, index, context(tmp_path / "case", instruments=instruments))
    assert isinstance(said, Absent)
    assert "creators of the index have" in said.reason
