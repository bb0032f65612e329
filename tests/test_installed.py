"""The comparison of two demonstrations finds what it is made to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.studies.installed import compare


def _case(folder: Path, document: dict[str, Any], **files: str) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "case.json").write_text(json.dumps(document), encoding="utf-8")
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_number_a_time_and_a_file_of_one_alone_are_told_apart(tmp_path: Path) -> None:
    one = {"measured": [0.25, 2], "inversions": [{"seconds": 1.5, "value": 3}], "work": "/here/samples/hare.png"}
    two = {"measured": [0.25, 2], "inversions": [{"seconds": 9.5, "value": 3}], "work": "/there/samples/hare.png"}
    samples = (Path("/here/samples"), Path("/there/samples"))
    found = compare(_case(tmp_path / "1", one, same="x"), _case(tmp_path / "2", two, same="x", more="y"), samples)
    assert found["values_that_differ"] == {}
    assert found["of_machine_and_moment"] == {"/inversions/0/seconds": [1.5, 9.5]}
    assert (found["files"], found["files_that_differ"]) == (2, ["data/case.json"])
    assert found["files_of_one_alone"] == ["more"]
    assert found["values"] == 5

    other = {**two, "measured": [0.25], "inversions": [{"seconds": 1.5, "value": 3.0000001}]}
    found = compare(tmp_path / "1", _case(tmp_path / "3", other), samples)
    assert found["values_that_differ"] == {
        "/inversions/0/value": [3, 3.0000001],
        "/measured/1": [2, "(not there)"],
    }
