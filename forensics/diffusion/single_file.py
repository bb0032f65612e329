"""Identify one `.safetensors` file from its header: a whole checkpoint, or a network with a base beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import Checkpoint, Fact, FileDigest
from forensics.diffusion import folder, gguf_files, marks
from forensics.diffusion.families import Family, family, unsupported
from forensics.diffusion.headers import Header, combined_digest, file_digest, read_header, read_json
from forensics.diffusion.marks import Mark
from forensics.diffusion.provenance import metadata_facts
from forensics.diffusion.weight_files import component_weights, place
from forensics.diffusion.wishes import NONE, Wishes
from forensics.errors import CheckpointError

UNET = "model.diffusion_model."
VAE = "first_stage_model."
VAES = (VAE, "vae.")
TEXT_1 = "cond_stage_model.transformer."
"""Text encoder of 1.x, in transformers' names; old files leave out the level `text_model`."""
TEXT_2 = "cond_stage_model.model."
"""Text encoder of 2.x, in OpenCLIP's names."""
EMA = "model_ema."
SCALING = {"sd": 0.18215, "sdxl": 0.13025}
"""Latent scaling by family; the file does not carry it."""
CONTEXT = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
LAYOUT = "single file"
BASE = "base"
"""First part of the names under which the digests of the base's files stand."""
TEXTS: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("sd", "1"): {"text_encoder": (TEXT_1, TEXT_2)},
    ("sd", "2"): {"text_encoder": (TEXT_2, TEXT_1)},
    ("sdxl", "base"): {
        "text_encoder": ("conditioner.embedders.0.transformer.",),
        "text_encoder_2": ("conditioner.embedders.1.model.",),
    },
    ("sdxl", "refiner"): {"text_encoder_2": ("conditioner.embedders.0.model.",)},
    ("sd3", ""): {
        "text_encoder": ("text_encoders.clip_l.transformer.",),
        "text_encoder_2": ("text_encoders.clip_g.transformer.",),
        "text_encoder_3": ("text_encoders.t5xxl.transformer.",),
    },
    ("flux", ""): {
        "text_encoder": ("text_encoders.clip_l.transformer.",),
        "text_encoder_2": ("text_encoders.t5xxl.transformer.",),
    },
}
"""Family and generation -> text encoder -> beginnings of the names of its tensors, as files have them."""
_SIDECAR = re.compile(r"""parameterization\s*:\s*["']?(v|eps)\b""")
_ROUNDED = (".quant_state.", ".absmax", ".qweight", ".quant_map", ".qzeros", ".scales", "lora_down_quant", ".wscales")
_STATED = {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon", "eps": "epsilon"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What one file holds."""

    path: Path
    header: Header
    mark: Mark
    prefix: str
    """Of the tensors of the denoising network."""
    vae: str | None
    """Of the tensors of the autoencoder; None where there is none."""
    texts: Mapping[str, str]
    """Text encoder -> beginning of its tensors' names, of those that the file holds."""

    @property
    def family(self) -> Family:
        return family(self.mark.family)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Text encoders that this generation uses."""
        named = TEXTS.get((self.mark.family, self.mark.generation))
        own = tuple(name for name in self.family.parts if name.startswith("text_encoder"))
        return tuple(named) if named else own

    @property
    def lacking(self) -> tuple[str, ...]:
        """Components that only a base can supply."""
        texts = tuple(name for name in self.wanted if name not in self.texts)
        return (*(("vae",) if self.vae is None and self.family.latent else ()), *texts)

    def network(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the denoising network's tensors, by their names without what stands before."""
        others = (*VAES, *self.texts.values(), EMA, "cond_stage_model.", "conditioner.", "text_encoders.")
        return {
            name.removeprefix(self.prefix): shape
            for name, shape in self.header.shapes.items()
            if name.startswith(self.prefix) and (self.prefix or not name.startswith(others))
        }


def identify(path: Path, location: str, demonstration: bool, wishes: Wishes = NONE) -> Checkpoint:
    """See `forensics.diffusion.identify`."""
    found = read(path)
    base = base_folder(found, wishes.base)
    scheduler: dict[str, Any] = read_json(base / "scheduler" / "scheduler_config.json") if base else {}
    prediction, source = _prediction(found, scheduler, wishes)
    native, size_source = _native(found, base, prediction, wishes)
    # A YAML that decides what the weights mean belongs to the checkpoint.
    sidecar = path.with_suffix(".yaml")
    files = (
        *(file_digest(p, p.name) for p in (path, sidecar) if p.is_file()),
        *(_base_files(found, base) if base else ()),
    )
    facts = (
        Fact("generation", f"{found.mark.title}, from the names and shapes of the tensors"),
        Fact("prediction", source),
        Fact("native size", size_source),
        *_variant(found),
        *_own_facts(found, scheduler, prediction),
        *_source_facts(found, base),
        *metadata_facts(found.header.metadata),
    )
    return Checkpoint(
        name=path.stem,
        location=location,
        family=found.family.name,
        layout=LAYOUT,
        prediction=prediction,
        native_px=native,
        parameters=sum(_size(shape) for shape in found.network().values()),
        digest=combined_digest(files),
        files=files,
        facts=facts,
        demonstration=demonstration,
        base=str(base) if base else "",
    )


def _size(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


def read(path: Path) -> Contents:
    """What the file holds.

    Raises:
        CheckpointError: no checkpoint of a family that is examined, or weights rounded to a few bits.
    """
    header = gguf_files.header(path) if gguf_files.is_gguf(path) else read_header(path)
    shapes = header.shapes
    if rounded := next((name for name in shapes if any(part in name for part in _ROUNDED)), None):
        raise CheckpointError(
            f"{path.name} holds weights rounded to a few bits by a quantisation program (tensor {rounded!r}).",
            hint="Get the publisher's file in float16, bfloat16 or float32: what rounded weights forget would count "
            "for the other side.",
        )
    seen = marks.recognise(shapes)
    if seen is None or not seen.mark.family:
        mark = seen.mark if seen else None
        raise unsupported(path.name, mark.title if mark else None, mark.remedy if mark else "")
    vae = next(
        (p for p in VAES if f"{p}decoder.conv_in.weight" in shapes or f"{p}encoder.conv_in.weight" in shapes), None
    )
    named = TEXTS.get((seen.mark.family, seen.mark.generation), {})
    texts = {
        name: prefix
        for name, prefixes in named.items()
        for prefix in prefixes
        if any(tensor.startswith(prefix) for tensor in shapes)
    }
    found = Contents(path, header, seen.mark, seen.prefix, vae, texts)
    _refuse_channels(found)
    if gguf_files.is_gguf(path) and (texts or vae is not None):
        raise CheckpointError(
            f"{path.name} holds a text encoder or an autoencoder beside the network; of a GGUF file they are not read.",
            hint="Give the GGUF file of the denoising network alone and the rest with --base, or the publisher's "
            ".safetensors file.",
        )
    return found


def _refuse_channels(found: Contents) -> None:
    shapes = found.network()
    first = shapes.get("input_blocks.0.0.weight", shapes.get("conv_in.weight"))
    if (
        found.family.network == "unet"
        and found.family.latent
        and first is not None
        and first[1] not in (4, 9)
        and not (found.family.name == "sd" and first[1] == 5)
    ):
        kinds = {5: "a depth variant", 7: "an upscaler", 8: "InstructPix2Pix"}
        raise unsupported(found.path.name, f"{kinds.get(first[1], 'a variant')} ({first[1]} input channels)")
    if any(name.startswith("edm_vpred.") for name in found.header.shapes):
        raise unsupported(found.path.name, "CosXL or a relative (v prediction in the variables of EDM)")


def base_folder(found: Contents, base: str | None) -> Path | None:
    """The base beside the file, checked; None where there is none and none is needed.

    Raises:
        CheckpointError: one is needed and not given, or it is of another family.
    """
    row = found.family
    if base is None:
        if row.alone and not found.lacking:
            return None
        parts = " and no ".join(folder.told(name) for name in found.lacking)
        alone = "states neither its configuration nor its tokenizers" if row.reads_words else "states no configuration"
        lack = f"holds no {parts}" if parts else alone
        raise CheckpointError(
            f"{found.path.name} ({found.mark.title}) {lack}.",
            hint=f"Name a complete diffusers folder of {row.title} with `--base FOLDER`: what the file lacks is taken "
            "from there, and the report says so.",
        )
    root = Path(base).expanduser()
    if not root.is_dir():
        raise CheckpointError(f"There is no folder {base}.", hint="`--base` takes a diffusers folder.")
    _, other = folder.pipeline(root)
    if other.name != row.name:
        raise CheckpointError(
            f"The base {root.name} is of the family {other.title}, {found.path.name} of {row.title}.",
            hint="Give a base of the same family.",
        )
    _fits(found, folder.config(root, row.network), root.name)
    return root


def _fits(found: Contents, network: Mapping[str, Any], base: str) -> None:
    context = context_width(found)
    own = network.get("cross_attention_dim")
    if context is not None and own is not None and context != own:
        raise CheckpointError(
            f"The base {base} gives conditions of {own} numbers, the network of {found.path.name} takes {context}.",
            hint=f"Give a base of {found.mark.title}.",
        )


def context_width(found: Contents) -> int | None:
    """Numbers in each vector that a UNet takes from its text encoder; None for another network."""
    for name, shape in found.network().items():
        if name.endswith("attn2.to_k.weight"):
            return shape[1]
    return None


def _base_files(found: Contents, base: Path) -> tuple[FileDigest, ...]:
    """Digests of the files of the base that take part, named after the place they have in it."""
    row = found.family
    used = [name for name in found.lacking if (base / name).is_dir()]
    weights = {name: component_weights(base, name) for name in used}
    texts = [name for name in found.wanted if (base / name).is_dir()]
    paths = [base / "model_index.json", place(base, "scheduler") / "scheduler_config.json"]
    paths += [place(base, name) / "config.json" for name in (row.network, *(["vae"] if row.latent else []), *texts)]
    paths += [p for found_ in weights.values() for p in (*found_.files, *([found_.index] if found_.index else []))]
    for name in texts:
        paths += [p for p in (base / name.replace("text_encoder", "tokenizer")).glob("*") if p.is_file()]
    return tuple(file_digest(p, f"{BASE}/{p.relative_to(base).as_posix()}") for p in sorted(set(paths)) if p.is_file())


def _variant(found: Contents) -> tuple[Fact, ...]:
    shapes = found.network()
    first = shapes.get("input_blocks.0.0.weight", shapes.get("conv_in.weight"))
    rows = []
    if found.family.network == "unet" and found.family.latent and first is not None and first[1] in (5, 9):
        rows.append(Fact("variant", folder.INPAINTING if first[1] == 9 else folder.DEPTH))
    if found.family.name == "flux":
        guided = any(name.startswith(("guidance_in.", "time_text_embed.guidance_embedder.")) for name in shapes)
        rows.append(
            Fact("guidance", "an input of the network; where none is asked for, its value is 1")
            if guided
            else Fact("guidance", "none: the network was distilled without it, and a guidance asked for is not used")
        )
    if any(name.startswith(EMA) for name in found.header.shapes):
        rows.append(
            Fact(
                "two sets of weights",
                "the file holds the weights of the last training step and their running mean (EMA); the first are used",
            )
        )
    kinds = sorted({kind for kind in found.header.kinds.values() if kind.startswith("F8")})
    if kinds:
        rows.append(folder.eight_bits("file", kinds))
    if gguf_files.is_gguf(found.path):
        rows.append(gguf_files.said(found.header.kinds, found.header.shapes))
    return tuple(rows)


def _own_facts(found: Contents, scheduler: Mapping[str, Any], prediction: str) -> tuple[Fact, ...]:
    name = found.family.name
    if scheduler:
        return (Fact("noise schedule", f"{folder.scheduled(scheduler, prediction)} (of the base)"),)
    zero = ", zero terminal signal-to-noise (tensor ztsnr)" if zero_snr(found.header) else ""
    schedule = f"scaled_linear, beta 0.00085 to 0.012, 1000 training steps, by convention{zero}"
    if prediction == "edm":
        schedule = "EDM, sigma 0.002 to 80, sigma of the data 0.5, by convention of Playground 2.5"
    return (
        Fact("latent scaling factor", f"{scaling(found.header, name)}, by convention: the file does not state it"),
        Fact("noise schedule", schedule),
        Fact("tokenizer", "CLIP byte pairs (49408 tokens), as shipped with open_clip: the file carries none"),
    )


def scaling(header: Header, family_name: str) -> float:
    """Latent scaling of a single file: the family's, or 0.5 with the statistics that files of EDM carry."""
    return 0.5 if "edm_mean" in header.shapes else SCALING[family_name]


def zero_snr(header: Header) -> bool:
    """Whether the file says by a tensor of this name that the training had zero terminal signal-to-noise."""
    return "ztsnr" in header.shapes


def _source_facts(found: Contents, base: Path | None) -> tuple[Fact, ...]:
    if base is None:
        return (Fact("source of the parts", "the file itself; configuration by shapes and convention"),)
    own = ["the denoising network", *(f"the {folder.told(n)}" for n in found.wanted if n in found.texts)]
    own += ["the autoencoder"] if found.vae is not None else []
    return (
        Fact("from the file", ", ".join(own)),
        Fact(
            "from the base",
            f"{foreign.resolved(base).name}: "
            f"{', '.join(f'the {folder.told(n)}' for n in found.lacking) or 'no weights'}; "
            "configuration, schedule and tokenizers. The digests of these files are listed with the prefix base/",
        ),
    )


def _prediction(found: Contents, scheduler: Mapping[str, Any], wishes: Wishes) -> tuple[str, str]:
    """Prediction and where it comes from: the examiner, the file, a YAML beside it, the base, or convention."""
    read_, source = _read_prediction(found, scheduler)
    if wishes.prediction:
        if wishes.prediction not in found.family.predictions:
            raise CheckpointError(
                f"Networks of {found.family.title} predict {' or '.join(found.family.predictions)}, not "
                f"{wishes.prediction}.",
                hint="Leave out --prediction, or name another checkpoint.",
            )
        read_, source = (
            wishes.prediction,
            f"{wishes.prediction}, stated by the examiner with --prediction; else: {source}",
        )
    if read_ == "epsilon" and zero_snr(found.header):
        raise CheckpointError(
            f"{found.path.name} says zero terminal signal-to-noise (tensor ztsnr) and predicts epsilon: at pure noise "
            "the data estimate would be a division by zero.",
            hint="Such a checkpoint predicts v: state it with `--prediction v_prediction`.",
        )
    return read_, source


def _read_prediction(found: Contents, scheduler: Mapping[str, Any]) -> tuple[str, str]:
    header, path = found.header, found.path
    if found.family.predictions == ("flow",):
        return "flow", "flow (all networks of this family)"
    if "edm_mean" in header.shapes:
        return "edm", "edm (tensor edm_mean in the file)"
    if "v_pred" in header.shapes:
        return "v_prediction", "v_prediction (tensor v_pred in the file)"
    stated = header.metadata.get("modelspec.prediction_type", header.metadata.get("modelspec.predict_key", ""))
    if stated in _STATED:
        return _STATED[stated], f"{_STATED[stated]} (the file's own metadata)"
    if header.metadata.get("ss_v_parameterization") == "True":
        return "v_prediction", "v_prediction (the metadata of the training program in the file)"
    sidecar = path.with_suffix(".yaml")
    if sidecar.is_file() and (match := _SIDECAR.search(sidecar.read_text("utf-8", errors="replace"))):
        return _STATED[match[1]], f"{_STATED[match[1]]} ({sidecar.name} beside the file)"
    if scheduler:
        kind, source = folder.predicted(found.family, scheduler, NONE)
        return kind, f"{source}, ASSUMED to be that of the base: the file does not state it"
    if found.mark.generation == "2":
        return "v_prediction", (
            "v_prediction, ASSUMED: the 768-pixel releases of 2.x predict v, the 512-pixel base releases epsilon, and "
            f"the weights do not tell. To override, use --prediction, or put {sidecar.name} with the line "
            "`parameterization: eps` beside the file"
        )
    if found.family.name == "sdxl":
        return "epsilon", (
            "epsilon, ASSUMED: the file does not state it, and neither tensor v_pred nor metadata say otherwise. To "
            "override, use --prediction"
        )
    return "epsilon", "epsilon (convention of 1.x; the file does not state it)"


def _native(found: Contents, base: Path | None, prediction: str, wishes: Wishes) -> tuple[int, str]:
    if wishes.size:
        return wishes.size, f"{wishes.size} pixels, stated by the examiner with --size"
    stated = re.match(r"(\d+)x(\d+)\Z", found.header.metadata.get("modelspec.resolution", ""))
    if stated:
        return int(stated[1]), f"{stated[1]} pixels (the file's own metadata)"
    sizes = found.family.sizes
    if base is not None:
        size = folder.config(base, found.family.network).get("sample_size")
        cell = folder.cell_of(folder.config(base, "vae")) if found.family.latent else 1
        if size is not None or not sizes:
            px = folder.side(size or 128) * cell
            return px, f"{px} pixels ({'configuration of the base' if size else 'convention of this family'})"
    native = sizes[found.mark.generation]
    if found.mark.generation == "2" and prediction != "v_prediction":
        native = 512
    return native, f"{native} pixels (ASSUMED, convention of this generation; the file does not state it)"
