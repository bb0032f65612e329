"""Generating again by the recipe a file states: prompt, seed, sampler, steps, guidance and size, where all are stated.

The sampler is diffusers' own, the noise is drawn on the CPU from the seed by itself, as diffusers and most programs do
on that device. Programs that draw on the graphics card, or that vary the recipe, give another picture from one seed:
a picture that comes back says much, one that does not says little.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from forensics.case import Absent, Checkpoint
from forensics.pictures.metadata import GeneratorMetadata

WHAT = "regeneration by the stated recipe"
MAX_STEPS = 200
MAX_SIDE = 2048
_SAMPLERS = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "eulera": ("EulerAncestralDiscreteScheduler", {}),
    "eulerancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "klms": ("LMSDiscreteScheduler", {}),
    "plms": ("PNDMScheduler", {"skip_prk_steps": True}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "dpmpp2m": ("DPMSolverMultistepScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {}),
    "keuler": ("EulerDiscreteScheduler", {}),
    "keulerancestral": ("EulerAncestralDiscreteScheduler", {}),
}
"""Names of samplers, lower case without spaces, underscores and hyphens -> diffusers class and its arguments."""


def stated(records: Sequence[GeneratorMetadata], checkpoint: Checkpoint) -> GeneratorMetadata | Absent:
    """The first record that can be followed with this checkpoint, or why there is none."""
    if not records:
        return Absent(WHAT, "The file states no generation parameters.")
    reasons = [_obstacle(record, checkpoint) for record in records]
    for record, reason in zip(records, reasons, strict=True):
        if not reason:
            return record
    return Absent(WHAT, f"The file states generation parameters that cannot be followed: {reasons[0]}")


def _obstacle(record: GeneratorMetadata, checkpoint: Checkpoint) -> str:
    missing = [
        name
        for name, value in (("seed", record.seed), ("number of steps", record.steps), ("guidance", record.guidance))
        if value is None
    ]
    if missing:
        return f"it does not state the {' and the '.join(missing)}."
    if _key(record.sampler) not in _SAMPLERS and record.sampler:
        return f"the sampler “{record.sampler[:60]}” has no counterpart here."
    if record.steps is not None and not 1 <= record.steps <= MAX_STEPS:
        return f"{record.steps} steps are out of range."
    if record.seed is not None and not 0 <= record.seed < 2**63:
        return f"the seed {record.seed} is out of range."
    sides = (record.width or checkpoint.native_px, record.height or checkpoint.native_px)
    if not all(16 <= side <= MAX_SIDE for side in sides):
        return f"the size {sides[0]} × {sides[1]} is out of range."
    if not same_model(record, checkpoint):
        named = record.model_hash or record.model or "none"
        return f"the model it names ({named[:80]}) is not the checkpoint under examination."
    return ""


def same_model(record: GeneratorMetadata, checkpoint: Checkpoint) -> bool:
    """Whether the model a record names is the checkpoint: by a prefix of a digest, else by its name."""
    digest = record.model_hash.lower().removeprefix("sha256:")
    if len(digest) >= 8 and any(d.startswith(digest) for d in (checkpoint.digest, *_digests(checkpoint))):
        return True
    if digest and not record.model:
        return False
    stem = record.model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].removesuffix(".safetensors")
    return bool(stem) and _key(stem) == _key(checkpoint.name.rsplit("/", 1)[-1].removesuffix(".safetensors"))


def _digests(checkpoint: Checkpoint) -> tuple[str, ...]:
    return tuple(f.sha256 for f in checkpoint.files)


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c not in " _-")


def follow(record: GeneratorMetadata, model: Any) -> Tensor | Absent:
    """The picture (1, 3, H, W) that the recipe gives, in [0, 1] and rounded to 8 bits; or why it could not be made.

    Args:
        record: one that `stated` returned.
        model: a loaded Stable Diffusion checkpoint.
    """
    parts: list[Any] = [getattr(model, n, None) for n in ("unet", "vae", "text_encoder", "tokenizer", "schedule")]
    if any(part is None for part in parts):
        return Absent(WHAT, "The architecture of this checkpoint has no pipeline that a recipe could be followed with.")
    unet, vae, text_encoder, tokenizer, schedule = parts
    import diffusers

    config = dict(schedule.scheduler.config)
    if record.sampler:
        name, arguments = _SAMPLERS[_key(record.sampler)]
        if "karras" in record.scheduler.lower() and name not in ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler"):
            arguments = {**arguments, "use_karras_sigmas": True}
        scheduler = getattr(diffusers, name).from_config(config, **arguments)
    else:
        scheduler = diffusers.DDIMScheduler.from_config(config)
    native = int(model.native_px)
    with _quiet(), torch.no_grad():
        pipeline = diffusers.StableDiffusionPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        try:
            made = pipeline(
                record.prompt,
                negative_prompt=record.negative_prompt or None,
                num_inference_steps=record.steps,
                guidance_scale=record.guidance,
                width=record.width or native,
                height=record.height or native,
                generator=torch.Generator("cpu").manual_seed(int(record.seed or 0)),
                output_type="pt",
            ).images
        except ValueError as exc:  # the pipeline's own check of sizes and steps
            return Absent(WHAT, f"The recipe could not be followed: {str(exc).splitlines()[0][:200]}")
    picture: Tensor = (made.float().cpu().clamp(0, 1) * 255).round() / 255
    return picture


@contextlib.contextmanager
def _quiet() -> Any:
    from diffusers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
