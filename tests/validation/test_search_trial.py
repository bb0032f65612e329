"""The trial of the search rungs runs from one command, goes on where it stopped, and prints what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from forensics.device import generator
from forensics.pictures.tensors import to_picture
from tests.diffusion import tiny
from tests.studies import search_trial


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "v", "v_prediction")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("works")
    rows = []
    for number in range(24):
        to_picture(torch.rand(1, 3, 32, 32, generator=generator(number, "test"))).save(root / f"{number}.png")
        rows.append(
            {
                "id": f"w{number}",
                "path": f"{number}.png",
                "caption": f"{chr(97 + number)} thing",
                "role": "planted" if number % 2 else "control",
                "repetitions": 16,
                "half": "test" if number < 4 else "calibration",
            }
        )
    path = root / "manifest.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    search_trial.main(["--levels", "16", "0", "--works", "1", "--profile", "quick", *arguments])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_rows_by_rung_and_level(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--checkpoint", str(checkpoint), "--manifest", str(manifest), "--out", str(tmp_path))
    first = run(capsys, *common, "--rungs", "regeneration")
    assert [(r["rung"], r["level"], r["works"]) for r in first] == [("regeneration", 16, 1), ("regeneration", 0, 1)]
    assert all(r["evaluations"] == 3 * 12 * 2 and r["draws"] == 3 for r in first)
    journal = (tmp_path / "search-trial.jsonl").read_text(encoding="utf-8")
    both = run(capsys, *common, "--rungs", "regeneration", "where")
    assert (tmp_path / "search-trial.jsonl").read_text(encoding="utf-8").startswith(journal)
    assert both[:2] == first
    assert [r["rung"] for r in both[2:]] == ["where", "where"]
    assert all(0 <= r["area"] <= 1 for r in both[2:])  # type: ignore[operator]


def test_captions_against_controls(checkpoint: Path, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = run(capsys, "--checkpoint", str(checkpoint), "--manifest", str(manifest), "--captions")
    assert (row["level"], row["captions"], row["controls"]) == (16, 10, 10)
    assert 0 <= row["auc"] <= 1  # type: ignore[operator]
    assert row["blind_auc"] == pytest.approx(0.5, abs=0.3)  # one letter and one word each: no style to tell them by
    assert row["evaluations"] == 4 * 21
