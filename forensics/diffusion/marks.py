"""What weight files show of themselves: tensor names *and shapes*, as data.

Names alone mislead: the UNets of Stable Diffusion XL and of 1.x have the same ones, and so have Flux and half a dozen
of its relatives. A row therefore states the tensors it needs with the sizes that tell it from its neighbours. The first
row that fits wins, so relatives that add tensors stand before what they descend from. Tensor names are those the
publishers use; diffusers has the same ones (`loaders/single_file_utils.py`), but its own guess is no judge, as it calls
whatever it does not know "v1".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]
Wanted = tuple[int | None, ...]
"""Sizes a tensor must have; None stands for any size, the empty tuple for any shape."""

PREFIXES = ("", "model.diffusion_model.", "diffusion_model.", "model.", "transformer.", "unet.", "net.")
"""What files put before the names of the denoising network."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One kind of network and the tensors by which it is known."""

    title: str
    needs: tuple[tuple[str, Wanted], ...]
    family: str = ""
    """Row of `families.FAMILIES`; empty for what is recognised and not examined."""
    names: str = ""
    """Whose tensor names: `publisher` or `diffusers`."""
    generation: str = ""
    """What tells the checkpoints of one family apart: `1`, `2`, `base`, `refiner`."""
    remedy: str = ""
    """What works for it instead, where that is not what works for any picture."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A mark found in a file."""

    mark: Mark
    prefix: str
    """What stands before the names of the network's tensors."""


_LDM_CONTEXT = "input_blocks.{0}.1.transformer_blocks.0.attn2.to_k.weight"
_OWN_CONTEXT = "down_blocks.{0}.attentions.{1}.transformer_blocks.0.attn2.to_k.weight"
_MIDDLE = "mid_block.attentions.0.{0}.weight"
_PIXELS: tuple[tuple[str, Wanted], ...] = (("conv_in.weight", (None, 3)), ("time_embedding.linear_1.weight", ()))
"""A UNet2DModel of pictures in colour; the layers of a UNet2DConditionModel are called otherwise in the middle."""
_LORA = "Name it with `--lora`, and its base checkpoint with `--checkpoint`."
_VAE = "Name it with `--autoencoder`: the disputed image is then put through it beside the checkpoint's own."
_CONTROL = "It steers a checkpoint and makes no picture alone: name the checkpoint that it was used with."


def _any(*names: str) -> tuple[tuple[str, Wanted], ...]:
    return tuple((name, ()) for name in names)


ROWS: tuple[Mark, ...] = (
    # Relatives of Flux, each by what it has more.
    Mark("FLUX.3", _any("early_stream_modulations.image.lin.weight")),
    Mark("FLUX.3 (distilled)", _any("ref_time_in.in_layer.weight")),
    Mark("FLUX.2", _any("single_stream_modulation.lin.weight")),
    Mark("FLUX.2", _any("single_stream_modulation.linear.weight")),
    Mark("Chroma", _any("distilled_guidance_layer.in_proj.bias")),
    Mark("Chroma", _any("distilled_guidance_layer.in_proj.weight")),
    Mark("HunyuanVideo", _any("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias")),
    Mark("Krea 2", _any("txtfusion.projector.weight")),
    Mark("Qwen-Image 2", _any("txt_in.text_norm.weight")),
    Mark("Qwen-Image", _any("transformer_blocks.0.img_mod.1.weight")),
    Mark("HiDream", _any("double_stream_blocks.0.block.adaLN_modulation.1.bias")),
    Mark("Z-Image", _any("layers.0.adaLN_modulation.0.weight", "noise_refiner.0.attention_norm1.weight")),
    Mark("Z-Image", _any("all_x_embedder.2-1.weight")),
    Mark("Z-Image", _any("layers.0.adaLN_modulation.0.weight")),
    Mark("Lumina Image 2.0", _any("cap_embedder.0.weight")),
    Mark("Lumina Image 2.0", _any("time_caption_embed.caption_embedder.0.weight")),
    Mark("Wan (video)", _any("head.modulation")),
    Mark("Wan (video)", _any("condition_embedder.text_embedder.linear_1.weight", "scale_shift_table")),
    Mark("LTX-Video", _any("patchify_proj.weight")),
    Mark("LTX-Video", _any("proj_in.weight", "scale_shift_table", "caption_projection.linear_1.weight")),
    Mark("Mochi (video)", _any("blocks.0.attn.qkv_x.weight")),
    Mark("Cosmos (video)", _any("x_embedder.proj.1.weight")),
    Mark("AuraFlow", _any("cond_seq_linear.weight")),
    Mark("AuraFlow", _any("joint_transformer_blocks.0.attn.to_q.weight", "register_tokens")),
    Mark("Hunyuan-DiT", _any("mlp_t5.0.weight")),
    Mark("Stable Cascade", _any("clip_txt_mapper.weight")),
    Mark("Stable Cascade", _any("down_blocks.1.0.channelwise.0.weight")),
    Mark("CogView4", _any("patch_embed.text_proj.weight")),
    # Flux: 64 input channels are 16 latent channels of 2 × 2 cells; the variants take more.
    Mark("FLUX.1", (("double_blocks.0.img_attn.qkv.weight", ()), ("img_in.weight", (None, 64))), "flux", "publisher"),
    Mark("FLUX.1 Fill", (("double_blocks.0.img_attn.qkv.weight", ()), ("img_in.weight", (None, 384)))),
    Mark("FLUX.1 Canny or Depth", (("double_blocks.0.img_attn.qkv.weight", ()), ("img_in.weight", (None, 128)))),
    Mark("a relative of FLUX.1", _any("double_blocks.0.img_attn.qkv.weight")),
    Mark("a relative of FLUX.1", _any("double_blocks.0.img_attn.proj.weight")),
    Mark(
        "FLUX.1",
        (("single_transformer_blocks.0.attn.to_q.weight", ()), ("x_embedder.weight", (None, 64))),
        "flux",
        "diffusers",
    ),
    Mark("a relative of FLUX.1", _any("single_transformer_blocks.0.attn.to_q.weight")),
    # Stable Diffusion 3.
    Mark("Stable Diffusion 3", _any("joint_blocks.0.context_block.attn.qkv.weight"), "sd3", "publisher"),
    Mark("Stable Diffusion 3", _any("joint_blocks.0.x_block.attn.proj.weight"), "sd3", "publisher"),
    Mark(
        "Stable Diffusion 3",
        _any("transformer_blocks.0.attn.add_k_proj.weight", "pos_embed.proj.weight"),
        "sd3",
        "diffusers",
    ),
    # PixArt, and Sana with its names.
    Mark("Sana", _any("attention_y_norm.weight")),
    Mark("Sana", _any("caption_norm.weight", "patch_embed.proj.weight")),
    Mark(
        "PixArt",
        _any("adaln_single.linear.weight", "pos_embed.proj.weight", "caption_projection.linear_1.weight"),
        "pixart",
        "diffusers",
    ),
    Mark("PixArt (publisher's names)", _any("y_embedder.y_proj.fc1.weight", "blocks.0.cross_attn.q_linear.weight")),
    Mark("a class-conditional DiT", _any("y_embedder.embedding_table.weight")),
    Mark("a class-conditional DiT", _any("transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight")),
    # What steers or changes a checkpoint.
    Mark("a ControlNet (not a checkpoint)", _any("control_model.time_embed.0.weight"), remedy=_CONTROL),
    Mark("a ControlNet (not a checkpoint)", _any("controlnet_cond_embedding.conv_in.weight"), remedy=_CONTROL),
    Mark("a ControlNet (not a checkpoint)", _any("controlnet_blocks.0.weight"), remedy=_CONTROL),
    # UNets: moving pictures first, then by context and added embedding.
    Mark("Stable Video Diffusion", _any("input_blocks.1.1.time_stack.0.attn1.to_k.weight")),
    Mark(
        "a motion module or AnimateDiff network", _any("down_blocks.0.motion_modules.0.temporal_transformer.norm.bias")
    ),
    Mark("Kolors", _any("encoder_hid_proj.weight", "add_embedding.linear_1.weight")),
    Mark(
        "Stable Diffusion XL",
        ((_LDM_CONTEXT.format(4), (None, 2048)), ("label_emb.0.0.weight", ())),
        "sdxl",
        "publisher",
        "base",
    ),
    Mark(
        "Stable Diffusion XL (refiner)",
        ((_LDM_CONTEXT.format(4), (None, 1280)), ("label_emb.0.0.weight", ())),
        "sdxl",
        "publisher",
        "refiner",
    ),
    Mark("a relative of Stable Diffusion XL", _any("label_emb.0.0.weight", _LDM_CONTEXT.format(4))),
    Mark("unCLIP", ((_LDM_CONTEXT.format(1), ()), ("label_emb.0.0.weight", ()))),
    Mark("Stable Diffusion 1.x", ((_LDM_CONTEXT.format(1), (None, 768)),), "sd", "publisher", "1"),
    Mark("Stable Diffusion 2.x", ((_LDM_CONTEXT.format(1), (None, 1024)),), "sd", "publisher", "2"),
    Mark("a Stable Diffusion UNet of an unknown context width", ((_LDM_CONTEXT.format(1), ()),)),
    Mark("a class-conditional pixel-space model", _any("input_blocks.0.0.weight", "label_emb.weight")),
    Mark("a pixel-space model", _any("input_blocks.0.0.weight")),
    Mark(
        "Stable Diffusion XL",
        ((_OWN_CONTEXT.format(1, 0), (None, 2048)), ("add_embedding.linear_1.weight", ())),
        "sdxl",
        "diffusers",
        "base",
    ),
    Mark(
        "Stable Diffusion XL (refiner)",
        ((_OWN_CONTEXT.format(1, 0), (None, 1280)), ("add_embedding.linear_1.weight", ())),
        "sdxl",
        "diffusers",
        "refiner",
    ),
    Mark("a relative of Stable Diffusion XL", _any("add_embedding.linear_1.weight", "conv_in.weight")),
    Mark("Stable Diffusion 1.x", ((_OWN_CONTEXT.format(0, 0), (None, 768)),), "sd", "diffusers", "1"),
    Mark("Stable Diffusion 2.x", ((_OWN_CONTEXT.format(0, 0), (None, 1024)),), "sd", "diffusers", "2"),
    Mark(
        "a Stable Diffusion UNet of an unknown context width", ((_OWN_CONTEXT.format(0, 0), ()), ("conv_in.weight", ()))
    ),
    Mark("DeepFloyd IF (pixel space)", _any("encoder_hid_proj.weight", "mid_block.attentions.0.add_k_proj.weight")),
    Mark("a class-conditional pixel-space model", _any("conv_in.weight", "class_embedding.weight")),
    Mark("a class-conditional pixel-space model", _any("conv_in.weight", "class_embedding.linear_1.weight")),
    Mark("an unconditional pixel-space model (DDPM)", (*_PIXELS, (_MIDDLE.format("to_q"), ())), "ddpm", "diffusers"),
    Mark("an unconditional pixel-space model (DDPM)", (*_PIXELS, (_MIDDLE.format("query"), ())), "ddpm", "diffusers"),
    Mark("a model in pixel space", _any("conv_in.weight", "time_embedding.linear_1.weight")),
    # Parts of a checkpoint.
    Mark(
        "an autoencoder (not a checkpoint)",
        _any("encoder.conv_in.weight", "decoder.conv_in.weight"),
        remedy=_VAE,
    ),
    Mark("a CLIP text encoder (not a checkpoint)", _any("text_model.embeddings.token_embedding.weight")),
    Mark("a T5 text encoder (not a checkpoint)", _any("encoder.block.0.layer.0.SelfAttention.q.weight")),
)
"""In order of precedence."""

_ANYWHERE: tuple[tuple[tuple[str, ...], Mark], ...] = (
    (
        (
            "lora_unet_",
            "lora_te",
            "lora_transformer_",
            "lycoris_",
            "unet.",
            "text_encoder.",
            "base_model.model.",
            "transformer.",
            "diffusion_model.",
        ),
        Mark("a LoRA (changes to a checkpoint, not a checkpoint)", (), remedy=_LORA),
    ),
)
_LORA_ENDS = (
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora_A.weight",
    ".lora_B.weight",
    ".lora.down.weight",
    ".lora.up.weight",
    ".hada_w1_a",
    ".lokr_w1",
    ".lokr_w1_a",
    ".oft_blocks",
    ".alpha",
    ".dora_scale",
)
_EMBEDDINGS = ("emb_params", "string_to_param.*", "clip_g", "clip_l", "<")


def recognise(shapes: Mapping[str, Shape]) -> Seen | None:
    """The first mark that the tensors of a file bear; none where no row fits."""
    if any(name.startswith(_ANYWHERE[0][0]) and name.endswith(_LORA_ENDS) for name in shapes):
        return Seen(_ANYWHERE[0][1], "")
    # "" fits every name, so the longer prefixes are asked first, and only those that occur.
    prefixes = [p for p in PREFIXES if p and any(name.startswith(p) for name in shapes)]
    for mark in ROWS:
        for prefix in (*prefixes, ""):
            if all(_fits(shapes.get(prefix + name), wanted) for name, wanted in mark.needs):
                return Seen(mark, prefix)
    if shapes and len(shapes) <= 3 and all(name.startswith(_EMBEDDINGS) for name in shapes):
        remedy = "A textual inversion is a word of a prompt, and is not read yet: examine the checkpoint without it."
        return Seen(Mark("a textual inversion embedding (not a checkpoint)", (), remedy=remedy), "")
    if any(name.startswith("first_stage_model.") for name in shapes):
        return Seen(Mark("a file without its denoising network", ()), "")
    return None


def _fits(shape: Shape | None, wanted: Wanted) -> bool:
    if shape is None:
        return False
    if not wanted:
        return True
    # A 1 × 1 convolution and a matrix are the same numbers: trailing ones do not count.
    return len(shape) >= len(wanted) and all(w is None or w == n for w, n in zip(wanted, shape, strict=False))
