"""The time to plan by: counted as the ladder counts, timed on the checkpoint itself, followed while it runs."""

from __future__ import annotations

import csv
import dataclasses
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forensics import diffusion, planning
from forensics.case import PromptKind
from forensics.controls.cache import Cache, Key
from forensics.device import choose
from forensics.diffusion.base import DiffusionModel
from forensics.errors import ExitCode, SettingsError
from forensics.events import Event, duration, ignore
from forensics.planning import Asked, Clock, Forecast, Outlook, Pace, Phase
from forensics.protocol import PROFILES, VERSION
from forensics.settings import resolve
from tests.cli.support import ROOT, run
from tests.diffusion import tiny
from tests.report.pictures import scene

PACE = Pace(10.0, 20.0, 0.5, 1.0, 2.0)
CPU = choose("cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("planning") / "checkpoint")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> DiffusionModel:
    return diffusion.load(diffusion.identify(str(checkpoint)), CPU)


def seen(model: DiffusionModel, cache: Cache, profile: str = "quick", controls: int = 640) -> Forecast:
    prompts = (planning.Prompt("sea", "claimed caption", PromptKind.CLAIMED),)
    return planning.forecast(PROFILES[profile], Asked(0, prompts, controls, False), cache, model, PACE, CPU)


def test_more_search_and_more_controls_take_longer(model: DiffusionModel) -> None:
    found = [seen(model, Cache(None), name) for name in PROFILES]
    assert [f.profile for f in found] == ["quick", "standard", "deep"]
    assert [f.seconds for f in found] == sorted(f.seconds for f in found)
    few, many = (seen(model, Cache(None), controls=n) for n in (5, 19))
    assert few.controls == 5
    assert few.own == many.own
    # Linear in the controls, but for what the score gap takes once.
    assert many.of_controls / few.of_controls == pytest.approx(19 / 5, rel=0.01)


def test_without_a_prompt_nothing_is_generated_from_one(model: DiffusionModel) -> None:
    found = planning.forecast(PROFILES["quick"], Asked(0, (), 19, True), Cache(None), model, PACE, CPU)
    assert found.own < seen(model, Cache(None)).own
    assert not [p for p in found.phases if p.note == "Regeneration from the prompt"]


def test_stored_scores_take_no_time(model: DiffusionModel, tmp_path: Path) -> None:
    cache, protocol = Cache(tmp_path), PROFILES["quick"]
    fresh = seen(model, cache)
    assert fresh.to_compute == 1
    for number in range(19):
        for method, parameters in {
            "ode": {"steps": repr(protocol.steps)},
            "regeneration": {"steps": repr(protocol.steps)},
            "codelength": {"levels": repr(protocol.codelength_levels), "draws": repr(protocol.codelength_draws)},
        }.items():
            key = Key(
                method,
                "1",
                VERSION,
                model.checkpoint.digest,
                f"{number:064x}",
                "sea",
                tuple(parameters.items()),
                "cpu fp32",
            )
            cache.put(key, {"bits": (1.0,)})
    stored = seen(model, cache)
    assert stored.to_compute < 0.05
    assert stored.seconds < fresh.seconds
    assert "are stored from before" in stored.sentence
    assert "stored" not in fresh.sentence
    # Scores of works that this image will not be given as controls spare nothing.
    for chosen, left in ({f"{n:064x}" for n in range(19)}, stored.to_compute), ({"f" * 64}, 1.0):
        asked = Asked(
            0, (planning.Prompt("sea", "", PromptKind.CLAIMED),), 19, False, {"quick": dict.fromkeys(chosen, 1.0)}
        )
        assert planning.forecast(protocol, asked, cache, model, PACE, CPU).to_compute == left
    # Scores of other steps, another checkpoint or another device are of no use.
    other = dataclasses.replace(protocol, steps=protocol.steps + 1)
    assert planning.forecast(other, Asked(0, (), 19, False), cache, model, PACE, CPU).to_compute > 0.4
    assert not list(cache.keys("0" * 64))


def test_the_pace_is_measured_and_leaves_no_trace(model: DiffusionModel) -> None:
    before = model.evaluations
    found = planning.timed(model, CPU)
    assert model.evaluations == before
    assert min(found.single, found.batch, found.picture_s, found.peak_gib, found.free_gib) > 0


def forecast(profile: str, *seconds: float) -> Forecast:
    phases = tuple(Phase(f"stage {n}", "", s) for n, s in enumerate(seconds))
    return Forecast(profile, 10, 20, 2, 1.0, phases, PACE)


def test_the_deepest_profile_that_fits() -> None:
    ahead = Outlook({n: forecast(n, s) for n, s in (("quick", 60.0), ("standard", 600.0), ("deep", 6000.0))})
    assert [ahead.deepest(m).profile for m in (1, 9.9, 10, 99, 100, 1e6)] == [
        "quick",
        "quick",
        "standard",
        "standard",
        "deep",
        "deep",
    ]
    with pytest.raises(SettingsError, match="quick would take about 60 seconds"):
        ahead.deepest(0.9)


def test_the_choice_is_on_record() -> None:
    made = planning.chosen(resolve({}), "quick", 5)
    assert made.settings.profile == "quick"
    assert {row.name: (row.value, row.source) for row in made.rows}["profile"] == (
        "quick",
        "deepest that fits into 5 minutes",
    )


def test_the_clock_follows_the_phases_and_corrects_the_pace() -> None:
    now = [100.0]
    told: list[Event] = []
    clock = Clock(forecast("quick", 10, 20, 30), told.append, lambda: now[0])

    def at(seconds: float, stage: str, done: int, total: int) -> float:
        now[0] = 100 + seconds
        clock(Event(stage, done, total))
        left = told[-1].left_s
        assert left is not None
        return left

    assert at(0, "stage 0", 0, 2) == 60
    assert at(5, "stage 0", 1, 2) == 55
    assert at(20, "stage 1", 0, 4) == pytest.approx(100)  # the first phase took twice as long as expected
    assert at(60, "stage 1", 4, 4) == pytest.approx(60)
    assert at(60, "elsewhere", 1, 1) == pytest.approx(60)  # what no phase names moves nothing
    assert at(70, "stage 0", 1, 2) == pytest.approx(70)  # and neither does what comes again
    assert at(120, "stage 2", 1, 1) == 0


def test_a_phase_that_counts_anew_is_the_next_of_its_name() -> None:
    phases = (Phase("controls", "codelength", 10.0), Phase("controls", "codelength", 10.0))
    told: list[Event] = []
    clock = Clock(Forecast("quick", 1, 1, 1, 1.0, phases, PACE), told.append, lambda: 0.0)
    left = []
    for done in (0, 1, 2, 0, 1, 2):
        clock(Event("controls", done, 2, "codelength"))
        left.append(told[-1].left_s)
    assert left == sorted(left, key=lambda s: -(s or 0.0))
    assert left[-1] == 0


def test_a_phase_longer_than_thought_is_timed_by_its_own_count() -> None:
    now, told = [0.0], []
    phases = (Phase("compare", "", 6.0), Phase("report", "", 6.0))
    clock = Clock(Forecast("quick", 1, 1, 1, 1.0, phases, PACE), told.append, lambda: now[0])
    for seconds, done, total in ((0, 0, 206), (5, 205, 206), (6, 0, 99), (106, 33, 99)):
        now[0] = seconds
        clock(Event("compare", done, total))
    assert told[-1].left_s == pytest.approx(200 + 4 * 6, rel=0.05)  # 66 more at three seconds each, and the report
    now[0] = 306
    clock(Event("compare", 99, 99))
    assert told[-1].left_s == pytest.approx(4 * 6)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "1 seconds"), (89, "89 seconds"), (91, "2 minutes"), (5399, "90 minutes"), (5401, "1.5 hours")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_profile_and_a_time_exclude_each_other(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    scene(1, 40, 40).save(image)
    done = run("analyze", image, "--profile", "quick", "--max-minutes", "5", "-o", tmp_path / "case")
    assert done.exit_code == ExitCode.USAGE
    assert "exclude each other" in done.output


def test_what_does_not_fit_is_refused_before_a_folder_is_made(checkpoint: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    scene(1, 40, 40).save(image)
    done = run("analyze", image, "--checkpoint", checkpoint, "--max-minutes", "0.01", "-o", tmp_path / "case")
    assert done.exit_code == ExitCode.USAGE, done.output
    assert "No profile fits" in done.output
    assert not (tmp_path / "case").exists()


def test_a_forecast_for_a_checkpoint_of_ones_own(checkpoint: Path, tmp_path: Path) -> None:
    image, controls = tmp_path / "image.png", tmp_path / "controls"
    scene(1, 40, 40).save(image)
    controls.mkdir()
    with (controls / "controls.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "ground", "caption"))
        for seed in range(3):
            scene(seed + 2, 40, 40).save(controls / f"{seed}.png")
            writer.writerow((f"{seed}.png", "Drawn for a test.", "hills"))
    resolved = resolve({"checkpoint": str(checkpoint), "controls": str(controls), "captions": ("hills",)})
    told: list[Event] = []
    ahead = planning.outlook(image, resolved.settings, told.append)
    assert list(ahead.forecasts) == list(PROFILES)
    assert {f.controls for f in ahead.forecasts.values()} == {3}
    assert told[-1].note == ahead.forecasts["standard"].sentence
    shutil.rmtree(controls)
    alone = resolve({"checkpoint": str(checkpoint)})
    assert planning.outlook(image, alone.settings, ignore).forecasts["quick"].of_controls == 0


@pytest.mark.slow
def test_a_person_is_asked_above_an_hour_and_nobody_else(tmp_path: Path) -> None:
    """On a terminal of its own: the profile `deep` of the demonstration takes many hours on any processor."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "forensics", "analyze", "samples/disputed/memorised.png", "--profile", "deep"]
    command += ["--device", "cpu", "-o", str(tmp_path / "case")]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, timeout=300
    )
    os.close(theirs)
    said = os.read(ours, 1 << 20).decode()
    os.close(ours)
    assert done.returncode == ExitCode.USAGE
    assert "--yes" in said
    assert "Plan, profile deep" in said
    assert not (tmp_path / "case").exists()
