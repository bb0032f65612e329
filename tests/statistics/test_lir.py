"""Agreement with `lir` of the Netherlands Forensic Institute on the same scores; its outputs are stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forensics.statistics import validity
from forensics.statistics.bounds import elub
from forensics.statistics.calibration import density, logistic

STORED = json.loads((Path(__file__).parents[1] / "assets" / "lir" / "lir-1.8.0.json").read_text(encoding="utf-8"))
CASES = STORED["cases"]
CLOSE = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(params=CASES, ids=lambda case: case["name"])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def ratios(case: dict[str, Any]) -> tuple[list[float], list[float]]:
    llr = case["logit_llr"]
    return llr[: len(case["first"])], llr[len(case["first"]) :]


def test_logistic_regression(case: dict[str, Any]) -> None:
    x = np.array(case["first"] + case["second"]).reshape(-1, 1)
    slope, intercept = logistic(x, [1] * len(case["first"]) + [0] * len(case["second"]))
    np.testing.assert_allclose((intercept + x[:, 0] * slope[0]) / np.log(10), case["logit_llr"], **CLOSE)


def test_cost_and_its_parts(case: dict[str, Any]) -> None:
    first, second = ratios(case)
    for name in ("cllr", "cllr_min", "cllr_cal"):
        np.testing.assert_allclose(getattr(validity, name)(first, second), case[name], **CLOSE, err_msg=name)
    np.testing.assert_allclose(validity.cllr(case["first"], case["second"]), case["cllr_of_scores"], **CLOSE)


def test_empirical_cross_entropy(case: dict[str, Any]) -> None:
    np.testing.assert_allclose(validity.ece(*ratios(case), STORED["log10_prior_odds"]), case["ece"], **CLOSE)


def test_bounds(case: dict[str, Any]) -> None:
    np.testing.assert_allclose(elub(*ratios(case)), case["elub"], **CLOSE)
    np.testing.assert_allclose(elub(case["first"], case["second"]), case["elub_of_scores"], **CLOSE)


def test_kernel_density(case: dict[str, Any]) -> None:
    ours = np.stack([density(case["second"], STORED["at"]), density(case["first"], STORED["at"])], axis=1)
    np.testing.assert_allclose(ours, case["kde_density_second_first"], **CLOSE)
