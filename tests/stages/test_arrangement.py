"""A word that edges alone gave is said with its number, and no alignment is shown for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forensics.case import NO_COMPANIONS, Outcome
from forensics.overlay import outcome
from forensics.overlay.correspondence import Pairing, pair
from forensics.overlay.layout import Layout
from forensics.resources import samples
from forensics.stages import correspond
from forensics.stages.instruments import Instruments
from forensics.stages.works import Work, read

ORIGINAL, OTHER = samples() / "originals" / "edited-original.png", samples() / "disputed" / "manner.png"


@pytest.fixture(scope="module")
def works() -> tuple[Work, Work]:
    return Work.of("Q1", read(OTHER)), Work.of("R1", read(ORIGINAL))


@pytest.fixture(scope="module")
def found(works: tuple[Work, Work]) -> Pairing:
    return pair(*(correspond.prepared(w) for w in works))


def row(works: tuple[Work, Work], found: Pairing) -> correspond.Correspondence:
    return correspond._row(
        correspond.Laid("D1", *works, found, NO_COMPANIONS), Instruments({}, {}), None, correspond.Beside()
    )


def test_the_basis_says_what_was_laid_over_what(works: tuple[Work, Work], found: Pairing) -> None:
    said = row(works, replace(found, layout=Layout(0.87, "frame", True)))
    assert said.outcome is Outcome.ARRANGEMENT
    assert "frame on frame, mirrored" in said.basis
    assert "correlation 0.87" in said.basis
    assert said.regions == said.elements == said.differences == ()
    assert any("0.87" in fact.value and f"{outcome.BOUNDS.layout:.2f}" in fact.value for fact in said.values)
    assert said.protocol.endswith(outcome.VERSION)


def test_without_it_the_same_pair_has_no_correspondence(works: tuple[Work, Work], found: Pairing) -> None:
    said = row(works, found)
    assert said.outcome is Outcome.NONE
    assert "edges" not in said.basis
    assert not any("edges" in fact.name for fact in said.values)
