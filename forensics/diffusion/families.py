"""The marks by which a checkpoint shows its family: pipeline classes and tensor names, as data.

Only families with a row in `ARCHITECTURES` run; the others are here so that they are named, not misread. Tensor names
are those the publishers use; the same ones are used by diffusers (`loaders/single_file_utils.py`).
"""

from __future__ import annotations

from collections.abc import Collection

from forensics.errors import CheckpointError

SUPPORTED = "Stable Diffusion 1.x and 2.x shaped checkpoints (UNet2DConditionModel + AutoencoderKL + CLIPTextModel)"

PIPELINES: dict[str, str] = {
    "StableDiffusionXL": "Stable Diffusion XL",
    "StableDiffusion3": "Stable Diffusion 3",
    "Flux": "Flux",
    "Chroma": "Chroma",
    "PixArt": "PixArt",
    "Sana": "Sana",
    "AuraFlow": "AuraFlow",
    "Lumina": "Lumina",
    "HunyuanDiT": "Hunyuan-DiT",
    "QwenImage": "Qwen-Image",
    "Kandinsky": "Kandinsky",
    "StableCascade": "Stable Cascade",
    "Wuerstchen": "Würstchen",
    "Kolors": "Kolors",
    "LatentConsistencyModel": "a latent consistency model",
    "IF": "DeepFloyd IF (pixel space)",
    "DDPM": "an unconditional pixel-space model",
    "DDIM": "an unconditional pixel-space model",
    "LDM": "the first latent diffusion models (BERT text encoder)",
    "VQDiffusion": "VQ-Diffusion",
    "UnCLIP": "unCLIP",
    "StableUnCLIP": "Stable unCLIP",
}
"""Beginning of the pipeline class in `model_index.json` -> the family's name. The longest match wins."""

TENSORS: tuple[tuple[str, str], ...] = (
    ("conditioner.embedders.1.model.", "Stable Diffusion XL"),
    ("conditioner.embedders.0.model.", "Stable Diffusion XL (refiner)"),
    ("model.diffusion_model.joint_blocks.", "Stable Diffusion 3"),
    ("joint_blocks.", "Stable Diffusion 3"),
    ("model.diffusion_model.double_blocks.", "Flux"),
    ("double_blocks.", "Flux"),
    ("text_encoders.t5xxl.", "a family with a T5 text encoder"),
    ("control_model.", "a ControlNet"),
    ("lora_unet_", "a LoRA (changes to a checkpoint, not a checkpoint)"),
    ("lora_te", "a LoRA (changes to a checkpoint, not a checkpoint)"),
    ("unet.down_blocks.", "a LoRA or a bare network (not a checkpoint)"),
    ("emb_params", "a textual inversion embedding (not a checkpoint)"),
    ("down_blocks.", "a bare diffusers component (give the folder with model_index.json instead)"),
    ("encoder.down_blocks.", "a bare autoencoder"),
    ("label_emb.", "a class-conditional pixel-space model"),
    ("input_blocks.", "a pixel-space model"),
)
"""Beginning of a tensor name -> the family's name, in order of precedence."""


def pipeline_name(class_name: str) -> str | None:
    """The unsupported family that a pipeline class belongs to; none where it is not known."""
    matches = [prefix for prefix in PIPELINES if class_name.startswith(prefix)]
    return PIPELINES[max(matches, key=len)] if matches else None


def tensor_family(names: Collection[str]) -> str | None:
    """The unsupported family that tensor names show; none where they are not known."""
    for prefix, title in TENSORS:
        if any(name.startswith(prefix) for name in names):
            return title
    return None


def unsupported(what: str, family: str | None) -> CheckpointError:
    """The error for a checkpoint that is not ours to run, naming what it was recognised as."""
    told = f"was recognised as {family}, which is not supported yet" if family else "is of no family known here"
    return CheckpointError(f"{what} {told}.", hint=f"Supported now: {SUPPORTED}.")
