"""Calls dealt out to two hands give what one gives, and the light table makes nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forensics import diffusion, hands
from forensics.case import Measurement
from forensics.device import choose, facts, noise
from forensics.diffusion.base import Condition, DiffusionModel, from_hidden
from forensics.events import ignore
from forensics.examination import compared
from forensics.folder import Ledger
from forensics.inversion.objective import Objective
from forensics.overlay import pair_cache
from forensics.overlay.correspondence import Pairing, Prepared, pair
from forensics.overlay.pair_cache import LightTable
from forensics.pictures.tensors import to_tensor
from forensics.resources import samples
from forensics.settings import resolve
from tests.diffusion import tiny
from tests.report.pictures import scene

CPU = choose("cpu")
LONG_S = 60


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DiffusionModel:
    path = tiny.write_checkpoint(tmp_path_factory.mktemp("hands") / "checkpoint")
    return diffusion.load(diffusion.identify(str(path)), CPU)


def test_two_go_at_the_same_time_and_results_keep_their_order() -> None:
    both = threading.Barrier(2, timeout=LONG_S)
    threads: set[str] = set()

    def do(item: int) -> int:
        threads.add(threading.current_thread().name)
        if item < 2:
            both.wait()  # broken, and an error, if one hand did one after the other
        return item**2

    with hands.two(where=True):
        assert hands.count() == 2
        assert torch.get_num_threads() == 1
        assert hands.each(do, range(20)) == [n**2 for n in range(20)]
    assert len(threads) == 2
    assert hands.count() == 1
    assert torch.get_num_threads() == 2


def test_there_is_one_hand_where_it_is_not_asked_for_or_torch_has_one_thread() -> None:
    def name(_: int) -> str:
        return threading.current_thread().name

    here = threading.current_thread().name
    with hands.two(where=False):
        assert hands.each(name, range(4)) == [here] * 4
    torch.set_num_threads(1)
    with hands.two(where=True):
        assert hands.count() == 1
        assert hands.each(name, range(4)) == [here] * 4


def test_what_is_dealt_out_is_not_dealt_out_once_more() -> None:
    with hands.two(where=True), hands.two(where=True):
        assert hands.each(lambda _: hands.count(), range(8)) == [1] * 8
        assert hands.count() == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_gradients_are_kept_by_both_hands_or_by_none(mode: type) -> None:
    both = threading.Barrier(2, timeout=LONG_S)

    def do(_: int) -> tuple[bool, bool, int]:
        both.wait()
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_num_threads()

    with hands.two(where=True), mode():
        expected = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), 1
        assert hands.each(do, range(2)) == [expected] * 2


@pytest.mark.parametrize("failing", ["MainThread", "second hand_0"])
def test_what_either_hand_raises_is_raised_and_the_rest_is_left(failing: str) -> None:
    both = threading.Barrier(2, timeout=LONG_S)
    done: list[int] = []

    def do(item: int) -> None:
        done.append(item)
        if item < 2:
            both.wait()
        if threading.current_thread().name == failing:
            raise MemoryError("no room")

    with hands.two(where=True):
        with pytest.raises(MemoryError, match="no room"):
            hands.each(do, range(100_000))
        assert len(done) < 100_000
        assert hands.each(str, range(3)) == ["0", "1", "2"]


def test_rows_are_dealt_out_where_each_hand_has_enough_of_them() -> None:
    asked: list[int] = []

    def do(x: Tensor, y: Tensor) -> Tensor:
        asked.append(len(x))
        return x + y

    for rows, parts in ((1, [1]), (7, [3, 4]), (8, [4, 4]), (9, [4, 5])):
        asked.clear()
        x = torch.arange(rows * 2.0).reshape(rows, 2)
        with hands.two(where=True):
            assert torch.equal(hands.by_rows(do, x, x), 2 * x)
        assert sorted(asked) == parts


def test_a_network_gives_to_two_hands_what_it_gives_to_one_and_counts_the_same(model: DiffusionModel) -> None:
    shape = model.latent_shape(model.native_px, model.native_px)
    state, time = noise((9, *shape), 0, "state"), model.times(4)[2]
    found: list[tuple[Tensor, Tensor, int]] = []
    for where in (False, True):
        before = model.evaluations
        with hands.two(where=where), torch.no_grad():
            velocity = model.velocity(state, time, model.condition("sea", 3.0))
            found.append((velocity, model.decode(state), model.evaluations - before))
    (velocity, picture, count), (velocity_of_two, picture_of_two, count_of_two) = found
    assert count == count_of_two == 18
    assert torch.allclose(velocity, velocity_of_two, rtol=1e-4, atol=1e-5)
    assert torch.allclose(picture, picture_of_two, rtol=1e-4, atol=1e-5)


def test_a_slope_is_that_of_one_hand_to_the_last_bit(model: DiffusionModel) -> None:
    side = model.native_px
    target = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    hidden = model.condition("sea", 1.0).positive
    found: list[tuple[Tensor, Tensor, int]] = []
    for where in (False, True):
        torch.set_num_threads(2 if where else 1)  # a hand computes with one
        before = model.evaluations
        with hands.two(where=where):
            objective = Objective(target, model, 0.1, seed=0)
            draws = objective.draws(5 * model.gradient_capacity(side, side), "test")
            bits, slope = objective.slope(draws, hidden, _given)
        found.append((bits, slope, model.evaluations - before))
    for one, other in zip(*found, strict=True):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    assert float(found[0][1].abs().max()) > 0


def _given(hidden: Tensor) -> Condition:
    return from_hidden(hidden)


def test_large_networks_and_cards_keep_one_hand(model: DiffusionModel) -> None:
    assert hands.suits(CPU, model.checkpoint)
    assert not hands.suits(CPU, replace(model.checkpoint, parameters=860_000_000))
    assert not hands.suits(replace(CPU, device=torch.device("cuda")), model.checkpoint)
    assert hands.suits(CPU)
    torch.set_num_threads(16)
    assert not hands.suits(CPU)


def test_the_environment_says_how_many_threads_compute() -> None:
    def threads() -> str:
        return next(fact.value for fact in facts(CPU) if fact.name == "threads")

    assert threads() == "2"
    with hands.two(where=True):
        assert threads() == "2 × 1"


def test_two_pairs_are_laid_at_once_and_no_pair_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=LONG_S)
    laid: list[tuple[str, str]] = []

    def watched(first: Prepared, second: Prepared) -> Pairing:
        laid.append((first.plate.digest, second.plate.digest))
        both.wait()
        return pair(first, second)

    monkeypatch.setattr(pair_cache, "pair", watched)
    table = LightTable()
    one, *others = (to_tensor(scene(seed, 96)) for seed in range(3))

    def lay(other: Tensor) -> Pairing:
        return table.pair(*table.prepared(one, other))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lay, [*others, *others]))
    assert len(laid) == len(set(laid)) == 2
    assert found[:2] == found[2:]


def test_a_comparison_says_the_same_with_two_hands_and_its_numbers_differ_by_rounding(tmp_path: Path) -> None:
    disputed, work = samples() / "disputed" / "edited.jpg", samples() / "originals" / "edited-original.png"
    cases = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        ledger = Ledger(tmp_path / str(threads), command="compare")
        cases.append(compared(disputed, (work,), ledger, resolve({}), ignore))
    one, two = cases
    said = [fact.value for case in cases for fact in case.environment if fact.name == "threads"]
    assert said == ["1", "2 × 1"]
    assert [a.grade for a in one.assessments] == [a.grade for a in two.assessments]
    assert [c.outcome for c in one.correspondences] == [c.outcome for c in two.correspondences]
    values = [[m.value for m in case.measurements if isinstance(m, Measurement)] for case in cases]
    assert len(values[0]) >= 5
    assert values[0] == pytest.approx(values[1], rel=1e-4, abs=1e-6)
