"""Layer names of the publishers' networks in diffusers' names: for weights, and for the LoRA files that use either.

One layer of a publisher may be several of diffusers, stacked by rows: queries, keys and values in one matrix.
"""

from __future__ import annotations

import re

_FLUX_OUTER = {
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "txt_in": "context_embedder",
    "img_in": "x_embedder",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
_FLUX_DOUBLE = {
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.norm.query_norm": ("attn.norm_q",),
    "img_attn.norm.key_norm": ("attn.norm_k",),
    "txt_attn.norm.query_norm": ("attn.norm_added_q",),
    "txt_attn.norm.key_norm": ("attn.norm_added_k",),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
}
_FLUX_SINGLE = {
    "modulation.lin": ("norm.linear",),
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "norm.query_norm": ("attn.norm_q",),
    "norm.key_norm": ("attn.norm_k",),
}
_SD3_OUTER = {
    "x_embedder.proj": "pos_embed.proj",
    "context_embedder": "context_embedder",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
_SD3_BLOCK = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn.proj": ("attn.to_out.0",),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "context_block.attn.proj": ("attn.to_add_out",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_UNET_OUTER = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_PER_LEVEL = 3
"""Blocks of a level: of inputs two with a residual layer and one that halves, of outputs three with one."""


def flux_layers(layer: str) -> tuple[str, ...]:
    """The layers of FluxTransformer2DModel that a layer of FLUX.1 is, in the order of its rows; none if unknown."""
    if layer in _FLUX_OUTER:
        return (_FLUX_OUTER[layer],)
    return _numbered(layer, "double_blocks", "transformer_blocks", _FLUX_DOUBLE) or _numbered(
        layer, "single_blocks", "single_transformer_blocks", _FLUX_SINGLE
    )


def sd3_layers(layer: str) -> tuple[str, ...]:
    """The same for SD3Transformer2DModel."""
    if layer in _SD3_OUTER:
        return (_SD3_OUTER[layer],)
    return _numbered(layer, "joint_blocks", "transformer_blocks", _SD3_BLOCK)


def _numbered(layer: str, theirs: str, ours: str, inner: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    match = re.match(rf"{theirs}\.(\d+)\.(.+)\Z", layer)
    return tuple(f"{ours}.{match[1]}.{name}" for name in inner.get(match[2], ())) if match else ()


def unet_layers(layer: str) -> tuple[str, ...]:
    """The layer of UNet2DConditionModel that a layer of the publishers' UNet is (two residual layers a level)."""
    if layer in _UNET_OUTER:
        return (_UNET_OUTER[layer],)
    match = re.match(r"(input_blocks|output_blocks|middle_block)\.(\d+)\.(?:(\d+)\.)?(.+)\Z", layer)
    if match is None:
        return ()
    side, number, rest = match[1], int(match[2]), match[4]
    if side == "middle_block":
        full = layer.split(".", 2)[2]
        block = "mid_block.attentions.0" if number == 1 else f"mid_block.resnets.{number // 2}"
        return (f"{block}.{full if number == 1 else _RESNET.get(full, full)}",)
    place = int(match[3] or 0)
    if side == "input_blocks":
        level, within = divmod(number - 1, _PER_LEVEL)
        if within == 2:
            return (f"down_blocks.{level}.downsamplers.0.{rest.replace('op', 'conv', 1)}",)
        return (f"down_blocks.{level}.{_inner(place, within, rest)}",)
    level, within = divmod(number, _PER_LEVEL)
    # What doubles the side is the last part of a level's last block: second without attention, third with it.
    if within == 2 and rest == "conv":
        return (f"up_blocks.{level}.upsamplers.0.conv",)
    return (f"up_blocks.{level}.{_inner(place, within, rest)}",)


def _inner(place: int, within: int, rest: str) -> str:
    return f"attentions.{within}.{rest}" if place else f"resnets.{within}.{_RESNET.get(rest, rest)}"


def plain(name: str) -> str:
    """One spelling for dots, underscores and the level `text_model`, which some releases of transformers leave out."""
    return name.replace(".", "_").removeprefix("text_model_")


def _spelled(table: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {plain(layer): tuple(plain(t) for t in targets) for layer, targets in table.items()}


_PLAIN_BLOCKS: dict[str, tuple[tuple[str, str, dict[str, tuple[str, ...]]], ...]] = {
    "flux": (
        ("double_blocks", "transformer_blocks", _spelled(_FLUX_DOUBLE)),
        ("single_blocks", "single_transformer_blocks", _spelled(_FLUX_SINGLE)),
    ),
    "sd3": (("joint_blocks", "transformer_blocks", _spelled(_SD3_BLOCK)),),
}
_PLAIN_OUTER = {
    "flux": {plain(k): plain(v) for k, v in _FLUX_OUTER.items()},
    "sd3": {plain(k): plain(v) for k, v in _SD3_OUTER.items()},
    "sd": {plain(k): plain(v) for k, v in _UNET_OUTER.items()},
    "sdxl": {plain(k): plain(v) for k, v in _UNET_OUTER.items()},
}
SWAPPED = ("norm_out_linear",)
"""Layers, in plain spelling, whose two halves of rows the publishers have the other way round."""


def publisher_layers(family: str, layer: str) -> tuple[str, ...]:
    """The layers that a publisher's layer is, all in plain spelling; none if it is not a publisher's."""
    layer = plain(layer)
    if layer in _PLAIN_OUTER.get(family, {}):
        return (_PLAIN_OUTER[family][layer],)
    for theirs, ours, inner in _PLAIN_BLOCKS.get(family, ()):
        if match := re.match(rf"{theirs}_(\d+)_(.+)\Z", layer):
            return tuple(f"{ours}_{match[1]}_{name}" for name in inner.get(match[2], ()))
    if family in ("sd", "sdxl") and layer.startswith(("input_blocks", "output_blocks", "middle_block")):
        dotted = re.sub(r"^(input_blocks|output_blocks|middle_block)_(\d+)_(?:(\d+)_)?", _dotted, layer)
        dotted = re.sub(r"(in_layers|out_layers|emb_layers)_(\d)\Z", r"\1.\2", dotted)
        return tuple(plain(name) for name in unet_layers(dotted))
    return ()


def _dotted(match: re.Match[str]) -> str:
    return ".".join(part for part in match.groups() if part is not None) + "."


_OPEN_CLIP = {
    "ln_final": ("final_layer_norm",),
    "attn.out_proj": ("self_attn.out_proj",),
    "ln_1": ("layer_norm1",),
    "ln_2": ("layer_norm2",),
    "mlp.c_fc": ("mlp.fc1",),
    "mlp.c_proj": ("mlp.fc2",),
}


def open_clip_layers(tensor: str) -> tuple[str, ...]:
    """The layers of CLIPTextModel, in plain spelling, that a tensor of OpenCLIP's text tower belongs to."""
    match = re.match(r"transformer\.resblocks\.(\d+)\.(.+)\Z", tensor)
    if match is None:
        layer = tensor.rpartition(".")[0]
        return _OPEN_CLIP.get(layer, ())
    start = f"encoder_layers_{match[1]}_"
    if match[2].startswith("attn.in_proj_"):
        return tuple(f"{start}self_attn_{part}_proj" for part in "qkv")
    return tuple(start + plain(name) for name in _OPEN_CLIP.get(match[2].rpartition(".")[0], ()))
