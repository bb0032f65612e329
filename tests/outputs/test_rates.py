"""Hit rates, intervals and expected tries against closed forms, and cells counted by hand."""

from __future__ import annotations

import math

import pytest

from forensics.case import Outcome
from forensics.outputs import rates, said
from forensics.outputs.compare import chosen_of
from forensics.outputs.log import Result
from forensics.outputs.plan import PromptClass
from forensics.outputs.results import Judged, Try

V, I = PromptClass.VERBATIM, PromptClass.IMAGE  # noqa: E741


def one(line: int, hits: str = "", works: str = "w", result: Result = Result.PICTURE, **fields: object) -> Try:
    judged = tuple(Judged(w, Outcome.THROUGHOUT if w.isupper() else Outcome.PARTLY, 0.9, 0.5, True) for w in hits)
    judged += (Judged("q", Outcome.ARRANGEMENT, 0.1, 0.1, False),)
    plain: dict[str, object] = {
        "line": line,
        "number": line,
        "time": "2026-11-28T12:00:00Z",
        "service": "Alpha",
        "version": "1",
        "account": "",
        "seed": "",
        "prompt": f"p{line % 2}",
        "prompt_id": "",
        "prompt_class": V,
        "image_prompt": "",
        "works": tuple(works),
        "result": result,
        "file": f"{line}.png" if result is Result.PICTURE else "",
        "sha256": "",
        "counts": True,
        "why_not": "",
        "judged": judged,
        "picture": "",
    }
    return Try(**{**plain, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 5, 40])
def test_intervals_at_the_ends_are_those_that_can_be_written_down(n: int) -> None:
    # No hit: 1 - (alpha/2)^(1/n) above; all hits: (alpha/2)^(1/n) below (Clopper & Pearson 1934).
    edge = 0.025 ** (1 / n)
    (none,) = rates.cells([one(i) for i in range(n)], ())
    assert (none.rate.low, none.rate.high) == pytest.approx((0, 1 - edge))
    assert (none.expected, none.expected_high) == (None, None)
    assert none.expected_low == pytest.approx(1 / (1 - edge))
    (every,) = rates.cells([one(i, "w") for i in range(n)], ())
    assert (every.rate.low, every.rate.high) == pytest.approx((edge, 1))
    assert (every.expected, every.expected_low) == (1, 1)
    assert every.expected_high == pytest.approx(1 / edge)


def test_an_interval_between_solves_the_binomial_equations() -> None:
    (cell,) = rates.cells([one(i, "w" if i < 7 else "") for i in range(20)], ())

    def at_least(k: int, p: float) -> float:
        return sum(math.comb(20, j) * p**j * (1 - p) ** (20 - j) for j in range(k, 21))

    assert at_least(7, cell.rate.low) == pytest.approx(0.025)
    assert 1 - at_least(8, cell.rate.high) == pytest.approx(0.025)
    assert cell.expected == pytest.approx(20 / 7)
    assert said.expected(cell).startswith("2.9 (")


def test_cells_are_counted_by_version_class_and_work() -> None:
    tries = [
        one(1, "w"),
        one(2),
        one(3, result=Result.REFUSED),
        one(4, result=Result.FAILED),
        one(5, "w", version="2"),
        one(6, "w", prompt_class=I),
        one(7, "wc", works="wc"),
        one(8, "c", works="c"),
        one(9, "", works="c"),
        one(10, "c", works=""),
        one(11, "w", works=""),
        one(12, "w", counts=False, why_not="It is logged twice."),
        one(13, "w", prompt_class=None),
    ]
    found = {(c.version, c.prompt_class, c.work): c for c in rates.cells(tries, {"c"})}
    assert set(found) == {("1", V, "w"), ("2", V, "w"), ("1", I, "w"), ("1", V, "c"), ("1", V, "")}
    own = found["1", V, "w"]
    assert (own.rate.k, own.rate.n, own.of_pictures.n, own.refused, own.failed) == (2, 5, 3, 1, 1)
    assert (own.prompts, own.throughout, own.control) == (2, 0, False)
    control = found["1", V, "c"]
    assert (control.rate.k, control.rate.n, control.control) == (2, 3, True)
    # A prompt that aims at nothing: any work counts, a control does not.
    assert (found["1", V, ""].rate.k, found["1", V, ""].rate.n) == (1, 2)
    pooled = {(p.version, p.prompt_class): p for p in rates.pooled(tries, {"c"})}
    assert (pooled["1", V].works.k, pooled["1", V].works.n) == (2, 5)
    assert (pooled["1", V].controls.k, pooled["1", V].controls.n) == (1, 2)
    assert (pooled["1", V].works_throughout, pooled["1", V].controls_throughout) == (0, 0)
    assert (pooled["1", V].works_hit.k, pooled["1", V].works_hit.n) == (1, 1)
    (first, second) = rates.given(tries, {"c"})
    assert (first.hits.k, first.hits.n, first.supplied.k, first.supplied.n) == (4, 8, 1, 1)
    assert (first.refused.k, first.failed.k, first.tries) == (1, 1, 11)
    assert (first.logged.k, first.logged.n) == (5, 9)
    assert (first.throughout.k, first.throughout.n) == (0, 8)
    assert (second.hits.k, second.hits.n) == (1, 1)


def test_what_corresponds_throughout_is_counted_apart() -> None:
    tries = [one(1, "W", works="W"), one(2, "w", works="w"), one(3, "W", works=""), one(4, "C", works="C")]
    (found,) = rates.given(tries, {"C"})
    assert (found.hits.k, found.throughout.k, found.throughout.n) == (3, 2, 3)
    (pooled,) = rates.pooled(tries, {"C"})
    assert (pooled.works.k, pooled.works_throughout, pooled.controls_throughout) == (2, 1, 1)
    assert {c.work: c.throughout for c in rates.cells(tries, {"C"})} == {"W": 1, "w": 0, "": 1, "C": 1}


def test_hits_beside_the_aim_are_listed_and_words_below_a_part_are_none() -> None:
    tries = [one(1, "xc"), one(2, "w"), one(3, "x", works="x"), one(4, "x", works="")]
    found = {o.work: o for o in rates.off_aim(tries, {"c"})}
    assert (found["x"].lines, found["x"].tries, found["x"].control) == ((1,), 2, False)
    assert (found["c"].lines, found["c"].control) == ((1,), True)
    assert "q" not in found
    assert "w" not in found


def test_candidates_are_all_works_aimed_at_then_the_nearest() -> None:
    cosines = {"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.7}
    assert chosen_of("abcd", {"a"}, cosines, 2) == ("a", "b", "d")
    assert chosen_of("abcd", (), cosines, 0) == ("b",)
    assert chosen_of("abcd", ("a", "c"), cosines, 0) == ("a", "c")
    assert chosen_of("abcd", ("c",), {}, 1) == ("c", "a", "b", "d")
