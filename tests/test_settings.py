"""Settings: flags over case file over defaults, each with its source; what is unknown is an error, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics.errors import ExitCode, SettingsError
from forensics.settings import Settings, resolve


def case_file(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_when_nothing_is_given() -> None:
    resolved = resolve({})
    assert resolved.settings == Settings()
    assert {row.source for row in resolved.rows} == {"default"}


def test_flag_wins_over_case_file_wins_over_default(tmp_path: Path) -> None:
    path = case_file(tmp_path, '[analysis]\nprofile = "deep"\nseed = 5\n')
    resolved = resolve({"profile": "quick", "seed": None, "captions": ()}, path)
    assert (resolved.settings.profile, resolved.settings.seed, resolved.settings.paper) == ("quick", 5, "A4")
    assert {row.name: row.source for row in resolved.rows if row.name in ("profile", "seed", "paper")} == {
        "profile": "command line",
        "seed": "case file",
        "paper": "default",
    }


def test_every_setting_has_a_row() -> None:
    assert [row.name for row in resolve({}).rows] == list(Settings.__slots__)


def test_zero_on_the_command_line_is_a_value(tmp_path: Path) -> None:
    path = case_file(tmp_path, "[analysis]\nseed = 5\n")
    assert resolve({"seed": 0}, path).settings.seed == 0


def test_matter_is_read(tmp_path: Path) -> None:
    path = case_file(tmp_path, '[matter]\ncourt = "A court"\nquestions = ["First?", "Second?"]\n')
    matter = resolve({}, path).matter
    assert (matter.court, matter.questions) == ("A court", ("First?", "Second?"))


def test_paths_in_a_case_file_count_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "kl").mkdir()
    path = case_file(
        tmp_path,
        '[analysis]\nindex = "index"\ncheckpoint = "owner/model"\noriginals = ["work.png"]\n'
        'autoencoders = ["kl", "owner/kl"]\n',
    )
    settings = resolve({}, path).settings
    assert settings.index == str(tmp_path / "index")
    assert settings.checkpoint == "owner/model"  # no such path: a hub id
    assert settings.originals == (str(tmp_path / "work.png"),)
    assert settings.autoencoders == (str(tmp_path / "kl"), "owner/kl")  # a folder, and a hub id


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('[analysis]\nprofil = "quick"\n', "unknown key 'profil'", "'profile'"),
        ('[mater]\ncourt = "x"\n', "unknown table 'mater'", "'matter'"),
        ('[matter]\njudge = "x"\n', "unknown key 'judge'", "Known:"),
        ("[analysis]\nseed = true\n", "whole number", ""),
        ("[analysis]\nprofile = 3\n", "must be text", "quotation marks"),
        ('[analysis]\ncaptions = "one"\n', "list of texts", '["first", "second"]'),
        ('[analysis]\nprofile = "slow"\n', "profile 'slow' is not known", "quick"),
        ('[analysis]\npaper = "A5"\n', "paper 'A5'", "A4"),
        ("[analysis]\nseed = -1\n", "out of range", "0 to"),
        ("matter = 3\n", "not a table", "[matter]"),
        ("[analysis\n", "not valid TOML", "Mend"),
    ],
)
def test_what_cannot_be_used_is_a_usage_error_with_a_hint(tmp_path: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve({}, case_file(tmp_path, text))
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


def test_missing_case_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        resolve({}, tmp_path / "absent.toml")
