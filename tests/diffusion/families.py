"""Tiny real checkpoints of every further family: diffusers and transformers components with random weights.

Every writer gives a whole diffusers folder in the libraries' own format, as `pipeline.save_pretrained` leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from tests.diffusion import tiny

TEXT = 16
"""Width of the first CLIP encoder."""
SECOND = 24
"""Width of the second CLIP encoder."""
T5 = 32
"""Width of T5."""


def vae(channels: int = 4, **config: Any) -> diffusers.AutoencoderKL:
    """Cells of 4 × 4 pixels."""
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=channels,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=32,
        **{"scaling_factor": 0.7, **config},
    )


def unet(*, refiner: bool = False, channels: int = 4, **config: Any) -> diffusers.UNet2DConditionModel:
    """A UNet of XL's kind: two levels, conditions of text, pooled text and sizes."""
    ids, pooled, width = (5, SECOND, SECOND) if refiner else (6, SECOND, TEXT + SECOND)
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=width,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=ids * 8 + pooled,
        norm_num_groups=4,
        **config,
    )


def clip(width: int, *, projected: bool, act: str = "quick_gelu") -> Any:
    """A CLIP text encoder over the letters of `tiny`."""
    words = tiny.vocabulary()
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=tiny.WINDOW,
        projection_dim=width,
        hidden_act=act,
        bos_token_id=words["<|startoftext|>"],
        eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
    )
    return (transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel)(config)


def t5() -> Any:
    """A T5 encoder of two layers."""
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=40, d_model=T5, d_kv=8, d_ff=32, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"
        )
    )


def t5_tokenizer(folder: Path, longest: int) -> None:
    """Letters as whole words, closed by an end mark as T5 does."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((f"▁{c}", -3.0) for c in letters)]
    made = Tokenizer(models.Unigram(pieces, unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=longest
    )
    fast.save_pretrained(folder)


def _write(root: Path, pipeline: str, parts: dict[str, Any], config: dict[str, Any]) -> Path:
    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": "0.35.0", **config}
    for name, part in parts.items():
        if name.startswith("tokenizer"):
            continue
        part.save_pretrained(root / name, **({} if name == "scheduler" else {"safe_serialization": True}))
        library = "transformers" if name.startswith("text_encoder") else "diffusers"
        index[name] = [library, type(part).__name__]
    for name, kind in parts.items():
        if not name.startswith("tokenizer"):
            continue
        if kind == "clip":
            tiny.write_tokenizer(root / name)
            index[name] = ["transformers", "CLIPTokenizer"]
        else:
            t5_tokenizer(root / name, int(kind))
            index[name] = ["transformers", "PreTrainedTokenizerFast"]
    root.joinpath("model_index.json").write_text(json.dumps(index, indent=2))
    return root


def _seeded(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with torch.random.fork_rng():
        torch.manual_seed(13)
        return make()


def sdxl(root: Path, prediction: str = "epsilon", **unet_config: Any) -> Path:
    """XL's base."""
    scheduler: Any = tiny.scheduler(prediction, zero_snr=False)
    more: dict[str, Any] = {}
    if prediction == "edm":
        scheduler = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5)
        more = {"latents_mean": [0.1, -0.2, 0.3, 0.0], "latents_std": [1.1, 0.9, 1.2, 0.8], "scaling_factor": 0.5}
    parts = _seeded(
        lambda: {
            "unet": unet(**unet_config),
            "vae": vae(**more),
            "text_encoder": clip(TEXT, projected=False),
            "text_encoder_2": clip(SECOND, projected=True, act="gelu"),
        }
    )
    parts |= {"scheduler": scheduler, "tokenizer": "clip", "tokenizer_2": "clip"}
    return _write(root, "StableDiffusionXLPipeline", parts, {"force_zeros_for_empty_prompt": True})


def refiner(root: Path) -> Path:
    """XL's refiner: the second text encoder alone, and a score."""
    parts = _seeded(
        lambda: {
            "unet": unet(refiner=True),
            "vae": vae(),
            "text_encoder_2": clip(SECOND, projected=True, act="gelu"),
        }
    )
    parts |= {"scheduler": tiny.scheduler(), "tokenizer_2": "clip"}
    config: dict[str, Any] = {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False}
    config |= {"text_encoder": [None, None], "tokenizer": [None, None]}
    return _write(root, "StableDiffusionXLImg2ImgPipeline", parts, config)


def sd3(root: Path, *, t5_left_out: bool = False) -> Path:
    """SD 3's MMDiT with three text encoders."""
    parts = _seeded(
        lambda: {
            "transformer": diffusers.SD3Transformer2DModel(
                sample_size=8,
                patch_size=2,
                in_channels=16,
                out_channels=16,
                num_layers=2,
                attention_head_dim=8,
                num_attention_heads=4,
                joint_attention_dim=TEXT + SECOND + 8,
                caption_projection_dim=32,
                pooled_projection_dim=TEXT + SECOND,
                pos_embed_max_size=24,
            ),
            "vae": vae(16, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
            "text_encoder": clip(TEXT, projected=True),
            "text_encoder_2": clip(SECOND, projected=True, act="gelu"),
            "text_encoder_3": transformers.T5EncoderModel(
                transformers.T5Config(
                    vocab_size=40,
                    d_model=TEXT + SECOND + 8,
                    d_kv=8,
                    d_ff=32,
                    num_layers=2,
                    num_heads=4,
                    feed_forward_proj="gated-gelu",
                )
            ),
        }
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)
    parts |= {"scheduler": scheduler, "tokenizer": "clip", "tokenizer_2": "clip", "tokenizer_3": 20}
    config: dict[str, Any] = {}
    if t5_left_out:
        parts = {name: part for name, part in parts.items() if not name.endswith("_3")}
        config = {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    return _write(root, "StableDiffusion3Pipeline", parts, config)


def flux(root: Path, *, dev: bool = True) -> Path:
    """FLUX.1: dev takes guidance as an input, schnell none."""
    parts = _seeded(
        lambda: {
            "transformer": diffusers.FluxTransformer2DModel(
                patch_size=1,
                in_channels=64,
                num_layers=2,
                num_single_layers=2,
                attention_head_dim=8,
                num_attention_heads=4,
                joint_attention_dim=T5,
                pooled_projection_dim=TEXT,
                guidance_embeds=dev,
                axes_dims_rope=(2, 2, 4),
            ),
            "vae": vae(16, shift_factor=0.11, use_quant_conv=False, use_post_quant_conv=False),
            "text_encoder": clip(TEXT, projected=False),
            "text_encoder_2": t5(),
        }
    )
    # Published folders say nothing of the size; the tiny ones do, so that the examples stay small.
    config = root / "transformer" / "config.json"
    shift = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15} if dev else {"shift": 1.0}
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, **shift)
    parts |= {"scheduler": scheduler, "tokenizer": "clip", "tokenizer_2": 20}
    _write(root, "FluxPipeline", parts, {})
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": 8}))
    return root


def pixart(root: Path, *, conditions: bool = False) -> Path:
    """PixArt with a learned variance, which the sampler leaves aside."""
    parts = _seeded(
        lambda: {
            "transformer": diffusers.PixArtTransformer2DModel(
                num_attention_heads=6,
                attention_head_dim=8,
                in_channels=4,
                out_channels=8,
                num_layers=2,
                cross_attention_dim=48,
                sample_size=8,
                patch_size=2,
                caption_channels=T5,
                use_additional_conditions=conditions,
            ),
            "vae": vae(),
            "text_encoder": t5(),
        }
    )
    parts |= {"scheduler": tiny.scheduler(), "tokenizer": 20}
    return _write(root, "PixArtSigmaPipeline", parts, {})


def ddpm(root: Path, *, flat: bool = False, learned: bool = False) -> Path:
    """An unconditional UNet on pixels; `flat` has its files in the root, as the first published folders."""
    with torch.random.fork_rng():
        torch.manual_seed(13)
        unet = diffusers.UNet2DModel(
            sample_size=32,
            out_channels=6 if learned else 3,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
            norm_num_groups=4,
        )
    unet.save_pretrained(root if flat else root / "unet", safe_serialization=True)
    diffusers.DDPMScheduler().save_pretrained(root if flat else root / "scheduler")
    index = {
        "_class_name": "DDPMPipeline",
        "_diffusers_version": "0.35.0",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    root.joinpath("model_index.json").write_text(json.dumps(index, indent=2))
    return root


def channelled(root: Path, channels: int, index: dict[str, Any]) -> Path:
    """Stable Diffusion whose network takes further channels beside the latent's four."""
    tiny.write_checkpoint(root)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = dict(tiny.unet().config) | {"in_channels": channels}
        diffusers.UNet2DConditionModel.from_config(config).save_pretrained(root / "unet")
    path = root / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | index), "utf-8")
    return root


def inpainting(root: Path) -> Path:
    """The inpainting variant: a mask and a masked picture."""
    return channelled(root, 9, {"_class_name": "StableDiffusionInpaintPipeline"})


def depth(root: Path) -> Path:
    """The variant that is given a map of depth."""
    estimator = ["transformers", "DPTForDepthEstimation"]
    return channelled(root, 5, {"_class_name": "StableDiffusionDepth2ImgPipeline", "depth_estimator": estimator})


WRITERS: dict[str, Callable[[Path], Path]] = {
    "sd": tiny.write_checkpoint,
    "sd-v": lambda root: tiny.write_checkpoint(root, "v_prediction"),
    "sd-v-zero": lambda root: tiny.write_checkpoint(root, "v_prediction", zero_snr=True),
    "sd-inpainting": inpainting,
    "sd-depth": depth,
    "sdxl": sdxl,
    "sdxl-v": lambda root: sdxl(root, "v_prediction"),
    "sdxl-edm": lambda root: sdxl(root, "edm"),
    "sdxl-lcm": lambda root: sdxl(root, time_cond_proj_dim=16),
    "sdxl-refiner": refiner,
    "sd3": sd3,
    "sd3-without-t5": lambda root: sd3(root, t5_left_out=True),
    "flux-dev": flux,
    "flux-schnell": lambda root: flux(root, dev=False),
    "pixart": pixart,
    "pixart-alpha": lambda root: pixart(root, conditions=True),
    "ddpm": ddpm,
    "ddpm-flat": lambda root: ddpm(root, flat=True),
    "ddpm-learned": lambda root: ddpm(root, learned=True),
}
"""Kind -> what writes its folder."""
