"""Checks that others made: read row by row, refused with a remedy, kept, attributed, and without effect."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from forensics import examination, folder, others, rerun
from forensics.case import Absent, Case
from forensics.errors import SettingsError
from forensics.report import render_html
from forensics.settings import Settings, resolve
from forensics.stages.asked import decodes
from tests.cli.support import run
from tests.metadata import files
from tests.metadata.house import certificate
from tests.metadata.house import signed as signed_by

ROW = {
    "tool": '"SynthID Detector"',
    "version": '"as shown on 3 November"',
    "by": '"A. Example, Example Laboratory"',
    "on": "2026-11-03",
    "where": '"https://example.org/detector"',
    "result": '"Made with the generator, according to the tool"',
}


def written(path: Path, **values: str) -> Path:
    rows = ROW | values
    path.write_text("[[check]]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items() if v), encoding="utf-8")
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    made = tmp_path / "disputed.png", tmp_path / "work.png"
    for number, path in enumerate(made):
        path.write_bytes(files.png(files.picture(64 + number)))
    return made


def test_rows_are_read_with_their_captures(tmp_path: Path) -> None:
    (tmp_path / "shown.png").write_bytes(files.png())
    (row,) = others.load(written(tmp_path / "checks.toml", capture='"shown.png"'), ("Q1",))
    assert (row.tool, row.on, row.item) == ("SynthID Detector", "2026-11-03", "Q1")
    assert row.capture == str(tmp_path / "shown.png")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"by": ""}, "does not say 'by'"),
        ({"result": '"  "'}, "does not say 'result'"),
        ({"on": '"last week"'}, "is no day"),
        ({"on": "2126-01-01"}, "in the future"),
        ({"on": "3"}, "must be text"),
        ({"resutl": '"x"'}, "unknown key 'resutl'"),
        ({"item": '"R1"'}, "no file received is called so"),
        ({"sha256": '"abc"'}, "no SHA-256"),
        ({"capture": '"absent.png"'}, "the capture absent.png cannot be read"),
        ({"capture": '"."'}, "is not a regular file"),
        ({"by": '"a\\u0007b"'}, "control character"),
        ({"result": f'"{"x" * 5000}"'}, "more than 4,000"),
    ],
)
def test_a_bad_row_is_refused_by_its_number_with_a_remedy(values: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        others.load(written(tmp_path / "checks.toml", **values), ("Q1",))
    assert "checks.toml, check 1" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "check = 1", "[[checks]]\na = 1", "[check]\nby = 1", "not toml"])
def test_a_file_without_checks_shows_how_one_is_written(text: str, tmp_path: Path) -> None:
    path = tmp_path / "checks.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        others.load(path, ("Q1",))
    assert caught.value.hint
    with pytest.raises(SettingsError, match="cannot be read"):
        others.load(tmp_path / "absent.toml", ("Q1",))


def _case(tmp_path: Path, pictures: tuple[Path, Path], name: str, **flags: object) -> tuple[Case, Path]:
    out = tmp_path / name
    examination.compare(pictures[0], (pictures[1],), out, resolve({"originals": (str(pictures[1]),), **flags}))
    return folder.load(out), out


def test_the_statement_is_kept_attributed_and_changes_nothing(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    root, root_key = certificate("Listed root")
    listed, stated, capture = tmp_path / "list.pem", tmp_path / "checks.toml", files.png(Comment="capture")
    listed.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    pictures[0].write_bytes(signed_by(*certificate("Signer", (root.subject, root_key))))
    (tmp_path / "-shown \u00e9.PNG").write_bytes(capture)
    digest = folder.sha256(pictures[0].read_bytes())
    written(stated, capture='"-shown \u00e9.PNG"', sha256=f'"{digest}"')
    case, out = _case(tmp_path, pictures, "stated", check_by_others=str(stated), c2pa_trust=(str(listed),))
    (check,), (kept,) = case.checks, case.trust
    assert (check.id, check.item, check.by, check.same_bytes) == ("K1", "Q1", "A. Example, Example Laboratory", True)
    assert not isinstance(check.capture, Absent)
    assert (out / "data" / check.capture.path).read_bytes() == capture
    assert (out / "data" / kept.path).read_bytes() == listed.read_bytes()
    assert any(f.name == "C2PA trust" and kept.sha256 in f.value for f in case.items[0].provenance)
    folder.verify(out)
    html = render_html(case, out)
    for words in (
        "Check K1 of Q1 by others",
        "A. Example, Example Laboratory",
        "according to the tool",
        "was handed in",
    ):
        assert words in html
    # The measurements are repeated without the statements, and from the list that was kept: nothing differs.
    stated.unlink()
    listed.unlink()
    assert any("agree" in said for said in rerun.rerun(out))


def test_a_check_of_other_bytes_is_no_check(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    stated = written(tmp_path / "checks.toml", sha256=f'"{"0" * 64}"')
    with pytest.raises(SettingsError, match="is stated of bytes with SHA-256 0000"):
        _case(tmp_path, pictures, "stated", check_by_others=str(stated))


def test_both_commands_refuse_before_anything_is_made(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    disputed, work = map(str, pictures)
    bad = str(written(tmp_path / "checks.toml", by=""))
    for command in (("compare", disputed, work), ("analyze", disputed)):
        for flag, value, said in (
            ("--check-by-others", bad, "does not say 'by'"),
            ("--c2pa-trust", bad, "holds no certificate of an issuer"),
        ):
            done = run(*command, "-o", str(tmp_path / "out"), flag, value)
            assert done.exit_code == 2, done.stderr
            assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_case_file_names_them_from_its_folder(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    written(tmp_path / "checks.toml")
    (tmp_path / "case.toml").write_text('[analysis]\ncheck_by_others = "checks.toml"\n', encoding="utf-8")
    resolved = resolve({}, tmp_path / "case.toml")
    assert resolved.settings.check_by_others == str(tmp_path / "checks.toml")
    decodes(resolved.settings, pictures[0])
    assert others.asked(Settings()) == ()
