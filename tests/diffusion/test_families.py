"""Every family carried: pictures as its own pipeline draws them, a price in bits, an ODE that leads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.base import DiffusionModel
from forensics.inversion.base import Plan
from forensics.inversion.codelength import Grid, codelengths
from forensics.inversion.ode import Ode
from forensics.inversion.regeneration import generate
from tests.diffusion.families import WRITERS

SIDE, STEPS, GUIDANCE = 32, 4, 3.0
PROMPT = "a b"
NO_PIPELINE = ("sdxl-refiner", "pixart-alpha")
"""The refiner's pipeline starts from a picture; alpha's gives its sizes to networks of 128 cells alone."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {kind: write(root / kind) for kind, write in WRITERS.items()}


def load(made: dict[str, Path], kind: str) -> DiffusionModel:
    return diffusion.load(diffusion.identify(str(made[kind])), choose("cpu"))


def theirs(folder: Path, kind: str, draws: Tensor, guidance: float) -> Tensor:
    """The picture of the family's own pipeline in diffusers, loaded by diffusers, from the same noise."""
    absent = {"text_encoder_3": None, "tokenizer_3": None} if kind == "sd3-without-t5" else {}
    pipe: Any = diffusers.DiffusionPipeline.from_pretrained(folder, **absent)
    pipe.set_progress_bar_config(disable=True)
    if kind == "sdxl-edm":
        # Their Euler steps are ours in these variables; the picture starts at the greatest sigma.
        pipe.scheduler = diffusers.EDMEulerScheduler.from_config(pipe.scheduler.config)
    more: dict[str, Any] = {"height": SIDE, "width": SIDE, "latents": draws}
    if kind.startswith("flux"):
        more["latents"] = pipe._pack_latents(draws, 1, 16, SIDE // 4, SIDE // 4)
        more["max_sequence_length"] = 20
    if kind.startswith("pixart"):
        more |= {"clean_caption": False, "use_resolution_binning": False, "max_sequence_length": 20}
    made: Tensor = pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=guidance, output_type="pt", **more).images
    return made


@pytest.mark.parametrize("kind", [k for k in WRITERS if k not in NO_PIPELINE])
@torch.no_grad()
def test_pictures_are_those_of_the_pipeline(made: dict[str, Path], kind: str) -> None:
    model = load(made, kind)
    draws = noise(model.latent_shape(SIDE, SIDE), 3, "test")[None]
    ours = generate(draws, model, model.condition(PROMPT, GUIDANCE), STEPS)
    assert torch.allclose(ours, theirs(made[kind], kind, draws, GUIDANCE), atol=1e-4)
    plain = generate(draws, model, model.condition(PROMPT, 1.0), STEPS)
    assert kind in ("flux-schnell",) or not torch.allclose(plain, ours, atol=1e-5)


@pytest.mark.parametrize("kind", list(WRITERS))
@torch.no_grad()
def test_codelength_and_the_way_back(made: dict[str, Path], kind: str) -> None:
    model = load(made, kind)
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    told = codelengths([picture], [model.condition(PROMPT, 1.0)], model, Grid(8, 1.0, 1))[0]
    assert 0 < told.total < float("inf")
    plan = Plan("", "none", 1.0, 20, (), 8)
    attempt = Ode()(picture, model, plan)
    error = next(fact.value for fact in attempt.facts if fact.name == "round trip error of the latent")
    assert float(error.split()[0]) < 1e-3
    before = model.evaluations
    model.velocity(model.encode(picture), model.times(STEPS)[2], model.condition(PROMPT, GUIDANCE))
    assert model.evaluations - before == model.passes(GUIDANCE)
