"""Inputs of the study of checkpoints: each made on the fly, with what a user expects of it stated beside it."""

# ruff: noqa: E501 — the tables are one input a line

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from forensics.diffusion import pickles
from forensics.diffusion.wishes import NONE, Wishes
from tests.diffusion import families, gguf_writer, holes, tiny

STEM = "diffusion_pytorch_model"


@dataclass(frozen=True, slots=True)
class Given:
    """One input as a user would name it."""

    location: str
    wishes: Wishes = NONE
    loads: bool = True
    """Whether the weights are there; of a file that is a header alone, identification is what can be tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One input with its expectation, stated before it is tried."""

    group: str
    name: str
    make: Callable[[Bench, Path], Given]
    refused: str = ""
    """Words that the refusal must hold; empty where the input is to be taken."""
    remedy: str = ""
    """Words that the hint of a refusal must hold."""
    said: Mapping[str, str] = field(default_factory=dict)
    """Fact -> words that it must hold, where the input is taken; `family`, `prediction`, `native_px` ask those fields."""


class Bench:
    """Tiny checkpoints, written once; inputs are edited copies of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._writers: dict[str, Callable[[Path], Path]] = {
            "sd-one": lambda folder: tiny.write_checkpoint(folder, to_one=True),
            **families.WRITERS,
        }

    def folder(self, kind: str) -> Path:
        """The checkpoint of that kind, not to be edited."""
        path = self.root / kind
        return path if path.is_dir() else self._writers[kind](path)

    def copy(self, kind: str, place: Path) -> Path:
        """A copy to edit."""
        return Path(shutil.copytree(self.folder(kind), place / "checkpoint"))


def _json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _whole(kind: str, bench: Bench, place: Path) -> Given:
    return Given(str(bench.folder(kind)))


def _edited(kind: str, file: str, changes: dict[str, object], wishes: Wishes, bench: Bench, place: Path) -> Given:
    root = bench.copy(kind, place)
    _json(root / file, **changes)
    return Given(str(root), wishes)


def _weights(kind: str, change: Callable[[Path], None], bench: Bench, place: Path) -> Given:
    root = bench.copy(kind, place)
    change(root)
    return Given(str(root))


def _hole(
    shapes: holes.Shapes, metadata: dict[str, str] | None, kind: str, wishes: Wishes, bench: Bench, place: Path
) -> Given:
    return Given(str(holes.write(place / "model.safetensors", shapes, metadata, kind)), wishes, loads=False)


def _plain_bytes(name: str, bench: Bench, place: Path) -> Given:
    (place / name).write_bytes(b"\x80\x04.")
    return Given(str(place / name))


def _network(
    kind: str, prefix: str, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], bench: Bench, place: Path
) -> Given:
    root = bench.folder(kind)
    found = load_file(
        next(root.glob(f"*/{STEM}.safetensors"))
        if kind == "sd"
        else next(root / name / f"{STEM}.safetensors" for name in ("unet", "transformer") if (root / name).is_dir())
    )
    path = place / "network.safetensors"
    save_file({f"{prefix}{n}": v.contiguous() for n, v in change(found).items()}, path)
    return Given(str(path), Wishes(base=str(root)))


# -- edits of folders ---------------------------------------------------------------------------------------------


def _rename(root: Path, variant: str, *, beside: str = "", keep: bool = False) -> None:
    for path in root.glob("*/*.safetensors"):
        target = path.with_name(path.name.replace(".safetensors", f".{variant}.safetensors"))
        shutil.copy(path, target)
        if beside:
            shutil.copy(path, path.with_name(path.name.replace(".safetensors", f".{beside}.safetensors")))
        if not keep:
            path.unlink()


def _shard(root: Path, name: str, index: str | None, *, missing: bool = False) -> None:
    """The UNet in two files: `name` has {n}; `index` is the name of the list, or None for no list."""
    whole = root / "unet" / f"{STEM}.safetensors"
    tensors = load_file(whole)
    entries: dict[str, str] = {}
    names = sorted(tensors)
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        file = name.format(n=f"{number:05}-of-00002")
        save_file({n: tensors[n] for n in part}, whole.with_name(file))
        entries |= dict.fromkeys(part, file)
    whole.unlink()
    if index:
        whole.with_name(index).write_text(json.dumps({"metadata": {}, "weight_map": entries}))
    if missing:
        whole.with_name(name.format(n="00002-of-00002")).unlink()


def _to_pickles(root: Path) -> None:
    for path in root.glob("*/*.safetensors"):
        path.rename(path.with_suffix(".bin"))


def _linked(root: Path) -> None:
    blobs = root.parent / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(root.glob("*/*.safetensors"))):
        path.rename(blobs / str(number))
        path.symlink_to(blobs / str(number))


def _cast(root: Path, dtype: torch.dtype) -> None:
    for path in root.glob("*/*.safetensors"):
        save_file({n: v.to(dtype) if v.is_floating_point() else v for n, v in load_file(path).items()}, path)


def _programs(root: Path) -> None:
    (root / "unet" / "their_code.py").write_text("raise SystemExit('was run')\n")


def _harmful(root: Path) -> None:
    _programs(root)
    _json(root / "unet" / "config.json", auto_map={"AutoModel": "their_code.Model"})
    _json(root / "text_encoder" / "config.json", auto_map={"AutoModel": "their_code.Model"})


def _cut(root: Path) -> None:
    path = root / "unet" / f"{STEM}.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def _lone(component: str, bench: Bench, place: Path) -> Given:
    return Given(str(bench.folder("sd") / component))


def _index(pipeline: str, bench: Bench, place: Path) -> Given:
    (place / "model_index.json").write_text(
        json.dumps({"_class_name": pipeline, "transformer": ["diffusers", "Other"]})
    )
    return Given(str(place))


# -- LoRA ---------------------------------------------------------------------------------------------------------

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FLAT = LAYER.replace(".", "_")


def _lora(
    tensors: Mapping[str, tuple[int, ...]], kind: str, strength: str, extra: dict[str, Any], bench: Bench, place: Path
) -> Given:
    source = torch.Generator().manual_seed(1)
    path = place / str(extra.get("file", "style.safetensors"))
    values = {n: torch.randn(shape, generator=source) if shape else torch.tensor(2.0) for n, shape in tensors.items()}
    save_file(values, path, metadata=extra.get("metadata"))
    if "config" in extra:
        (place / "adapter_config.json").write_text(json.dumps(extra["config"]))
    given = str(place) if extra.get("folder") else str(path)
    return Given(str(bench.folder(kind)), Wishes(lora=(given + strength,)))


def trials() -> Iterator[Trial]:
    """Every trial, in groups."""
    yield from _folders()
    yield from _named()
    yield from _files()
    yield from _files_beside_a_base()
    yield from _ggufs()
    yield from _loras()
    yield from _words()


def _folders() -> Iterator[Trial]:
    for kind, said in {
        "sd": {"family": "sd", "prediction": "epsilon", "native_px": "32"},
        "sd-v": {"prediction": "v_prediction"},
        "sd-v-zero": {"prediction": "v_prediction", "noise schedule": "zero terminal"},
        "sd-one": {"prediction": "epsilon"},
        "sdxl": {"family": "sdxl", "prediction": "epsilon"},
        "sdxl-v": {"family": "sdxl", "prediction": "v_prediction"},
        "sdxl-edm": {"family": "sdxl", "prediction": "edm"},
        "sdxl-lcm": {"guidance": "an input of the network"},
        "sdxl-refiner": {"family": "sdxl"},
        "sd3": {"family": "sd3", "prediction": "flow"},
        "sd3-without-t5": {"family": "sd3"},
        "flux-dev": {"family": "flux", "guidance": "an input of the network"},
        "flux-schnell": {"family": "flux", "guidance": "distilled without it"},
        "pixart": {"family": "pixart", "prediction": "epsilon"},
        "pixart-alpha": {"family": "pixart"},
        "ddpm": {"family": "ddpm", "native_px": "32", "words": "none", "latent": "works on pixels"},
        "ddpm-flat": {"family": "ddpm", "words": "none"},
        "ddpm-learned": {"family": "ddpm"},
    }.items():
        yield Trial("whole folders", kind, partial(_whole, kind), said=said)
    schedule, unet = "scheduler/scheduler_config.json", "unet/config.json"
    edits: list[tuple[str, str, str, dict[str, object], Wishes, str, str, dict[str, str]]] = [
        (
            "LCM scheduler",
            "sd",
            schedule,
            {"_class_name": "LCMScheduler"},
            NONE,
            "",
            "",
            {"noise schedule": "distilled"},
        ),
        (
            "flow scheduler in an SD folder",
            "sd",
            schedule,
            {"_class_name": "FlowMatchEulerDiscreteScheduler"},
            NONE,
            "predicts 'flow'",
            "--prediction",
            {},
        ),
        (
            "flow scheduler, prediction stated",
            "sd",
            schedule,
            {"_class_name": "FlowMatchEulerDiscreteScheduler"},
            Wishes(prediction="epsilon"),
            "",
            "",
            {"prediction": "epsilon"},
        ),
        (
            "DDIM scheduler in an SD 3 folder",
            "sd3",
            schedule,
            {"_class_name": "DDIMScheduler", "prediction_type": "epsilon"},
            NONE,
            "predict flow",
            "--prediction",
            {},
        ),
        (
            "epsilon with zero terminal signal",
            "sd-v-zero",
            schedule,
            {"prediction_type": "epsilon"},
            NONE,
            "zero terminal",
            "--prediction v_prediction",
            {},
        ),
        (
            "the same, v stated",
            "sd-v-zero",
            schedule,
            {"prediction_type": "epsilon"},
            Wishes(prediction="v_prediction"),
            "",
            "",
            {"prediction": "v_prediction"},
        ),
        (
            "prediction 'sample'",
            "sd",
            schedule,
            {"prediction_type": "sample"},
            NONE,
            "predicts 'sample'",
            "epsilon",
            {},
        ),
        (
            "size stated",
            "sd",
            unet,
            {},
            Wishes(size=64),
            "",
            "",
            {"native_px": "64", "native size": "stated by the examiner"},
        ),
        ("InstructPix2Pix", "sd", unet, {"in_channels": 8}, NONE, "InstructPix2Pix", "compare", {}),
        ("upscaler", "sd", unet, {"in_channels": 7}, NONE, "upscaler", "compare", {}),
        ("class embedding", "sd", unet, {"class_embed_type": "timestep"}, NONE, "class or noise-level", "compare", {}),
        (
            "text encoder of another width",
            "sd",
            unet,
            {"cross_attention_dim": 32},
            NONE,
            "vectors of 16 numbers",
            "mixes",
            {},
        ),
        (
            "XL configuration in an SD folder",
            "sd",
            unet,
            {"addition_embed_type": "text_time"},
            NONE,
            "Stable Diffusion XL",
            "compare",
            {},
        ),
        (
            "FLUX Fill",
            "flux-dev",
            "transformer/config.json",
            {"in_channels": 384},
            NONE,
            "384 input channels",
            "compare",
            {},
        ),
        (
            "code of its own",
            "sd",
            "model_index.json",
            {"unet": ["their_code", "UNet2DConditionModel"]},
            NONE,
            "code of its own",
            "compare",
            {},
        ),
        (
            "another VAE class",
            "sd",
            "model_index.json",
            {"vae": ["diffusers", "AutoencoderTiny"]},
            NONE,
            "AutoencoderTiny",
            "compare",
            {},
        ),
        (
            "unknown pipeline",
            "sd",
            "model_index.json",
            {"_class_name": "TheirPipeline"},
            NONE,
            "TheirPipeline",
            "compare",
            {},
        ),
        (
            "ControlNet beside",
            "sd",
            "model_index.json",
            {"controlnet": ["diffusers", "ControlNetModel"]},
            NONE,
            "controlnet",
            "compare",
            {},
        ),
        (
            "safety checker",
            "sd",
            "model_index.json",
            {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]},
            NONE,
            "",
            "",
            {"components not loaded": "safety_checker"},
        ),
        (
            "sampler's tokenizer of another kind",
            "sd",
            "model_index.json",
            {"tokenizer": ["transformers", "BertTokenizer"]},
            NONE,
            "BertTokenizer",
            "Known",
            {},
        ),
    ]
    for name, kind, file, changes, wishes, refused, remedy, said in edits:
        yield Trial("edited folders", name, partial(_edited, kind, file, changes, wishes), refused, remedy, said)
    weights: list[tuple[str, Callable[[Path], None], str, str, dict[str, str]]] = [
        ("fp16 variant", partial(_rename, variant="fp16"), "", "", {"weight files of the unet": "fp16"}),
        (
            "plain and fp16",
            partial(_rename, variant="fp16", keep=True),
            "",
            "",
            {"weight files of the unet": "not loaded"},
        ),
        (
            "fp16 and non_ema",
            partial(_rename, variant="fp16", beside="non_ema"),
            "",
            "",
            {"weight files of the unet": "not loaded"},
        ),
        (
            "ema and non_ema",
            partial(_rename, variant="ema", beside="non_ema"),
            "",
            "",
            {"weight files of the unet": "not loaded"},
        ),
        ("non_ema alone", partial(_rename, variant="non_ema"), "", "", {"weight files of the unet": "non_ema"}),
        (
            "two unknown variants",
            partial(_rename, variant="first", beside="second"),
            "several weight files",
            "stays untouched",
            {},
        ),
        (
            "sharded",
            partial(_shard, name=STEM + "-{n}.safetensors", index=f"{STEM}.safetensors.index.json"),
            "",
            "",
            {},
        ),
        (
            "sharded fp16",
            partial(_shard, name=STEM + ".fp16-{n}.safetensors", index=f"{STEM}.safetensors.index.fp16.json"),
            "",
            "",
            {"weight files of the unet": "fp16"},
        ),
        (
            "sharded fp16, newer names",
            partial(_shard, name=STEM + "-{n}.fp16.safetensors", index=f"{STEM}.fp16.safetensors.index.json"),
            "",
            "",
            {"weight files of the unet": "fp16"},
        ),
        ("shards without a list", partial(_shard, name=STEM + "-{n}.safetensors", index=None), "", "", {}),
        (
            "a shard is missing",
            partial(_shard, name=STEM + "-{n}.safetensors", index=f"{STEM}.safetensors.index.json", missing=True),
            "lacks the shard",
            "others can stay",
            {},
        ),
        (
            "a shard is missing, no list",
            partial(_shard, name=STEM + "-{n}.safetensors", index=None, missing=True),
            "1 of 2 shards",
            "others can stay",
            {},
        ),
        ("float16", partial(_cast, dtype=torch.float16), "", "", {}),
        ("bfloat16", partial(_cast, dtype=torch.bfloat16), "", "", {}),
        ("float8", partial(_cast, dtype=torch.float8_e4m3fn), "", "", {"number format of the unet": "8 bits"}),
        ("links into a cache", _linked, "", "", {}),
        ("pickles alone", _to_pickles, "only pickle weights", "weights convert", {}),
        ("program files beside", _programs, "", "", {"program files present, not run": "their_code.py"}),
        ("program files named by auto_map", _harmful, "auto_map", "own files alone", {}),
        ("no tokenizer", lambda root: shutil.rmtree(root / "tokenizer"), "no tokenizer", "complete", {}),
        ("cut short", _cut, "truncated", "fetch", {}),
        ("no scheduler", lambda root: shutil.rmtree(root / "scheduler"), "missing", "Fetch", {}),
    ]
    for name, change, refused, remedy, said in weights:
        yield Trial("layouts of folders", name, partial(_weights, "sd", change), refused, remedy, said)
    yield Trial("layouts of folders", "a UNet alone", partial(_lone, "unet"), "network of a checkpoint alone", "--base")
    yield Trial(
        "layouts of folders", "an autoencoder alone", partial(_lone, "vae"), "autoencoder alone", "--autoencoder"
    )
    yield Trial("layouts of folders", "empty", lambda b, p: Given(str(p)), "empty folder", "Fetch")


def _named() -> Iterator[Trial]:
    for pipeline, title in {
        "Flux2Pipeline": "FLUX.2",
        "FluxFillPipeline": "variant of FLUX.1",
        "FluxKontextPipeline": "variant of FLUX.1",
        "ChromaPipeline": "Chroma",
        "ZImagePipeline": "Z-Image",
        "QwenImagePipeline": "Qwen-Image",
        "Lumina2Pipeline": "Lumina",
        "LuminaText2ImgPipeline": "Lumina",
        "HiDreamImagePipeline": "HiDream",
        "WanPipeline": "Wan",
        "CogView4Pipeline": "CogView4",
        "DiTPipeline": "DiT",
        "SanaPipeline": "Sana",
        "AuraFlowPipeline": "AuraFlow",
        "HunyuanDiTPipeline": "Hunyuan-DiT",
        "KolorsPipeline": "Kolors",
        "LDMTextToImagePipeline": "first latent diffusion models",
        "ScoreSdeVePipeline": "pixel-space",
        "IFPipeline": "DeepFloyd",
        "StableCascadeCombinedPipeline": "Stable Cascade",
        "StableVideoDiffusionPipeline": "Stable Video",
        "StableDiffusionUpscalePipeline": "upscaler",
        "StableDiffusionXLControlNetPipeline": "ControlNet",
    }.items():
        yield Trial("folders named and refused", pipeline, partial(_index, pipeline), title, "forensics compare")


def _files() -> Iterator[Trial]:
    old = holes.sd(text=holes.OLD_TEXT)
    taken: list[tuple[str, holes.Shapes, dict[str, str] | None, str, Wishes, dict[str, str]]] = [
        ("SD 1", holes.sd(), None, "F32", NONE, {"family": "sd", "prediction": "epsilon", "native_px": "512"}),
        ("SD 1, old names of CLIP", old, None, "F16", NONE, {"generation": "1.x"}),
        (
            "SD 1, position_ids",
            holes.sd() | {"cond_stage_model.transformer.text_model.embeddings.position_ids": (1, 77)},
            None,
            "F16",
            NONE,
            {},
        ),
        ("SD 1, bfloat16", holes.sd(), None, "BF16", NONE, {}),
        ("SD 1, float8", holes.sd(), None, "F8_E4M3", NONE, {"number format of the file": "8 bits"}),
        (
            "SD 1, EMA beside",
            holes.sd() | {"model_ema.decay": (), "model_ema.diffusion_modelout2weight": (4, 8)},
            None,
            "F32",
            NONE,
            {"two sets of weights": "the first are used"},
        ),
        (
            "SD 1, modelspec v",
            holes.sd(),
            {"modelspec.prediction_type": "v"},
            "F16",
            NONE,
            {"prediction": "v_prediction"},
        ),
        (
            "SD 1, trained as v",
            holes.sd(),
            {"ss_v_parameterization": "True"},
            "F16",
            NONE,
            {"prediction": "v_prediction"},
        ),
        ("SD 1, inpainting", holes.sd(channels=9), None, "F16", NONE, {"variant": "inpainting"}),
        ("SD 2, depth", holes.sd("2", channels=5), None, "F16", NONE, {"variant": "depth"}),
        (
            "SD 1, merge recipe",
            holes.sd(),
            {
                "sd_merge_recipe": json.dumps(
                    {"primary_model_hash": "a" * 64, "interp_method": "Weighted sum", "notes": "x" * 300}
                )
            },
            "F16",
            NONE,
            {"file metadata: sd_merge_recipe": "Weighted sum"},
        ),
        (
            "SD 1, long unknown metadata",
            holes.sd(),
            {"comment": "y" * 500},
            "F16",
            NONE,
            {"file metadata: comment": "500 characters"},
        ),
        ("SD 2", holes.sd("2"), None, "F16", NONE, {"prediction": "v_prediction", "native_px": "768"}),
        (
            "SD 2, epsilon stated",
            holes.sd("2"),
            None,
            "F16",
            Wishes(prediction="epsilon"),
            {"prediction": "epsilon", "native_px": "512"},
        ),
        (
            "SD 2, transformers' names",
            holes.sd("2", text=holes.TEXT["1"]),
            None,
            "F16",
            NONE,
            {"generation": "2.x", "prediction": "v_prediction"},
        ),
        ("XL", holes.sdxl(), None, "F16", NONE, {"family": "sdxl", "prediction": "epsilon", "native_px": "1024"}),
        ("XL, v_pred", holes.sdxl() | {"v_pred": (0,)}, None, "F16", NONE, {"prediction": "v_prediction"}),
        (
            "XL, v_pred and ztsnr",
            holes.sdxl() | {"v_pred": (0,), "ztsnr": (0,)},
            None,
            "F16",
            NONE,
            {"prediction": "v_prediction", "noise schedule": "zero terminal"},
        ),
        (
            "XL, Playground 2.5",
            holes.sdxl() | {"edm_mean": (1, 4, 1, 1), "edm_std": (1, 4, 1, 1)},
            None,
            "F32",
            NONE,
            {"prediction": "edm"},
        ),
        ("XL refiner", holes.sdxl(refiner=True), None, "F16", NONE, {"generation": "refiner"}),
        ("XL, size stated", holes.sdxl(), None, "F16", Wishes(size=512), {"native_px": "512"}),
        (
            "XL, resolution in the metadata",
            holes.sdxl(),
            {"modelspec.resolution": "768x768"},
            "F16",
            NONE,
            {"native_px": "768"},
        ),
    ]
    for name, shapes, metadata, kind, wishes, said in taken:
        yield Trial("single files", name, partial(_hole, shapes, metadata, kind, wishes), said=said)
    bare = {k.removeprefix(holes.LDM): v for k, v in holes.sd(vae=False, text="").items()}
    refused: list[tuple[str, holes.Shapes, str, str]] = [
        ("XL, ztsnr alone", holes.sdxl() | {"ztsnr": (0,)}, "zero terminal", "--prediction v_prediction"),
        ("CosXL", holes.sdxl() | {"edm_vpred.sigma_max": (), "edm_vpred.sigma_min": ()}, "CosXL", "compare"),
        ("SD 1 without autoencoder", holes.sd(vae=False), "no autoencoder", "--base"),
        ("SD 1 without text encoder", holes.sd(text=""), "no text encoder", "--base"),
        ("SD 1, UNet alone", bare, "Stable Diffusion 1.x", "--base"),
        (
            "SD 1, UNet alone, diffusers' names",
            {
                "conv_in.weight": (8, 4, 3, 3),
                "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 768),
            },
            "Stable Diffusion 1.x",
            "--base",
        ),
        (
            "XL, UNet alone",
            {k.removeprefix(holes.LDM): v for k, v in holes.sdxl(vae=False, texts=False).items()},
            "Stable Diffusion XL",
            "--base",
        ),
        ("XL without text encoders", holes.sdxl(texts=False), "no text encoder", "--base"),
        ("SD 3", holes.sd3(), "Stable Diffusion 3", "--base"),
        ("FLUX dev, network alone", holes.flux(), "FLUX.1", "--base"),
        (
            "FLUX, all in one",
            holes.flux(holes.LDM) | {"text_encoders.t5xxl.transformer.shared.weight": (8, 8)},
            "FLUX.1",
            "--base",
        ),
        ("FLUX Fill", holes.flux(channels=384), "FLUX.1 Fill", "compare"),
        ("InstructPix2Pix", holes.sd(channels=8), "InstructPix2Pix", "compare"),
        ("XL with depth", holes.sdxl() | {f"{holes.LDM}input_blocks.0.0.weight": (8, 5, 3, 3)}, "depth", "compare"),
        (
            "bitsandbytes",
            holes.sd() | {f"{holes.LDM}out.2.weight.quant_state.bitsandbytes__nf4": (4,)},
            "few bits",
            "publisher",
        ),
    ]
    for name, shapes, told, remedy in refused:
        yield Trial("single files refused with a remedy", name, partial(_hole, shapes, None, "F16", NONE), told, remedy)
    yield from _other_files()


def _other_files() -> Iterator[Trial]:
    named = {
        "FLUX.2": "single_stream_modulation.lin.weight",
        "FLUX.3": "early_stream_modulations.image.lin.weight",
        "Chroma": "distilled_guidance_layer.in_proj.bias",
        "Z-Image": "model.diffusion_model.layers.0.adaLN_modulation.0.weight",
        "Qwen-Image": "transformer_blocks.0.img_mod.1.weight",
        "Lumina Image 2.0": "cap_embedder.0.weight",
        "HiDream": "double_stream_blocks.0.block.adaLN_modulation.1.bias",
        "Wan": "model.diffusion_model.head.modulation",
        "LTX-Video": "model.diffusion_model.patchify_proj.weight",
        "HunyuanVideo": "txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias",
        "AuraFlow": "cond_seq_linear.weight",
        "Stable Cascade": "clip_txt_mapper.weight",
        "Sana": "attention_y_norm.weight",
        "class-conditional DiT": "y_embedder.embedding_table.weight",
        "ControlNet": "control_model.time_embed.0.weight",
        "Stable Video Diffusion": "model.diffusion_model.input_blocks.1.1.time_stack.0.attn1.to_k.weight",
        "pixel-space": "input_blocks.0.0.weight",
        "CLIP text encoder": "text_model.embeddings.token_embedding.weight",
        "T5 text encoder": "encoder.block.0.layer.0.SelfAttention.q.weight",
        "textual inversion": "emb_params",
        "no family known": "something.else",
    }
    for title, tensor in named.items():
        make = partial(_hole, {tensor: (8, 8, 3, 3)}, None, "F16", NONE)
        yield Trial("single files named and refused", title, make, title, "Supported now")
    shapes: dict[str, tuple[holes.Shapes, str, str]] = {
        "an autoencoder": (
            {"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3)},
            "an autoencoder",
            "--autoencoder",
        ),
        "a LoRA": ({"lora_unet_down_blocks_0.lora_down.weight": (4, 8)}, "a LoRA", "--lora"),
        "a UNet on pixels": (
            {"conv_in.weight": (8, 1, 3, 3), "time_embedding.linear_1.weight": (8, 8)},
            "a model in pixel space",
            "compare",
        ),
        "DDPM without a base": (
            {
                "conv_in.weight": (8, 3, 3, 3),
                "time_embedding.linear_1.weight": (8, 8),
                "mid_block.attentions.0.to_q.weight": (8, 8),
            },
            "states no configuration",
            "--base",
        ),
        "DDPM with classes": (
            {"conv_in.weight": (8, 3, 3, 3), "class_embedding.weight": (10, 8)},
            "class-conditional",
            "compare",
        ),
        "a relative of XL": (
            {
                "conv_in.weight": (8, 4, 3, 3),
                "add_embedding.linear_1.weight": (8, 8),
                "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 4096),
            },
            "relative of Stable Diffusion XL",
            "compare",
        ),
    }
    for name, (tensors, told, remedy) in shapes.items():
        yield Trial("single files named and refused", name, partial(_hole, tensors, None, "F16", NONE), told, remedy)
    for name, told, remedy in (
        ("model.ckpt", "pickle file and was not opened", "weights convert"),
        ("model.pt", "pickle file and was not opened", "weights convert"),
        ("model.bin", "pickle file and was not opened", "weights convert"),
        ("model.gguf", "no GGUF file", "fetch it again"),
        ("model.onnx", "neither a folder nor", "diffusers folder"),
        ("model.safetensors", "not a complete safetensors", "fetch"),
    ):
        yield Trial("single files named and refused", name, partial(_plain_bytes, name), told, remedy)
    yield Trial(
        "single files named and refused",
        "nothing there",
        lambda b, p: Given(str(p / "absent.safetensors")),
        "no checkpoint at",
        "hub id",
    )


def _files_beside_a_base() -> Iterator[Trial]:
    def same(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return tensors

    def eight(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {n: v.to(torch.float8_e4m3fn) for n, v in tensors.items()}

    def fewer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {n: v for n, v in tensors.items() if "norm_out" not in n}

    said = {"from the file": "denoising network", "from the base": "autoencoder"}
    for kind in ("flux-dev", "flux-schnell", "sd3", "pixart"):
        for prefix in ("", "model.diffusion_model."):
            name = f"{kind}, diffusers' names{', with a prefix' if prefix else ''}"
            yield Trial("networks beside a base", name, partial(_network, kind, prefix, same), said=said)
    for prefix in ("", "model."):
        name = f"a UNet without words{', with a prefix' if prefix else ''}"
        said_ = {"from the file": "denoising network", "from the base": "no weights"}
        yield Trial("networks beside a base", name, partial(_network, "ddpm", prefix, same), said=said_)
    yield Trial(
        "networks beside a base",
        "flux-dev, publisher's names",
        partial(_network, "flux-dev", "", flux_published),
        said=said,
    )
    yield Trial(
        "networks beside a base",
        "flux-dev, publisher's names, prefix",
        partial(_network, "flux-dev", holes.LDM, flux_published),
        said=said,
    )
    yield Trial(
        "networks beside a base",
        "flux-dev, float8",
        partial(_network, "flux-dev", "", eight),
        said={"number format of the file": "8 bits"},
    )
    yield Trial(
        "networks beside a base",
        "flux-dev, incomplete",
        partial(_network, "flux-dev", "", fewer),
        "lacks",
        "incomplete",
    )

    def other_base(bench: Bench, place: Path) -> Given:
        made = _network("flux-dev", "", same, bench, place)
        return Given(made.location, Wishes(base=str(bench.folder("sd3"))))

    yield Trial("networks beside a base", "a base of another family", other_base, "of the family", "same family")


def _gguf(
    kind: str, rounding: str, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], bench: Bench, place: Path
) -> Given:
    """The network of a tiny checkpoint as a GGUF file beside the checkpoint it is of."""
    root = bench.folder(kind)
    folder = next(root / name for name in ("unet", "transformer") if (root / name).is_dir())
    tensors = change(load_file(folder / f"{STEM}.safetensors"))
    return Given(str(gguf_writer.write(place / "network.gguf", tensors, rounding)), Wishes(base=str(root)))


def _ggufs() -> Iterator[Trial]:
    group, said = "GGUF files beside a base", "number format of the file"
    taken: tuple[tuple[str, str, str, Callable[[dict[str, Tensor]], dict[str, Tensor]], str], ...] = (
        ("FLUX, Q8_0", "flux-dev", "Q8_0", flux_published, "Q8_0 (8.5 bits a value)"),
        ("FLUX, Q4_0", "flux-dev", "Q4_0", flux_published, "Q4_0 (4.5 bits a value)"),
        ("FLUX, diffusers' names", "flux-schnell", "Q5_1", _same, "Q5_1 (6 bits a value)"),
        ("FLUX, not rounded", "flux-dev", "F16", flux_published, "F16 (16 bits a value)"),
        ("SD 3, diffusers' names", "sd3", "Q8_0", _same, "Q8_0"),
        ("PixArt", "pixart", "Q8_0", _same, "GGUF"),
        ("a UNet without words", "ddpm", "Q8_0", _same, "GGUF"),
    )
    for name, kind, rounding, change, words in taken:
        yield Trial(group, name, partial(_gguf, kind, rounding, change), said={said: words})

    def alone(bench: Bench, place: Path) -> Given:
        return Given(_gguf("flux-dev", "Q8_0", flux_published, bench, place).location)

    def whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return flux_published(tensors) | {"vae.decoder.conv_in.weight": torch.zeros(4, 4, 3, 3)}

    def cut(bench: Bench, place: Path) -> Given:
        given = _gguf("flux-dev", "Q8_0", flux_published, bench, place)
        Path(given.location).write_bytes(Path(given.location).read_bytes()[:3000])
        return given

    yield Trial(group, "without a base", alone, "holds no autoencoder", "--base")
    yield Trial(group, "with more than the network", partial(_gguf, "flux-dev", "Q8_0", whole), "beside the", "--base")
    yield Trial(group, "cut short", cut, "no GGUF file", "fetch it again")


def _same(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors


def flux_published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """FLUX's tensors in the publisher's names: the inverse of what is read, written down by itself."""
    made: dict[str, Tensor] = {}
    outer = {
        "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
        "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
        "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
        "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
        "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
        "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
        "context_embedder": "txt_in",
        "x_embedder": "img_in",
        "proj_out": "final_layer.linear",
    }
    for ours, theirs in outer.items():
        for end in ("weight", "bias"):
            made[f"{theirs}.{end}"] = tensors[f"{ours}.{end}"]
    for end in ("weight", "bias"):
        scale, shift = tensors[f"norm_out.linear.{end}"].chunk(2)
        made[f"final_layer.adaLN_modulation.1.{end}"] = torch.cat([shift, scale])
    for i in range(2):
        ours, theirs = f"transformer_blocks.{i}.", f"double_blocks.{i}."
        for end in ("weight", "bias"):
            for side, names in (("img", ("to_q", "to_k", "to_v")), ("txt", ("add_q_proj", "add_k_proj", "add_v_proj"))):
                made[f"{theirs}{side}_attn.qkv.{end}"] = torch.cat([tensors[f"{ours}attn.{n}.{end}"] for n in names])
            for old, new in {
                "norm1.linear": "img_mod.lin",
                "norm1_context.linear": "txt_mod.lin",
                "attn.to_out.0": "img_attn.proj",
                "attn.to_add_out": "txt_attn.proj",
                "ff.net.0.proj": "img_mlp.0",
                "ff.net.2": "img_mlp.2",
                "ff_context.net.0.proj": "txt_mlp.0",
                "ff_context.net.2": "txt_mlp.2",
            }.items():
                made[f"{theirs}{new}.{end}"] = tensors[f"{ours}{old}.{end}"]
        for old, new in (
            ("norm_q", "img_attn.norm.query_norm"),
            ("norm_k", "img_attn.norm.key_norm"),
            ("norm_added_q", "txt_attn.norm.query_norm"),
            ("norm_added_k", "txt_attn.norm.key_norm"),
        ):
            made[f"{theirs}{new}.scale"] = tensors[f"{ours}attn.{old}.weight"]
        ours, theirs = f"single_transformer_blocks.{i}.", f"single_blocks.{i}."
        for end in ("weight", "bias"):
            parts = [tensors[f"{ours}attn.{n}.{end}"] for n in ("to_q", "to_k", "to_v")]
            made[f"{theirs}linear1.{end}"] = torch.cat([*parts, tensors[f"{ours}proj_mlp.{end}"]])
            made[f"{theirs}linear2.{end}"] = tensors[f"{ours}proj_out.{end}"]
            made[f"{theirs}modulation.lin.{end}"] = tensors[f"{ours}norm.linear.{end}"]
        made[f"{theirs}norm.query_norm.scale"] = tensors[f"{ours}attn.norm_q.weight"]
        made[f"{theirs}norm.key_norm.scale"] = tensors[f"{ours}attn.norm_k.weight"]
    return made


def _loras() -> Iterator[Trial]:
    pair = {"down": (2, 8), "up": (8, 2)}
    kohya: dict[str, tuple[int, ...]] = {
        f"lora_unet_{FLAT}.lora_down.weight": pair["down"],
        f"lora_unet_{FLAT}.lora_up.weight": pair["up"],
    }
    peft: dict[str, tuple[int, ...]] = {
        f"base_model.model.{LAYER}.lora_A.weight": pair["down"],
        f"base_model.model.{LAYER}.lora_B.weight": pair["up"],
    }
    stated = {"peft_type": "LORA", "r": 2, "lora_alpha": 16}
    merged: list[tuple[str, Mapping[str, tuple[int, ...]], str, dict[str, Any], dict[str, str]]] = [
        ("kohya", kohya | {f"lora_unet_{FLAT}.alpha": ()}, "", {}, {"LoRA scale": "alpha from the file's tensors"}),
        ("kohya without alpha", kohya, "", {}, {"LoRA scale": "by convention"}),
        ("kohya at strength 0.8", kohya, ":0.8", {}, {"LoRA strength": "0.8"}),
        ("kohya at a negative strength", kohya, ":-1", {}, {"LoRA strength": "-1"}),
        (
            "text encoder alone",
            {
                "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (2, 16),
                "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight": (16, 2),
            },
            "",
            {},
            {"LoRA layers": "text encoder"},
        ),
        (
            "diffusers A and B",
            {f"unet.{LAYER}.lora_A.weight": pair["down"], f"unet.{LAYER}.lora_B.weight": pair["up"]},
            "",
            {},
            {},
        ),
        (
            "diffusers down and up",
            {f"unet.{LAYER}.lora.down.weight": pair["down"], f"unet.{LAYER}.lora.up.weight": pair["up"]},
            "",
            {},
            {},
        ),
        (
            "diffusers, attention processor",
            {
                f"unet.{LAYER.removesuffix('.to_q')}.processor.to_q_lora.down.weight": pair["down"],
                f"unet.{LAYER.removesuffix('.to_q')}.processor.to_q_lora.up.weight": pair["up"],
            },
            "",
            {},
            {},
        ),
        (
            "diffusers, alpha in the header",
            {f"unet.{LAYER}.lora_A.weight": pair["down"], f"unet.{LAYER}.lora_B.weight": pair["up"]},
            "",
            {"metadata": {"lora_adapter_metadata": json.dumps({"unet.r": 2, "unet.lora_alpha": 3})}},
            {"LoRA scale": "1.5, header"},
        ),
        (
            "PEFT with adapter_config.json",
            peft,
            "",
            {"file": "adapter_model.safetensors", "config": stated, "folder": True},
            {"LoRA scale": "8, adapter_config.json"},
        ),
        (
            "PEFT, root of the rank",
            peft,
            "",
            {"file": "adapter_model.safetensors", "config": stated | {"r": 4, "use_rslora": True}, "folder": True},
            {"LoRA scale": "11.3137, adapter_config.json"},
        ),
        (
            "PEFT, adapter named default_0",
            {n.replace(".weight", ".default_0.weight"): s for n, s in peft.items()},
            "",
            {},
            {},
        ),
        (
            "diffusion_model. prefix",
            {
                f"diffusion_model.{LAYER}.lora_A.weight": pair["down"],
                f"diffusion_model.{LAYER}.lora_B.weight": pair["up"],
            },
            "",
            {},
            {},
        ),
        ("no prefix", {f"{LAYER}.lora_A.weight": pair["down"], f"{LAYER}.lora_B.weight": pair["up"]}, "", {}, {}),
        ("DoRA", kohya | {f"lora_unet_{FLAT}.dora_scale": (8, 1)}, "", {}, {"LoRA layers": "DoRA"}),
        (
            "LoHa",
            {
                f"lora_unet_{FLAT}.hada_{m}": s
                for m, s in {"w1_a": (8, 2), "w1_b": (2, 8), "w2_a": (8, 2), "w2_b": (2, 8)}.items()
            },
            "",
            {},
            {"LoRA layers": "LoHa"},
        ),
        (
            "LoKr",
            {f"lora_unet_{FLAT}.lokr_w1": (2, 2), f"lora_unet_{FLAT}.lokr_w2": (4, 4)},
            "",
            {},
            {"LoRA layers": "LoKr"},
        ),
        (
            "LoKr, factored",
            {
                f"lycoris_{FLAT}.lokr_w1": (2, 2),
                f"lycoris_{FLAT}.lokr_w2_a": (4, 1),
                f"lycoris_{FLAT}.lokr_w2_b": (1, 4),
            },
            "",
            {},
            {"LoRA layers": "LoKr"},
        ),
        (
            "LoCon, 3 × 3",
            {
                "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": (2, 8, 3, 3),
                "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": (8, 2, 1, 1),
            },
            "",
            {},
            {},
        ),
        (
            "LoCon, Tucker form",
            {
                "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": (2, 8, 1, 1),
                "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": (8, 2, 1, 1),
                "lora_unet_down_blocks_0_resnets_0_conv1.lora_mid.weight": (2, 2, 3, 3),
            },
            "",
            {},
            {},
        ),
        (
            "bundled word",
            kohya | {"bundle_emb.ink.hare.string_to_param.*": (2, 16)},
            "",
            {},
            {"word “ink.hare” of prompts": "2 vectors for the text encoder"},
        ),
        (
            "bundled word of another family",
            kohya | {"bundle_emb.hare.clip_l": (2, 16), "bundle_emb.hare.clip_g": (2, 24)},
            "",
            {},
            {"word “hare” of prompts": "left out"},
        ),
        ("differences", {f"lora_unet_{FLAT}.diff": (8, 8)}, "", {}, {"LoRA scale": "as they are"}),
        (
            "norms",
            {
                "lora_unet_down_blocks_0_attentions_0_norm.w_norm": (8,),
                "lora_unet_down_blocks_0_attentions_0_norm.b_norm": (8,),
            },
            "",
            {},
            {},
        ),
        (
            "bias",
            {
                f"unet.{LAYER.replace('attn1.to_q', 'attn1.to_out.0')}.lora_A.weight": (2, 8),
                f"unet.{LAYER.replace('attn1.to_q', 'attn1.to_out.0')}.lora_B.weight": (8, 2),
                f"unet.{LAYER.replace('attn1.to_q', 'attn1.to_out.0')}.lora_B.bias": (8,),
            },
            "",
            {},
            {},
        ),
        (
            "tags of the training",
            kohya,
            "",
            {"metadata": {"ss_tag_frequency": json.dumps({"10_artist": {"ink": 30, "hare": 12}})}},
            {"LoRA style.safetensors metadata: ss_tag_frequency": "ink (30)"},
        ),
        (
            "pictures of the training",
            kohya,
            "",
            {"metadata": {"ss_dataset_dirs": json.dumps({"10_artist": {"n_repeats": 10, "img_count": 25}})}},
            {"LoRA style.safetensors metadata: ss_dataset_dirs": "25 pictures, each 10 times"},
        ),
        (
            "sizes of the training",
            kohya,
            "",
            {"metadata": {"ss_bucket_info": json.dumps({"buckets": {"0": {"resolution": [512, 768], "count": 40}}})}},
            {"LoRA style.safetensors metadata: ss_bucket_info": "512 × 768: 40"},
        ),
    ]
    for name, tensors, strength, extra, said in merged:
        yield Trial("LoRA and kin", name, partial(_lora, tensors, "sd", strength, extra), said=said)
    xl = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    others: tuple[tuple[str, str, Mapping[str, tuple[int, ...]], dict[str, str]], ...] = (
        ("XL", "sdxl", {f"{xl}.lora_down.weight": (2, 40), f"{xl}.lora_up.weight": (16, 2)}, {}),
        (
            "XL, second text encoder",
            "sdxl",
            {
                "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (2, 24),
                "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": (48, 2),
            },
            {"LoRA layers": "text encoder 2"},
        ),
        (
            "FLUX, fused",
            "flux-dev",
            {
                "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (2, 32),
                "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": (96, 2),
            },
            {"LoRA layers": "transformer"},
        ),
        (
            "FLUX, diffusers' names",
            "flux-dev",
            {
                "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": (2, 32),
                "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": (32, 2),
            },
            {},
        ),
        (
            "SD 3, fused",
            "sd3",
            {
                "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight": (2, 32),
                "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_up.weight": (96, 2),
            },
            {},
        ),
    )
    for name, kind, tensors, said in others:
        yield Trial("LoRA and kin", name, partial(_lora, tensors, kind, "", {}), said=said)
    refused: list[tuple[str, Mapping[str, tuple[int, ...]], dict[str, Any], str, str]] = [
        ("OFT", {f"lora_unet_{FLAT}.oft_blocks": (2, 4, 4)}, {}, "OFT", "merge it into its base"),
        (
            "IA3",
            {f"lora_unet_{FLAT}.weight": (8,), f"lora_unet_{FLAT}.on_input": ()},
            {},
            "IA3",
            "merge it into its base",
        ),
        (
            "words and no layer",
            {"bundle_emb.style.string_to_param.*": (2, 16)},
            {},
            "holds no layer",
            "--embedding",
        ),
        ("half a pair", {f"lora_unet_{FLAT}.lora_down.weight": (2, 8)}, {}, "lacks one", "Fetch"),
        (
            "of another width",
            {f"lora_unet_{FLAT}.lora_down.weight": (2, 12), f"lora_unet_{FLAT}.lora_up.weight": (12, 2)},
            {},
            "does not fit",
            "base checkpoint",
        ),
        (
            "XL's on SD 1",
            {f"{xl}.lora_down.weight": (2, 2048), f"{xl}.lora_up.weight": (640, 2)},
            {},
            "does not fit",
            "Stable Diffusion XL",
        ),
        (
            "FLUX's on SD 1",
            {
                "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (2, 8),
                "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": (24, 2),
            },
            {},
            "does not fit",
            "FLUX.1",
        ),
        (
            "a whole checkpoint",
            {"model.diffusion_model.out.2.weight": (4, 8, 3, 3)},
            {},
            "not a LoRA",
            "merge it into its base",
        ),
        (
            "AdaLoRA of PEFT",
            peft,
            {"file": "adapter_model.safetensors", "config": stated | {"peft_type": "ADALORA"}, "folder": True},
            "ADALORA",
            "Merge it into its base",
        ),
    ]
    for name, tensors, extra, told, remedy in refused:
        yield Trial("LoRA refused with a remedy", name, partial(_lora, tensors, "sd", "", extra), told, remedy)


# -- textual inversions -------------------------------------------------------------------------------------------


def _embedding(
    shapes: Mapping[str, tuple[int, ...]], kind: str, word: str, extra: dict[str, Any], bench: Bench, place: Path
) -> Given:
    source = torch.Generator().manual_seed(2)
    path = place / str(extra.get("file", "style.safetensors"))
    values = {n: torch.randn(s, generator=source).to(extra.get("dtype", torch.float32)) for n, s in shapes.items()}
    if path.suffix == ".pt":
        # As web user interfaces save them: the vectors one level down, the rest beside.
        torch.save({"string_to_param": {"*": values["*"]}, "string_to_token": {"*": 265}, "name": "style"}, path)
        if extra.get("convert"):
            path = path.with_suffix(".safetensors")
            pickles.convert(path.with_suffix(".pt"), path)
    else:
        save_file(values, path, metadata=extra.get("metadata"))
    given = tuple(str(path) + word for _ in range(int(extra.get("times", 1))))
    return Given(str(bench.folder(kind)), Wishes(embeddings=given))


def _words() -> Iterator[Trial]:
    both = {"clip_l": (2, 16), "clip_g": (2, 24)}
    word = "word “style” of prompts"
    taken: tuple[tuple[str, str, Mapping[str, tuple[int, ...]], str, dict[str, Any], dict[str, str]], ...] = (
        ("of a web user interface", "sd", {"emb_params": (3, 16)}, "", {}, {word: "3 vectors for the text encoder"}),
        (
            "with a word of its own",
            "sd",
            {"emb_params": (1, 16)},
            ":hare",
            {},
            {"word “hare” of prompts": "one vector"},
        ),
        ("of diffusers", "sd", {"<hare>": (16,)}, "", {}, {"word “<hare>” of prompts": "one vector"}),
        ("of half precision", "sd", {"emb_params": (2, 16)}, "", {"dtype": torch.float16}, {word: "512 bits"}),
        ("converted", "sd", {"*": (2, 16)}, "", {"file": "style.pt", "convert": True}, {word: "2 vectors"}),
        ("XL", "sdxl", both, "", {}, {word: "text encoder and text encoder 2"}),
        ("XL's on its refiner", "sdxl-refiner", both, "", {}, {word: "for the text encoder 2"}),
        ("SD 3 without T5's", "sd3", both, "", {}, {word: "nothing for the text encoder 3"}),
        ("FLUX", "flux-dev", {"clip_l": (1, 16), "t5xxl": (1, 32)}, "", {}, {word: "text encoder and text encoder 2"}),
        ("FLUX, CLIP's alone", "flux-dev", {"clip_l": (1, 16)}, "", {}, {word: "nothing for the text encoder 2"}),
        ("PixArt", "pixart", {"<hare>": (2, 32)}, "", {}, {"word “<hare>” of prompts": "2 vectors"}),
    )
    for name, kind, shapes, called, extra, said in taken:
        yield Trial("words of prompts", name, partial(_embedding, shapes, kind, called, extra), said=said)
    refused: tuple[tuple[str, str, Mapping[str, tuple[int, ...]], str, dict[str, Any], str, str], ...] = (
        ("a pickle", "sd", {"*": (2, 16)}, "", {"file": "style.pt"}, "not opened", "weights convert"),
        ("XL's on SD 1", "sd", both, "", {}, "does not fit", "Stable Diffusion XL"),
        ("SD 1's on XL", "sdxl", {"emb_params": (1, 768)}, "", {}, "does not fit", "Stable Diffusion 1.x"),
        ("half of XL's", "sdxl", {"clip_l": (1, 16)}, "", {}, "does not fit", "made for"),
        ("of another width", "sd", {"emb_params": (1, 1024)}, "", {}, "does not fit", "Stable Diffusion 2.x"),
        ("of unequal length", "sdxl", {"clip_l": (1, 16), "clip_g": (2, 24)}, "", {}, "1 and 2 vectors", "same number"),
        ("of whole numbers", "sd", {"emb_params": (2, 16)}, "", {"dtype": torch.int64}, "not a textual", "--lora"),
        ("a LoRA", "sd", {"a.lora_down.weight": (2, 8), "a.lora_up.weight": (8, 2)}, "", {}, "not a textual", "--lora"),
        ("two of one word", "sd", {"emb_params": (1, 16)}, ":hare", {"times": 2}, "same word", "FILE:WORD"),
        ("a word with a space", "sd", {"emb_params": (1, 16)}, ":a hare", {}, "cannot be a word", "FILE:WORD"),
    )
    for name, kind, shapes, called, extra, told, remedy in refused:
        yield Trial("words refused with a remedy", name, partial(_embedding, shapes, kind, called, extra), told, remedy)
