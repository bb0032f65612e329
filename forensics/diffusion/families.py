"""The families of checkpoints: one row each, with all that identification, loading and refusal need to know of it.

A family added = one file with its network, and one row of `FAMILIES`. What is recognised and not examined is named by
`PIPELINES` (folders) and by `marks` (tensor names and shapes), so that it is not misread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forensics.case import Checkpoint
from forensics.errors import CheckpointError

LIBRARIES: Mapping[str, str] = {
    "UNet2DConditionModel": "diffusers",
    "UNet2DModel": "diffusers",
    "AutoencoderKL": "diffusers",
    "SD3Transformer2DModel": "diffusers",
    "FluxTransformer2DModel": "diffusers",
    "PixArtTransformer2DModel": "diffusers",
    "CLIPTextModel": "transformers",
    "CLIPTextModelWithProjection": "transformers",
    "T5EncoderModel": "transformers",
}
"""Classes that a folder may name, and where they are taken from, whatever library its `model_index.json` states."""


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture family."""

    name: str
    title: str
    pipelines: tuple[str, ...]
    """Classes in `model_index.json` that are of this family."""
    network: str
    """The component that denoises: `unet` or `transformer`."""
    parts: Mapping[str, str]
    """Component -> its class."""
    model: str
    """Where the adapter is: `module:Class`, made with (checkpoint, device, parts)."""
    pipeline: str
    """The pipeline of diffusers whose `encode_prompt` makes words into conditions, where there are words."""
    predictions: tuple[str, ...] = ("epsilon", "v_prediction")
    """What the network may predict; the first is the convention where nothing is stated."""
    optional: tuple[str, ...] = ()
    """Components that some checkpoints of the family do without."""
    tokenizers: tuple[str, ...] = ("tokenizer",)
    alone: bool = False
    """Whether one file of the publishers' layout is enough: its configuration follows from shapes and convention."""
    lets_go: bool = False
    """Whether its text encoders are so large that they are let go before the network is read."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Native side in pixels by generation, where a single file does not state it."""

    @property
    def latent(self) -> bool:
        """Whether it works on the latents of an autoencoder; else on pixels."""
        return "vae" in self.parts

    @property
    def reads_words(self) -> bool:
        """Whether a prompt can be put to it."""
        return bool(self.tokenizers)


FAMILIES: tuple[Family, ...] = (
    Family(
        name="sd",
        title="Stable Diffusion 1.x or 2.x",
        pipelines=(
            "StableDiffusionPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
            "StableDiffusionDepth2ImgPipeline",
            "LatentConsistencyModelPipeline",
        ),
        network="unet",
        parts={"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"},
        model="forensics.diffusion.sd:StableDiffusion",
        pipeline="StableDiffusionPipeline",
        alone=True,
        sizes={"1": 512, "2": 768},
    ),
    Family(
        name="sdxl",
        title="Stable Diffusion XL",
        pipelines=(
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
        ),
        network="unet",
        parts={
            "unet": "UNet2DConditionModel",
            "vae": "AutoencoderKL",
            "text_encoder": "CLIPTextModel",
            "text_encoder_2": "CLIPTextModelWithProjection",
        },
        model="forensics.diffusion.sdxl:StableDiffusionXL",
        pipeline="StableDiffusionXLPipeline",
        predictions=("epsilon", "v_prediction", "edm"),
        optional=("text_encoder",),
        tokenizers=("tokenizer", "tokenizer_2"),
        alone=True,
        sizes={"base": 1024, "refiner": 1024},
    ),
    Family(
        name="sd3",
        title="Stable Diffusion 3",
        pipelines=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"),
        network="transformer",
        parts={
            "transformer": "SD3Transformer2DModel",
            "vae": "AutoencoderKL",
            "text_encoder": "CLIPTextModelWithProjection",
            "text_encoder_2": "CLIPTextModelWithProjection",
            "text_encoder_3": "T5EncoderModel",
        },
        model="forensics.diffusion.sd3:StableDiffusion3",
        pipeline="StableDiffusion3Pipeline",
        predictions=("flow",),
        optional=("text_encoder_3",),
        tokenizers=("tokenizer", "tokenizer_2", "tokenizer_3"),
        lets_go=True,
    ),
    Family(
        name="flux",
        title="FLUX.1",
        pipelines=("FluxPipeline", "FluxImg2ImgPipeline"),
        network="transformer",
        parts={
            "transformer": "FluxTransformer2DModel",
            "vae": "AutoencoderKL",
            "text_encoder": "CLIPTextModel",
            "text_encoder_2": "T5EncoderModel",
        },
        model="forensics.diffusion.flux:Flux",
        pipeline="FluxPipeline",
        predictions=("flow",),
        tokenizers=("tokenizer", "tokenizer_2"),
        lets_go=True,
    ),
    Family(
        name="pixart",
        title="PixArt",
        pipelines=("PixArtAlphaPipeline", "PixArtSigmaPipeline"),
        network="transformer",
        parts={"transformer": "PixArtTransformer2DModel", "vae": "AutoencoderKL", "text_encoder": "T5EncoderModel"},
        model="forensics.diffusion.pixart:PixArt",
        pipeline="PixArtSigmaPipeline",
        predictions=("epsilon",),
        lets_go=True,
    ),
    Family(
        name="ddpm",
        title="unconditional DDPM in pixel space",
        pipelines=("DDPMPipeline", "DDIMPipeline", "PNDMPipeline"),
        network="unet",
        parts={"unet": "UNet2DModel"},
        model="forensics.diffusion.ddpm:PixelModel",
        pipeline="DDIMPipeline",
        tokenizers=(),
    ),
)
"""Every family that is examined."""

PIPELINES: dict[str, str] = {
    "AltDiffusion": "AltDiffusion",
    "Amused": "aMUSEd",
    "AnimateDiff": "AnimateDiff (video)",
    "AudioLDM": "AudioLDM (sound)",
    "AuraFlow": "AuraFlow",
    "Bria": "Bria",
    "Chroma": "Chroma",
    "CogVideoX": "CogVideoX (video)",
    "CogView3": "CogView3",
    "CogView4": "CogView4",
    "Cosmos": "Cosmos (video)",
    "DDIM": "an unconditional pixel-space model",
    "DDPM": "an unconditional pixel-space model",
    "DiT": "a class-conditional DiT",
    "Flux": "a variant of FLUX.1",
    "Flux2": "FLUX.2",
    "Flux3": "FLUX.3",
    "HiDream": "HiDream",
    "HunyuanDiT": "Hunyuan-DiT",
    "HunyuanImage": "HunyuanImage",
    "HunyuanVideo": "HunyuanVideo",
    "IF": "DeepFloyd IF (pixel space)",
    "Kandinsky": "Kandinsky",
    "Kolors": "Kolors",
    "LDM": "the first latent diffusion models (BERT text encoder)",
    "LTX": "LTX-Video",
    "LatentConsistencyModel": "a latent consistency model",
    "Lumina": "Lumina",
    "Lumina2": "Lumina Image 2.0",
    "Mochi": "Mochi (video)",
    "OmniGen": "OmniGen",
    "Onnx": "an ONNX pipeline",
    "PNDM": "an unconditional pixel-space model",
    "PixArt": "a variant of PixArt",
    "QwenImage": "Qwen-Image",
    "Sana": "Sana",
    "ScoreSdeVe": "an unconditional pixel-space model",
    "StableCascade": "Stable Cascade",
    "StableDiffusion": "a variant of Stable Diffusion 1.x or 2.x",
    "StableDiffusion3": "a variant of Stable Diffusion 3",
    "StableDiffusionControlNet": "Stable Diffusion with a ControlNet",
    "StableDiffusionImageVariation": "an image variation model",
    "StableDiffusionInstructPix2Pix": "InstructPix2Pix",
    "StableDiffusionLatentUpscale": "a latent upscaler",
    "StableDiffusionUpscale": "an upscaler",
    "StableDiffusionXL": "a variant of Stable Diffusion XL",
    "StableDiffusionXLControlNet": "Stable Diffusion XL with a ControlNet",
    "StableDiffusionXLInstructPix2Pix": "InstructPix2Pix for Stable Diffusion XL",
    "StableUnCLIP": "Stable unCLIP",
    "StableVideoDiffusion": "Stable Video Diffusion",
    "UnCLIP": "unCLIP",
    "VQDiffusion": "VQ-Diffusion",
    "Wan": "Wan (video)",
    "Wuerstchen": "Würstchen",
    "ZImage": "Z-Image",
}
"""Beginning of a pipeline class that is recognised and not examined -> its name. The longest match wins."""

SUPPORTED = ", ".join(row.title for row in FAMILIES)
INSTEAD = (
    "What works without it: `forensics compare` (pictures alone), `forensics index search` (its training pictures), "
    "and `--autoencoder` with its autoencoder beside a checkpoint that can be examined."
)


def family(name: str) -> Family:
    """The row of that name. Raises CheckpointError where there is none."""
    for row in FAMILIES:
        if row.name == name:
            return row
    raise CheckpointError(f"There is no family of checkpoints called {name!r}.", hint=f"Examined: {SUPPORTED}.")


def need_words(checkpoint: Checkpoint, what: str) -> None:
    """Refuse a checkpoint that takes no prompt for what asks with words.

    Raises:
        CheckpointError: it takes none.
    """
    if not family(checkpoint.family).reads_words:
        raise CheckpointError(
            f"{checkpoint.name} is an unconditional model, whose network takes no prompt; {what} asks with words.",
            hint="`forensics analyze` measures what needs no words, and `forensics compare` needs no checkpoint.",
        )


def of_pipeline(class_name: str) -> Family | None:
    """The family whose pipeline has exactly this class name."""
    return next((row for row in FAMILIES if class_name in row.pipelines), None)


def pipeline_name(class_name: str) -> str | None:
    """What a pipeline class that is not examined belongs to; none where it is not known."""
    matches = [prefix for prefix in PIPELINES if class_name.startswith(prefix)]
    return PIPELINES[max(matches, key=len)] if matches else None


def unsupported(what: str, recognised: str | None, remedy: str = "") -> CheckpointError:
    """The error for a checkpoint that is not ours to run, naming what it was recognised as and what works instead."""
    told = f"was recognised as {recognised}, which is not supported yet" if recognised else "is of no family known here"
    if remedy:
        told = f"was recognised as {recognised}"
    return CheckpointError(f"{what} {told}.", hint=f"{remedy or INSTEAD} Supported now: {SUPPORTED}.")
