"""The model card holds what the figures say, and the figures are those shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples.recipe import card

SAMPLES = Path(__file__).parents[2] / "samples" / "reference"


def test_the_shipped_card_is_what_the_command_writes() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert card.fill(text, card.figures(SAMPLES)) == text


def test_a_changed_figure_changes_the_card_and_nothing_outside_the_marks() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    found = card.figures(SAMPLES)
    found["autoencoder"]["lpips_mean"] = 0.987
    changed = card.fill(text, found)
    assert "0.987" in changed
    assert [a for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b] == [
        line for line in text.splitlines() if "LPIPS-alex mean" in line
    ]


def test_what_was_not_measured_is_said_and_a_lost_mark_is_an_error() -> None:
    text = "".join(f"<!-- figures: {name} -->\n<!-- end -->\n" for name in card.PARTS)
    only = {name: card.figures(SAMPLES)[name] for name in ("autoencoder", "clip")}
    assert card.fill(text, only).count(card.ABSENT) >= 4
    with pytest.raises(SystemExit, match="no place"):
        card.fill(text.replace("copies", "other"), only)


def test_the_shipped_curves_are_those_of_the_logs() -> None:
    text = card.curves(SAMPLES / "runs")
    assert (SAMPLES / "runs" / "curves.svg").read_text(encoding="utf-8") == text
    assert text.count("<polyline") == len(card.LINES)
    assert all(words in text for _, _, words, _, _ in card.LINES)
