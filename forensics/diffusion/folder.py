"""Identify a diffusers folder: `model_index.json`, one sub-folder a component, safetensors weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import Checkpoint, Fact, FileDigest
from forensics.diffusion import families, marks
from forensics.diffusion.distilled import FEW_STEPS
from forensics.diffusion.families import LIBRARIES, Family, of_pipeline, pipeline_name, unsupported
from forensics.diffusion.headers import PICKLES, combined_digest, file_digest, read_json
from forensics.diffusion.provenance import metadata_facts
from forensics.diffusion.weight_files import Weights, component_weights, place
from forensics.diffusion.wishes import NONE, PREDICTIONS, Wishes
from forensics.errors import CheckpointError

_BYSTANDERS = ("safety_checker", "feature_extractor", "image_encoder", "depth_estimator", "watermark")
"""Components that take no part in making a picture from a prompt."""
_TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
)
_VOCABULARIES = ("vocab.json", "tokenizer.json", "spiece.model")
INPAINTING = "inpainting: the network is given a mask over the whole picture"
DEPTH = "depth: the network is given a flat map, everywhere the farthest, so that no shape is handed to it"


def identify(root: Path, location: str, demonstration: bool, wishes: Wishes = NONE) -> Checkpoint:
    """See `forensics.diffusion.identify`."""
    if not (root / "model_index.json").is_file() and (lone := _lone(root)):
        raise lone
    index, family = pipeline(root)
    configs = {name: config(root, name) for name in present(family, index)}
    schedule: dict[str, Any] = read_json(place(root, "scheduler") / "scheduler_config.json")
    prediction, source = predicted(family, schedule, wishes)
    refuse_variations(root.name, family, configs)
    weights = {name: component_weights(root, name) for name in configs}
    _same_family(root.name, family, weights[family.network])
    files = component_files(root, family, weights)
    cell = cell_of(configs["vae"]) if family.latent else 1
    native, size_source = _native(configs[family.network], cell, wishes)
    facts = (
        Fact("pipeline class", str(index.get("_class_name"))),
        Fact("prediction", source),
        Fact("native size", size_source),
        *network_facts(family, configs[family.network]),
        *_latent_facts(configs.get("vae"), cell, schedule),
        Fact("noise schedule", scheduled(schedule, prediction)),
        *_text_facts(configs),
        *(
            Fact(f"parameters of the {told(name)}", str(found.parameters))
            for name, found in weights.items()
            if name != family.network
        ),
        *weight_facts(weights),
        *_left_aside(root, index),
        *(row for name in configs for header in weights[name].headers for row in metadata_facts(header.metadata)),
    )
    return Checkpoint(
        name=foreign.resolved(root).name if Path(location).expanduser().exists() else location,
        location=location,
        family=family.name,
        layout="diffusers folder",
        prediction=prediction,
        native_px=native,
        parameters=weights[family.network].parameters,
        digest=combined_digest(files),
        files=files,
        facts=facts,
        demonstration=demonstration,
    )


def _latent_facts(vae: Mapping[str, Any] | None, cell: int, schedule: Mapping[str, Any]) -> tuple[Fact, ...]:
    if vae is not None:
        return (
            Fact("latent", f"{vae.get('latent_channels', 4)} channels, one cell for {cell} × {cell} pixels"),
            Fact("latent scaling factor", str(vae.get("scaling_factor", 0.18215))),
        )
    clipped = (
        "; the sampler of the folder clips its estimate to the range of pixels, the ODE of this examination does not"
    )
    return (
        Fact("latent", f"none: the network works on pixels{clipped if schedule.get('clip_sample', True) else ''}"),
        Fact("words", "none: the network takes no prompt"),
    )


def told(component: str) -> str:
    """A component as sentences call it."""
    return "autoencoder" if component == "vae" else component.replace("_", " ")


def config(root: Path, component: str) -> dict[str, Any]:
    """The `config.json` of a component. Raises CheckpointError."""
    return read_json(place(root, component) / "config.json")


def pipeline(root: Path) -> tuple[dict[str, Any], Family]:
    """`model_index.json` and the family it names, with every component of a class that is known here.

    Raises:
        CheckpointError: none there, another family, or a component of another class or library.
    """
    path = root / "model_index.json"
    if not path.is_file():
        if not any(root.iterdir()):
            raise CheckpointError(f"{root} is an empty folder.", hint="Fetch the checkpoint again.")
        single = sorted(f.name for f in root.glob("*.safetensors"))
        hint = f"Did you mean the file {single[0]} inside it?" if single else "Give the folder that holds that file."
        raise CheckpointError(f"{root} is no diffusers folder: it has no model_index.json.", hint=hint)
    index: dict[str, Any] = read_json(path)
    name = str(index.get("_class_name", ""))
    family = of_pipeline(name)
    if family is None:
        raise unsupported(root.name, pipeline_name(name) or _by_parts(index, name))
    classes = {part: cls for part, entry in index.items() if (cls := _class(entry)) not in (None, "None")}
    for part, wanted in family.parts.items():
        if classes.get(part) != wanted and not (part in family.optional and part not in classes):
            raise unsupported(root.name, f"a {name} whose {part} is {classes.get(part) or 'absent'} and not {wanted}")
        library = str(index[part][0]) if part in classes else LIBRARIES[wanted]
        if library != LIBRARIES[wanted]:
            # The class would be taken from our table all the same; but a folder that names code of its own was made
            # to be run with that code, and without it is another generator.
            raise unsupported(root.name, f"a {name} whose {part} comes with code of its own ({library[:60]})")
    usual = (*family.parts, *family.tokenizers, "scheduler", *_BYSTANDERS)
    if extra := next((part for part in classes if part not in usual), None):
        raise unsupported(root.name, f"a pipeline with {extra}")
    return index, family


def present(family: Family, index: Mapping[str, Any]) -> list[str]:
    """The components of the family that the folder has."""
    return [name for name in family.parts if _class(index.get(name)) not in (None, "None")]


def _class(entry: object) -> str | None:
    # [library, class]; [null, null] for a component that was left out when the pipeline was saved.
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else None


def _by_parts(index: Mapping[str, Any], name: str) -> str:
    parts = {part: _class(entry) for part, entry in index.items() if isinstance(entry, list)}
    first = families.FAMILIES[0]
    other = next((n for n in first.parts if parts.get(n) != first.parts[n]), None)
    if other is None:
        return f"a pipeline of the unknown class {name or 'without a name'}"
    return f"a pipeline whose {other} is {parts.get(other) or 'absent'}"


def _lone(root: Path) -> CheckpointError | None:
    """What to do with a folder that is one component of a checkpoint."""
    path = root / "config.json"
    if not path.is_file():
        return None
    cls = str(read_json(path).get("_class_name", ""))
    owner = next((row for row in families.FAMILIES if row.parts[row.network] == cls), None)
    if cls == "AutoencoderKL":
        return CheckpointError(f"{root.name} is an autoencoder alone.", hint="Name it with `--autoencoder`.")
    if owner is None:
        return None
    return CheckpointError(
        f"{root.name} is the denoising network of a checkpoint alone ({cls}).",
        hint="Give its weight file with `--checkpoint FILE.safetensors` and the rest with `--base FOLDER`, a diffusers "
        f"folder of the family it was trained from ({owner.title}).",
    )


def _same_family(name: str, family: Family, weights: Weights) -> None:
    """Raises CheckpointError where the tensors of the network are of another family than the folder says."""
    seen = marks.recognise(weights.shapes)
    if seen is not None and seen.mark.family and seen.mark.family != family.name:
        raise CheckpointError(
            f"The folder {name} says {family.title}, the tensors of its network are those of {seen.mark.title}.",
            hint="The folder mixes components of different checkpoints: fetch it again.",
        )


def predicted(family: Family, schedule: Mapping[str, Any], wishes: Wishes) -> tuple[str, str]:
    """What the network predicts, and where that is from.

    Raises:
        CheckpointError: a scheduler that contradicts the family, or a prediction that is not carried.
    """
    cls = str(schedule.get("_class_name", ""))
    flow = (
        "FlowMatch" in cls
        or schedule.get("prediction_type") == "flow_prediction"
        or bool(schedule.get("use_flow_sigmas"))
    )
    edm = cls.startswith("EDM") or "sigma_data" in schedule
    stated = schedule.get("prediction_type")
    convention = family.predictions[0]
    found = "flow" if flow else "edm" if edm else convention if stated is None else str(stated)
    if found == "sample" or found not in PREDICTIONS:
        raise CheckpointError(
            f"The checkpoint predicts {found!r}, which is not supported yet.",
            hint=f"Supported: {', '.join(family.predictions)}.",
        )
    source = f"{found} ({cls or 'scheduler_config.json'})"
    if stated is None and not flow and not edm:
        source = f"{found}, ASSUMED: scheduler_config.json does not state it, and that is the convention"
    if wishes.prediction:
        found, source = (
            wishes.prediction,
            f"{wishes.prediction}, stated by the examiner with --prediction; the files: {source}",
        )
    if found not in family.predictions:
        raise CheckpointError(
            f"The scheduler ({cls or 'unnamed'}) says that the network predicts {found!r}; networks of "
            f"{family.title} predict {' or '.join(family.predictions)}.",
            hint="The folder mixes components of different checkpoints. If you know what the network predicts, state "
            "it with --prediction.",
        )
    if found == "epsilon" and schedule.get("rescale_betas_zero_snr"):
        raise CheckpointError(
            "The scheduler has zero terminal signal-to-noise with epsilon prediction: at pure noise the data estimate "
            "would be a division by zero.",
            hint="Such a checkpoint predicts v: state it with `--prediction v_prediction`.",
        )
    return found, source


def refuse_variations(name: str, family: Family, configs: Mapping[str, dict[str, Any]]) -> None:
    """Raises CheckpointError for what a family's adapter does not compute."""
    network = configs[family.network]
    if not family.latent:
        _refuse_pixels(name, network)
        return
    latent = configs["vae"].get("latent_channels", 4)
    if family.network == "unet":
        _refuse_unets(name, family, network, latent)
    elif family.name in ("sd3", "pixart") and network.get("in_channels", latent) != latent:
        raise unsupported(name, f"a variant with {network['in_channels']} input channels")
    elif family.name == "flux" and network.get("in_channels", 64) != latent * 4:
        raise unsupported(name, f"a variant of FLUX.1 with {network['in_channels']} input channels")
    if configs["vae"].get("latents_mean") is not None and family.name != "sdxl":
        raise unsupported(name, "a model with its own latent statistics")
    if family.name == "sd":
        width, context = configs["text_encoder"].get("hidden_size"), network.get("cross_attention_dim")
        if width is not None and context is not None and width != context:
            raise CheckpointError(
                f"The text encoder gives vectors of {width} numbers, the network takes {context}.",
                hint="The folder mixes components of different checkpoints.",
            )


def _refuse_pixels(name: str, unet: Mapping[str, Any]) -> None:
    channels, out = unet.get("in_channels", 3), unet.get("out_channels", 3)
    if channels != 3 or out not in (3, 6):
        raise unsupported(name, f"an unconditional model of {channels} channels, where a picture has three")
    if unet.get("class_embed_type") is not None or unet.get("num_class_embeds") is not None:
        raise unsupported(name, "a class-conditional pixel-space model")


def _refuse_unets(name: str, family: Family, unet: Mapping[str, Any], latent: int) -> None:
    channels = unet.get("in_channels", 4)
    depth = family.name == "sd" and channels == latent + 1
    if channels not in (latent, 2 * latent + 1) and not depth:
        kind = {2 * latent: "InstructPix2Pix", latent + 1: "a depth variant", latent + 3: "an upscaler"}
        raise unsupported(name, f"{kind.get(channels, 'a variant')} ({channels} input channels)")
    added = unet.get("addition_embed_type")
    if family.name == "sd" and added is not None:
        raise unsupported(name, "Stable Diffusion XL or a relative, in a folder that says otherwise")
    if family.name == "sdxl" and added != "text_time":
        raise unsupported(name, "a relative of Stable Diffusion XL without its size conditions")
    for key in ("class_embed_type", "num_class_embeds"):
        if unet.get(key) is not None:
            raise unsupported(name, "a variant with class or noise-level embedding")
    if unet.get("encoder_hid_dim_type") is not None:
        raise unsupported(name, "a variant with projected text or picture conditions")


def network_facts(family: Family, network: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What the configuration of the network says that a reader should know of the pictures."""
    rows = []
    if family.network == "unet" and family.latent:
        latent = network.get("out_channels", 4)
        if network.get("in_channels", 4) == 2 * latent + 1:
            rows.append(Fact("variant", INPAINTING))
        if network.get("in_channels", 4) == latent + 1:
            rows.append(Fact("variant", DEPTH))
        if network.get("time_cond_proj_dim") is not None:
            rows.append(Fact("guidance", "an input of the network; where none is asked for, its value is 1"))
    elif family.name == "flux":
        rows.append(
            Fact("guidance", "an input of the network; where none is asked for, its value is 1")
            if network.get("guidance_embeds")
            else Fact("guidance", "none: the network was distilled without it, and a guidance asked for is not used")
        )
    return tuple(rows)


def component_files(root: Path, family: Family, weights: Mapping[str, Weights]) -> tuple[FileDigest, ...]:
    """Digests of everything that decides what the network computes.

    Not the weights alone: the same weights under another schedule or tokenizer are another generator.

    Raises:
        CheckpointError: no tokenizer.
    """
    paths = [root / "model_index.json", place(root, "scheduler") / "scheduler_config.json"]
    for name, found in weights.items():
        paths += [place(root, name) / "config.json", *found.files, *([found.index] if found.index else [])]
    for name in tokenizers(family, weights):
        paths += [root / name / file for file in _TOKENIZER_FILES]
        if not any((root / name / file).is_file() for file in _VOCABULARIES):
            raise CheckpointError(
                f"{root.name} has no {name.replace('_', ' ')}.", hint="Fetch the checkpoint again, complete."
            )
    return tuple(file_digest(p, p.relative_to(root).as_posix()) for p in sorted(set(paths)) if p.is_file())


def tokenizers(family: Family, parts: Mapping[str, object]) -> list[str]:
    """The tokenizers of the text encoders that are there."""
    return [name for name in family.tokenizers if name.replace("tokenizer", "text_encoder") in parts]


def weight_facts(weights: Mapping[str, Weights]) -> tuple[Fact, ...]:
    """Which of several weight files is loaded, and number formats that hold less than half precision."""
    rows = []
    for name, found in weights.items():
        if found.unused:
            rows.append(
                Fact(
                    f"weight files of the {told(name)}",
                    f"{', '.join(p.name for p in found.files)}; present and not loaded: {', '.join(found.unused)}",
                )
            )
        elif found.variant:
            rows.append(Fact(f"weight files of the {told(name)}", ", ".join(p.name for p in found.files)))
        kinds = sorted({kind for header in found.headers for kind in header.kinds.values() if kind.startswith("F8")})
        if kinds:
            rows.append(eight_bits(told(name), kinds))
    return tuple(rows)


def eight_bits(what: str, kinds: list[str]) -> Fact:
    """The fact that weights are stored in eight bits."""
    return Fact(
        f"number format of the {what}",
        f"stored in 8 bits ({', '.join(kinds)}) and read as such: what this rounding forgot of a work is not in these "
        "weights, whatever the unrounded ones hold",
    )


def _left_aside(root: Path, index: Mapping[str, Any]) -> tuple[Fact, ...]:
    rows = []
    if others := [k for k in _BYSTANDERS if _class(index.get(k)) not in (None, "None")]:
        rows.append(Fact("components not loaded", f"{', '.join(others)}: they take no part in making the picture"))
    if pickles := sorted(f.relative_to(root).as_posix() for f in root.rglob("*") if f.suffix in PICKLES):
        rows.append(Fact("pickle files present, not opened", ", ".join(pickles)))
    if code := sorted(f.relative_to(root).as_posix() for f in root.rglob("*.py")):
        rows.append(Fact("program files present, not run", ", ".join(code)))
    return tuple(rows)


def scheduled(schedule: Mapping[str, Any], prediction: str) -> str:
    """The noise schedule as a sentence, and whether the checkpoint was distilled to few steps."""
    cls = str(schedule.get("_class_name", ""))
    if prediction == "flow":
        shift = (
            "shift by the number of cells"
            if schedule.get("use_dynamic_shifting")
            else f"shift {schedule.get('shift', 1.0)}"
        )
        return f"rectified flow, {schedule.get('num_train_timesteps', 1000)} training steps, {shift}"
    if prediction == "edm":
        return (
            f"EDM, sigma {schedule.get('sigma_min', 0.002)} to {schedule.get('sigma_max', 80.0)}, "
            f"sigma of the data {schedule.get('sigma_data', 0.5)}"
        )
    text = (
        f"{schedule.get('beta_schedule', 'linear')}, beta {schedule.get('beta_start', 0.0001)} to "
        f"{schedule.get('beta_end', 0.02)}, {schedule.get('num_train_timesteps', 1000)} training steps, "
        f"{schedule.get('timestep_spacing', 'leading')} spacing"
    )
    text += ", zero terminal signal-to-noise" if schedule.get("rescale_betas_zero_snr") else ""
    if cls in FEW_STEPS:
        text += (
            f"; {cls}: the checkpoint was distilled to draw in a few steps, so pictures of many steps and codelengths "
            "are those of its network and not of the model it was distilled from"
        )
    return text


def _text_facts(configs: Mapping[str, dict[str, Any]]) -> tuple[Fact, ...]:
    rows = []
    for name, found in configs.items():
        if name.startswith("text_encoder"):
            width = found.get("hidden_size", found.get("d_model"))
            layers = found.get("num_hidden_layers", found.get("num_layers"))
            rows.append(Fact(told(name), f"width {width}, {layers} layers, {found.get('vocab_size')} tokens"))
    return tuple(rows)


def cell_of(vae: Mapping[str, Any]) -> int:
    """Side in pixels of one latent cell, from the autoencoder's configuration."""
    return int(2 ** (len(vae.get("block_out_channels", (0,))) - 1))


def _native(network: Mapping[str, Any], cell: int, wishes: Wishes) -> tuple[int, str]:
    if wishes.size:
        return wishes.size, f"{wishes.size} pixels, stated by the examiner with --size"
    stated = network.get("sample_size")
    if stated is None and network.get("_class_name") == "FluxTransformer2DModel":
        return 128 * cell, f"{128 * cell} pixels (convention of this family; the folder does not state it)"
    cells = side(stated or 64)
    source = "config.json of the network" if stated else "ASSUMED: the folder does not state it"
    return cells * cell, f"{cells * cell} pixels ({source})"


def side(size: Any) -> int:
    """The side of a size that is one number or a pair."""
    return int(size if isinstance(size, int) else size[0])
