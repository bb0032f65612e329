"""The cache of control scores saves time and can change nothing: entries are verified, damaged ones computed again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from forensics.controls import cache as control_cache
from forensics.controls.cache import Cache, Key
from forensics.errors import ControlsError

KEY = Key("regeneration", "1", "2", "c" * 64, "d" * 64, "a bull", (("seeds", "0 1"), ("steps", "20")), "cpu fp32")
VALUES = {"lpips": (0.1 + 0.2, 1 / 3), "ssim": (-0.25,)}


def _fill(place: Path, count: int = 3) -> None:
    cache = Cache(place)
    for number in range(count):
        cache.values(dataclasses.replace(KEY, prompt=f"p{number}"), lambda n=number: {"bits": (float(n),)})


def test_stored_and_fresh_values_are_the_same_numbers(tmp_path: Path) -> None:
    fresh = Cache(None).values(KEY, lambda: VALUES)
    first = Cache(tmp_path).values(KEY, lambda: VALUES)

    def never() -> dict[str, tuple[float, ...]]:
        raise AssertionError("computed although it is stored")

    assert Cache(tmp_path).values(KEY, never) == first == fresh
    assert fresh["lpips"][1] == 0.333333333


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Key)])
def test_every_part_of_the_key_tells_entries_apart(tmp_path: Path, field: str) -> None:
    Cache(tmp_path).put(KEY, VALUES)
    other = (("steps", "50"),) if field == "parameters" else "other"
    assert Cache(tmp_path).get(dataclasses.replace(KEY, **{field: other})) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "swap", "empty"])
def test_a_damaged_entry_is_noted_and_computed_again(tmp_path: Path, damage: str) -> None:
    Cache(tmp_path).put(KEY, {"lpips": (0.5,)})
    (path,) = tmp_path.glob("??/*.json")
    text = path.read_text()
    if damage == "swap":  # a sound entry in the place of another
        Cache(tmp_path).put(dataclasses.replace(KEY, prompt="b"), {"lpips": (0.9,)})
        text = next(p for p in tmp_path.glob("??/*.json") if p != path).read_text()
    path.write_text({"flip": text.replace("0.5", "0.6"), "cut": text[:40], "swap": text, "empty": ""}[damage])
    cache = Cache(tmp_path)
    assert cache.values(KEY, lambda: {"lpips": (0.5,)}) == {"lpips": (0.5,)}
    assert len(cache.notes) == 1
    assert cache.misses == 1
    assert Cache(tmp_path).get(KEY) == {"lpips": (0.5,)}  # mended


def test_a_folder_that_cannot_be_written_costs_a_note_and_nothing_else(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = Cache(blocked)
    assert cache.values(KEY, lambda: {"lpips": (0.5,)}) == {"lpips": (0.5,)}
    assert "cannot be written" in cache.notes[0]


def test_what_is_exported_can_be_imported_and_shipped(tmp_path: Path) -> None:
    _fill(tmp_path / "one")
    pack = tmp_path / "pack.jsonl"
    assert control_cache.export_to(tmp_path / "one", pack) == 3
    assert control_cache.import_from(pack, tmp_path / "two") == 3
    assert control_cache.summary(tmp_path / "two").checkpoints == (("c" * 64, 3),)
    shipped = Cache(None, (pack,))
    assert shipped.get(dataclasses.replace(KEY, prompt="p2")) == {"bits": (2.0,)}
    again = tmp_path / "again.jsonl"
    control_cache.export_to(tmp_path / "two", again)
    assert again.read_bytes() == pack.read_bytes()
    with pytest.raises(ControlsError, match="no entry"):
        control_cache.export_to(tmp_path / "one", pack, "ffff")


@pytest.mark.parametrize("place", [10, 200, -20])
def test_an_export_with_one_changed_byte_is_refused_and_nothing_imported(tmp_path: Path, place: int) -> None:
    _fill(tmp_path / "one")
    pack = tmp_path / "pack.jsonl"
    control_cache.export_to(tmp_path / "one", pack)
    data = bytearray(pack.read_bytes())
    data[place] ^= 1
    pack.write_bytes(data)
    with pytest.raises(ControlsError):
        control_cache.import_from(pack, tmp_path / "two")
    assert not (tmp_path / "two").exists()
    with pytest.raises(ControlsError):
        Cache(None, (pack,)).get(KEY)


def test_the_summary_names_what_is_damaged(tmp_path: Path) -> None:
    _fill(tmp_path)
    victim = next(iter(sorted(tmp_path.glob("??/*.json"))))
    victim.write_text("{}")
    found = control_cache.summary(tmp_path)
    assert found.entries == 2
    assert found.damaged == (victim.relative_to(tmp_path).as_posix(),)


def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert control_cache.folder() == tmp_path / "forensics" / "controls"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert control_cache.folder().is_relative_to(Path.home())
