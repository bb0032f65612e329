"""What validation counts is what an examination counts: the bits of one work, by both paths."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from forensics import diffusion
from forensics.device import choose
from forensics.inversion import codelength
from forensics.inversion.codelength import codelengths
from forensics.pictures.tensors import fit, to_tensor
from forensics.protocol import PROFILES
from forensics.stages.ladder import _grid
from forensics.validation import ladder_rows

PROTOCOL = PROFILES["standard"]


@pytest.mark.parametrize("caption", ["a cat", ""])
def test_the_bits_of_one_work_are_the_same_in_validation_and_in_an_examination(
    folders: dict[str, Path], caption: str
) -> None:
    """Same levels, same draws, same cut. A row of the study keeps six digits of every error, hence the tolerance."""
    grid, study = _grid(PROTOCOL), ladder_rows.STUDY_GRID
    assert (grid.levels, grid.draws) == (study.levels, study.draws)
    pixels = (np.random.default_rng(4).random((8, 8, 3)) * 255).astype(np.uint8)
    picture = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
    for folder in folders.values():
        model = diffusion.load(diffusion.identify(str(folder)), choose("cpu"))
        row = ladder_rows.row("w", picture, caption, model)
        target = fit(to_tensor(picture), model.native_px, model.stride)[0]
        condition = model.condition(caption, 1.0)
        (examined,) = codelengths([target], [condition], model, grid)
        # As `validation.material` reads a row: to the level nearest to the protocol's cut.
        cut = min(range(len(row["sigmas"])), key=lambda i: abs(math.log(row["sigmas"][i] / PROTOCOL.codelength_cut)))
        counted = ladder_rows.bits(row, "prompted" if caption else "plain", cut, grid.draws)
        assert 0 < cut < grid.levels
        assert counted == pytest.approx(examined.total, rel=2e-5)
        assert ladder_rows.bits(row, "prompted" if caption else "plain", cut + 1, grid.draws) > counted


def test_both_paths_count_with_the_same_function(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not two formulas that agree: one. A factor put into it moves both."""
    model = diffusion.load(diffusion.identify(str(next(iter(folders.values())))), choose("cpu"))
    pixels = (np.random.default_rng(4).random((8, 8, 3)) * 255).astype(np.uint8)
    picture = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
    row = ladder_rows.row("w", picture, "a cat", model)
    target = fit(to_tensor(picture), model.native_px, model.stride)[0]
    grid, one = _grid(PROTOCOL), codelength.bits_of

    def counted() -> tuple[float, float]:
        (examined,) = codelengths([target], [model.condition("a cat", 1.0)], model, grid)
        return ladder_rows.bits(row, "prompted", grid.levels, grid.draws), float(examined.bits.sum(1).mean())

    before = counted()

    def tenfold(errors: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
        return 10 * one(errors, sigmas)

    for module in (codelength, ladder_rows):
        monkeypatch.setattr(module, "bits_of", tenfold)
    assert counted() == pytest.approx([10 * value for value in before], rel=1e-9)
