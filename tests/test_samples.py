"""What is shipped is what it is said to be."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from forensics.folder import file_sha256
from forensics.resources import samples

FOLDER = samples()


def _files() -> list[Path]:
    """Every file once: parts shared by several folders are links, and stand where the link points. Not the recipe."""
    files = [p for p in FOLDER.rglob("*") if p.is_file() and "recipe" not in p.relative_to(FOLDER).parts]
    return [p for p in files if not any(q.is_symlink() for q in (p, *p.parents))]


def test_every_file_has_its_stated_digest_and_none_is_unstated() -> None:
    stated = {}
    for line in (FOLDER / "digests.txt").read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        stated[name] = digest
    found = {path.relative_to(FOLDER).as_posix(): path for path in _files() if path.name != "digests.txt"}
    assert set(found) == set(stated)
    assert [name for name, path in found.items() if file_sha256(path) != stated[name]] == []


def test_samples_stay_small_enough_to_travel() -> None:
    size = sum(
        p.stat().st_size for p in FOLDER.rglob("*") if p.is_file() and not any(q.is_symlink() for q in p.parents)
    )
    assert size < 50_000_000


def test_truth_agrees_with_the_manifest() -> None:
    rows = (FOLDER / "reference" / "manifest.jsonl").read_text("utf-8").splitlines()
    manifest = {row["id"]: row for row in map(json.loads, rows)}
    truth = {r["file"]: r for r in csv.DictReader((FOLDER / "disputed" / "truth.csv").read_text("utf-8").splitlines())}
    assert manifest[truth["memorised.png"]["work"]]["role"] == "planted"
    assert manifest[truth["memorised.png"]["work"]]["repetitions"] == 256
    assert manifest[truth["edited.jpg"]["work"]]["role"] == "training"
    assert manifest[truth["control.png"]["work"]]["role"] == "control"
    assert truth["manner.png"]["work"] == ""
    assert {p.name for p in (FOLDER / "disputed").iterdir()} == {*truth, "truth.csv"}


def test_index_holds_every_training_work_and_no_control() -> None:
    from forensics.retrieval.readers.native import LanceIndex

    rows = (FOLDER / "reference" / "manifest.jsonl").read_text("utf-8").splitlines()
    trained = {row["id"] for row in map(json.loads, rows) if row["role"] in ("training", "planted")}
    table = LanceIndex(str(FOLDER / "reference" / "index")).table(["training_id"])
    assert set(table["training_id"].to_pylist()) == trained
