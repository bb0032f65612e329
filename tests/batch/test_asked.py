"""The file of a batch: every option of `analyze`, paths from its folder, and a wrong key with the nearest right one."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import pytest

from forensics.batch import asked
from forensics.errors import SettingsError
from forensics.settings import BATCH

PLAIN = Path(__file__).parents[1] / "assets" / "plain.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "works/a.png", "works/w.png"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        shutil.copy(PLAIN, place)
    (tmp_path / "model").mkdir()
    return tmp_path


def cases(folder: Path, text: str) -> tuple[asked.Asked, ...]:
    path = folder / "cases.toml"
    path.write_text(text, encoding="utf-8")
    return asked.read(path, folder / "out")


def test_defaults_and_cases_are_put_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "matter.toml").write_text('[matter]\nreference = "7"\n[analysis]\nseed = 5\npaper = "Letter"\n')
    monkeypatch.chdir(folder.parent)
    one, two, three = cases(
        folder,
        """
        [defaults]
        checkpoint = "model"
        control-checkpoint = "owner/name"
        profile = "quick"
        generic = "a drawing"
        [[case]]
        image = "a.png"
        original = ["works/w.png", "works/a.png"]
        caption = "a fox"
        [[case]]
        image = "works/a.png"
        case = "matter.toml"
        seed = 3
        max-minutes = 20
        name = "second"
        [[case]]
        image = "b.png"
        out = "elsewhere/b"
        force = true
        generic = []
        """,
    )
    settings = one.resolved.settings
    assert settings.checkpoint == str(folder / "model")
    assert settings.control_checkpoint == "owner/name"
    assert settings.originals == tuple(str(folder / "works" / name) for name in ("w.png", "a.png"))
    assert settings.captions == ("a fox",)
    assert settings.generic == ("a drawing",)
    assert {row.name: row.source for row in one.resolved.rows}["captions"] == BATCH
    # What the case says of time goes before the profile of all; the case file before what nobody says.
    assert (two.max_minutes, two.resolved.settings.profile) == (20.0, "standard")
    assert (two.resolved.settings.seed, two.resolved.settings.paper) == (3, "Letter")
    assert two.resolved.matter.reference == "7"
    assert (two.name, one.name) == ("second", "a.png")
    assert (one.folder, two.folder) == (folder / "out" / "a-case", folder / "out" / "a-case-2")
    assert three.folder == folder / "elsewhere" / "b"
    assert three.force
    assert not one.force
    assert all(c.image.is_absolute() and c.folder.is_absolute() for c in (one, two, three))


def test_a_case_is_known_by_what_it_is_asked_and_by_its_pictures(folder: Path) -> None:
    text = '[[case]]\nimage = "a.png"\noriginals = ["works/w.png"]\n'
    (first,) = cases(folder, text)
    again, more = cases(folder, text + '[[case]]\nimage = "b.png"\n')
    assert first.key == again.key != more.key
    (other,) = cases(folder, text + "seed = 1\n")
    assert other.key != first.key
    twice = cases(folder, text + text)
    assert twice[0].key == first.key != twice[1].key
    (folder / "works" / "w.png").write_bytes(PLAIN.read_bytes() + b"\0")
    (changed,) = cases(folder, text)
    assert changed.key != first.key


def test_every_option_of_analyze_is_one_of_a_case() -> None:
    from forensics.cli import main

    command = main.get_command(click.Context(main), "analyze")
    assert command is not None
    flags = {flag.lstrip("-") for p in command.params for flag in (p.opts if isinstance(p, click.Option) else [p.name])}
    flags -= {"v", "q", "o"}
    for flag in sorted(flags):
        name = flag.replace("-", "_")
        assert name in asked._REFUSED or asked._known(flag), flag


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('[[case]]\nimage = "a.png"\norignal = "w.png"\n', "case 1: unknown key 'orignal'", "'original'"),
        ('[[case]]\nimage = "a.png"\n[[case]]\nimage = "b.png"\nprofil = "quick"\n', "case 2", "'profile'"),
        ('[default]\nseed = 1\n[[case]]\nimage = "a.png"\n', "unknown table 'default'", "'defaults'"),
        ('seed = 1\n[[case]]\nimage = "a.png"\n', "unknown table 'seed'", "[defaults]"),
        ("[defaults]\ncontrolcheckpoint = 'm'\n[[case]]\nimage = 'a.png'\n", "[defaults]", "'control_checkpoint'"),
        ('[defaults]\nimage = "a.png"\n[[case]]\nimage = "a.png"\n', "of one case", "[[case]]"),
        ("[defaults]\nseed = 1\n", "holds no case", "[[case]]"),
        ('case = "a.png"\n', "not a list of tables", "[[case]]"),
        ("[[case]]\nseed = 1\n", "no image is named", "image ="),
        ("[[case]]\nimage = 3\n", "'image' must be text", "image"),
        ('[[case]]\nimage = "a.png"\nseed = "one"\n', "whole number", ""),
        ('[[case]]\nimage = "a.png"\nprofile = "fast"\n', "case 1: profile 'fast'", "quick"),
        ('[[case]]\nimage = "a.png"\ncaptions = [1]\n', "case 1: 'captions' must be a list", ""),
        ('[[case]]\nimage = "a.png"\nmax_minutes = -1\n', "max_minutes", "20"),
        ('[[case]]\nimage = "a.png"\nmax_minutes = 5\nprofile = "quick"\n', "exclude each other", "one of the two"),
        ('[[case]]\nimage = "a.png"\nresume = "x"\n', "no option of a case", "--resume"),
        ('[[case]]\nimage = "a.png"\nyes = true\n', "no option of a case", "leave it out"),
        ('[[case]]\nimage = "a.png"\ncaption = "x"\ncaptions = ["y"]\n', "stands there twice", "one list"),
        ('[[case]]\nimage = "a.png"\nout = "x"\n[[case]]\nimage = "b.png"\nout = "x"\n', "that of another", "out"),
        ('[[case]]\nimage = "works/a.png"\nout = "works"\n', "lies inside", "out"),
        ('[[case]]\nimage = "a.png"\ncase = "none.toml"\n', "none.toml", ""),
        ("[[case]\n", "not valid TOML", "line"),
    ],
)
def test_what_is_wrong_is_said_before_anything_begins(folder: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        cases(folder, text)
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert not (folder / "out").exists()
