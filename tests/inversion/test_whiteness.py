"""The bands hold for noise and not for what is not noise."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from forensics.device import noise
from forensics.inversion.whiteness import whiteness


def test_noise_lies_in_the_band_as_often_as_said() -> None:
    """1 % outside each of two bands; 1000 draws, so at most 40 outside with probability above 0.9999."""
    outside = sum(not whiteness(noise((4, 16, 16), n, "white")).inside for n in range(1000))
    assert 4 <= outside <= 40


def test_a_picture_is_not_noise() -> None:
    ramp = torch.linspace(-1.7, 1.7, 16).repeat(4, 16, 1)
    assert whiteness(ramp).correlation > 0.8
    assert not whiteness(ramp).inside
    assert not whiteness(noise((4, 16, 16), 1) * 1.2).inside


def test_constants_have_no_energy() -> None:
    assert whiteness(torch.zeros(4, 8, 8)).energy == 0


def test_energy_band_is_chi_squared() -> None:
    found = whiteness(noise((2, 8, 8), 1)).energy_band
    assert np.allclose(found, stats.chi2(128).ppf([0.005, 0.995]) / 128)


def test_correlation_against_numpy() -> None:
    z = noise((1, 6, 7), 3)
    a = z[0].double().numpy()
    pairs = [a[i, j] * a[i, j + 1] for i in range(6) for j in range(6)]
    pairs += [a[i, j] * a[i + 1, j] for i in range(5) for j in range(7)]
    assert np.isclose(whiteness(z).correlation, np.mean(pairs) / np.mean(a**2))
