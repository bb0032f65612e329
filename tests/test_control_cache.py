"""The cache of control scores saves time and can change nothing: entries are verified, damaged ones computed again."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forensics import foreign
from forensics.controls import cache as control_cache
from forensics.controls.cache import Cache, Key, Kind
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


def test_an_export_can_be_compressed_and_is_the_same_pack(tmp_path: Path) -> None:
    _fill(tmp_path / "one")
    plain, small, again = tmp_path / "pack.jsonl", tmp_path / "pack.jsonl.gz", tmp_path / "again.jsonl.gz"
    for out in (plain, small, again):
        control_cache.export_to(tmp_path / "one", out)
    assert small.read_bytes() == again.read_bytes()
    assert gzip.decompress(small.read_bytes()) == plain.read_bytes()
    sources = []
    for pack in (plain, small):
        cache = Cache(None, (pack,))
        assert cache.get(dataclasses.replace(KEY, prompt="p2")) == {"bits": (2.0,)}
        sources += cache.sources.values()
    assert sources[0] == sources[1]
    assert control_cache.import_from(small, tmp_path / "two") == 3


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:-9], lambda d: d + b"\0", lambda d: d + d, lambda d: d[:30] + bytes(5) + d[35:]]
)
def test_a_compressed_export_that_is_damaged_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    _fill(tmp_path / "one")
    pack = tmp_path / "pack.jsonl.gz"
    control_cache.export_to(tmp_path / "one", pack)
    pack.write_bytes(spoil(pack.read_bytes()))
    with pytest.raises(ControlsError):
        control_cache.import_from(pack, tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_what_expands_without_end_is_refused_before_it_fills_memory() -> None:
    bomb = gzip.compress(bytes(4 * foreign.MIB))
    assert len(foreign.expanded(bomb, 4 * foreign.MIB)) == 4 * foreign.MIB
    with pytest.raises(foreign.Unreadable, match="expands to more"):
        foreign.expanded(bomb, 4 * foreign.MIB - 1)


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


def _remade(pack: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Every entry changed and every digest made anew, as whoever hands over a pack can do."""
    lines = []
    for line in pack.read_text().split("\n")[1:-1]:
        entry = json.loads(line)
        change(entry)
        content = {name: entry[name] for name in ("key", "values", "made") if name in entry}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        entry["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        lines.append(json.dumps(entry, separators=(",", ":")))
    body = "".join(f"{line}\n" for line in lines)
    digest = hashlib.sha256(body.encode()).hexdigest()
    head = {"format": control_cache.FORMAT, "entries": len(lines), "sha256": digest}
    pack.write_text(json.dumps(head) + "\n" + body)


def test_scores_that_were_imported_are_named_with_their_pack_wherever_they_are_used(tmp_path: Path) -> None:
    """Scaled scores under remade digests cannot be told from true ones: that they were imported is said."""
    _fill(tmp_path / "theirs")
    pack = tmp_path / "pack.jsonl"
    control_cache.export_to(tmp_path / "theirs", pack)
    _remade(pack, lambda entry: entry["values"].update(bits=[v * 20 for v in entry["values"]["bits"]]))
    control_cache.import_from(pack, tmp_path / "ours")
    cache = Cache(tmp_path / "ours")
    cache.values(dataclasses.replace(KEY, prompt="p1"), lambda: {"bits": (1.0,)})
    cache.values(KEY, lambda: VALUES)
    said = {fact.name: fact.value for fact in cache.account()}
    digest = json.loads(pack.read_text().split("\n")[0])["sha256"]
    assert said["control scores"] == "1 computed in this run, 1 imported from a pack"
    stated = said["control scores, imported from a pack"]
    assert f"1 scores of the pack with SHA-256 {digest}, imported 20" in stated
    assert "the pack states: computed with forensics" in stated
    assert control_cache.summary(tmp_path / "ours").packs == ((digest, 3),)


def test_a_pack_never_takes_the_place_of_what_this_machine_computed(tmp_path: Path) -> None:
    _fill(tmp_path / "ours")
    pack = tmp_path / "pack.jsonl"
    control_cache.export_to(tmp_path / "ours", pack)
    _remade(pack, lambda entry: entry["values"].update(bits=[99.0]))
    control_cache.import_from(pack, tmp_path / "ours")
    cache = Cache(tmp_path / "ours")
    assert cache.get(dataclasses.replace(KEY, prompt="p1")) == {"bits": (1.0,)}
    assert {source.kind for source in cache.sources.values()} == {Kind.STORED}


def test_what_was_computed_earlier_on_this_machine_says_by_whom(tmp_path: Path) -> None:
    _fill(tmp_path)
    cache = Cache(tmp_path)
    cache.values(dataclasses.replace(KEY, prompt="p1"), lambda: {"bits": (1.0,)})
    said = {fact.name: fact.value for fact in cache.account()}
    assert said["control scores"] == "0 computed in this run, 1 computed earlier and stored on this machine"
    assert "1 scores, computed with forensics" in said["control scores, computed earlier and stored on this machine"]


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["key"].update(checkpoint=5),
        lambda e: e["key"].update(parameters=[[1, 2]]),
        lambda e: e["key"].update(parameters="ab"),
        lambda e: e["key"].pop("prompt"),
        lambda e: e["key"].update(other=""),
        lambda e: e.update(key=[]),
        lambda e: e.update(values=[1]),
        lambda e: e["values"].update(bits="nan"),
        lambda e: e["values"].update(bits=["nan"]),
        lambda e: e["values"].update(bits=[True]),
        lambda e: e["values"].update(bits=[None]),
        lambda e: e["values"].update(bits=[10**400]),
        lambda e: e["values"].update(bits=[[1.0]]),
        lambda e: e.update(made={"actor": 3}),
        lambda e: e.update(made=[]),
    ],
)
def test_a_pack_of_wrong_kinds_is_refused_whole(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    _fill(tmp_path / "one", 1)
    pack = tmp_path / "pack.jsonl"
    control_cache.export_to(tmp_path / "one", pack)
    _remade(pack, change)
    with pytest.raises(ControlsError):
        control_cache.import_from(pack, tmp_path / "two")
    assert not (tmp_path / "two").exists()
    assert Cache(None, (pack,)).get(dataclasses.replace(KEY, prompt="p0")) is None


@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 200_000, '{"name":"\\ud800"}', "{", "", "nan", "1e400"])
def test_a_pack_that_is_no_pack_is_refused(tmp_path: Path, body: str) -> None:
    for text in (body, body + "\n", _head(body + "\n") + body + "\n"):
        (tmp_path / "pack.jsonl").write_text(text)
        with pytest.raises(ControlsError):
            control_cache.import_from(tmp_path / "pack.jsonl", tmp_path / "two")


def _head(body: str) -> str:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return json.dumps({"format": control_cache.FORMAT, "entries": body.count("\n"), "sha256": digest}) + "\n"


def test_folders_links_and_pipes_in_the_cache_are_no_entries(tmp_path: Path) -> None:
    _fill(tmp_path, 1)
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa" / "folder.json").mkdir()
    (tmp_path / "aa" / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "aa" / "pipe.json")
    assert control_cache.summary(tmp_path).entries == 1
    key = dataclasses.replace(KEY, prompt="p0")
    place = tmp_path / key.digest[:2] / f"{key.digest}.json"
    place.unlink()
    os.mkfifo(place)
    cache = Cache(tmp_path)
    assert cache.get(key) is None
    assert "is not a regular file" in cache.notes[0]
