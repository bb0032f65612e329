"""Distilled checkpoints: their own steps, from configurations before names, and used where pictures are drawn."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from forensics import diffusion
from forensics.case import PromptKind
from forensics.device import choose
from forensics.diffusion.distilled import own_steps
from forensics.diffusion.wishes import Wishes
from forensics.protocol import PROFILES
from forensics.stages import budget
from forensics.stages.prompts import Prompt
from tests.diffusion import families
from tests.studies.checkpoint_inputs import FLAT

QUICK = PROFILES["quick"]


@pytest.mark.parametrize(
    ("names", "schedule", "network", "family", "steps", "told"),
    [
        (("base",), {"_class_name": "LCMScheduler"}, {}, "sd", 4, "scheduler"),
        (("base_8step",), {"_class_name": "TCDScheduler"}, {}, "sdxl", 4, "scheduler"),
        (("base",), {}, {"time_cond_proj_dim": 256}, "sdxl", 4, "guidance as an input"),
        (("base",), {}, {"guidance_embeds": False}, "flux", 4, "schnell"),
        (
            ("base",),
            {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"},
            {},
            "sdxl",
            4,
            "Turbo",
        ),
        (("sdxl_lightning_8step_unet.safetensors",), {}, {}, "sdxl", 8, "ASSUMED from the name"),
        (("base + sdxl_lightning_2step_lora",), {}, {}, "sdxl", 2, "ASSUMED from the name"),
        (("Hyper-SD15-1step-lora",), {}, {}, "sd", 1, "ASSUMED from the name"),
        (("sd-turbo",), {}, {}, "sd", 4, "ASSUMED from the name"),
        (("lcm-lora-sdv1-5",), {"_class_name": "PNDMScheduler"}, {}, "sd", 4, "ASSUMED from the name"),
        (("sdxl_turbo_2steps",), {"_class_name": "LCMScheduler"}, {}, "sdxl", 2, "scheduler"),
        (("lightning over the sea",), {}, {}, "sdxl", None, ""),
        (("hyperrealism-v3",), {}, {}, "sd", None, ""),
        (("turbocharged",), {}, {}, "sd", None, ""),
        (("base_50000steps",), {"_class_name": "DDIMScheduler"}, {"guidance_embeds": False}, "sd", None, ""),
        (("dev",), {}, {"guidance_embeds": True, "time_cond_proj_dim": None}, "flux", None, ""),
        (
            ("base",),
            {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "leading"},
            {},
            "sdxl",
            None,
            "",
        ),
    ],
)
def test_what_says_that_a_checkpoint_draws_in_few_steps(
    names: tuple[str, ...], schedule: dict[str, Any], network: dict[str, Any], family: str, steps: int | None, told: str
) -> None:
    own = own_steps(names, schedule, network, family)
    assert (own.steps if own else None) == steps
    assert own is None or told in own.fact.value


@pytest.fixture(scope="module")
def lcm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = families.sdxl(tmp_path_factory.mktemp("lcm") / "distilled", time_cond_proj_dim=16)
    path = root / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "LCMScheduler"}))
    return root


def test_its_times_are_those_of_its_scheduler(lcm: Path) -> None:
    found = diffusion.identify(str(lcm))
    assert next(f.value for f in found.facts if f.name == "own steps").startswith("4: its scheduler is LCMScheduler")
    model: Any = diffusion.load(found, choose("cpu"))
    theirs = diffusers.LCMScheduler.from_pretrained(lcm / "scheduler")
    theirs.set_timesteps(4)
    visited = model.schedule.grid[theirs.timesteps.flip(0)]
    assert torch.equal(model.times(4)[1:], visited)
    assert int(theirs.timesteps[0]) == 999  # pure noise: leading spacing would begin at 751
    assert len(model.times(60)) == 61  # more than it has: the plain spacing


def test_pictures_are_drawn_in_its_own_steps_and_the_ode_in_the_protocols(lcm: Path, tmp_path: Path) -> None:
    found = diffusion.identify(str(lcm))
    prompts = (Prompt("a b", "claimed caption", PromptKind.CLAIMED),)
    steps = budget.drawn_in(QUICK, found)
    assert steps == 4
    made = {t.method: t.plans[0].steps for t in budget.tasks(QUICK, 0, prompts, 2, ranked=True, steps=steps)}
    assert made == {"autoencoder": QUICK.steps, "ode": QUICK.steps, "regeneration": 4}
    searched = replace(QUICK, rungs=("hard_prompt", "noise", "latent"))
    made = {t.method: t.plans[0].steps for t in budget.tasks(searched, 0, prompts, 2, ranked=True, steps=steps)}
    assert made == {"hard_prompt": 4, "noise": 4, "latent": QUICK.steps}
    plain = families.sdxl(tmp_path / "plain")
    assert budget.drawn_in(QUICK, diffusion.identify(str(plain))) == QUICK.steps
    pair = {f"lora_unet_{FLAT}.lora_down.weight": (2, 8), f"lora_unet_{FLAT}.lora_up.weight": (8, 2)}
    root = Path(shutil.copytree(families.WRITERS["flux-schnell"](tmp_path / "flux"), tmp_path / "named"))
    assert budget.drawn_in(QUICK, diffusion.identify(str(root))) == 4
    from tests.diffusion import tiny

    sd = tiny.write_checkpoint(tmp_path / "sd")
    save_file({n: torch.ones(s) for n, s in pair.items()}, tmp_path / "sd15_lightning_2step_lora.safetensors")
    merged = diffusion.identify(
        str(sd), wishes=Wishes(lora=(f"{tmp_path / 'sd15_lightning_2step_lora.safetensors'}:0.8",))
    )
    assert budget.drawn_in(QUICK, merged) == 2
    assert "ASSUMED from the name" in next(f.value for f in merged.facts if f.name == "own steps")
