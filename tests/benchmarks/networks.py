"""Networks of published shapes with random weights, at true size or tiny: how fast they run does not depend on weights.

Each is run through the project's own velocity interface (`Shape.model`) and beside it as the bare network of diffusers.
The text encoders of Stable Diffusion XL and FLUX.1 are cut to two layers: they take no part in an evaluation.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from forensics.diffusion.base import DiffusionModel

Inputs = Callable[[int], dict[str, Any]]
"""Batch size -> the keyword arguments of one forward pass."""


@dataclass(frozen=True, slots=True)
class Bare:
    """One denoising network as diffusers gives it."""

    network: Any
    inputs: Inputs

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """One evaluation of the whole batch."""
        with torch.no_grad():
            output: Tensor = self.network(**batch, return_dict=False)[0]
        return output


@dataclass(frozen=True, slots=True)
class Shape:
    """One published shape."""

    name: str
    family: str
    """Row of `forensics.diffusion.families.FAMILIES`, where the family is carried."""
    side: int
    """Pixels."""
    largest: int
    """The largest batch that is tried."""
    bare: Callable[[torch.device, torch.dtype, bool], Bare]
    """(device, precision, tiny) -> the network alone."""
    model: Callable[[Bare, torch.device, torch.dtype, bool], DiffusionModel]
    """(network, device, precision, tiny) -> a checkpoint around that network, behind the project's interface."""


@contextlib.contextmanager
def made_on(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Inside, tensors are made on the device in that precision: 12 billion weights are never in the host's memory."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            yield
    finally:
        torch.set_default_dtype(before)


def _ready(network: Any) -> Any:
    return network.eval().requires_grad_(False)


def _sd_unet(tiny: bool) -> Any:
    from diffusers import UNet2DConditionModel

    wide = (8, 16, 16, 16) if tiny else (320, 640, 1280, 1280)
    return UNet2DConditionModel(
        sample_size=8 if tiny else 64,
        in_channels=4,
        out_channels=4,
        layers_per_block=1 if tiny else 2,
        block_out_channels=wide,
        down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
        cross_attention_dim=16 if tiny else 768,
        attention_head_dim=4 if tiny else 8,
        norm_num_groups=4 if tiny else 32,
    )


def _vae(tiny: bool, channels: int = 4) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8) if tiny else (128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1 if tiny else 2,
        latent_channels=channels,
        norm_num_groups=4 if tiny else 32,
        scaling_factor=0.18215,
    )


def _sd_words(tiny: bool) -> tuple[Any, Any]:
    """Text encoder and tokenizer of CLIP's ViT-L/14, or tiny ones with the same vocabulary."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from forensics.diffusion.single_file_load import write_tokenizer

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=16 if tiny else 768,
        intermediate_size=32 if tiny else 3072,
        num_hidden_layers=2 if tiny else 12,
        num_attention_heads=2 if tiny else 12,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        bos_token_id=49406,
        eos_token_id=49407,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder) / "tokenizer", "<|endoftext|>")
        tokenizer = CLIPTokenizer.from_pretrained(str(Path(folder) / "tokenizer"))
    return CLIPTextModel(config), tokenizer


def sd_bare(device: torch.device, dtype: torch.dtype, tiny: bool) -> Bare:
    """The UNet of Stable Diffusion 1.5 at 512 pixels (Rombach et al. 2022); tiny: four narrow levels at 64."""
    with made_on(device, dtype):
        network = _ready(_sd_unet(tiny)).to(memory_format=torch.channels_last)
    cells, width = (8, 16) if tiny else (64, 768)

    def inputs(batch: int) -> dict[str, Any]:
        return {
            "sample": torch.randn(batch, 4, cells, cells, device=device).to(dtype),
            "timestep": torch.linspace(1, 999, batch, device=device),
            "encoder_hidden_states": torch.randn(batch, 77, width, device=device).to(dtype),
        }

    return Bare(network, inputs)


def _checkpoint(family: str, prediction: str, side: int, bare: Bare) -> Any:
    from forensics.case import Checkpoint

    size = bare.parameters
    return Checkpoint("random weights", "", family, "memory", prediction, side, size, "0" * 64, (), (), False)


def _device(device: torch.device, dtype: torch.dtype) -> Any:
    from forensics.device import Device

    return Device(device, dtype, {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype])


_NOISE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}


def sd_model(bare: Bare, device: torch.device, dtype: torch.dtype, tiny: bool) -> DiffusionModel:
    """The whole of Stable Diffusion 1.5, autoencoder in float32 as everywhere here."""
    from forensics.diffusion import schedule
    from forensics.diffusion.parts import Parts
    from forensics.diffusion.sd import StableDiffusion

    with made_on(device, torch.float32):
        vae = _vae(tiny)
        text, tokenizer = _sd_words(tiny)
    words = {"text_encoder": text.to(dtype)}, {"tokenizer": tokenizer}
    parts = Parts(bare.network, vae, *words, schedule.from_config(_NOISE, "epsilon"))
    checkpoint = _checkpoint("sd", "epsilon", 64 if tiny else 512, bare)
    return StableDiffusion(checkpoint, _device(device, dtype), parts)


def _clip(width: int, projected: bool) -> tuple[Any, Any]:
    """A CLIP text encoder of two layers with CLIP's vocabulary, and its tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=width,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config), _sd_words(True)[1]


def sdxl_model(bare: Bare, device: torch.device, dtype: torch.dtype, tiny: bool) -> DiffusionModel:
    """Stable Diffusion XL with text encoders of the true width, cut to two layers."""
    from forensics.diffusion import schedule
    from forensics.diffusion.parts import Parts
    from forensics.diffusion.sdxl import StableDiffusionXL

    with made_on(device, torch.float32):
        vae = _vae(tiny)
    with made_on(device, dtype):
        first, tokenizer = _clip(8 if tiny else 768, False)
        second, other = _clip(8 if tiny else 1280, True)
    parts = Parts(
        bare.network,
        vae,
        {"text_encoder": first, "text_encoder_2": second},
        {"tokenizer": tokenizer, "tokenizer_2": other},
        schedule.from_config(_NOISE, "epsilon"),
    )
    checkpoint = _checkpoint("sdxl", "epsilon", 64 if tiny else 1024, bare)
    return StableDiffusionXL(checkpoint, _device(device, dtype), parts)


def flux_model(bare: Bare, device: torch.device, dtype: torch.dtype, tiny: bool) -> DiffusionModel:
    """FLUX.1 [schnell] with text encoders of the true width, cut to two layers."""
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    from forensics.diffusion import schedule
    from forensics.diffusion.flux import Flux
    from forensics.diffusion.parts import Parts
    from tests.diffusion.families import t5_tokenizer

    with made_on(device, torch.float32):
        vae = _vae(tiny, channels=4 if tiny else 16)
    width = 32 if tiny else 4096
    config = T5Config(vocab_size=40, d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    with made_on(device, dtype):
        first, tokenizer = _clip(16 if tiny else 768, False)
        second = T5EncoderModel(config)
    with tempfile.TemporaryDirectory() as folder:
        t5_tokenizer(Path(folder), 256)
        other = PreTrainedTokenizerFast.from_pretrained(folder)
    parts = Parts(
        bare.network,
        vae,
        {"text_encoder": first, "text_encoder_2": second},
        {"tokenizer": tokenizer, "tokenizer_2": other},
        schedule.from_config({"shift": 1.0}, "flow"),
    )
    checkpoint = _checkpoint("flux", "flow", 64 if tiny else 1024, bare)
    return Flux(checkpoint, _device(device, dtype), parts)


def sdxl_bare(device: torch.device, dtype: torch.dtype, tiny: bool) -> Bare:
    """The UNet of Stable Diffusion XL at 1,024 pixels (Podell et al. 2023, table 1)."""
    from diffusers import UNet2DConditionModel

    context, pooled, cells = (16, 8, 8) if tiny else (2048, 1280, 128)
    times = 8 if tiny else 256
    with made_on(device, dtype):
        network = UNet2DConditionModel(
            sample_size=cells,
            in_channels=4,
            out_channels=4,
            layers_per_block=1 if tiny else 2,
            block_out_channels=(8, 16, 16) if tiny else (320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 1, 2) if tiny else (1, 2, 10),
            attention_head_dim=(2, 4, 4) if tiny else (5, 10, 20),
            cross_attention_dim=context,
            use_linear_projection=True,
            norm_num_groups=4 if tiny else 32,
            addition_embed_type="text_time",
            addition_time_embed_dim=times,
            projection_class_embeddings_input_dim=pooled + 6 * times,
        )
        network = _ready(network).to(memory_format=torch.channels_last)

    def inputs(batch: int) -> dict[str, Any]:
        return {
            "sample": torch.randn(batch, 4, cells, cells, device=device).to(dtype),
            "timestep": torch.linspace(1, 999, batch, device=device),
            "encoder_hidden_states": torch.randn(batch, 77, context, device=device).to(dtype),
            "added_cond_kwargs": {
                "text_embeds": torch.randn(batch, pooled, device=device).to(dtype),
                "time_ids": torch.full((batch, 6), 8.0 * cells, device=device).to(dtype),
            },
        }

    return Bare(network, inputs)


def flux_bare(device: torch.device, dtype: torch.dtype, tiny: bool) -> Bare:
    """The transformer of FLUX.1 [schnell] at 1,024 pixels: 19 double and 38 single blocks, 256 words of context."""
    from diffusers import FluxTransformer2DModel

    words, grid = (8, 4) if tiny else (256, 64)
    channels, context, pooled = (16, 32, 16) if tiny else (64, 4096, 768)
    with made_on(device, dtype):
        network = FluxTransformer2DModel(
            in_channels=channels,
            num_layers=1 if tiny else 19,
            num_single_layers=1 if tiny else 38,
            attention_head_dim=16 if tiny else 128,
            num_attention_heads=2 if tiny else 24,
            joint_attention_dim=context,
            pooled_projection_dim=pooled,
            axes_dims_rope=(4, 6, 6) if tiny else (16, 56, 56),
            guidance_embeds=False,
        )
        network = _ready(network)
    rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    places = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).reshape(-1, 3)  # (grid², 3)

    def inputs(batch: int) -> dict[str, Any]:
        return {
            "hidden_states": torch.randn(batch, grid**2, channels, device=device).to(dtype),
            "encoder_hidden_states": torch.randn(batch, words, context, device=device).to(dtype),
            "pooled_projections": torch.randn(batch, pooled, device=device).to(dtype),
            "timestep": torch.linspace(0.01, 0.99, batch, device=device).to(dtype),
            "img_ids": places.to(device, dtype),
            "txt_ids": torch.zeros(words, 3, device=device, dtype=dtype),
        }

    return Bare(network, inputs)


SHAPES = {
    "sd15": Shape("Stable Diffusion 1.5, 512 pixels", "sd", 512, 64, sd_bare, sd_model),
    "sdxl": Shape("Stable Diffusion XL, 1,024 pixels", "sdxl", 1024, 32, sdxl_bare, sdxl_model),
    "flux": Shape("FLUX.1 [schnell], 1,024 pixels", "flux", 1024, 16, flux_bare, flux_model),
}
"""Shapes that are timed."""
