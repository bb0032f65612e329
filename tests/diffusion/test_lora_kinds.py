"""Merged weights equal those that peft and diffusers make, for every kind of LoRA, spelling and family."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from forensics.device import choose
from forensics.diffusion import identify, load
from forensics.diffusion.names import plain, publisher_layers
from forensics.errors import CheckpointError
from tests.diffusion.families import WRITERS

peft = pytest.importorskip("peft", reason="the oracle of merging")

LINEAR = ["to_q", "to_k", "to_out.0", "proj_in"]
DEEP = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
CONVOLUTION = ["conv1", "conv_shortcut"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    return {kind: WRITERS[kind](root / kind) for kind in ("sdxl", "flux-dev", "sd3")}


def network(folder: Path, *loras: str) -> Any:
    model: Any = load(identify(str(folder), lora=loras), choose("cpu"))
    return model.network


def shaken(model: Any) -> Any:
    """The adapter's matrices away from where peft starts them, so that every one of them counts."""
    source = torch.Generator().manual_seed(9)
    for name, value in model.named_parameters():
        if any(mark in name for mark in ("lora_", "hada_", "lokr_")):
            shift = torch.randn(value.shape, generator=source) * 0.1
            value.data = value.data + (shift.abs() if "magnitude" in name else shift)
    return model


CONFIGS: dict[str, Callable[[], Any]] = {
    "alpha 32, rank 4": lambda: peft.LoraConfig(r=4, lora_alpha=32, target_modules=LINEAR),
    "root of the rank": lambda: peft.LoraConfig(r=4, lora_alpha=8, use_rslora=True, target_modules=LINEAR),
    "patterns": lambda: peft.LoraConfig(
        r=4, lora_alpha=8, rank_pattern={"attn1.to_q": 2}, alpha_pattern={"attn2.to_k": 3}, target_modules=LINEAR
    ),
    "convolutions": lambda: peft.LoraConfig(r=4, lora_alpha=6, target_modules=LINEAR + CONVOLUTION),
    "DoRA": lambda: peft.LoraConfig(r=4, lora_alpha=6, use_dora=True, target_modules=LINEAR),
    "bias": lambda: peft.LoraConfig(r=4, lora_alpha=6, lora_bias=True, target_modules=["proj_in", "to_out.0"]),
    "LoHa": lambda: peft.LoHaConfig(r=4, alpha=6, target_modules=LINEAR),
    "LoHa, convolutions": lambda: peft.LoHaConfig(r=4, alpha=6, target_modules=CONVOLUTION, use_effective_conv2d=True),
    "LoKr": lambda: peft.LoKrConfig(r=4, alpha=6, target_modules=LINEAR),
    "LoKr, both factored": lambda: peft.LoKrConfig(r=1, alpha=6, target_modules=LINEAR, decompose_both=True),
    "LoKr, convolutions": lambda: peft.LoKrConfig(r=1, alpha=6, target_modules=CONVOLUTION, use_effective_conv2d=True),
}


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_folders_of_peft(made: dict[str, Path], tmp_path: Path, kind: str) -> None:
    torch.manual_seed(4)
    wrapped = shaken(peft.get_peft_model(network(made["sdxl"]), CONFIGS[kind]()))
    wrapped.save_pretrained(tmp_path / "adapter")
    theirs = wrapped.merge_and_unload().state_dict()
    ours = network(made["sdxl"], str(tmp_path / "adapter")).state_dict()
    before = network(made["sdxl"]).state_dict()
    assert set(theirs) == set(ours)
    assert max(float((theirs[n] - before[n]).abs().max()) for n in ours) > 1e-2
    assert max(float((theirs[n] - ours[n]).abs().max()) for n in ours) < 1e-5


def pairs(modules: dict[str, tuple[int, int]], rank: int = 2) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer -> (down, up) for layers of so many outputs and inputs."""
    source = torch.Generator().manual_seed(2)
    return {
        name: (torch.randn(rank, inputs, generator=source), torch.randn(outputs, rank, generator=source))
        for name, (outputs, inputs) in modules.items()
    }


def kohya(layers: dict[str, tuple[Tensor, Tensor]], alpha: float = 1.0) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, (down, up) in layers.items():
        named |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(alpha)}
    return named


def through_diffusers(folder: Path, lora: Path, strength: float = 1.0) -> dict[str, dict[str, Tensor]]:
    """The weights after diffusers' own `load_lora_weights` and `fuse_lora`."""
    import diffusers

    pipe: Any = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipe.load_lora_weights(str(lora.parent), weight_name=lora.name)
    pipe.fuse_lora(lora_scale=strength)
    pipe.unload_lora_weights()
    parts = {n: p for n, p in pipe.components.items() if hasattr(p, "state_dict") and n != "vae"}
    return {name: dict(part.state_dict()) for name, part in parts.items()}


def same(folder: Path, lora: Path, given: str, strength: float = 1.0) -> None:
    theirs = through_diffusers(folder, lora, strength)
    model: Any = load(identify(str(folder), lora=given), choose("cpu"))
    plain: Any = load(identify(str(folder)), choose("cpu"))
    name = "unet" if "unet" in theirs else "transformer"
    ours = {name: model.network, **model.texts}
    before = {name: plain.network, **plain.texts}
    moved = 0.0
    for part, values in theirs.items():
        mine, was = ours[part].state_dict(), before[part].state_dict()
        for tensor, value in values.items():
            assert torch.allclose(mine[tensor], value, atol=1e-5), (part, tensor)
            moved = max(moved, float((mine[tensor] - was[tensor]).abs().max()))
    assert moved > 1e-2


def test_xl_with_both_text_encoders(made: dict[str, Path], tmp_path: Path) -> None:
    # All four layers of an attention, as the scripts write them: diffusers' reader does with no fewer.
    texts = {
        f"lora_te{number}_text_model_encoder_layers_{number}_self_attn_{part}_proj": (width, width)
        for number, width in ((1, 16), (2, 24))
        for part in ("q", "k", "v", "out")
    }
    unet = {"lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn2_to_k": (16, 40)}
    layers = pairs(unet | texts)
    save_file(kohya(layers), tmp_path / "xl.safetensors")
    same(made["sdxl"], tmp_path / "xl.safetensors", f"{tmp_path / 'xl.safetensors'}:0.8", 0.8)


def test_flux_in_kohyas_names_with_fused_layers(made: dict[str, Path], tmp_path: Path) -> None:
    layers = pairs(
        {
            "lora_unet_double_blocks_0_img_attn_qkv": (96, 32),
            "lora_unet_double_blocks_1_txt_attn_proj": (32, 32),
            "lora_unet_double_blocks_1_img_mlp_0": (128, 32),
            "lora_unet_single_blocks_0_linear1": (3 * 32 + 128, 32),
            "lora_unet_single_blocks_1_linear2": (32, 160),
            "lora_te1_text_model_encoder_layers_1_self_attn_v_proj": (16, 16),
        }
    )
    path = tmp_path / "flux.safetensors"
    save_file(kohya(layers), path)
    # diffusers' own reader of these names knows FLUX's widths alone, so the oracle is the product, row by row.
    model: Any = load(identify(str(made["flux-dev"]), lora=str(path)), choose("cpu"))
    before: Any = load(identify(str(made["flux-dev"])), choose("cpu"))
    mine, was = model.network.state_dict(), before.network.state_dict()
    delta = {n: (u @ d) / 2 for n, (d, u) in layers.items()}
    rows = {
        "transformer_blocks.0.attn.to_k": delta["lora_unet_double_blocks_0_img_attn_qkv"][32:64],
        "transformer_blocks.1.attn.to_add_out": delta["lora_unet_double_blocks_1_txt_attn_proj"],
        "transformer_blocks.1.ff.net.0.proj": delta["lora_unet_double_blocks_1_img_mlp_0"],
        "single_transformer_blocks.0.attn.to_v": delta["lora_unet_single_blocks_0_linear1"][64:96],
        "single_transformer_blocks.0.proj_mlp": delta["lora_unet_single_blocks_0_linear1"][96:],
        "single_transformer_blocks.1.proj_out": delta["lora_unet_single_blocks_1_linear2"],
    }
    for name, expected in rows.items():
        assert torch.allclose(mine[f"{name}.weight"] - was[f"{name}.weight"], expected, atol=1e-5), name
    touched = [n for n in mine if not torch.equal(mine[n], was[n])]
    assert len(touched) == 3 + 1 + 1 + 4 + 1


@pytest.mark.parametrize(
    ("kind", "layer"),
    [("flux-dev", "single_transformer_blocks.0.attn.to_q"), ("sd3", "transformer_blocks.0.attn.add_k_proj")],
)
def test_transformers_in_the_names_of_diffusers(made: dict[str, Path], tmp_path: Path, kind: str, layer: str) -> None:
    (down, up) = pairs({"": (32, 32)})[""]
    path = tmp_path / "pytorch_lora_weights.safetensors"
    save_file({f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}, path)
    if kind == "sd3":
        pytest.importorskip("diffusers")
    same(made[kind], path, str(tmp_path))


def test_several_are_merged_in_order_and_are_part_of_the_digest(made: dict[str, Path], tmp_path: Path) -> None:
    layer = "unet.down_blocks.1.attentions.0.proj_in"
    (down, up) = pairs({"": (16, 16)})[""]
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, one)
    save_file(
        {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up, f"{layer}.dora_scale": torch.ones(16, 1)}, two
    )
    digests = {}
    for given in (
        (str(one),),
        (str(two),),
        (str(one), str(two)),
        (str(two), str(one)),
        (f"{one}:0.5",),
        (f"{one}:-1",),
    ):
        found = identify(str(made["sdxl"]), lora=given)
        digests[found.digest] = network(made["sdxl"], *given).state_dict()[f"{layer.removeprefix('unet.')}.weight"]
        assert found.name.count(" + ") == len(given)
    assert len(digests) == 6
    values = list(digests.values())
    assert not torch.allclose(values[2], values[3])
    plain = network(made["sdxl"]).state_dict()[f"{layer.removeprefix('unet.')}.weight"]
    assert torch.allclose(values[4] - plain, up @ down / 2, atol=1e-5)
    assert torch.allclose(values[5] - plain, -(up @ down), atol=1e-5)


def test_publishers_names_of_the_unet() -> None:
    """Those that kohya's scripts write for XL, whose levels have two residual layers."""
    known = {
        "input_blocks_0_0": "conv_in",
        "input_blocks_4_1_transformer_blocks_0_attn2_to_k": plain(DEEP),
        "input_blocks_3_0_op": "down_blocks_0_downsamplers_0_conv",
        "input_blocks_8_0_in_layers_2": "down_blocks_2_resnets_1_conv1",
        "middle_block_1_proj_in": "mid_block_attentions_0_proj_in",
        "middle_block_2_out_layers_3": "mid_block_resnets_1_conv2",
        "output_blocks_5_1_transformer_blocks_1_norm1": "up_blocks_1_attentions_2_transformer_blocks_1_norm1",
        "output_blocks_2_2_conv": "up_blocks_0_upsamplers_0_conv",
        "output_blocks_8_0_skip_connection": "up_blocks_2_resnets_2_conv_shortcut",
        "time_embed_0": "time_embedding_linear_1",
        "label_emb_0_2": "add_embedding_linear_2",
        "out_2": "conv_out",
    }
    assert {theirs: publisher_layers("sdxl", theirs) for theirs in known} == {k: (v,) for k, v in known.items()}


def test_differences_and_old_processors(made: dict[str, Path], tmp_path: Path) -> None:
    block = "down_blocks.1.attentions.0"
    source = torch.Generator().manual_seed(1)
    diff, bias = torch.randn(16, 16, generator=source), torch.randn(16, generator=source)
    norm = torch.randn(16, generator=source)
    (down, up) = pairs({"": (16, 16)})[""]
    processor = f"unet.{block}.transformer_blocks.0.attn1.processor.to_out_lora"
    tensors = {
        f"lora_unet_{block.replace('.', '_')}_proj_in.diff": diff,
        f"lora_unet_{block.replace('.', '_')}_proj_in.diff_b": bias,
        f"lora_unet_{block.replace('.', '_')}_norm.w_norm": norm,
        f"{processor}.down.weight": down,
        f"{processor}.up.weight": up,
    }
    path = tmp_path / "all.safetensors"
    save_file(tensors, path)
    after = network(made["sdxl"], str(path)).state_dict()
    before = network(made["sdxl"]).state_dict()
    for name, expected in {
        f"{block}.proj_in.weight": diff,
        f"{block}.proj_in.bias": bias,
        f"{block}.norm.weight": norm,
        f"{block}.transformer_blocks.0.attn1.to_out.0.weight": up @ down,
    }.items():
        assert torch.allclose(after[name] - before[name], expected, atol=1e-5), name


def test_a_lora_of_another_family_is_refused_from_headers(made: dict[str, Path], tmp_path: Path) -> None:
    cases = {
        "FLUX.1": {"lora_unet_double_blocks_0_img_attn_qkv": (96, 32)},
        "Stable Diffusion 1.x": {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k": (320, 768)},
    }
    for made_for, modules in cases.items():
        path = tmp_path / "other.safetensors"
        save_file(kohya(pairs(modules)), path)
        with pytest.raises(CheckpointError, match="does not fit") as caught:
            identify(str(made["sdxl"]), lora=str(path))
        assert made_for in caught.value.hint


def test_a_configuration_of_another_kind_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    (down, up) = pairs({"": (16, 16)})[""]
    layer = "base_model.model.down_blocks.1.attentions.0.proj_in"
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "ADALORA", "r": 2, "lora_alpha": 2}))
    with pytest.raises(CheckpointError, match="ADALORA"):
        identify(str(made["sdxl"]), lora=str(tmp_path))
    assert load_file(tmp_path / "adapter_model.safetensors")
