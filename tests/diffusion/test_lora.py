"""LoRA: merged as diffusers and PEFT apply it, hashed into the checkpoint, refused where it is not a plain one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from forensics.device import choose
from forensics.diffusion import identify, load
from forensics.diffusion.lora import USUAL
from forensics.errors import CheckpointError

MODULE = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
RANK = 2


def matrices(width: int = 8, rank: int = RANK) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(5)
    return torch.randn(rank, width, generator=source), torch.randn(width, rank, generator=source)


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file(tensors, path, metadata=metadata)
    return path


def weight(root: Path, lora: Path) -> torch.Tensor:
    model = load(identify(str(root), lora=str(lora)), choose("cpu"))
    return dict(model.unet.named_modules())[MODULE.removeprefix("unet.")].weight


@pytest.fixture
def root(folders: dict[str, Path]) -> Path:
    return folders["epsilon"]


@pytest.mark.parametrize(
    ("names", "alpha", "stated", "scale"),
    [
        ((f"{MODULE}.lora_A.weight", f"{MODULE}.lora_B.weight"), None, None, 1.0),
        ((f"{MODULE}.lora.down.weight", f"{MODULE}.lora.up.weight"), None, {"unet.r": 2, "unet.lora_alpha": 3}, 1.5),
        (
            (f"lora_{MODULE.replace('.', '_')}.lora_down.weight", f"lora_{MODULE.replace('.', '_')}.lora_up.weight"),
            1.0,
            None,
            0.5,
        ),
    ],
)
def test_all_spellings_merge_the_same_product(
    root: Path, tmp_path: Path, names: tuple[str, str], alpha: float | None, stated: dict[str, int] | None, scale: float
) -> None:
    down, up = matrices()
    tensors = dict(zip(names, (down, up), strict=True))
    if alpha is not None:
        tensors[names[0].replace("lora_down.weight", "alpha")] = torch.tensor(alpha)
    header = {"lora_adapter_metadata": json.dumps(stated)} if stated else None
    path = write(tmp_path / "style.safetensors", tensors, header)
    before = load(identify(str(root)), choose("cpu")).unet
    plain = dict(before.named_modules())[MODULE.removeprefix("unet.")].weight
    assert torch.allclose(weight(root, path), plain + scale * up @ down, atol=1e-5)


def test_the_lora_is_part_of_what_is_identified(root: Path, tmp_path: Path) -> None:
    down, up = matrices()
    path = write(
        tmp_path / "style.safetensors",
        {f"{MODULE}.lora_A.weight": down, f"{MODULE}.lora_B.weight": up},
        {"ss_output_name": "a manner"},
    )
    bare, both = identify(str(root)), identify(str(root), lora=str(path))
    assert both.digest != bare.digest
    assert both.name == f"{bare.name} + style"
    assert [f.path for f in both.files if f not in bare.files] == ["lora/style.safetensors"]
    facts = {fact.name: fact.value for fact in both.facts}
    assert facts["LoRA layers"] == "1 layer of the unet (LoRA), rank 2"
    assert facts["LoRA style.safetensors metadata: ss_output_name"] == "a manner"
    other = write(tmp_path / "other.safetensors", {f"{MODULE}.lora_A.weight": down, f"{MODULE}.lora_B.weight": -up})
    assert identify(str(root), lora=str(other)).digest != both.digest


def test_a_folder_of_diffusers_is_named_by_the_folder(root: Path, tmp_path: Path) -> None:
    down, up = matrices()
    (tmp_path / "manner").mkdir()
    write(tmp_path / "manner" / USUAL[0], {f"{MODULE}.lora_A.weight": down, f"{MODULE}.lora_B.weight": up})
    assert identify(str(root), lora=str(tmp_path / "manner")).name.endswith(" + manner")


def test_what_is_no_plain_lora_is_refused(root: Path, tmp_path: Path) -> None:
    down, up = matrices()
    pair = {f"{MODULE}.lora_A.weight": down, f"{MODULE}.lora_B.weight": up}
    bad = {
        "OFT": pair | {f"{MODULE}.oft_blocks": torch.ones(8)},
        "IA3": pair | {f"{MODULE}.on_input": torch.ones(1)},
        "holds no layer": {"bundle_emb.style.string_to_param.*": torch.ones(1, 8)},
        "lacks one": {f"{MODULE}.lora_A.weight": down},
    }
    for said, tensors in bad.items():
        path = write(tmp_path / "bad.safetensors", tensors)
        with pytest.raises(CheckpointError, match=said):
            identify(str(root), lora=str(path))
    with pytest.raises(CheckpointError, match="no LoRA at"):
        identify(str(root), lora=str(tmp_path / "gone.safetensors"))
    (tmp_path / "old.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="pickle"):
        identify(str(root), lora=str(tmp_path / "old.bin"))


def test_a_lora_of_another_model_does_not_fit(root: Path, tmp_path: Path) -> None:
    for name, width in ((MODULE, 12), (MODULE.replace("down_blocks.0", "down_blocks.7"), 8)):
        down, up = matrices(width)
        path = write(tmp_path / "other.safetensors", {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up})
        with pytest.raises(CheckpointError, match="does not fit"):
            identify(str(root), lora=str(path))  # from the headers, before a folder is made


def test_agrees_with_what_diffusers_loads(root: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="diffusers needs peft to load a LoRA")
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft.utils import get_peft_model_state_dict

    targets = ["to_q", "to_k", "to_v", "to_out.0", "proj_in"]
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, init_lora_weights=False)
    unet = UNet2DConditionModel.from_pretrained(root / "unet")
    torch.manual_seed(3)
    unet.add_adapter(config)
    StableDiffusionPipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=get_peft_model_state_dict(unet),
        unet_lora_adapter_metadata={"r": 4, "lora_alpha": 6, "target_modules": targets, "peft_type": "LORA"},
    )
    pipe = StableDiffusionPipeline.from_pretrained(root)
    before = pipe.unet(torch.ones(1, 4, 8, 8), 500, torch.ones(1, 4, 16)).sample
    pipe.load_lora_weights(str(tmp_path))
    model = load(identify(str(root), lora=str(tmp_path)), choose("cpu"))
    source = torch.Generator().manual_seed(8)
    x, text = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 4, 16, generator=source)
    with torch.no_grad():
        theirs, ours = (net(x, 400, text).sample for net in (pipe.unet, model.unet))
    assert torch.allclose(ours, theirs, atol=1e-4)
    with torch.no_grad():
        assert not torch.allclose(
            model.unet(torch.ones(1, 4, 8, 8), 500, torch.ones(1, 4, 16)).sample, before, atol=1e-3
        )
    facts = {fact.name: fact.value for fact in model.checkpoint.facts}
    assert facts["LoRA layers"] == "36 layers of the unet (LoRA), rank 4"
    assert facts["LoRA scale"] == "1.5, header"
