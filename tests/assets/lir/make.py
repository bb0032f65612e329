"""Scores and what NFI's `lir` 1.8.0 makes of them, for the comparison in tests/statistics/test_lir.py.

`lir` needs Python 3.12 or newer and many packages, so it is no dependency of the tests. Its outputs were made once with

    python3.12 -m venv lir-env && lir-env/bin/pip install lir==1.8.0
    lir-env/bin/python tests/assets/lir/make.py > tests/assets/lir/lir-1.8.0.json
"""

from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np
from lir.algorithms.bayeserror import elub
from lir.algorithms.kde import KDECalibrator
from lir.algorithms.logistic_regression import LogitCalibrator
from lir.data.models import LLRData
from lir.metrics import cllr, cllr_cal, cllr_min
from lir.plotting.expected_calibration_error import calculate_ece

PRIORS = [-2.0, -1.0, -0.3, 0.0, 0.5, 1.7]
AT = [-3.0, -1.0, 0.0, 0.4, 1.0, 2.5]


def data(first: list[float], second: list[float]) -> LLRData:
    """Labelled log10 ratios; a fresh array, because `elub` writes into its input."""
    y = np.array([1] * len(first) + [0] * len(second))
    return LLRData(features=np.array(first + second, dtype=float).reshape(-1, 1), hypothesis=y)


def case(name: str, first: list[float], second: list[float]) -> dict[str, object]:
    """Everything that is compared, for one set of scores."""
    fit = LogitCalibrator(C=1.0, tol=1e-12, max_iter=10_000).fit(data(first, second))
    calibrated = fit.apply(data(first, second)).llrs
    lr1, lr2 = list(calibrated[: len(first)]), list(calibrated[len(first) :])
    odds = 10.0 ** np.array(PRIORS)
    y = np.array([1] * len(first) + [0] * len(second))
    kde = KDECalibrator(bandwidth="silverman").fit(data(first, second))
    points = LLRData(features=np.array(AT).reshape(-1, 1))
    return {
        "name": name,
        "first": first,
        "second": second,
        "logit_llr": lr1 + lr2,
        "cllr": cllr(data(lr1, lr2)),
        "cllr_min": cllr_min(data(lr1, lr2)),
        "cllr_cal": cllr_cal(data(lr1, lr2)),
        "elub": list(map(float, elub(data(lr1, lr2)))),
        "elub_of_scores": list(map(float, elub(data(first, second)))),
        "cllr_of_scores": cllr(data(first, second)),
        "ece": list(map(float, calculate_ece(10.0 ** np.array(lr1 + lr2), y, odds / (1 + odds)))),
        "kde_density_second_first": kde.apply(points).probabilities.tolist(),
    }


def main() -> None:
    """Print the JSON."""
    random = np.random.default_rng(20261122)

    def draw(mean: float, deviation: float, n: int) -> list[float]:
        return [round(float(v), 6) for v in random.normal(mean, deviation, n)]

    cases = [
        case("overlapping", draw(1.0, 1.0, 52), draw(-1.0, 1.0, 320)),
        case("weak", draw(0.3, 1.0, 40), draw(0.0, 1.0, 60)),
        case("separated", draw(4.0, 0.5, 52), draw(-4.0, 0.5, 320)),
        case("few", draw(1.0, 1.0, 3), draw(-1.0, 1.0, 4)),
        case("ties", [0.0, 1.0, 1.0, 2.0, 2.0], [0.0, 0.0, 1.0, -1.0, 2.0, -1.0]),
        case("reversed", draw(-0.5, 1.0, 30), draw(0.5, 1.0, 30)),
    ]
    print(
        json.dumps({"lir": version("lir"), "log10_prior_odds": PRIORS, "at": AT, "cases": cases}, separators=(",", ":"))
    )


if __name__ == "__main__":
    main()
