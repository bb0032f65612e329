"""Identify a diffusers folder: `model_index.json`, one sub-folder a component, safetensors weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forensics.case import Checkpoint, Fact, FileDigest
from forensics.diffusion.families import pipeline_name, unsupported
from forensics.diffusion.headers import PICKLES, combined_digest, file_digest, read_json
from forensics.diffusion.weight_files import Weights, component_weights
from forensics.errors import CheckpointError

_COMPONENTS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
_BYSTANDERS = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that take no part in making a picture from a prompt."""
_TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def identify(root: Path, location: str, demonstration: bool) -> Checkpoint:
    """See `forensics.diffusion.identify`."""
    index = _pipeline(root)
    configs: dict[str, dict[str, Any]] = {name: read_json(root / name / "config.json") for name in _COMPONENTS}
    schedule: dict[str, Any] = read_json(root / "scheduler" / "scheduler_config.json")
    prediction, source = _prediction(schedule)
    _refuse_variations(root.name, configs)
    weights = {name: component_weights(root, name) for name in _COMPONENTS}
    files = _files(root, weights)
    vae, unet, text = configs["vae"], configs["unet"], configs["text_encoder"]
    cell = 2 ** (len(vae.get("block_out_channels", (0,))) - 1)
    native = _side(unet.get("sample_size") or 64) * cell
    facts = (
        Fact("pipeline class", str(index.get("_class_name"))),
        Fact("prediction", source),
        Fact("latent", f"{vae.get('latent_channels', 4)} channels, one cell for {cell} × {cell} pixels"),
        Fact("latent scaling factor", str(vae.get("scaling_factor", 0.18215))),
        Fact("noise schedule", _schedule(schedule)),
        Fact(
            "text encoder",
            f"width {text.get('hidden_size')}, {text.get('num_hidden_layers')} layers, {text.get('vocab_size')} tokens",
        ),
        Fact("parameters of the autoencoder", str(weights["vae"].parameters)),
        Fact("parameters of the text encoder", str(weights["text_encoder"].parameters)),
        *_left_aside(root, index),
    )
    return Checkpoint(
        name=root.resolve().name if Path(location).expanduser().exists() else location,
        location=location,
        family="sd",
        layout="diffusers folder",
        prediction=prediction,
        native_px=native,
        parameters=weights["unet"].parameters,
        digest=combined_digest(files),
        files=files,
        facts=facts,
        demonstration=demonstration,
    )


def _pipeline(root: Path) -> dict[str, Any]:
    path = root / "model_index.json"
    if not path.is_file():
        if not any(root.iterdir()):
            raise CheckpointError(f"{root} is an empty folder.", hint="Fetch the checkpoint again.")
        single = sorted(f.name for f in root.glob("*.safetensors"))
        hint = f"Did you mean the file {single[0]} inside it?" if single else "Give the folder that holds that file."
        raise CheckpointError(f"{root} is no diffusers folder: it has no model_index.json.", hint=hint)
    index: dict[str, Any] = read_json(path)
    classes = {name: cls for name, entry in index.items() if (cls := _class(entry)) not in (None, "None")}
    other = next((n for n in _COMPONENTS if classes.get(n) != _COMPONENTS[n]), None)
    extra = next((n for n in classes if n not in (*_COMPONENTS, "tokenizer", "scheduler", *_BYSTANDERS)), None)
    if other or extra:
        told = f"a pipeline whose {other} is {classes.get(other) or 'absent'}" if other else f"a pipeline with {extra}"
        raise unsupported(root.name, pipeline_name(str(index.get("_class_name", ""))) or told)
    return index


def _class(entry: object) -> str | None:
    # [library, class]; [null, null] for a component that was left out when the pipeline was saved.
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else None


def _prediction(schedule: dict[str, Any]) -> tuple[str, str]:
    stated = schedule.get("prediction_type")
    prediction = "epsilon" if stated is None else str(stated)
    if prediction not in ("epsilon", "v_prediction"):
        raise CheckpointError(
            f"The checkpoint predicts {prediction!r}, which is not supported yet.",
            hint="Supported: epsilon, v_prediction.",
        )
    if prediction == "epsilon" and schedule.get("rescale_betas_zero_snr"):
        raise CheckpointError(
            "The scheduler has zero terminal signal-to-noise with epsilon prediction: at pure noise the data estimate "
            "would be a division by zero.",
            hint="Such a checkpoint predicts v; correct prediction_type in scheduler/scheduler_config.json.",
        )
    source = "not stated in scheduler_config.json, epsilon by convention" if stated is None else "scheduler_config.json"
    return prediction, f"{prediction} ({source})"


def _refuse_variations(name: str, configs: dict[str, dict[str, Any]]) -> None:
    unet = configs["unet"]
    latent, channels = configs["vae"].get("latent_channels", 4), unet.get("in_channels", 4)
    if channels != latent:
        raise unsupported(name, f"an inpainting, depth or upscaling variant ({channels} input channels)")
    if configs["vae"].get("latents_mean") is not None:
        raise unsupported(name, "a model with its own latent statistics")
    for key, what in {
        "addition_embed_type": "Stable Diffusion XL or a relative",
        "class_embed_type": "a variant with class or noise-level embedding",
        "num_class_embeds": "a variant with class or noise-level embedding",
        "time_cond_proj_dim": "a guidance-distilled model",
    }.items():
        if unet.get(key) is not None:
            raise unsupported(name, what)
    width, context = configs["text_encoder"].get("hidden_size"), unet.get("cross_attention_dim")
    if width is not None and context is not None and width != context:
        raise CheckpointError(
            f"The text encoder gives vectors of {width} numbers, the network takes {context}.",
            hint="The folder mixes components of different checkpoints.",
        )


def _files(root: Path, weights: dict[str, Weights]) -> tuple[FileDigest, ...]:
    # Everything that decides what the network computes, not the weights alone: the same weights under another
    # schedule or tokenizer are another generator.
    paths = [root / "model_index.json", root / "scheduler" / "scheduler_config.json"]
    for name, found in weights.items():
        paths += [root / name / "config.json", *found.files]
    paths += [root / "tokenizer" / name for name in _TOKENIZER_FILES]
    if not any((root / "tokenizer" / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        raise CheckpointError(f"{root.name} has no tokenizer.", hint="Fetch the checkpoint again, complete.")
    return tuple(file_digest(p, p.relative_to(root).as_posix()) for p in sorted(paths) if p.is_file())


def _left_aside(root: Path, index: dict[str, Any]) -> tuple[Fact, ...]:
    rows = []
    if others := [k for k in _BYSTANDERS if _class(index.get(k)) not in (None, "None")]:
        rows.append(Fact("components not loaded", f"{', '.join(others)}: they take no part in making the picture"))
    if pickles := sorted(f.relative_to(root).as_posix() for f in root.rglob("*") if f.suffix in PICKLES):
        rows.append(Fact("pickle files present, not opened", ", ".join(pickles)))
    return tuple(rows)


def _schedule(schedule: dict[str, Any]) -> str:
    text = (
        f"{schedule.get('beta_schedule', 'linear')}, beta {schedule.get('beta_start', 0.0001)} to "
        f"{schedule.get('beta_end', 0.02)}, {schedule.get('num_train_timesteps', 1000)} training steps, "
        f"{schedule.get('timestep_spacing', 'leading')} spacing"
    )
    return text + (", zero terminal signal-to-noise" if schedule.get("rescale_betas_zero_snr") else "")


def _side(size: Any) -> int:
    return int(size if isinstance(size, int) else size[0])
