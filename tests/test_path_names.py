"""Names of files at the entrances: bytes that are no UTF-8, names at the limit, dashes, control characters."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from forensics import path_names
from forensics.cli.analyze import case_folder
from forensics.errors import ForensicsError, ImageError, SettingsError
from forensics.pictures import intake
from forensics.retrieval.building.entries import Entry
from forensics.retrieval.building.sources import open_source
from forensics.settings import resolve
from forensics.validation.works import read as read_manifest
from tests.cli.support import run

ASSETS = Path(__file__).parent / "assets"
BYTES = os.fsdecode(b"out-\xfc")


def test_text_for_names_that_are_none() -> None:
    assert path_names.printable(BYTES) == "out-\\xfc"
    assert path_names.printable("größe 🐇") == "größe 🐇"
    assert not path_names.is_text(BYTES)
    assert ForensicsError(f"{BYTES} is bad", hint=BYTES).message.encode() == b"out-\\xfc is bad"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("hare.png", "hare-case"),
        ("-dash.png", "dash-case"),
        ("--out.png", "out-case"),
        ("a\nb.png", "a_b-case"),
        ("a\u202eb.png", "a_b-case"),
        (os.fsdecode(b"a\xfc.png"), "a_-case"),
        ("größe.png", "größe-case"),
        ("-.png", "image-case"),
        ("a\x1b[31mb.png", "a_[31mb-case"),
    ],
)
def test_the_case_folder_is_called_by_what_can_be_typed(name: str, folder: str) -> None:
    assert case_folder(Path(name), None).name == folder


def test_a_name_at_the_limit_asks_for_o() -> None:
    with pytest.raises(SettingsError) as caught:
        case_folder(Path("x" * 251 + ".png"), None)
    assert "-o" in caught.value.hint
    assert case_folder(Path("x" * 251 + ".png"), Path("short")).name == "short"


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "a.png", "b.png", "-o", BYTES),
        ("analyze", "a.png", "-o", BYTES),
        ("index", "info", BYTES),
        ("index", "verify", BYTES),
        ("index", "build", BYTES, "-o", "index"),
        ("index", "build", "works", "-o", BYTES),
        ("verify", BYTES),
        ("report", BYTES),
        ("sign", BYTES),
        ("index", "export", "index", "-o", BYTES),
    ],
)
def test_folders_whose_names_are_no_text_are_refused_in_words(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.stderr
    assert "holds bytes that are no UTF-8" in done.stderr
    assert "Unexpected" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("index", "info", "x" * 300), ("verify", "x" * 300), ("compare", "a.png", "b.png", "-o", "x" * 300)]
)
def test_names_longer_than_file_systems_take(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.stderr
    assert "longer than file systems take" in done.stderr


def test_an_image_may_be_called_anything(tmp_path: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("this file system takes text alone")
    for name in (b"a\xfc.png", b"-x.png", "a\u202e\nb.png".encode(), b"x" * 251 + b".png"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        shutil.copyfile(ASSETS / "plain.png", path)
        assert intake.read(path).picture.size == (96, 64)
    with pytest.raises(ImageError, match="cannot be read"):
        intake.read(tmp_path / ("y" * 300))
    with pytest.raises(ImageError) as caught:
        intake.read(Path(os.fsdecode(b"absent-\xfc.png")))
    assert "absent-\\xfc.png" in caught.value.message


@pytest.mark.parametrize(
    "typed",
    [
        "'{}'",
        '"{}"',
        ' "{}" ',
        "file://{}",
        "file://localhost{}",
        "FILE://{}",
    ],
)
@pytest.mark.parametrize("name", ["a picture.png", "größe #1? 100%.png", "quote'd.png"])
def test_what_a_person_pastes_is_read_as_the_path_meant(tmp_path: Path, typed: str, name: str) -> None:
    (tmp_path / name).touch()
    path = str(tmp_path / name)
    text = path.replace("%", "%25") if "file:" in typed.lower() else path
    assert path_names.entered(typed.format(text)) == path


def test_encoded_addresses_home_and_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "my pictures" / "a (1).png"
    picture.parent.mkdir()
    picture.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert path_names.entered(picture.as_uri()) == str(picture)
    assert path_names.entered("~/my pictures/a (1).png") == str(picture)
    assert path_names.entered("'~/my pictures/a (1).png'") == str(picture)
    assert path_names.entered(r"my\ pictures/a\ \(1\).png") == "my pictures/a (1).png"
    assert path_names.entered(r"my pictures\a (1).png") == "my pictures/a (1).png"
    assert path_names.entered("~") == str(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "'", "''", "plain.png", "hub/name", "s3://bucket/'a'", "~user-there-is-not/a", "file://elsewhere/a.png"),
        *(BYTES, "C:\\Users\\nobody\\a.png", "a" * 300, "nul\0byte", "-", "it's.png"),
    ],
)
def test_what_cannot_be_read_otherwise_stays_as_it_is(text: str) -> None:
    if os.name != "nt":
        assert path_names.entered(text) == text


def test_a_file_that_is_called_so_is_never_read_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("'a.png'", "~", "b\\c.png"):
        Path(name).touch()
        assert path_names.entered(name) == name
    Path("c.png").touch()
    assert path_names.entered("'c.png'") == "c.png"


def test_the_entrances_of_the_command_line_read_them(tmp_path: Path) -> None:
    from forensics.cli.compare import compare

    picture = tmp_path / "my picture.png"
    shutil.copy(ASSETS / "plain.png", picture)
    context = compare.make_context("compare", [f"'{picture}'", picture.as_uri(), "-o", f'"{tmp_path / "case"}"'])
    assert context.params["disputed"] == picture
    assert context.params["originals"] == (picture,)
    assert context.params["out"] == tmp_path / "case"


def test_files_that_name_others_are_read_as_a_person_pastes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "matter"
    (case / "my works").mkdir(parents=True)
    work, away = case / "my works" / "a (1).png", tmp_path / "away.png"
    for path in (work, away):
        shutil.copy(ASSETS / "plain.png", path)
    for name in ("index", "kl", "model.safetensors", "style.safetensors"):
        (tmp_path / name).touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    rows = [
        *(
            "my works/a (1).png",
            "'my works/a (1).png'",
            r"my works\a (1).png",
            r"my\ works/a\ \(1\).png",
            work.as_uri(),
        ),
        *("~/away.png", "../away.png", away.as_uri()),
    ]
    lora = ["'~/style.safetensors':0.8", "'~/style.safetensors:0.8'", "~/style.safetensors", "../style.safetensors:0.5"]
    lora.append((tmp_path / "style.safetensors").as_uri() + ":0.8")
    (case / "case.toml").write_text(
        f"[analysis]\noriginals = {json.dumps(rows)}\nlora = {json.dumps(lora)}\n"
        "checkpoint = '~/model.safetensors'\nindex = '\"../index\"'\nbase = 'owner/model'\n"
        f"autoencoders = ['{(tmp_path / 'kl').as_uri()}', 'owner/kl']\n",
        encoding="utf-8",
    )
    settings = resolve({}, case / "case.toml").settings
    assert [Path(p).resolve() for p in settings.originals] == [work] * 5 + [away] * 3
    assert [Path(p).resolve().name for p in settings.lora] == ["style.safetensors:0.8"] * 2 + [
        *("style.safetensors", "style.safetensors:0.5", "style.safetensors:0.8")
    ]
    assert all(Path(p.rpartition(":")[0] or p).exists() for p in settings.lora if p.endswith(("5", "8")))
    assert settings.checkpoint == str(tmp_path / "model.safetensors")
    assert Path(str(settings.index)).resolve() == tmp_path / "index"
    assert settings.base == "owner/model"
    assert settings.autoencoders == (str(tmp_path / "kl"), "owner/kl")


def test_tables_and_manifests_are_read_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "works"
    folder.mkdir()
    picture = folder / "a b.png"
    shutil.copy(ASSETS / "plain.png", picture)
    monkeypatch.setenv("HOME", str(tmp_path))
    forms = ["a b.png", "'a b.png'", r"a\ b.png", picture.as_uri(), "~/works/a b.png"]
    (folder / "works.csv").write_text("path\n" + "".join(f"{form}\n" for form in forms), encoding="utf-8")
    table = open_source(str(folder / "works.csv"), {})
    entries = [row for row in table.entries if isinstance(row, Entry)]
    assert [row.path for row in entries] == ["a b.png"] * 5
    rows = [
        {"id": f"{half}-{role}", "path": form, "role": role, "half": half}
        for half in ("calibration", "test")
        for role, form in (("member", forms[1]), ("control", forms[3]))
    ]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert {work.path for work in read_manifest(folder / "manifest.jsonl")} == {picture}


def test_a_strength_behind_a_pasted_path(tmp_path: Path) -> None:
    file = tmp_path / "a style.safetensors"
    file.touch()
    for typed in (f"'{file}':0.8", f"'{file}:0.8'", f"{file}:0.8", f"{file.as_uri()}:0.8"):
        assert path_names.entered_before_colon(typed) == f"{file}:0.8", typed
    assert path_names.entered_before_colon(f"'{file}'") == str(file)
    assert path_names.entered_before_colon("owner/lora:0.8") == "owner/lora:0.8"
    colon = tmp_path / "odd:name"
    colon.touch()
    assert path_names.entered_before_colon(f"'{colon}'") == str(colon)


def test_every_path_of_the_command_line_has_a_row_in_the_study() -> None:
    from tests.studies.entrances import ALIKE, ENTRANCES, walked

    assert {name for name, _ in walked()} == set(ENTRANCES) | set(ALIKE)
    assert not set(ENTRANCES) & set(ALIKE)


@pytest.mark.parametrize("entrance", ["init path", "controls build folder", "controls check folder", "batch cases"])
def test_odd_names_at_entrances_without_networks(entrance: str, tmp_path: Path) -> None:
    from tests.studies.entrances import ENTRANCES, NAMES, judged

    class Works:
        """Pictures with a table; the rest of the study's ground takes networks."""

        folder = trial = tmp_path
        works = controls = tmp_path / "works"
        batch_file = tmp_path / "cases.toml"

        @property
        def out(self) -> Path:
            return self.trial / "out"

    if sys.platform == "darwin":
        pytest.skip("this file system takes text alone")
    Works.works.mkdir()
    shutil.copyfile(ASSETS / "plain.png", Works.works / "a.png")
    if entrance == "controls check folder":
        (Works.works / "controls.csv").write_text("file,ground,caption\na.png,drawn here,a box\n", encoding="utf-8")
    Works.batch_file.write_text('[[case]]\nimage = "none.png"\n', encoding="utf-8")
    for kind in NAMES:
        said, right = judged(Works(), ENTRANCES[entrance], kind)  # type: ignore[arg-type]
        assert right, (kind, said)


def odd_folder(folder: Path) -> list[str]:
    """Pictures called in every odd way, each with a caption beside it where a name for that is short enough."""
    from tests.studies.entrances import NAMES, named

    folder.mkdir()
    for kind in NAMES:
        place = named(folder, kind, ".png")
        shutil.copyfile(ASSETS / "plain.png", place)
        place.with_suffix(".txt").write_text(f"caption of {kind}", encoding="utf-8")
    return list(NAMES)


def test_one_odd_file_keeps_no_folder_from_being_read(tmp_path: Path) -> None:
    from forensics import portfolio
    from forensics.controls import works

    if sys.platform == "darwin":
        pytest.skip("this file system takes text alone")
    kinds = odd_folder(tmp_path / "works")
    found = portfolio.read(str(tmp_path / "works"))
    assert sorted(work.caption for work in found.works) == sorted(f"caption of {kind}" for kind in kinds)
    done = run("controls", "build", tmp_path / "works", "--ground", "drawn here")
    assert done.exit_code == 0, done.stderr
    assert "left out, its name is no UTF-8: b\\xfc\\xe9.png" in done.stderr
    loaded = works.load(tmp_path / "works").works
    assert len(loaded) == len(kinds) - 1
    assert all(work.path.is_file() for work in loaded)


@pytest.mark.parametrize(
    "written", ["file,ground,caption\né.png,mine,x\n", "file;ground;caption\r\né.png;mine;x, y\r\n"]
)
def test_controls_are_found_however_their_letters_are_composed(written: str, tmp_path: Path) -> None:
    from forensics.controls import works

    shutil.copyfile(ASSETS / "plain.png", tmp_path / "e\u0301.png")
    (tmp_path / "controls.csv").write_text(written, encoding="utf-8", newline="")
    (work,) = works.load(tmp_path).works
    assert work.path.is_file()
    assert path_names.entered(str(tmp_path / "\u00e9.png")) == str(work.path)


def test_what_was_asked_for_is_asked_again_whatever_files_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forensics.folder import CASE, unfinished
    from forensics.settings import resolve
    from forensics.stages.asked import asked_again, asked_for

    if sys.platform == "darwin":
        pytest.skip("this file system takes text alone")
    here = Path(os.fsdecode(os.fsencode(tmp_path) + b"/h\xfc"))
    here.mkdir()
    monkeypatch.chdir(here)
    image = here / BYTES
    shutil.copyfile(ASSETS / "plain.png", image)
    resolved = resolve({"originals": (str(image),), "check_by_others": str(image), "captions": ("a hare",)})
    mark = tmp_path / "case" / CASE
    mark.parent.mkdir(parents=True)
    mark.write_bytes(unfinished.mark("analyze", "2026-11-29T00:00:00Z", "origin", asked_for(image, resolved)))
    again, settings, _ = asked_again(tmp_path / "case")
    assert (again, settings.settings) == (image, resolved.settings)


@pytest.mark.parametrize("name", ["checkpoint", "index", "controls", "clip"])
def test_weights_and_indexes_are_called_by_text(name: str) -> None:
    from forensics.settings import resolve

    with pytest.raises(SettingsError, match="no UTF-8") as caught:
        resolve({name: BYTES})
    assert caught.value.hint
