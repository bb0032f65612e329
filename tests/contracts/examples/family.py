"""A family of checkpoints added by one file and one row: the parts of Stable Diffusion under a pipeline of its own."""

from __future__ import annotations

from forensics.diffusion.families import Family
from forensics.diffusion.sd import StableDiffusion


class Sketches(StableDiffusion):
    """Latent, schedule and words are those of Stable Diffusion."""


ROW = Family(
    name="sketches",
    title="Sketch diffusion",
    pipelines=("SketchDiffusionPipeline",),
    network="unet",
    parts={"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"},
    model="tests.contracts.examples.family:Sketches",
    pipeline="StableDiffusionPipeline",
)
