"""The study of headings: what it counts, and what the committed figures say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from forensics.case import Absent, AnnouncedRates, Checkpoint, Pair, Setting
from forensics.protocol import PROFILES, VERSION
from forensics.report.sections.sure import sure
from forensics.resources import samples
from forensics.stages.announced import rates
from tests.report import golden
from tests.studies import headings


def made(
    first: int, ranked: int, not_asked: int, profile: str = headings.WITHOUT_SEARCH
) -> dict[str, dict[str, dict[str, object]]]:
    """A study of so many control works: of the first no control reaches as far, of the others half of them do."""
    rows = [(0, 99)] * first + [(50, 99)] * (ranked - first) + [(None, None)] * not_asked
    return {
        "examinations": {
            f"control|{i}|{profile}": {p.value: {"heading": "h.", "k": k, "n": n} for p in Pair}
            for i, (k, n) in enumerate(rows)
        }
    }


def ranks(**of_99: int) -> dict[str, dict[str, object]]:
    """One examination with ninety-nine controls: pair -> how many of them reach as far."""
    return {p.value: {"heading": "h.", "k": of_99.get(p.value), "n": 99 if p.value in of_99 else None} for p in Pair}


def test_what_is_announced_allows_for_every_question_that_was_asked() -> None:
    def said(*, alone: bool = False, **of_99: int) -> frozenset[Pair]:
        return headings.announced(ranks(**of_99), headings.WITHOUT_SEARCH, alone=alone)

    assert said(derivation=50, retention=2, origin=50) == set()
    assert said(derivation=50, retention=2, origin=50, alone=True) == {Pair.RETENTION}
    assert said(derivation=50, retention=0, origin=50) == {Pair.RETENTION}
    assert said(retention=4) == {Pair.RETENTION}  # the only question that was asked
    assert said(derivation=0, retention=1, origin=4) == set(Pair)  # each after those before it
    undecided = ranks(origin=0)
    undecided["origin"]["heading"] = headings.UNDECIDED
    assert headings.announced(undecided, "standard") == set()


def test_the_share_is_of_works_of_which_the_question_was_asked() -> None:
    hits, n, low, high = headings.share(made(2, 40, 7), Pair.RETENTION)
    assert (hits, n) == (2, 40)
    assert low < 0.05 < high
    assert headings.share(made(0, 0, 3), Pair.ORIGIN) == (0, 0, 0.0, 1.0)


def test_first_ranks_are_counted_under_quick_alone() -> None:
    both = {"examinations": made(3, 4, 0)["examinations"] | made(1, 5, 2, "quick")["examinations"]}
    assert headings.first(both, Pair.RETENTION)[:2] == (1, 5)
    assert headings.share(both, Pair.RETENTION)[:2] == (3, 4)


def test_works_are_of_the_test_half_and_drawn_by_seed_alone() -> None:
    drawn = headings.drawn()
    assert [w.name for w in drawn] == [w.name for w in headings.drawn()]
    manifest = (samples() / "reference" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    half = {r["path"]: (r["role"], r["half"]) for r in map(json.loads, manifest)}
    assert len(drawn) >= 100
    assert {half[w.name] for w in drawn} == {("control", "test")}


def test_the_profile_leaves_out_what_searches_and_changes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, headings.WITHOUT_SEARCH, PROFILES["standard"])
    name = headings.profile()
    own, standard = PROFILES[name], PROFILES["standard"]
    assert own.rungs == ("autoencoder", "ode", "regeneration")
    changed = {field for field in standard.__dataclass_fields__ if getattr(own, field) != getattr(standard, field)}
    assert changed == {"profile", "rungs"}


@pytest.mark.skipif(not headings.OUT.is_file(), reason="the study has not been run on this tree")
def test_no_work_that_was_never_trained_on_is_announced_by_the_samples() -> None:
    study = headings.load()
    assert study["protocol"] == VERSION
    for key, found in study["examinations"].items():
        kind, name, *_, profile = key.split("|")
        if kind == "sample" and name in headings.NEVER_TRAINED:
            assert not headings.announced(found, profile), key


def test_control_works_are_announced_no_oftener_than_the_level_allows() -> None:
    study = headings.load()
    assert len(headings.of(study, headings.WITHOUT_SEARCH)) == 100
    level = PROFILES["standard"].rank_level
    for pair in Pair:
        assert headings.share(study, pair)[2] <= level, pair  # the interval does not lie above the level
    hits, works, *_ = headings.any_of_three(study)
    assert hits <= level * works


def test_what_a_report_says_of_the_study_is_what_its_rows_give() -> None:
    study = headings.load()
    assert study["rates"] == json.loads(json.dumps(headings.rates(study)))
    assert study["rates"]["standard"]["any"][:2] == [4, 100]
    assert study["rates"]["quick"]["any"][:2] == [0, 40]


@pytest.mark.parametrize(("profile", "of"), [("standard", "standard"), ("quick", "quick"), ("deep", "standard")])
def test_a_report_names_the_rate_of_its_profile_and_checkpoint(profile: str, of: str) -> None:
    case, _ = golden.stored("analyze")
    assert isinstance(case.checkpoint, Checkpoint)
    found = rates(PROFILES[profile], case.checkpoint)
    assert isinstance(found, AnnouncedRates)
    assert (found.profile, found.own_checkpoint) == (of, True)
    other = rates(PROFILES[profile], replace(case.checkpoint, digest="0" * 64))
    assert other == replace(found, own_checkpoint=False)
    settings = (*(s for s in case.settings if s.name != "profile"), Setting("profile", profile, "flag"))
    here, elsewhere = (
        " ".join(sure(replace(case, announced=one, settings=settings)).announced) for one in (found, other)
    )
    hits, n, low, high = headings.load()["rates"][of]["any"]
    assert f"Of {n} clip-art pictures of 128 pixels" in here
    assert f"for {hits} at least one" in here
    assert ("By question" in here) is (hits > 0)
    assert f"{100 * low:.1f} to {100 * high:.1f}" in here
    assert ("was not studied" in here) is (profile != of)
    assert "not on this checkpoint" not in here
    assert "not on this checkpoint" in elsewhere


def test_without_a_study_of_this_version_no_rate_is_named(tmp_path: Path) -> None:
    case, _ = golden.stored("analyze")
    assert isinstance(case.checkpoint, Checkpoint)
    older = tmp_path / "study.json"
    older.write_text(json.dumps(headings.load() | {"protocol": "3"}), encoding="utf-8")
    for study in (older, tmp_path / "none.json"):
        found = rates(PROFILES["standard"], case.checkpoint, study)
        assert isinstance(found, Absent)
        assert sure(replace(case, announced=found)).announced == (found.reason,)
