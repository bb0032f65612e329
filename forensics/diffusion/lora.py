"""LoRA files and their kin beside a base checkpoint: read and fitted from headers alone, without torch.

Hu et al. 2021: a layer's weight W becomes W + scale · up · down, with up and down of low rank. Fine-tunes on one
artist's works mostly travel in this form or one of its kin: LoHa and LoKr (Yeh et al. 2024), DoRA (Liu et al. 2024),
plain differences. The names of diffusers, PEFT, kohya's scripts, LyCORIS and ComfyUI are understood; whatever else a
file holds is refused, because a tensor left aside would make another model than the one examined. Merging is in
`lora_merge`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import Checkpoint, Fact, FileDigest
from forensics.diffusion.families import Family, family
from forensics.diffusion.headers import PICKLES, Header, combined_digest, file_digest, read_header
from forensics.diffusion.layers import Layers, layers_of
from forensics.diffusion.names import plain, publisher_layers
from forensics.diffusion.provenance import metadata_facts
from forensics.errors import CheckpointError
from forensics.path_names import there

FOLDER = "lora"
"""First part of the name under which the file's digest stands in the checkpoint."""
USUAL = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
CONFIGURATION = "adapter_config.json"
"""PEFT's configuration beside the file: alpha and rank stand there and nowhere else."""
_METADATA = "lora_adapter_metadata"
"""Where diffusers puts PEFT's configuration: a JSON text with keys such as `unet.lora_alpha`."""
NETWORK = "network"
BUNDLED = "bundle_emb."
"""Beginning of the names of tensors that are textual inversions put into the file (`embedding.bundled`)."""
_PEFT = ("LORA", "LOHA", "LOKR")
_PREFIXES: tuple[tuple[str, str], ...] = (
    ("base_model.model.text_encoder_2.", "text_encoder_2"),
    ("base_model.model.text_encoder.", "text_encoder"),
    ("base_model.model.unet.", NETWORK),
    ("base_model.model.transformer.", NETWORK),
    ("base_model.model.", ""),
    ("text_encoders.clip_l.transformer.", "text_encoder"),
    ("text_encoders.clip_g.transformer.", "text_encoder_2"),
    ("text_encoder_3.", "text_encoder_3"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("lora_te3_", "text_encoder_3"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te1_", "text_encoder"),
    ("lora_te_", "text_encoder"),
    ("model.diffusion_model.", NETWORK),
    ("diffusion_model.", NETWORK),
    ("lora_unet_", NETWORK),
    ("lora_transformer_", NETWORK),
    ("lycoris_", NETWORK),
    ("unet.", NETWORK),
    ("transformer.", NETWORK),
    ("", ""),
)
"""Beginning of a tensor's name -> component; empty where the layer itself must tell."""
_ADAPTER = r"(?:\.(?!weight\b)\w+)?"
_SUFFIX = re.compile(
    r"[._](?:"
    rf"(?P<down>lora_A{_ADAPTER}\.weight|lora\.down\.weight|lora_down\.weight|lora_linear_layer\.down\.weight)"
    rf"|(?P<up>lora_B{_ADAPTER}\.weight|lora\.up\.weight|lora_up\.weight|lora_linear_layer\.up\.weight)"
    rf"|(?P<up_bias>lora_B{_ADAPTER}\.bias|lora_up\.bias)"
    r"|(?P<mid>lora_mid\.weight)|(?P<alpha>(?:lora\.)?alpha)"
    rf"|(?P<magnitude>dora_scale|lora_magnitude_vector{_ADAPTER}(?:\.weight)?)"
    r"|(?P<diff>diff|w_norm)|(?P<diff_bias>diff_b|b_norm)"
    r"|(?P<hada>hada_(?:w1_a|w1_b|w2_a|w2_b|t1|t2))|(?P<lokr>lokr_(?:w1_a|w1_b|w1|w2_a|w2_b|w2|t2))"
    r")\Z"
)
_PROCESSOR = re.compile(r"\.(processor\.|self_attn\.)(to_[qkv]|to_out)_lora\.(down|up)\.weight\Z")
"""Names of diffusers before PEFT: the attention processor held the matrices, in text encoders the attention itself."""
_KINDS = {
    "oft_blocks": "OFT",
    "oft_diag": "OFT",
    "oft_R": "OFT",
    "on_input": "IA3",
    "ia3_l": "IA3",
    "boft": "BOFT",
    "a1.weight": "GLoRA",
    "vera_lambda": "VeRA",
    "modules_to_save": "whole layers saved beside the LoRA",
}
_CONTEXTS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL"}


@dataclass(frozen=True, slots=True)
class Layer:
    """What a file holds for one layer."""

    component: str
    """`network`, `text_encoder` and so on; empty where only the layer's name tells."""
    module: str
    """Name of the layer as the file has it: with dots, or with underscores."""
    tensors: Mapping[str, str]
    """Role (`down`, `up`, `alpha`, `hada_w1_a` …) -> name of the tensor."""
    shapes: Mapping[str, tuple[int, ...]]
    """Role -> shape."""

    @property
    def kind(self) -> str:
        """`LoRA`, `LoHa`, `LoKr` or `difference`, with `DoRA` where a magnitude is given."""
        roles = set(self.tensors)
        name = "LoRA" if "down" in roles else "LoHa" if "hada_w1_a" in roles else ""
        name = name or ("LoKr" if any(r.startswith("lokr") for r in roles) else "difference")
        return f"{name} with DoRA" if "magnitude" in roles else name

    @property
    def rank(self) -> int:
        """Rank of the factors; 0 where the layer is not factored."""
        for role in ("down", "hada_w1_b", "lokr_w1_b", "lokr_w2_b"):
            if role in self.shapes:
                return self.shapes[role][0]
        return 0

    def size(self) -> int:
        """Numbers in the weight that it changes."""
        s = self.shapes
        if "down" in s:
            flat = math.prod(s["down"][1:])
            return s["up"][0] * flat * math.prod(s["mid"][2:] if "mid" in s else ())
        if "hada_w1_a" in s:
            if "hada_t1" in s:
                return s["hada_w1_a"][1] * s["hada_w1_b"][1] * math.prod(s["hada_t1"][2:])
            return s["hada_w1_a"][0] * math.prod(s["hada_w1_b"][1:])
        if any(role.startswith("lokr") for role in s):
            first = math.prod(s["lokr_w1"]) if "lokr_w1" in s else s["lokr_w1_a"][0] * s["lokr_w1_b"][1]
            if "lokr_t2" in s:
                return first * s["lokr_w2_a"][1] * s["lokr_w2_b"][1] * math.prod(s["lokr_t2"][2:])
            second = math.prod(s["lokr_w2"]) if "lokr_w2" in s else s["lokr_w2_a"][0] * math.prod(s["lokr_w2_b"][1:])
            return first * second
        return math.prod(s["diff"]) if "diff" in s else 0


@dataclass(frozen=True, slots=True)
class Scale:
    """What PEFT's configuration says of the scale of one component's layers."""

    alpha: float
    rank: float
    stabilised: bool = False
    """alpha / sqrt(rank) in place of alpha / rank (Kalajdzievski 2023)."""
    alphas: Mapping[str, float] = field(default_factory=dict)
    """Pattern of layers -> alpha."""
    ranks: Mapping[str, float] = field(default_factory=dict)
    """Pattern of layers -> rank; read for layers whose factors do not show it."""

    def of(self, module: str, shown: int) -> float:
        """The scale of a layer whose factors show this rank; 0 where they are not factored."""
        alpha, rank = _matching(self.alphas, module, self.alpha), shown or _matching(self.ranks, module, self.rank)
        return alpha / math.sqrt(rank) if self.stabilised else alpha / rank


def _matching(patterns: Mapping[str, float], module: str, otherwise: float) -> float:
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})\Z", module)), otherwise)


@dataclass(frozen=True, slots=True)
class Lora:
    """What a file holds."""

    path: Path
    strength: float
    layers: tuple[Layer, ...]
    configured: Mapping[str, Scale]
    """Component -> scale as the configuration states it; the key `` stands for every component."""
    configuration: Path | None
    metadata: Mapping[str, str]

    def scale(self, layer: Layer) -> float | None:
        """alpha / rank where the configuration states it; None where a tensor or convention decides."""
        stated = self.configured.get(layer.component, self.configured.get(""))
        return None if stated is None or layer.kind == "difference" else stated.of(layer.module, layer.rank)

    def files(self, number: int) -> tuple[tuple[str, Path], ...]:
        """Name under which each file stands in the checkpoint, and the file. The strength makes another generator."""
        start = f"{FOLDER}/" if number == 0 else f"{FOLDER}/{number + 1}/"
        stated = "" if self.strength == 1 else f" at strength {self.strength:g}"
        more = ((f"{start}{CONFIGURATION}", self.configuration),) if self.configuration else ()
        return ((f"{start}{self.path.name}{stated}", self.path), *more)


def attach(checkpoint: Checkpoint, given: Sequence[str], path: Path) -> Checkpoint:
    """The checkpoint with LoRAs in its name, digest and facts, in the order of merging.

    Args:
        given: files or folders, each with an optional strength.
        path: where the checkpoint lies.

    Raises:
        CheckpointError: no such file, a pickle, damaged, of a kind that is not merged, or not made for the checkpoint.
    """
    row = family(checkpoint.family)
    layers = layers_of(checkpoint, path)
    found = [read(location, row) for location in given]
    files, facts, names = list(checkpoint.files), list(checkpoint.facts), [checkpoint.name]
    for number, lora in enumerate(found):
        fit(lora, layers, row)
        digests = [file_digest(file, place) for place, file in lora.files(number)]
        files += digests
        facts += _facts(lora, digests, row)
        names.append(_name(lora))
    return replace(
        checkpoint,
        name=" + ".join(names),
        files=tuple(files),
        digest=combined_digest(tuple(files)),
        facts=tuple(facts),
        lora=tuple(given),
    )


def _name(lora: Lora) -> str:
    own = lora.path.stem if lora.path.name not in USUAL else foreign.resolved(lora.path).parent.name
    return own if lora.strength == 1 else f"{own} at {lora.strength:g}"


def _facts(lora: Lora, digests: Sequence[FileDigest], row: Family) -> list[Fact]:
    named = f"LoRA {lora.path.name}" if lora.path.name not in USUAL else "LoRA"
    counts: dict[tuple[str, str], int] = {}
    for layer in lora.layers:
        component = row.network if layer.component in (NETWORK, "") else layer.component
        counts[layer.kind, component] = counts.get((layer.kind, component), 0) + 1
    parts = [
        f"{n} {'layer' if n == 1 else 'layers'} of the {c.replace('_', ' ')} ({kind})"
        for (kind, c), n in counts.items()
    ]
    ranks = sorted({layer.rank for layer in lora.layers if layer.rank})
    rank = f", rank {', '.join(map(str, ranks))}" if ranks else ""
    return [
        Fact("LoRA", f"{lora.path.name}, SHA-256 {digests[0].sha256}: merged into the weights when they are loaded"),
        Fact("LoRA strength", f"{lora.strength:g}"),
        Fact("LoRA layers", f"{' and '.join(parts)}{rank}"),
        Fact("LoRA scale", _scale_sentence(lora)),
        *metadata_facts({k: v for k, v in lora.metadata.items() if k != _METADATA}, f"{named} metadata"),
    ]


def read(given: str, row: Family) -> Lora:
    """The layers of a LoRA file, from its header.

    Args:
        given: a file or folder, with an optional strength behind a colon: `FILE:0.8`.

    Raises:
        CheckpointError: see `attach`.
    """
    location, strength = split(given)
    path = Path(location).expanduser()
    if path.is_dir():
        path = next((path / name for name in USUAL if (path / name).is_file()), path / USUAL[0])
    if path.suffix.lower() in PICKLES and path.is_file():
        raise CheckpointError(
            f"{path.name} is a pickle file and was not opened: loading it would run code from it.",
            hint=f"Get the publisher's .safetensors file, or run `forensics weights convert {path.name}`.",
        )
    if not path.is_file():
        raise CheckpointError(
            f"There is no LoRA at {location}.",
            hint=f"Give a .safetensors file, or a folder with {' or '.join(USUAL)}.",
        )
    header = read_header(path)
    beside = path.parent / CONFIGURATION
    configuration = beside if beside.is_file() and path.name == USUAL[1] else None
    layers = _layers(path.name, header)
    return Lora(
        path, strength, layers, _configured(path.name, header, configuration, row), configuration, header.metadata
    )


def split(given: str) -> tuple[str, float]:
    """Location and strength. Raises CheckpointError for a strength that is no finite number."""
    location, colon, text = given.rpartition(":")
    if not colon or there(Path(given).expanduser()) or "/" in text or "\\" in text:
        return given, 1.0
    try:
        strength = float(text)
    except ValueError:
        return given, 1.0
    if not math.isfinite(strength):
        raise CheckpointError(f"The strength {text} of {location} is no finite number.", hint="Write `FILE:0.8`.")
    return location, strength


def _layers(file: str, header: Header) -> tuple[Layer, ...]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name in header.shapes:
        if name.startswith(BUNDLED):
            continue
        known = next((kind for part, kind in _KINDS.items() if part in name), None)
        role, module = _role(name)
        if known or not role:
            what = f"it holds {known}" if known else f"it holds the tensor {name!r}"
            raise CheckpointError(
                f"{file} is not a LoRA of a kind that is merged: {what}.",
                hint="Merged are LoRA, LoCon, LoHa, LoKr, DoRA and plain differences. For any other, merge it into its "
                "base with the program that made it, save the whole as .safetensors, and examine that.",
            )
        prefix, component = next((p, c) for p, c in _PREFIXES if module.startswith(p))
        found.setdefault((component, module.removeprefix(prefix)), {})[role] = name
    layers = tuple(
        Layer(*key, tensors, {role: header.shapes[name] for role, name in tensors.items()})
        for key, tensors in sorted(found.items())
    )
    for layer in layers:
        _whole(file, layer)
    if not layers:
        raise CheckpointError(
            f"{file} holds no layer.",
            hint="Fetch the file again. A file of words alone is named with --embedding.",
        )
    return layers


def _role(name: str) -> tuple[str, str]:
    """The role of a tensor and the layer it belongs to; an empty role where it has none."""
    if match := _PROCESSOR.search(name):
        layer = match[2]
        if match[1] == "self_attn.":
            layer = f"self_attn.{layer.removeprefix('to_')}_proj"
        elif layer == "to_out":
            layer = "to_out.0"
        return match[3], f"{name[: match.start()]}.{layer}"
    match = _SUFFIX.search(name)
    if match is None:
        return "", name
    group, text = next((k, v) for k, v in match.groupdict().items() if v)
    return (text if group in ("hada", "lokr") else group), name[: match.start()]


_NEEDED = (
    ({"down", "up"}, {"down", "up"}),
    ({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"},) * 2,
)


def _whole(file: str, layer: Layer) -> None:
    roles = set(layer.tensors)
    lacks = any(roles & some and not needed <= roles for some, needed in _NEEDED)
    if any(role.startswith("lokr") for role in roles):
        first = "lokr_w1" in roles or {"lokr_w1_a", "lokr_w1_b"} <= roles
        second = "lokr_w2" in roles or {"lokr_w2_a", "lokr_w2_b"} <= roles
        lacks = not (first and second)
    if lacks or roles <= {"alpha", "magnitude", "mid"}:
        raise CheckpointError(f"{file} lacks one of the matrices of {layer.module}.", hint="Fetch the file again.")


def _configured(file: str, header: Header, configuration: Path | None, row: Family) -> dict[str, Scale]:
    try:
        if configuration is not None:
            return {"": _scale(foreign.read_json(configuration, foreign.MIB), file)}
        text = header.metadata.get(_METADATA)
        if text is None:
            return {}
        values, scales = foreign.parse(text, depth=8), {}
        for name in row.parts:
            own = {k.removeprefix(f"{name}."): v for k, v in values.items() if k.startswith(f"{name}.")}
            if "lora_alpha" in own:
                scales[NETWORK if name == row.network else name] = _scale(own, file)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError) as exc:
        raise CheckpointError(
            f"The configuration of the LoRA {file} is not readable.", hint="Fetch it again, with adapter_config.json."
        ) from exc
    return scales


def _scale(values: Mapping[str, Any], file: str) -> Scale:
    if (
        values.get("fan_in_fan_out")
        or str(values.get("peft_type", "LORA")).upper().removeprefix("PEFTTYPE.") not in _PEFT
    ):
        raise CheckpointError(
            f"The configuration of {file} states {values.get('peft_type', 'fan_in_fan_out')}, which is not merged.",
            hint="Merge it into its base with PEFT, save the whole as .safetensors, and examine that.",
        )
    alphas, ranks = (
        {str(k): float(v) for k, v in (values.get(key) or {}).items()} for key in ("alpha_pattern", "rank_pattern")
    )
    alpha = float(values["lora_alpha"] if "lora_alpha" in values else values["alpha"])
    return Scale(alpha, float(values["r"]), bool(values.get("use_rslora")), alphas, ranks)


def _scale_sentence(lora: Lora) -> str:
    if any("alpha" in layer.tensors for layer in lora.layers):
        return "alpha / rank, alpha from the file's tensors"
    if lora.configured:
        where = CONFIGURATION if lora.configuration else "header"
        stated = sorted({f"{scale:g}" for layer in lora.layers if (scale := lora.scale(layer)) is not None})
        return f"{', '.join(stated)}, {where}"
    if all(layer.kind == "difference" for layer in lora.layers):
        return "1: the differences are added as they are"
    return "1, by convention: the file does not state it"


def targets(layer: Layer, layers: Layers, row: Family) -> tuple[str, tuple[str, ...]] | None:
    """The component and the layers in it that a file's layer is, in the order of its rows; None if there are none."""
    components = [layer.component] if layer.component else list(layers)
    name = plain(layer.module)
    for component in components:
        own = layers.get(component, {})
        for choice in ((name,), publisher_layers(row.name, name) if component == NETWORK else ()):
            if choice and all(target in own for target in choice):
                return component, choice
    return None


def fit(lora: Lora, layers: Layers, row: Family) -> None:
    """Raises CheckpointError where a layer has no place in the checkpoint, or is of another size."""
    for layer in lora.layers:
        where = targets(layer, layers, row)
        sizes = [math.prod(layers[where[0]][t]) for t in where[1]] if where else []
        if not where or (layer.size() and layer.size() != sum(sizes)):
            raise misfit(lora, layer)


def misfit(lora: Lora, layer: Layer) -> CheckpointError:
    """The error for a LoRA of another checkpoint, saying what it was made for where its shapes tell."""
    made_for = _made_for(lora)
    return CheckpointError(
        f"The LoRA {lora.path.name} does not fit the base checkpoint: {layer.component or 'layer'} {layer.module}.",
        hint=f"Give the base checkpoint that it was trained on{f', one of {made_for}' if made_for else ''}.",
    )


def _made_for(lora: Lora) -> str:
    for layer in lora.layers:
        name = plain(layer.module)
        if name.startswith(("double_blocks", "single_blocks", "single_transformer_blocks")):
            return "FLUX.1"
        if name.startswith("joint_blocks") or "add_k_proj" in name:
            return "Stable Diffusion 3"
        if name.endswith("attn2_to_k") and "down" in layer.shapes:
            return _CONTEXTS.get(layer.shapes["down"][1], "")
    return ""
