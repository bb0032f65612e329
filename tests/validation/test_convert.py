"""Records of an earlier form, and records joined: no figure changes, and what does not belong together is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from forensics.case import Absent
from forensics.resources import samples
from forensics.statistics import record as records
from forensics.statistics.record import ValidationRecord
from samples.recipe import convert

SHIPPED = samples() / "reference" / "validation-twin-a.json"


@pytest.fixture(scope="module")
def shipped() -> ValidationRecord:
    return records.load(SHIPPED)[0]


def test_a_record_of_form_3_holds_the_same_figures_afterwards(tmp_path: Path, shipped: ValidationRecord) -> None:
    document = json.loads(SHIPPED.read_bytes()) | {"schema": 3}
    for form in document["propositions"].values():
        if isinstance(form, dict) and "calibrator" in form:
            del form["calibrator"]["warp"], form["warps"], form["devpav"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert convert.convert(path)
    found = records.load(path)[0]
    for name, form in shipped.forms.items():
        other = found.forms[name]
        assert not isinstance(form, Absent)
        assert not isinstance(other, Absent)
        # The ratios are kept to six digits, and the distance follows from them.
        assert other.devpav == (None if form.devpav is None else pytest.approx(form.devpav, abs=1e-4))
        assert replace(other, devpav=None) == replace(form, devpav=None)
    assert not convert.convert(path)


def test_a_record_of_this_protocol_is_joined_with_a_derivation_measured_apart(shipped: ValidationRecord) -> None:
    none = Absent("validation of derivation", "Not part of it.")
    own = replace(
        shipped,
        propositions=replace(shipped.propositions, derivation=none),
        command=f"{shipped.command} --question retention --question origin",
    )
    joined = convert.carried(own, shipped)
    assert joined.propositions == shipped.propositions
    assert joined.command == shipped.command
    assert joined.limits == shipped.limits
    assert convert.carried(own, None).propositions.derivation == none


def test_records_of_different_checkpoints_are_not_joined(shipped: ValidationRecord) -> None:
    with pytest.raises(SystemExit, match="different checkpoints"):
        convert.carried(shipped, replace(shipped, checkpoint_digest="0" * 64))
