"""Control works need a ground; without one they are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from forensics.controls import works as controls
from forensics.errors import ControlsError


def _folder(tmp_path: Path, table: str) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (32, 32), (ord(name[0]), 0, 0)).save(tmp_path / name)
    (tmp_path / controls.TABLE).write_text(table, encoding="utf-8")
    return tmp_path


_GOOD = "file,ground,caption\na.png,Dated 2026.,a red square\nb.png,Dated 2026.,\nc.png,Made for the case.,\n"


def test_grounds_are_counted_and_the_draw_is_repeatable(tmp_path: Path) -> None:
    found = controls.load(_folder(tmp_path, _GOOD))
    assert found.grounds == "Dated 2026. (2 works) Made for the case. (1 works)"
    assert found.shuffled(7, frozenset()) == found.shuffled(7, frozenset())
    assert {w.name for w in found.shuffled(7, frozenset())} == {"a.png", "b.png", "c.png"}


def test_a_file_under_examination_is_not_its_own_control(tmp_path: Path) -> None:
    found = controls.load(_folder(tmp_path, _GOOD))
    own = found.works[0].digest().sha256
    assert "a.png" not in {w.name for w in found.shuffled(0, frozenset({own}))}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("file,ground\na.png,\n", "line 2"),
        ("file,ground\na.png,Dated.\nmissing.png,Dated.\n", "missing.png"),
        ("file,ground\n../a.png,Dated.\n", "../a.png"),
        ("file,ground\n", "lists no work"),
    ],
)
def test_an_unexplained_or_absent_control_is_refused(tmp_path: Path, table: str, named: str) -> None:
    with pytest.raises(ControlsError, match=named):
        controls.load(_folder(tmp_path, table))


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ControlsError, match=controls.TABLE):
        controls.load(tmp_path)
