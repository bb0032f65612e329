"""Every rung: the contract, the price in bits, the counting, and that batching changes nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from forensics.case import Absent
from forensics.device import generator
from forensics.diffusion.sd import StableDiffusion
from forensics.errors import SettingsError
from forensics.events import Event
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Attempt, Plan, Rung, run_many
from forensics.protocol import Search

SEARCH = Search(
    lengths=(1, 3, 99),
    hard_steps=2,
    hard_draws=2,
    finalists=3,
    finalist_draws=2,
    soft_lengths=(1, 2),
    soft_steps=2,
    soft_draws=2,
    soft_bits=(1, 4),
    report_draws=3,
    noise_steps=4,
    noise_draws=2,
    noise_checks=2,
    noise_pictures=2,
    latent_bits=(1, 4),
)
"""As the profiles' in kind, and small."""
PLAN = Plan("a cat", "claimed caption", 3.0, 3, (5, 6), 2, SEARCH)


def picture(seed: int, height: int = 40, width: int = 52) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(seed, "test"))


@pytest.fixture(params=["epsilon", "v", "v-zero-snr"])
def model(request: pytest.FixtureRequest, models: dict[str, StableDiffusion]) -> StableDiffusion:
    return models[request.param]


@pytest.fixture(params=list(INVERSIONS))
def rung(request: pytest.FixtureRequest) -> Rung:
    return INVERSIONS.load(request.param)()


def same(a: Attempt, b: Attempt, tolerance: float) -> bool:
    return torch.allclose(a.pictures, b.pictures, atol=tolerance) and a.supplied_bits == b.supplied_bits


def test_contract(rung: Rung, model: StableDiffusion) -> None:
    events: list[Event] = []
    attempt = rung(picture(1), model, PLAN, events.append)
    assert attempt.method == rung.name
    assert attempt.method in INVERSIONS
    assert attempt.pictures.shape == (max(1, len(attempt.seeds)), 3, 40, 52)
    assert attempt.pictures.dtype == torch.float32
    assert 0 <= attempt.pictures.min() <= attempt.pictures.max() <= 1
    if rung.name == "noise":  # random weights give no target back, whatever the noise
        assert isinstance(attempt.supplied_bits, Absent)
    else:
        assert isinstance(attempt.supplied_bits, float)
        assert attempt.supplied_bits > 0
    assert attempt.fit.original == (40, 52)
    assert [e.done for e in events] == list(range(1, events[0].total + 1))
    assert {e.stage for e in events} == {"invert"}


def test_twice_is_the_same(rung: Rung, model: StableDiffusion) -> None:
    first, second = (rung(picture(1), model, PLAN) for _ in range(2))
    assert torch.equal(first.pictures, second.pictures)
    assert first.trace == second.trace


def test_a_batch_is_the_single_runs(rung: Rung, models: dict[str, StableDiffusion]) -> None:
    """Also over different sizes, prompts, guidance and numbers of seeds."""
    model = models["v"]
    targets = [picture(1), picture(2), picture(3, 64, 32), picture(4)]
    plans = [PLAN, Plan("dogs", "x", 3.0, 3, (1, 2, 3), 2, SEARCH), PLAN, Plan("", "none", 1.0, 2, (9,), 0, SEARCH)]
    together = run_many(rung, targets, plans, model)
    alone = [rung(t, model, p) for t, p in zip(targets, plans, strict=True)]
    for a, b in zip(together, alone, strict=True):
        assert same(a, b, 1e-4)
        assert (a.evaluations, a.seeds, a.prompt, a.fit) == (b.evaluations, b.seeds, b.prompt, b.fit)


@pytest.mark.parametrize("plan", [PLAN, Plan("", "none", 1.0, 2, (9,), 0, SEARCH)])
def test_the_budget_is_known_beforehand(rung: Rung, model: StableDiffusion, plan: Plan) -> None:
    before = model.evaluations
    attempts = run_many(rung, [picture(1), picture(2)], [plan, plan], model)
    assert model.evaluations - before == sum(a.evaluations for a in attempts) == rung.budget(plan, 2, model)


def test_wrong_arguments(rung: Rung, models: dict[str, StableDiffusion]) -> None:
    with pytest.raises(ValueError, match="2 targets but 1 plans"):
        run_many(rung, [picture(1), picture(2)], [PLAN], models["v"])
    with pytest.raises(ValueError, match="must be"):
        run_many(rung, [picture(1)[0]], [PLAN], models["v"])


def test_unknown_rung_names_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        INVERSIONS.load("regenerate")
    assert "regeneration" in caught.value.hint


def test_autoencoder_price(models: dict[str, StableDiffusion]) -> None:
    attempt = INVERSIONS.load("autoencoder")()(picture(1, 32, 32), models["v"], PLAN)
    assert (attempt.supplied_bits, attempt.evaluations, attempt.prompt) == (4 * 8 * 8 * 16.0, 0, "")
    assert "not evidence" in attempt.supplied


@pytest.mark.parametrize(("prompt", "seeds", "tokens"), [("a cat", (1, 2, 3, 4), 4), ("", (8,), 0)])
def test_regeneration_price(
    models: dict[str, StableDiffusion], prompt: str, seeds: tuple[int, ...], tokens: int
) -> None:
    plan = Plan(prompt, "claimed caption", 2.0, 3, seeds, 0)
    attempt = INVERSIONS.load("regeneration")()(picture(1), models["epsilon"], plan)
    # Random weights give no near-copy: the price is that of the best of all seeds.
    assert attempt.score("hits") == 0
    assert attempt.supplied_bits == pytest.approx(tokens * math.log2(55) + math.log2(len(seeds)))
    assert attempt.evaluations == 2 * 3 * len(seeds)
    assert attempt.seeds == seeds


def test_seeds_do_not_depend_on_their_company(models: dict[str, StableDiffusion]) -> None:
    rung, model = INVERSIONS.load("regeneration")(), models["epsilon"]
    many = rung(picture(1), model, Plan("cat", "x", 1.0, 3, (3, 1, 2), 0)).pictures
    one = rung(picture(2), model, Plan("cat", "x", 1.0, 3, (1,), 0)).pictures
    assert torch.allclose(many[1:2], one, atol=1e-5)
    assert not torch.allclose(many[0], many[1], atol=1e-2)


def test_regeneration_price_falls_with_the_hits(models: dict[str, StableDiffusion]) -> None:
    """Three of four seeds hit, by a test of the caller's own: log2(4 / 3) bits, not log2(4)."""
    plan = Plan("a cat", "x", 1.0, 2, (1, 2, 3, 4), 0, reproduces=lambda p, t: torch.arange(len(p)) > 0)
    attempt = INVERSIONS.load("regeneration")()(picture(1), models["v"], plan)
    assert attempt.supplied_bits == pytest.approx(4 * math.log2(55) + math.log2(4 / 3))
    assert attempt.supplied.endswith("the choice of a seed that gives a near-copy, as 3 of 4 do.")
    assert any(f.value.startswith("3 of 4 draws, 0.750 (95 % interval 0.194 to 0.994)") for f in attempt.facts)


def test_regeneration_ignores_the_target(models: dict[str, StableDiffusion]) -> None:
    rung = INVERSIONS.load("regeneration")()
    a, b = (rung(picture(n), models["v"], PLAN).pictures for n in (1, 2))
    assert torch.equal(a, b)


def test_regeneration_without_seeds_is_refused(models: dict[str, StableDiffusion]) -> None:
    with pytest.raises(ValueError, match="at least one seed"):
        INVERSIONS.load("regeneration")()(picture(1), models["v"], Plan("", "none", 1.0, 3, (), 0))


def test_a_cut_prompt_is_stated(models: dict[str, StableDiffusion]) -> None:
    plan = Plan("abcdefghijklmnopqrst", "claimed caption", 1.0, 2, (1,), 0)
    facts = INVERSIONS.load("regeneration")()(picture(1), models["v"], plan).facts
    assert any(f.name == "prompt tokens cut off" and f.value.startswith("6") for f in facts)


@pytest.mark.parametrize("name", ["hard_prompt", "soft_prompt"])
def test_searched_prompts_have_their_price(models: dict[str, StableDiffusion], name: str) -> None:
    attempt = INVERSIONS.load(name)()(picture(1, 32, 32), models["v"], PLAN)
    price = attempt.score("prompt bits")
    assert price is not None
    assert attempt.supplied_bits == pytest.approx(price + 1)  # and the best of two seeds
    assert attempt.score("two-part bits") == pytest.approx(price + attempt.score("bits"))  # type: ignore[operator]
    if name == "hard_prompt":
        assert price in (pytest.approx(math.log2(55)), pytest.approx(3 * math.log2(55)))
    else:
        assert price in [k * 16 * b + 64 for k in (1, 2) for b in (1, 4)]
    with pytest.raises(ValueError, match="at least one seed"):
        INVERSIONS.load(name)()(picture(1), models["v"], Plan("", "none", 1.0, 3, (), 0, SEARCH))


def round_trip(attempt: Attempt) -> float:
    return float(next(f.value for f in attempt.facts if f.name.startswith("round trip")).split()[0])


def test_refinement_makes_the_replay_exact(model: StableDiffusion) -> None:
    rung = INVERSIONS.load("ode")()
    found = {n: round_trip(rung(picture(1), model, Plan("", "none", 1.0, 10, (), n))) for n in (0, 2, 8)}
    assert found[0] > found[2] > 2 * found[8]


def test_ode_facts_and_trace(model: StableDiffusion) -> None:
    attempt = INVERSIONS.load("ode")()(picture(1), model, PLAN)
    assert attempt.evaluations == 1 + 3 * 2 + 3
    assert len(attempt.trace) == 4
    assert attempt.trace[0].residual == 0
    assert all(step.residual > 0 for step in attempt.trace[1:])
    assert [s.time for s in attempt.trace] == model.times(3).tolist()
    names = {f.name for f in attempt.facts}
    assert {"energy of z_T per value", "correlation of neighbouring values of z_T", "z_T as noise"} <= names
    assert (attempt.prompt, attempt.guidance) == ("", 1.0)
