"""The plan: drawn once, hashed, signed and stamped; whatever is changed in it afterwards is found."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from forensics import portfolio
from forensics.controls import works as control_works
from forensics.errors import CaseError, SettingsError, VerificationError
from forensics.folder.sign import Pkcs12
from forensics.outputs import plan
from forensics.schema import canonical
from tests.outputs import collections
from tests.signing import keys


def test_every_try_has_one_place_and_the_seed_alone_decides_the_order(tmp_path: Path) -> None:
    made = collections.drawn(tmp_path)
    assert len(made.order) == 2 * 6 * 10
    assert [s.number for s in made.order] == list(range(1, 121))
    assert set(Counter((s.service, s.prompt) for s in made.order).values()) == {10}
    again = plan.draw(tmp_path / "plan.toml")
    assert again.order == made.order
    text = (tmp_path / "plan.toml").read_text()
    (tmp_path / "plan.toml").write_text(text.replace("seed = 3", "seed = 4"))
    assert plan.draw(tmp_path / "plan.toml").order != made.order


def test_the_digest_is_over_everything_and_the_file_is_never_written_over(tmp_path: Path) -> None:
    made = collections.drawn(tmp_path)
    bare = dataclasses.replace(made, digest="")
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        other = {str: "x", int: 99, tuple: ()}.get(type(value))
        if field.name != "digest" and other is not None:
            assert plan.digest(dataclasses.replace(bare, **{field.name: other})) != made.digest, field.name  # type: ignore[arg-type]
    path, *beside = plan.write(made, tmp_path / "plan.json")
    assert [p.name for p in beside] == ["plan.json.tsq", "plan-log.csv"]
    fixed = plan.load(path)
    assert fixed.plan == made
    assert fixed.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert fixed.moment == made.created
    assert "not signed" in fixed.signed
    assert bytes.fromhex(fixed.sha256) in (tmp_path / "plan.json.tsq").read_bytes()
    with pytest.raises(CaseError, match="exists already"):
        plan.write(made, tmp_path / "plan.json")
    rows = list(csv.DictReader((tmp_path / "plan-log.csv").read_text().splitlines()))
    assert [int(r["number"]) for r in rows] == [s.number for s in made.order]
    assert {r["prompt"] for r in rows} == {p.text for p in made.prompts}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("prompts", lambda v: v[:-1]),
        ("order", lambda v: [v[1], v[0], *v[2:]]),
        ("created", lambda v: "2020-01-01T00:00:00Z"),
    ],
)
def test_a_plan_that_was_changed_is_refused(tmp_path: Path, field: str, change: object) -> None:
    path = plan.write(collections.drawn(tmp_path), tmp_path / "plan.json")[0]
    stored = json.loads(path.read_text())
    assert callable(change)
    stored[field] = change(stored[field])
    path.write_text(json.dumps(stored))
    with pytest.raises(VerificationError, match="changed after it was written") as caught:
        plan.load(path)
    assert caught.value.exit_code == 8
    assert caught.value.hint


def test_a_signature_and_a_stamp_show_who_and_when(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    cert = keys.certificate(key, "Ada Example")
    made = collections.drawn(tmp_path)
    with Pkcs12(keys.pkcs12(tmp_path / "id.p12", key, cert), keys.WORD.encode()).open() as signer:
        path = plan.write(made, tmp_path / "plan.json", signer, timestamper=keys.stamper())[0]
    fixed = plan.load(path)
    assert "Ada Example" in fixed.signed
    assert "no trusted certificates were named" in fixed.signed
    assert "Time of Example" in fixed.shown_by
    assert dt.datetime.fromisoformat(fixed.moment).tzinfo is not None
    assert "trusted here" in plan.load(path, [keys.pem(tmp_path / "id.pem", cert)]).signed
    # A plan drawn anew has a digest that is right, and the old signature does not hold over it.
    other = dataclasses.replace(made, title="Another", digest="")
    path.unlink()
    (tmp_path / "plan.json").write_bytes(canonical(dataclasses.replace(other, digest=plan.digest(other))))
    with pytest.raises(VerificationError, match="signature"):
        plan.load(path)


def test_works_that_are_exchanged_after_the_plan_are_named(tmp_path: Path) -> None:
    made = collections.drawn(tmp_path)
    control = tmp_path / "controls" / f"{collections.CONTROLS[0]['id']}.webp"
    works = portfolio.read(tmp_path / "works.csv")

    def controls() -> portfolio.Portfolio:
        return portfolio.of_controls(control_works.load(tmp_path / "controls"))

    assert plan.works_of(made, (works, controls())) == []
    control.write_bytes((collections.REFERENCE / collections.CONTROLS[1]["path"]).read_bytes())
    assert plan.works_of(made, (works, controls())) == [control.name]
    assert len(plan.works_of(made, (works, None))) == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 3", "seeed = 3", "unknown key 'seeed'"),
        ("tries = 10", "tries = 0", "tries is 0"),
        ("tries = 10", "", "no number of tries"),
        ("tries = 10", "tries = 10000000", "plans 120000000 tries"),
        ("seed = 3", f"seed = {'9' * 400}", "seed is 999"),
        ('class = "reworded"', 'class = "rewordet"', "the class 'rewordet'"),
        ('id = "b-verbatim"', 'id = "a-verbatim"', "more than one prompt with this id"),
        ('text = "the second work"', 'text = "the first work"', "more than one prompt with these words"),
        ('version = "2"', "version = 2", "version is missing or is no text"),
        ("refusals_in_a_row = 3", "refusals_in_a_row = -1", "refusals_in_a_row is -1"),
        ("refusals_in_a_row = 3", 'not_after = "2026-12-31"', "has no offset"),
        ("refusals_in_a_row = 3", 'not_after = "soon"', "is no moment"),
        ("works = []", 'works = ["nobody"]', "neither a work nor a control work"),
        ('title = "A small plan"', "title =", "not valid TOML"),
    ],
)
def test_what_no_plan_can_say_is_refused_with_what_to_do(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = collections.described(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=said) as caught:
        plan.draw(path)
    assert caught.value.exit_code == 2
    assert caught.value.hint
