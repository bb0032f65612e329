"""The table of auxiliary weights: pinned digests, no silent download, nothing half-written."""

from __future__ import annotations

import hashlib
import io
import urllib.error
from pathlib import Path
from typing import BinaryIO

import pytest

from forensics import weights
from forensics.errors import WeightsError
from forensics.events import Event
from forensics.weights import Weights

DATA = b"weights" * 1000
NAME = "test/one"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a table with one more row, whose bytes we know."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    row = Weights(
        name=NAME,
        purpose="tests",
        licence="none",
        file="test/one.bin",
        sha256=hashlib.sha256(DATA).hexdigest(),
        size_bytes=len(DATA),
        url="https://weights.invalid/one.bin",
        sources=(),
    )
    monkeypatch.setitem(weights.TABLE, NAME, row)
    return tmp_path / "forensics" / "weights"


class Opener:
    """A publisher's server."""

    def __init__(self, data: bytes) -> None:
        self.data, self.asked = data, []

    def __call__(self, url: str) -> BinaryIO:
        self.asked.append(url)
        return io.BytesIO(self.data)


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_every_row_is_complete() -> None:
    for name, row in weights.TABLE.items():
        assert row.name == name
        assert len(bytes.fromhex(row.sha256)) == 32
        assert row.purpose
        assert row.licence
        assert row.sources
        assert row.size_bytes > 0
        assert not Path(row.file).is_absolute()
        assert row.url.startswith("https://") or not row.url
        assert not (row.url and row.wheel)


def test_the_shipped_trunk_is_the_pinned_one() -> None:
    path = weights.resolve("lpips-alexnet")
    assert path.stat().st_size == weights.TABLE["lpips-alexnet"].size_bytes
    state = {s.weights.name: s.state for s in weights.verify()}
    assert state["lpips-alexnet"] == "embedded"


def test_fetch_then_resolve(cache: Path) -> None:
    events: list[Event] = []
    publisher = Opener(DATA)
    path = weights.fetch(NAME, events.append, opener=publisher)
    assert path == cache / "test" / "one.bin"
    assert path.read_bytes() == DATA
    assert weights.resolve(NAME) == path
    assert events[-1].done == events[-1].total == len(DATA)
    assert weights.fetch(NAME, opener=publisher) == path
    assert publisher.asked == ["https://weights.invalid/one.bin"]


def test_other_bytes_are_discarded(cache: Path) -> None:
    with pytest.raises(WeightsError, match="served other bytes"):
        weights.fetch(NAME, opener=Opener(DATA + b"!"))
    assert files(cache) == []


def test_a_stream_without_an_end_is_left_when_it_is_too_long(cache: Path) -> None:
    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            self.given += 1
            return bytes(size or 1)

    stream = Endless()
    with pytest.raises(WeightsError, match=r"other bytes than pinned .* more than the 7,000 of that file"):
        weights.fetch(NAME, opener=lambda _: stream)
    assert stream.given == 1
    assert files(cache) == []


def test_no_connection_names_what_to_download_and_where_to_put_it(cache: Path) -> None:
    def offline(url: str) -> BinaryIO:
        raise urllib.error.URLError("no route")

    with pytest.raises(WeightsError) as error:
        weights.fetch(NAME, opener=offline)
    assert "https://weights.invalid/one.bin" in error.value.hint
    assert str(cache / "test" / "one.bin") in error.value.hint
    assert weights.TABLE[NAME].sha256 in error.value.hint
    assert files(cache) == []


def test_a_connection_that_breaks_leaves_nothing(cache: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError("reset")

    with pytest.raises(WeightsError, match="could not be fetched"):
        weights.fetch(NAME, opener=lambda _: Broken())
    assert files(cache) == []


def test_absent_and_damaged(cache: Path) -> None:
    with pytest.raises(WeightsError, match="not on this machine"):
        weights.resolve(NAME)
    (cache / "test").mkdir(parents=True)
    (cache / "test" / "one.bin").write_bytes(DATA[:-1] + b"?")
    with pytest.raises(WeightsError, match="differ from their pinned digest"):
        weights.resolve(NAME)
    with pytest.raises(WeightsError, match="differ from their pinned digest"):
        weights.fetch(NAME, opener=Opener(DATA))
    assert {s.weights.name: s.state for s in weights.verify()}[NAME] == "cached, damaged"
    (cache / "test" / "one.bin").write_bytes(DATA[:-1])
    assert {s.weights.name: s.state for s in weights.listing()}[NAME] == "cached, damaged"


def test_unknown_names_and_rows_without_address(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="no weights called"):
        weights.resolve("nothing")
    monkeypatch.setattr("forensics.resources.samples", lambda: cache)
    with pytest.raises(WeightsError, match="ship with the package"):
        weights.fetch("lpips-alexnet", opener=Opener(DATA))


def test_only_https_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Redirected(io.BytesIO):
        def geturl(self) -> str:
            return "http://elsewhere.invalid/one.bin"

    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Redirected(DATA))
    with pytest.raises(urllib.error.URLError, match="https"):
        weights._https("https://weights.invalid/one.bin")


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert weights.cache_dir() == Path.home() / ".cache" / "forensics" / "weights"
