"""The study of checkpoints: over a hundred inputs, none silently wrong, none a crash, each refusal with a remedy."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from tests.studies import checkpoints
from tests.studies.checkpoint_inputs import Bench, Given, Trial, trials

ALL = tuple(trials())
RECORD = Path(checkpoints.__file__).with_suffix(".json")


@pytest.mark.parametrize("group", dict.fromkeys(trial.group for trial in ALL))
def test_every_input_is_as_expected(group: str) -> None:
    rows = checkpoints.run([trial for trial in ALL if trial.group == group])
    assert [row for row in rows if row.verdict != checkpoints.RIGHT] == []


def test_the_record_is_of_these_inputs() -> None:
    record = json.loads(RECORD.read_text("utf-8"))
    assert record["inputs"] == len(ALL) >= 100
    assert {group: sum(counts.values()) for group, counts in record["groups"].items()} == Counter(t.group for t in ALL)


def test_a_wrong_outcome_is_counted(tmp_path: Path) -> None:
    """Expectations turned round: what is taken was to be refused, and what is refused to be taken."""
    bench = Bench(tmp_path / "bases")
    taken, refused = ALL[0], next(trial for trial in ALL if trial.group == "folders named and refused")
    for number, (trial, verdict) in enumerate(
        (
            (Trial(taken.group, "turned", taken.make, refused="never", remedy="never"), checkpoints.SILENT),
            (Trial(taken.group, "unsaid", taken.make, said={"family": "flux"}), checkpoints.SILENT),
            (Trial(refused.group, "turned", refused.make), checkpoints.OTHER),
            (Trial("crash", "crash", lambda b, p: Given(cast("str", 3))), checkpoints.CRASH),
        )
    ):
        place = tmp_path / str(number)
        place.mkdir()
        assert checkpoints._try(trial, bench, place).verdict == verdict
