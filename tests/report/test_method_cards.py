"""The method card of the comparison states the bounds that are in force, and no method is described by a blank."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from forensics import report
from forensics.overlay import align, correspondence, judge, outcome, regions, thumbnail_level
from forensics.report.view import DESCRIBED
from forensics.similarity import METRICS
from tests.report.cases import CASES
from tests.report.pages import words

METHODS = Path(__file__).parents[2] / "templates" / "methods"


def test_the_card_of_the_comparison_states_the_bounds_in_force() -> None:
    assert f"{correspondence.VERSION}, {outcome.VERSION}" == DESCRIBED
    card = " ".join(words((METHODS / "correspondence.html.j2").read_text(encoding="utf-8")).split())
    bounds = outcome.BOUNDS
    for said in (
        f"Up to {align.REGIONS} parts",
        f"its long side {judge.SIDE} pixels",
        f"a contrast up to {judge.PLAIN}",
        f"likeness of the detail in all channels of at least {judge.AGREES:.2f}",
        f"smoothed over {100 * judge.FLOW:.0f} % of the long side and cut at {100 * judge.FURTHEST:.0f} %",
        f"correlates with at least {correspondence.LEVEL_AGREES}",
        f"every step from {thumbnail_level.FIRST} pixels on",
        f"The finest step is {thumbnail_level.STEPS[-1]} pixels",
        f"cut into {regions.GRID} cells along its long side",
        f"at least {100 * regions.AGREES:.0f} % of what could agree in it does",
        f"differs below {100 * regions.DIFFERS:.0f} %",
        f"on less than {100 * regions.INFORMATIVE:.0f} % of its area",
        f"at least {100 * bounds.agreement:.0f} % of what could agree in its overlap",
        f"over at least {100 * bounds.extent:.0f} % of what one of the two shows",
        f"on at least {bounds.evidence:.0f} squares",
        f"at least {bounds.related} keypoints in one relation",
        f"with {bounds.places} keypoints that agree with the alignment unless {100 * bounds.alone:.0f} % agree",
        f"a level of at least {bounds.level} pixels; where more than {100 * bounds.same:.0f} % agree by chance",
        f"only a level of {bounds.fine} pixels counts, or that {100 * bounds.corners:.0f} % of the corners",
        f"over at least {bounds.spread} cells of {align.CELL} pixels, unless more than {100 * bounds.repeats:.0f} %",
        f"at least {100 * bounds.whole:.0f} % of what one of the two pictures shows",
        f"no piece within the overlap that differs larger than {100 * bounds.gap:.0f} %",
        f"mean correlation of at least {bounds.arrangement}",
        f"at least {100 * bounds.moved:.0f} % that agree once displacements are followed",
        f"at least {100 * bounds.arrangement_share:.0f} % of both contents",
        f"on less than {bounds.shown} squares",
    ):
        assert said in card, said
    assert bounds.beyond == 2
    low, high = thumbnail_level._QUANTILES
    assert f"holds {100 * (high - low):.0f} % of resamples" in card


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_measure_of_the_table_says_how_it_works(name: str) -> None:
    assert (METHODS / f"{name}.html.j2").is_file()


@pytest.mark.parametrize("name", ["full", "compare"])
def test_what_the_cards_cite_is_listed(name: str, tmp_path: Path) -> None:
    html = report.render_html(CASES[name](tmp_path), tmp_path)
    cards, _, listed = html[html.index('id="method"') :].partition('id="references"')
    text = " ".join(words(cards).split())
    entries = [" ".join(words(p).split()) for p in re.findall(r"<p>.*?</p>", listed[: listed.index("<h1")], re.S)]
    cited = re.findall(r"([A-Z][\w-]+)(?: et al\.| and [A-Z][\w-]+)? ((?:19|20)\d\d)[;,:)]", text)
    assert len(cited) > 3
    for surname, year in cited:
        assert any(surname in entry and year in entry for entry in entries), (surname, year)
