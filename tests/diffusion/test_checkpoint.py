"""Identification: right on what is right, and a clear error for each way of being wrong."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from forensics.diffusion import architecture, identify
from forensics.diffusion.families import FAMILIES
from forensics.diffusion.headers import combined_digest, file_digest, read_header
from forensics.errors import CheckpointError
from tests.diffusion import holes


@pytest.mark.parametrize("family", [row.name for row in FAMILIES])
def test_every_row_of_the_table_is_there(family: str) -> None:
    assert callable(architecture(family))


def test_folder(folders: dict[str, Path]) -> None:
    found = identify(str(folders["epsilon"]))
    assert (found.family, found.layout, found.prediction, found.native_px) == ("sd", "diffusers folder", "epsilon", 32)
    unet = folders["epsilon"] / "unet" / "diffusion_pytorch_model.safetensors"
    assert found.parameters == read_header(unet).parameters() == 52_004
    assert file_digest(unet, "unet/diffusion_pytorch_model.safetensors") in found.files
    assert found.digest == combined_digest(tuple(reversed(found.files)))
    assert not found.demonstration
    assert identify(str(folders["epsilon"]), demonstration=True).demonstration


def test_digest_follows_content_not_place(folders: dict[str, Path], tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folders["epsilon"], tmp_path / "elsewhere"))
    assert identify(str(moved)).digest == identify(str(folders["epsilon"])).digest
    assert identify(str(folders["v"])).digest != identify(str(folders["epsilon"])).digest  # the schedule alone differs


def test_prediction_of_a_folder(folders: dict[str, Path]) -> None:
    assert identify(str(folders["v"])).prediction == "v_prediction"
    zero = identify(str(folders["v-zero-snr"]))
    assert any("zero terminal" in fact.value for fact in zero.facts)


@pytest.mark.parametrize(("version", "prediction", "native"), [(1, "epsilon", 512), (2, "v_prediction", 768)])
def test_single_file(tmp_path: Path, version: int, prediction: str, native: int) -> None:
    found = identify(str(holes.write(tmp_path / "model.safetensors", holes.sd(str(version)))))
    assert (found.layout, found.prediction, found.native_px) == ("single file", prediction, native)
    assert found.parameters == 8 * 4 * 9 + 8 * (768 if version == 1 else 1024)


def test_assumed_prediction_is_said_and_can_be_overridden(tmp_path: Path) -> None:
    path = holes.write(tmp_path / "two.safetensors", holes.sd("2"))
    assert any("ASSUMED" in f.value and "two.yaml" in f.value for f in identify(str(path)).facts)
    (tmp_path / "two.yaml").write_text('model:\n  params:\n    parameterization: "eps"\n')
    overridden = identify(str(path))
    assert (overridden.prediction, overridden.native_px) == ("epsilon", 512)
    assert [f.path for f in overridden.files] == ["two.safetensors", "two.yaml"]  # what decides is in the digest


def test_file_metadata_wins(tmp_path: Path) -> None:
    metadata = {"modelspec.prediction_type": "epsilon", "modelspec.resolution": "640x640"}
    found = identify(str(holes.write(tmp_path / "two.safetensors", holes.sd("2"), metadata)))
    assert (found.prediction, found.native_px) == ("epsilon", 640)


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        ("double_blocks.0.img_attn.proj.weight", "a relative of FLUX.1"),
        ("distilled_guidance_layer.in_proj.bias", "Chroma"),
        ("model.diffusion_model.cap_embedder.0.weight", "Lumina"),
        ("lora_unet_down_blocks_0.alpha", "LoRA"),
        ("control_model.time_embed.0.weight", "ControlNet"),
        ("input_blocks.0.0.weight", "pixel-space"),
        ("something.else", "no family known"),
    ],
)
def test_other_families_are_named(tmp_path: Path, tensor: str, told: str) -> None:
    path = holes.write(tmp_path / "other.safetensors", {tensor: (2, 2)})
    with pytest.raises(CheckpointError, match=told) as caught:
        identify(str(path))
    assert "Supported now" in caught.value.hint


@pytest.mark.parametrize(("channels", "told"), [(7, "upscaler"), (8, "InstructPix2Pix")])
def test_variants_are_named(tmp_path: Path, channels: int, told: str) -> None:
    path = holes.write(tmp_path / "variant.safetensors", holes.sd(channels=channels))
    with pytest.raises(CheckpointError, match=rf"{told}.*{channels} input channels"):
        identify(str(path))


def test_inpainting_is_said(tmp_path: Path) -> None:
    path = holes.write(tmp_path / "inpaint.safetensors", holes.sd(channels=9))
    assert any(fact.name == "variant" and "inpainting" in fact.value for fact in identify(str(path)).facts)


@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("StableDiffusionXLPipeline", "StableDiffusionXLPipeline whose unet is Other"),
        ("StableDiffusion3Pipeline", "whose transformer is absent"),
        ("Flux2Pipeline", "FLUX.2"),
        ("ZImagePipeline", "Z-Image"),
        ("QwenImagePipeline", "Qwen-Image"),
        ("HiDreamImagePipeline", "HiDream"),
        ("WanPipeline", "Wan"),
        ("LDMTextToImagePipeline", "BERT"),
        ("MyOwnPipeline", "whose unet is Other"),
        ("DDPMPipeline", "whose unet is Other"),
        ("ScoreSdeVePipeline", "pixel-space"),
    ],
)
def test_other_pipelines_are_named(tmp_path: Path, pipeline: str, told: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline, "unet": ["diffusers", "Other"]}))
    with pytest.raises(CheckpointError, match=told):
        identify(str(tmp_path))


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pt", ".pth"])
def test_pickle_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match="pickle file and was not opened") as caught:
        identify(str(path))
    assert "safetensors" in caught.value.hint


def test_folder_with_pickles_alone_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["epsilon"], tmp_path / "pickled"))
    weights = root / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CheckpointError, match="only pickle weights"):
        identify(str(root))


def test_truncated_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["epsilon"], tmp_path / "cut"))
    weights = root / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        identify(str(root))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a complete safetensors file"),
        (b"\xff" * 64, "not a complete safetensors file"),
        (struct.pack("<Q", 8) + b"not json", "no readable safetensors header"),
        (struct.pack("<Q", 12) + b'{"a": [1,2]}', "no readable safetensors header"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "no readable safetensors header"),
    ],
)
def test_broken_safetensors(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=told):
        identify(str(path))


def test_broken_folder(folders: dict[str, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CheckpointError, match="empty folder"):
        identify(str(empty))
    root = Path(shutil.copytree(folders["epsilon"], tmp_path / "json"))
    (root / "unet" / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        identify(str(root))
    (root / "unet" / "config.json").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        identify(str(root))


@pytest.mark.parametrize(
    ("file", "key", "value", "told"),
    [
        ("vae/config.json", "block_out_channels", 7, "which no network has"),
        ("unet/config.json", "sample_size", "large", "which no network has"),
        ("unet/config.json", "in_channels", 8, "8 input channels"),
        ("unet/config.json", "addition_embed_type", "text_time", "Stable Diffusion XL"),
        ("unet/config.json", "num_class_embeds", 7, "class or noise-level"),
        ("scheduler/scheduler_config.json", "_class_name", "FlowMatchEulerDiscreteScheduler", "predicts 'flow'"),
        ("model_index.json", "unet", ["their_code", "UNet2DConditionModel"], "code of its own"),
        ("unet/config.json", "cross_attention_dim", 32, "vectors of 16 numbers, the network takes 32"),
        ("vae/config.json", "latents_mean", [0.0], "latent statistics"),
        ("scheduler/scheduler_config.json", "prediction_type", "sample", "predicts 'sample'"),
        ("model_index.json", "controlnet", ["diffusers", "ControlNetModel"], "a pipeline with controlnet"),
        ("model_index.json", "vae", ["diffusers", "AutoencoderTiny"], "vae is AutoencoderTiny"),
        ("model_index.json", "unet", None, "unet is absent"),
    ],
)
def test_what_does_not_fit_is_named(
    folders: dict[str, Path], tmp_path: Path, file: str, key: str, value: object, told: str
) -> None:
    root = Path(shutil.copytree(folders["v"], tmp_path / "edited"))
    config = json.loads((root / file).read_text())
    (root / file).write_text(json.dumps(config | {key: value}))
    with pytest.raises(CheckpointError, match=told):
        identify(str(root))


def test_a_safety_checker_is_left_aside_and_said(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["v"], tmp_path / "checked"))
    index = json.loads((root / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (root / "model_index.json").write_text(json.dumps(index))
    assert any(f.name == "components not loaded" and "safety_checker" in f.value for f in identify(str(root)).facts)


def test_no_tokenizer(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["v"], tmp_path / "mute"))
    shutil.rmtree(root / "tokenizer")
    with pytest.raises(CheckpointError, match="no tokenizer"):
        identify(str(root))


def test_shards_and_variants(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["v"], tmp_path / "variant"))
    plain = root / "unet" / "diffusion_pytorch_model.safetensors"
    half = plain.with_name("diffusion_pytorch_model.fp16.safetensors")
    plain.rename(half)
    found = identify(str(root))
    assert f"unet/{half.name}" in [f.path for f in found.files]
    shutil.copy(half, plain.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    said = {fact.name: fact.value for fact in identify(str(root)).facts}
    assert "not loaded: diffusion_pytorch_model.non_ema.safetensors" in said["weight files of the unet"]
    half.rename(plain.with_name("diffusion_pytorch_model.second.safetensors"))
    with pytest.raises(CheckpointError, match="several weight files") as caught:
        identify(str(root))
    assert "as received stays untouched" in caught.value.hint  # evidence is never thinned out
    plain.with_name("diffusion_pytorch_model.second.safetensors").rename(half)
    plain.with_name(f"{plain.name}.index.json").write_text(json.dumps({"weight_map": {"a": half.name}}))
    assert identify(str(root)).parameters == found.parameters
    plain.with_name(f"{plain.name}.index.json").write_text(json.dumps({"weight_map": {"a": "../../x.safetensors"}}))
    with pytest.raises(CheckpointError, match="outside its folder"):
        identify(str(root))


def test_zero_signal_with_epsilon_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["v-zero-snr"], tmp_path / "impossible"))
    path = root / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace("v_prediction", "epsilon"))
    with pytest.raises(CheckpointError, match="zero terminal"):
        identify(str(root))


def test_nothing_there(tmp_path: Path) -> None:
    for location in (str(tmp_path / "absent"), "no/such/path/at/all", "models/absent.safetensors"):
        with pytest.raises(CheckpointError, match="no checkpoint at"):
            identify(location)


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_hub_id_offline_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "from forensics.diffusion import identify\n"
        "from forensics.errors import CheckpointError\n"
        "try:\n    identify('example-owner/example-model')\n"
        "except CheckpointError as e:\n    print(e.message, e.hint)\n"
    )
    done = _python(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "hf download example-owner/example-model" in done.stdout, done.stderr
    assert "--checkpoint FOLDER" in done.stdout


def test_hub_id_from_the_local_cache(folders: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--example-owner--example-model"
    shutil.copytree(folders["epsilon"], repo / "snapshots" / ("0" * 40))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    code = (
        "from forensics.diffusion import identify\n"
        "c = identify('example-owner/example-model')\nprint(c.name, c.location, c.digest)\n"
    )
    done = _python(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    expected = identify(str(folders["epsilon"])).digest
    assert done.stdout.split() == ["example-owner/example-model"] * 2 + [expected], done.stderr


def test_identification_needs_no_torch(folders: dict[str, Path]) -> None:
    code = f"import sys\nfrom forensics.diffusion import identify\nidentify({str(folders['v'])!r})\n"
    done = _python(code + "print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
