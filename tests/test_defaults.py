"""Remembered defaults: kept with digests, used where they hold, refused where they do not, named in every report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from forensics import defaults, doctor, open_case, weights
from forensics.case import Absent, ControlFacts
from forensics.device import choose
from forensics.errors import SettingsError
from forensics.events import ignore
from forensics.folder import Ledger
from forensics.report.sections import appendices
from forensics.resources import samples
from forensics.settings import COMMAND_LINE, COMPARED, resolve
from forensics.stages import belonging, search
from forensics.stages import open as opened
from forensics.stages.asked import asked_again, asked_for
from tests.cli.support import ASSETS, run
from tests.diffusion.tiny import write_checkpoint


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration and a cache of each test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny checkpoints of one architecture, and control works."""
    folder = tmp_path_factory.mktemp("generators")
    write_checkpoint(folder / "one")
    write_checkpoint(folder / "other", prediction="v_prediction")
    (folder / "controls").mkdir()
    shutil.copy(ASSETS / "plain.png", folder / "controls" / "later.png")
    (folder / "controls" / "controls.csv").write_text("file,ground\nlater.png,drawn later\n", encoding="utf-8")
    return folder


def set_(generators: Path, *more: str | Path) -> None:
    done = run("defaults", "set", "--checkpoint", generators / "one", *more)
    assert done.exit_code == 0, done.stderr


def test_what_is_remembered_stands_in_for_what_is_not_given(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls", "--control-checkpoint", generators / "other")
    resolved = resolve({"checkpoint": str(generators / "one")}, remembered=True)
    assert resolved.settings.controls == str(generators / "controls")
    assert resolved.settings.control_checkpoint == str(generators / "other")
    sources = {row.name: row.source for row in resolved.rows}
    assert sources["controls"] == sources["control_checkpoint"] == "from the configuration"
    assert sources["checkpoint"] == COMMAND_LINE
    given = resolve({"checkpoint": str(generators / "one"), "controls": "mine"}, remembered=True)
    assert given.settings.controls == "mine"


def test_nothing_is_taken_where_it_was_not_asked_for_or_belongs_to_another(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls")
    assert resolve({"checkpoint": str(generators / "one")}).settings.controls is None
    assert resolve({"checkpoint": str(generators / "other")}, remembered=True).settings.controls is None
    assert resolve({}, remembered=True).settings.controls is None


def test_a_checkpoint_is_known_however_its_place_is_written(generators: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_(generators, "--controls", generators / "controls")
    monkeypatch.chdir(generators)
    (generators / "link").symlink_to("one")
    for name in ("one", "./one/", "../" + generators.name + "/one", "link", f"'{generators / 'one'}'"):
        assert resolve({"checkpoint": name}, remembered=True).settings.controls == str(generators / "controls"), name


def test_setting_again_adds_and_removing_takes_away(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls")
    set_(generators, "--control-checkpoint", generators / "other")
    listed = run("defaults", "list").stdout
    assert str(defaults.path()) in listed
    assert f"controls: {generators / 'controls'}" in listed
    assert f"control_checkpoint: {generators / 'other'}" in listed
    assert run("defaults", "remove", "--checkpoint", generators / "one", "control-checkpoint").exit_code == 0
    (entry,) = defaults.read()
    assert set(entry.places) == {"controls"}
    assert set(entry.digests) == {"checkpoint", "controls"}
    assert run("defaults", "remove", "--checkpoint", generators / "one").exit_code == 0
    assert defaults.read() == ()
    done = run("defaults", "remove", "--checkpoint", generators / "one")
    assert done.exit_code == 2
    assert "defaults list" in done.stderr


def test_a_place_that_is_gone_is_an_error_with_its_remedy(generators: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(generators / "controls", moved)
    set_(generators, "--controls", moved)
    shutil.rmtree(moved)
    done = run("analyze", ASSETS / "plain.png", "--checkpoint", generators / "one", "-o", "case")
    assert done.exit_code == 2
    assert f"names {moved} as controls of" in done.stderr
    for remedy in ("forensics defaults set", "forensics defaults remove", "--no-defaults"):
        assert remedy in done.stderr
    assert not Path("case").exists()
    done = run("analyze", "nowhere.png", "--checkpoint", generators / "one", "--no-defaults", "-o", "case")
    assert "nowhere.png" in done.stderr  # the next thing that is wrong
    assert "(gone)" in run("defaults", "list").stdout
    row = next(row for row in doctor.remembered() if "one" in row.name)
    assert not row.ok
    assert "gone: controls" in row.found
    assert "forensics defaults remove" in row.remedy
    # What is named takes its place, and nothing of the configuration is asked.
    assert resolve({"checkpoint": str(generators / "one"), "controls": "mine"}, remembered=True)


@pytest.mark.parametrize("what", ["controls", "checkpoint", "control_checkpoint"])
def test_changed_bytes_are_an_error_that_names_both_digests(generators: Path, tmp_path: Path, what: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(generators, copy)
    set_(copy, "--controls", copy / "controls", "--control-checkpoint", copy / "other")
    before = defaults.read()[0].digests[what]
    changed = {"controls": "controls", "checkpoint": "one", "control_checkpoint": "other"}[what]
    if what == "controls":
        shutil.copy(ASSETS / "alpha.png", copy / "controls" / "later.png")
    else:
        shutil.rmtree(copy / changed)
        write_checkpoint(copy / changed, prediction="v_prediction" if changed == "one" else "epsilon")
    resolved = resolve({"checkpoint": str(copy / "one")}, remembered=True)
    models = opened.models(resolved.settings, ignore)
    sources = search.open_sources(resolved.settings, models.checkpoint, choose("cpu", "fp32"))
    with pytest.raises(SettingsError) as caught:
        belonging.as_remembered(resolved, models, sources)
    assert before in caught.value.message
    assert "forensics defaults set" in caught.value.hint


def test_unchanged_places_pass_also_with_more_given(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls")
    for more in ({}, {"prediction": "v_prediction"}, {"size": 32}):
        resolved = resolve({"checkpoint": str(generators / "one"), **more}, remembered=True)
        models = opened.models(resolved.settings, ignore)
        sources = search.open_sources(resolved.settings, models.checkpoint, choose("cpu", "fp32"))
        belonging.as_remembered(resolved, models, sources)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "nothing to remember"),
        (("--controls", "nowhere"), "is not a folder"),
        (("--index", "nowhere"), "nowhere"),
        (("--validation", "nowhere.json"), "nowhere.json"),
    ],
)
def test_only_what_is_there_is_remembered(generators: Path, options: tuple[str, ...], said: str) -> None:
    done = run("defaults", "set", "--checkpoint", generators / "one", *options)
    assert done.exit_code != 0
    assert said in done.stderr
    assert defaults.read() == ()


@pytest.mark.parametrize(
    "text",
    [
        "checkpoint = 3",
        "[[checkpoint]]\nlocation = 3",
        "[[checkpoint]]\nplaces = {}",
        "[[checkpoint]]\nlocation = 'a'\nplaces = {indx = 'b'}",
        "[[checkpoint]]\nlocation = 'a'\nplaces = {index = 3}",
        "[[checkpoint]]\nlocation = 'a'\nplaces = 3",
        "[[checkpoint]]\nlocation = 'a'\nother = 3",
        "other = 3",
        "[[checkpoint",
        "\xff",
    ],
)
def test_a_configuration_that_is_something_else_is_named(text: str) -> None:
    defaults.path().parent.mkdir(parents=True)
    defaults.path().write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        resolve({"checkpoint": "a"}, remembered=True)
    assert caught.value.hint
    assert [row.ok for row in doctor.remembered()] == [False]
    assert resolve({"checkpoint": "a"}).settings.checkpoint == "a"


@pytest.mark.parametrize("name", ["a b", "größe 🐇", 'quote"d', "back\\slash", "owner/model"])
def test_any_printable_name_is_kept_and_others_are_refused(name: str) -> None:
    entry = defaults.Remembered(name, {"index": f"{name}/index"}, {"checkpoint": "0" * 64})
    defaults.put(entry)
    assert defaults.read() == (entry,)
    with pytest.raises(SettingsError):
        defaults.put(defaults.Remembered(f"{name}\n[[checkpoint]]", {}, {}))
    assert defaults.read() == (entry,)


def other_control(folder: Path) -> None:
    """Other bytes under the name of the one control work."""
    shutil.copy(ASSETS / "alpha.png", folder / "controls" / "later.png")


@pytest.mark.parametrize("command", ["survey", "check"])
def test_other_commands_take_what_is_remembered_say_so_and_hold_it_to_its_digest(
    generators: Path, tmp_path: Path, command: str
) -> None:
    copy = Path(shutil.copytree(generators, tmp_path / "copy"))
    set_(copy, "--controls", copy / "controls")
    asked = {
        "survey": ("survey", copy / "controls", "--checkpoint", copy / "one", "-o", "surveyed"),
        "check": ("controls", "check", "--checkpoint", copy / "one"),
    }[command]
    done = run(*asked)
    assert "From the configuration, remembered for this checkpoint: controls." in done.stderr
    assert "No control works" not in done.stderr
    without = run(*asked, "--no-defaults")
    assert without.exit_code == 10
    assert "none were named" in without.stderr or "No folder of control works was named" in without.stderr
    other_control(copy)
    changed = run(*asked)
    assert changed.exit_code == 2
    assert "controls of it, had the digest" in changed.stderr
    assert not Path("surveyed").exists()


def test_a_check_of_controls_names_those_of_the_configuration(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls")
    done = run("controls", "check", "--checkpoint", generators / "one")
    assert done.exit_code == 0, done.stderr
    assert "from the configuration: controls controls" in done.stdout
    given = run("controls", "check", generators / "controls", "--checkpoint", generators / "one")
    assert "configuration" not in given.stdout + given.stderr


def test_a_validation_takes_what_is_remembered_and_holds_it_to_its_digest(generators: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(generators, tmp_path / "copy"))
    set_(copy, "--control-checkpoint", copy / "other")
    rows = [
        {"id": f"{role}-{half}", "path": str(ASSETS / "plain.png"), "role": role, "half": half, "caption": "a cat"}
        for role in ("control", "member")
        for half in ("calibration", "test")
    ]
    Path("manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shutil.rmtree(copy / "other")
    write_checkpoint(copy / "other", prediction="epsilon")
    done = run("validate", "--checkpoint", copy / "one", "--manifest", "manifest.jsonl", "-o", "validated")
    assert "From the configuration, remembered for this checkpoint: control_checkpoint." in done.stderr
    assert done.exit_code == 2
    assert "control checkpoint of it, had the digest" in done.stderr


def test_an_index_is_searched_with_the_clip_of_its_checkpoint(generators: Path) -> None:
    reference = samples() / "reference"
    set_(generators, "--index", reference / "index", "--clip", reference / "openclip")
    done = run("index", "search", reference / "index", ASSETS / "plain.png", "-k", "1")
    assert done.exit_code == 0, done.stderr
    assert "From the configuration, remembered for this checkpoint: clip." in done.stderr
    assert "Demonstration CLIP" not in done.stderr
    without = run("index", "search", reference / "index", ASSETS / "plain.png", "-k", "1", "--no-defaults")
    assert "Demonstration CLIP" in without.stderr


def test_a_comparison_takes_controls_and_clip_of_the_checkpoint_of_its_case_file(
    generators: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(generators, tmp_path / "copy"))
    set_(copy, "--controls", copy / "controls", "--control-checkpoint", copy / "other")
    Path("case.toml").write_text(f"[analysis]\ncheckpoint = {json.dumps(str(copy / 'one'))}\n", encoding="utf-8")
    resolved = resolve({}, Path("case.toml"), remembered=COMPARED)
    assert resolved.settings.controls == str(copy / "controls")
    assert resolved.settings.control_checkpoint is None  # a comparison has no use for it, and does not say so
    assert {row.name for row in resolved.rows if row.source == defaults.SOURCE} == {"controls"}
    belonging.compared_as_remembered(resolved, Absent("clip", "none"))
    other_control(copy)
    with pytest.raises(SettingsError, match="had the digest"):
        belonging.compared_as_remembered(resolved, Absent("clip", "none"))
    done = run("compare", ASSETS / "plain.png", ASSETS / "plain.png", "--case", "case.toml", "-o", "compared")
    assert "From the configuration, remembered for this checkpoint: controls." in done.stderr
    assert done.exit_code == 2


def test_reports_name_what_came_from_the_configuration_without_telling_where_it_lies(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls", "--control-checkpoint", generators / "other")
    given = {"controls": "", "control_checkpoint": "", "index": ""}
    kept = defaults.fill(str(generators / "one"), given)
    (fact,) = kept.facts
    assert (fact.name, fact.value) == ("from the configuration", "controls controls, control checkpoint other")
    mine = defaults.fill(str(generators / "one"), {**given, "controls": "mine", "control_checkpoint": "my/own"})
    assert mine.facts == ()


@pytest.mark.slow
def test_the_second_case_names_the_checkpoint_alone(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls")
    done = run(
        *("analyze", ASSETS / "plain.png", "--checkpoint", generators / "one", "--profile", "quick", "-o", "case"),
        *("--progress", "none", "--remember"),
    )
    assert done.exit_code == 0, done.stderr
    assert "From the configuration, remembered for this checkpoint: controls." in done.stderr
    assert "Remembered for" in done.stderr
    case = open_case("case").case
    assert isinstance(case.controls, ControlFacts)
    assert case.controls.digest == defaults.read()[0].digests["controls"]
    (group,) = [g for g in appendices.settings(case.settings) if g.source == "from the configuration"]
    assert "controls" in dict(group.wide) | dict(sum(group.abreast, ()))


def test_a_stopped_examination_goes_on_with_what_was_remembered(generators: Path) -> None:
    set_(generators, "--controls", generators / "controls")
    resolved = resolve({"checkpoint": str(generators / "one")}, remembered=True)
    asked = json.loads(json.dumps(asked_for(ASSETS / "plain.png", resolved)))
    ledger = Ledger(Path("case"), asked=asked)
    ledger.done()
    assert asked_again(Path("case"))[1] == resolved


def test_weights_that_were_fetched_are_used_without_being_named() -> None:
    assert search.fetched_model() == ""
    row = weights.TABLE["open_clip/ViT-B-32/openai"]
    place = weights.cache_dir() / row.file
    place.parent.mkdir(parents=True)
    place.touch()
    assert search.fetched_model() == "ViT-B-32/openai"
    assert search.fetched_model(f"ViT-B-32/openai {'0' * 64}") == "ViT-B-32/openai"
    assert search.fetched_model(f"ViT-L-14/openai {'0' * 64}") == ""
    resolved = belonging.with_fetched(resolve({}), "ViT-B-32/openai")
    assert resolved.settings.clip == "ViT-B-32/openai"
    assert [(r.value, r.source) for r in resolved.rows if r.name == "clip"] == [("ViT-B-32/openai", "fetched weights")]
