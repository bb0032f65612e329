"""Common elements: a template that several items share is found and left out, and the work itself never is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from forensics.case import NO_COMPANIONS, NOTHING_TO_EXCLUDE, Absent, CommonElements, Outcome
from forensics.overlay import pair_cache
from forensics.overlay.prepared import Prepared, prepare
from forensics.pictures.tensors import to_tensor
from forensics.resources import samples
from forensics.stages import correspond
from forensics.stages import shared_parts as common
from forensics.stages.search import Companion
from forensics.stages.works import Work, read
from tests import support

DISPUTED = samples() / "disputed"
WORKS = sorted((samples() / "reference" / "controls").iterdir())


def template(seed: int) -> np.ndarray:
    """(256, 256, 3): an ornament around a blank field, rich enough to be keypoints and cells."""
    draw = np.random.default_rng(0)
    page = np.full((256, 256, 3), 250, np.uint8)
    for _ in range(160):
        at = tuple(int(v) for v in draw.integers(0, 256, 2))
        cv2.circle(page, at, int(draw.integers(4, 12)), tuple(int(v) for v in draw.integers(0, 200, 3)), -1)
    page[44:212, 44:212] = 250
    picture = read(WORKS[seed]).resize((160, 160))
    page[48:208, 48:208] = np.asarray(picture)
    return page


def work(name: str, pixels: np.ndarray) -> Work:
    from PIL import Image

    return Work.of(name, Image.fromarray(pixels))


@pytest.fixture(scope="module")
def companions() -> tuple[Companion, ...]:
    return tuple(Companion(f"T{i}", work(f"T{i}", template(i)).pixels) for i in (2, 3, 5))


def test_a_template_alone_is_no_correspondence(companions: tuple[Companion, ...], tmp_path: Path) -> None:
    """Two cards of one template with different pictures: the ornament corresponds, and is left out."""
    disputed, other = work("Q1", template(4)), work("R1", template(7))
    context = support.context(tmp_path / "case")
    alone = correspond.correspond(disputed, [other], context, figures=0)[0]
    assert alone.outcome in (Outcome.THROUGHOUT, Outcome.PARTLY)
    assert alone.common == NO_COMPANIONS
    rest = correspond.correspond(disputed, [other], context, beside=correspond.Beside(lambda _: companions))[0]
    assert rest.outcome not in (Outcome.THROUGHOUT, Outcome.PARTLY)
    assert isinstance(rest.common, CommonElements)
    assert rest.common.shared_by == ("T2", "T3", "T5")
    assert 0.3 < rest.common.share < 0.9
    assert rest.common.left_out
    assert [e.id[-1] for e in context.ledger.exhibits if e.id.startswith("D1")] == ["E"]


def test_what_fills_the_template_still_counts(companions: tuple[Companion, ...], tmp_path: Path) -> None:
    """The same card again: without the ornament its picture remains, and reproduces."""
    disputed, other = work("Q1", template(6)), work("R1", template(6))
    found = correspond.correspond(
        disputed,
        [other],
        support.context(tmp_path / "case"),
        figures=0,
        beside=correspond.Beside(lambda _: companions),
    )[0]
    assert found.outcome in (Outcome.THROUGHOUT, Outcome.PARTLY)
    assert isinstance(found.common, CommonElements)
    assert found.common.work is not None
    inside = [e for e in found.elements if e.state == "agrees"]
    assert inside
    assert all(0.2 < (e.work.left + e.work.right) / 2 < 0.8 for e in inside)


def test_a_series_of_icons_in_one_frame_is_told_from_its_members(tmp_path: Path) -> None:
    """Real works of the embedded index: hotel icons of one creator, each with another sign in the same frame."""
    folder = samples() / "reference" / "works"
    parking, pets = (
        Work.of(tag, read(folder / f"{name}.webp")) for tag, name in (("R1", "772509f05f0d"), ("Q1", "8560ce5959db"))
    )
    series = [
        Companion(n, to_tensor(read(folder / f"{n}.webp"))) for n in ("0613e0776bd6", "edc3a35f5998", "6a3734253e32")
    ]
    beside = correspond.Beside(lambda _: series)
    context = support.context(tmp_path / "case")
    other = correspond.correspond(pets, [parking], context, figures=0, beside=beside)[0]
    assert other.outcome not in (Outcome.THROUGHOUT, Outcome.PARTLY)
    same = correspond.correspond(Work("Q1", parking.pixels.pow(1.1), ""), [parking], context, figures=0, beside=beside)[
        0
    ]
    assert same.outcome in (Outcome.THROUGHOUT, Outcome.PARTLY)
    assert isinstance(same.common, CommonElements)
    assert same.common.left_out
    assert len(same.common.shared_by) >= 2


def test_two_renderings_in_the_index_do_not_make_a_work_its_own_template(tmp_path: Path) -> None:
    memorised = Work.of("Q1", read(DISPUTED / "memorised.png"))
    twice = [Companion(name, memorised.pixels.pow(gamma)) for name, gamma in (("one", 1.0), ("two", 1.1))]
    shared = common.seek(correspond.prepared(memorised), twice)
    assert isinstance(shared, common.Shared)
    assert shared.facts.duplicates == ("one", "two")
    assert shared.facts.shared_by == ()
    assert shared.mask is None


def test_unrelated_neighbours_leave_everything_in() -> None:
    memorised = Work.of("Q1", read(DISPUTED / "memorised.png"))
    others = [Companion(p.name, to_tensor(read(p))) for p in WORKS[:3]]
    shared = common.seek(correspond.prepared(memorised), others)
    assert isinstance(shared, common.Shared)
    assert shared.facts.examined == tuple(p.name for p in WORKS[:3])
    assert shared.mask is None
    assert shared.rest is not None


def test_an_item_near_two_works_is_made_ready_once_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(pixels: np.ndarray) -> Prepared:
        made.append(1)
        return prepare(pixels)

    monkeypatch.setattr(pair_cache, "prepare", counted)
    works = [correspond.prepared(Work.of("R", read(p))) for p in WORKS[:2]]
    item = to_tensor(read(WORKS[2]))
    apart = [common.seek(one, [Companion("same", item.clone())]) for one in works]
    assert len(made) == 2
    table = pair_cache.LightTable()
    together = [common.seek(one, [Companion("same", item.clone())], table=table) for one in works]
    assert len(made) == 3
    assert [s.facts for s in together if isinstance(s, common.Shared)] == [
        s.facts for s in apart if isinstance(s, common.Shared)
    ]


def test_where_nothing_would_remain_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were two renderings counted like other items, they would share all of the work: it is compared all the same."""
    monkeypatch.setattr(common, "WHOLLY", 2.0)
    memorised = Work.of("R1", read(DISPUTED / "memorised.png"))
    twice = [Companion(name, memorised.pixels.pow(gamma)) for name, gamma in (("one", 1.0), ("two", 1.1))]
    ready = correspond.prepared(memorised)
    shared = common.seek(ready, twice)
    assert isinstance(shared, common.Shared)
    assert shared.facts.shared_by == ("one", "two")
    assert shared.facts.share > 0.3
    assert not shared.facts.left_out
    assert shared.rest is ready


def test_nothing_is_sought_where_nothing_corresponds(tmp_path: Path) -> None:
    def never(_: object) -> Absent:
        raise AssertionError("the index was asked although nothing corresponds")

    one, two = Work.of("Q1", read(WORKS[0])), Work.of("R1", read(WORKS[1]))
    found = correspond.correspond(one, [two], support.context(tmp_path / "case"), beside=correspond.Beside(never))[0]
    assert found.common == NOTHING_TO_EXCLUDE
