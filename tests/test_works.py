"""Controls are drawn by seed alone, and a work under examination is never its own control."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from forensics.case import Absent, Checkpoint, ControlFacts
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.settings import Settings
from forensics.stages import works
from forensics.stages.works import Work, control_group, expected, read, same_picture

EMBEDDED = Checkpoint(
    "twin-a", "", "sd", "diffusers folder", "v_prediction", 128, 1, "c" * 64, (), (), demonstration=True
)
CONTROL = samples() / "disputed" / "control.png"


def test_another_rendering_of_a_work_is_the_same_picture_and_another_work_is_not() -> None:
    one = Work.of("a", read(CONTROL))
    smaller = Work.of("b", read(CONTROL).resize((100, 100), Image.Resampling.LANCZOS))
    other = Work.of("c", read(samples() / "disputed" / "manner.png"))
    assert same_picture(one.pixels, smaller.pixels)
    assert not same_picture(one.pixels, other.pixels)


@pytest.mark.parametrize("name", ["control.png", "memorised.png"])
def test_no_control_shows_the_disputed_picture(name: str) -> None:
    """With as many controls as there are: the control sample's own rendering would be among them."""
    target = Work.of("Q1", read(samples() / "disputed" / name))
    group = control_group(Settings(), EMBEDDED, PROFILES["deep"], [target], frozenset())
    assert not any(same_picture(target.pixels, work.pixels) for work in group.works)


def test_the_draw_depends_on_the_seed_alone() -> None:
    target = Work.of("Q1", read(CONTROL))
    draw = [control_group(Settings(seed=s), EMBEDDED, PROFILES["quick"], [target], frozenset()) for s in (1, 1, 2)]
    names = [[w.id for w in group.works] for group in draw]
    assert names[0] == names[1] != names[2]
    facts = draw[0].facts
    assert isinstance(facts, ControlFacts)
    assert facts.used == PROFILES["quick"].controls
    assert facts.available == 640


def test_another_checkpoint_gets_no_embedded_controls() -> None:
    other = Checkpoint("x", "x", "sd", "diffusers folder", "epsilon", 64, 1, "d" * 64, (), (), demonstration=False)
    group = control_group(Settings(), other, PROFILES["quick"], [], frozenset())
    assert isinstance(group.facts, Absent)
    assert group.works == ()


def test_the_control_sample_is_passed_over_when_it_is_drawn(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (64, 64), (60 * number, 0, 0)).save(tmp_path / f"{number}.png")
    read(CONTROL).resize((128, 128), Image.Resampling.LANCZOS).save(tmp_path / "own.png")
    rows = "".join(f"{p.name},Made for the test.,\n" for p in sorted(tmp_path.glob("*.png")))
    (tmp_path / "controls.csv").write_text("file,ground,caption\n" + rows, encoding="utf-8")
    target = Work.of("Q1", read(CONTROL))
    group = control_group(Settings(controls=str(tmp_path)), EMBEDDED, PROFILES["quick"], [target], frozenset())
    assert isinstance(group.facts, ControlFacts)
    assert {work.id for work in group.works} == {"0.png", "1.png", "2.png"}
    assert "1 drawn works were passed over" in group.facts.selection


def test_the_controls_foretold_are_those_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Work.of("Q1", read(samples() / "disputed" / "control.png"))
    chosen = set(control_group(Settings(), EMBEDDED, PROFILES["standard"], [target], frozenset()).digests)
    foretold = expected(Settings(), EMBEDDED, PROFILES["standard"], target, frozenset())
    assert set(foretold.values()) == {1.0}
    assert len(foretold) == len(chosen)
    assert len(chosen & foretold.keys()) >= 0.95 * len(chosen)  # the drawn ones that show one picture take a few places
    monkeypatch.setattr(works, "_LOOKED_THROUGH", 0)  # too many bytes to look through: each drawn one may be chosen
    shares = expected(Settings(), EMBEDDED, PROFILES["standard"], target, frozenset())
    assert len(shares) == PROFILES["standard"].control_pool
    assert sum(shares.values()) == pytest.approx(PROFILES["standard"].controls)
    elsewhere = dataclasses.replace(EMBEDDED, demonstration=False)  # nothing embedded is a control of it
    assert expected(Settings(), elsewhere, PROFILES["quick"], target, frozenset()) == {}
