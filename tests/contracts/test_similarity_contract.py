"""What every row of the table of measures promises."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forensics import device, similarity
from forensics.case import Absent, Better
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import SettingsError, WeightsError
from forensics.pictures.tensors import resize
from forensics.similarity import METRICS, Similarity

TOLERANCE = {
    "ssim": 1e-12,
    "tiled": 1e-12,
    "lpips": 1e-6,
    "aligned": 1e-6,
    "descriptor": 1e-6,
    "clip": 1e-6,
    "rmse": 1e-12,
}
FORBIDDEN = re.compile(
    r"infring|plagiar|\bstol|\btheft|\bcop(y|ied)\b|substantial|derivative|fair use|guilt|liab|\bprov(e|es|ed)\b|proof"
    r"|\bmatch|identical|\bcertain|100 %|memori[sz]|stored in the model|source image",
    re.IGNORECASE,
)


def picture(seed: int, batch: int = 2, height: int = 64, width: int = 64) -> torch.Tensor:
    """Smooth random colour with some grain: structure at several scales, never flat."""
    generator = torch.Generator().manual_seed(seed)
    coarse = resize(torch.rand(batch, 3, 8, 8, generator=generator), height, width)
    return (0.8 * coarse + 0.2 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)


EXAMPLE = {"rmse": "tests.contracts.examples.metric:RootMeanSquare"}
"""The row that stands for a measure added by a file and a row."""


@pytest.fixture(scope="session", params=[*METRICS, *EXAMPLE])
def metric(request: pytest.FixtureRequest, embedder: Embedder) -> Similarity:
    descriptor = open_descriptor(None, device.choose("cpu"))
    assert not isinstance(descriptor, Absent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(METRICS, "rows", METRICS.rows | EXAMPLE)
        assert request.param in METRICS
        made = similarity.load(request.param, embedder=embedder, descriptor=descriptor)
    assert made.facts.name == request.param
    return made


def signed(metric: Similarity, values: torch.Tensor) -> torch.Tensor:
    """Values turned so that higher is more alike."""
    return values if metric.facts.better is Better.HIGHER else -values


def test_row_name_is_the_metric_name(metric: Similarity) -> None:
    assert metric.facts.name in METRICS.rows | EXAMPLE


def test_identity_is_the_best_value(metric: Similarity) -> None:
    a = picture(1)
    best = metric.facts.high if metric.facts.better is Better.HIGHER else metric.facts.low
    assert metric(a, a).tolist() == pytest.approx([best] * 2, abs=1e-6)


def test_values_are_float64_one_a_pair(metric: Similarity) -> None:
    values = metric(picture(1), picture(2))
    assert values.shape == (2,)
    assert values.dtype == torch.float64
    assert metric(picture(1, batch=0), picture(1, batch=0)).shape == (0,)


def test_symmetric(metric: Similarity) -> None:
    a, b = picture(1, height=48, width=80), picture(2)
    assert metric(a, b).tolist() == pytest.approx(metric(b, a).tolist(), abs=TOLERANCE[metric.facts.name])


def test_repeatable_to_the_last_bit(metric: Similarity) -> None:
    a, b = picture(1), picture(2)
    assert torch.equal(metric(a, b), metric(a, b))


def test_a_pair_does_not_depend_on_its_batch(metric: Similarity) -> None:
    a, b = picture(3, batch=3), picture(4, batch=3)
    alone = torch.cat([metric(a[i : i + 1], b[i : i + 1]) for i in range(3)])
    assert metric(a, b).tolist() == pytest.approx(alone.tolist(), abs=TOLERANCE[metric.facts.name])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seeds=st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)),
    sides=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    gains=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_range(metric: Similarity, seeds: tuple[int, int], sides: tuple[int, int], gains: tuple[float, float]) -> None:
    a = picture(seeds[0], 1, *sides) * gains[0]
    b = picture(seeds[1], 1) * gains[1]
    value = float(metric(a, b))
    assert metric.facts.low <= value <= metric.facts.high


def test_range_at_the_extremes(metric: Similarity) -> None:
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)).round()
    flats = [torch.full_like(noise, v) for v in (0.0, 0.5, 1.0)]
    for a in (noise, 1 - noise, *flats):
        assert metric.facts.low <= float(metric(noise, a)) <= metric.facts.high


def test_moves_the_right_way_under_rising_noise(metric: Similarity) -> None:
    a = picture(5, batch=4, height=256, width=256)
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(6))
    means = [float(signed(metric, metric(a, (a + s * noise).clamp(0, 1))).mean()) for s in (0, 0.05, 0.15, 0.4)]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (picture(1)[0], "shape"),
        (picture(1)[:, :1], "shape"),
        (picture(1, batch=3), "cannot be paired"),
        (picture(1) * 255, "expected values in"),
        (picture(1) - 0.5, "expected values in"),
        ((picture(1) * 255).to(torch.uint8), "floating point"),
        (picture(1).where(picture(1) > 0.1, torch.nan), "not finite"),
        (picture(1, height=8, width=64), "at least"),
    ],
)
def test_wrong_input_is_named(metric: Similarity, broken: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(broken, picture(2))
    with pytest.raises(ValueError, match=message):
        metric(picture(2), broken)


def test_the_protocol_is_stated_soberly(metric: Similarity) -> None:
    facts = metric.facts
    for text in (facts.title, facts.answers, facts.silent, facts.protocol):
        assert text
        assert not FORBIDDEN.search(text), text
    assert facts.answers.endswith("?")
    assert facts.silent.endswith(".")
    assert "no alignment" in facts.protocol
    assert facts.low < facts.high


def test_an_unknown_row_and_a_missing_embedder_are_errors_with_a_remedy() -> None:
    with pytest.raises(SettingsError) as unknown:
        similarity.load("sim")
    assert "ssim" in unknown.value.hint
    with pytest.raises(WeightsError) as missing:
        similarity.load("clip")
    assert missing.value.hint
    with pytest.raises(WeightsError) as without:
        similarity.load("descriptor")
    assert "forensics weights fetch" in without.value.hint
