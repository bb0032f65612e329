"""LoRA files beside a base checkpoint: read from their headers, merged into the weights at loading.

Hu et al. 2021: a layer's weight W becomes W + scale · up · down, with up and down of low rank. Fine-tunes on one
artist's works mostly travel in this form. Merging needs two matrix products and no further library. The names of
diffusers and PEFT and those of kohya's scripts are understood; whatever else a file holds is refused, because a tensor
left aside would make another model than the one examined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import Checkpoint, Fact
from forensics.diffusion.headers import PICKLES, Header, combined_digest, file_digest, read_header
from forensics.errors import CheckpointError

FOLDER = "lora"
"""First part of the name under which the file's digest stands in the checkpoint."""
USUAL = "pytorch_lora_weights.safetensors"
_PREFIXES = {
    "unet.": "unet",
    "text_encoder.": "text_encoder",
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "base_model.model.": "unet",
}
_SUFFIX = re.compile(
    r"\.(?:(?P<down>lora_A(?:\.default)?|lora\.down|lora_down|lora_linear_layer\.down)"
    r"|(?P<up>lora_B(?:\.default)?|lora\.up|lora_up|lora_linear_layer\.up))\.weight\Z|\.(?P<alpha>alpha)\Z"
)
_METADATA = "lora_adapter_metadata"
"""Where diffusers puts PEFT's configuration: a JSON text with keys such as `unet.lora_alpha`."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The pair of matrices for one layer."""

    component: str
    """`unet` or `text_encoder`."""
    module: str
    """Name of the layer as the file has it: with dots, or with underscores."""
    rank: int
    down: str
    up: str
    alpha: str | None
    """Name of the tensor that holds alpha; none where the header or the convention alpha = rank decides."""


@dataclass(frozen=True, slots=True)
class Lora:
    """What a file holds."""

    path: Path
    layers: tuple[Layer, ...]
    configured: dict[str, float]
    """Component -> alpha / rank as the header states it."""


def attach(checkpoint: Checkpoint, location: str) -> Checkpoint:
    """The checkpoint with the LoRA in its name, digest and facts.

    Raises:
        CheckpointError: no such file, a pickle, damaged, or not a plain LoRA.
    """
    lora = read(location)
    digest = file_digest(lora.path, f"{FOLDER}/{lora.path.name}")
    files = (*checkpoint.files, digest)
    ranks = sorted({layer.rank for layer in lora.layers})
    parts = [
        f"{count} layers of the {name.replace('_', ' ')}"
        for name in ("unet", "text_encoder")
        if (count := sum(layer.component == name for layer in lora.layers))
    ]
    facts = (
        Fact("LoRA", f"{lora.path.name}, SHA-256 {digest.sha256}: merged into the weights when they are loaded"),
        Fact("LoRA layers", f"{' and '.join(parts)}, rank {', '.join(map(str, ranks))}"),
        Fact("LoRA scale", _scale_sentence(lora)),
        *(
            Fact(f"LoRA metadata: {key}", value)
            for key, value in sorted(read_header(lora.path).metadata.items())
            if key not in (_METADATA, "format") and len(value) <= 200 and value.isprintable()
        ),
    )
    own = lora.path.stem if lora.path.name != USUAL else lora.path.resolve().parent.name
    return replace(
        checkpoint,
        name=f"{checkpoint.name} + {own}",
        files=files,
        digest=combined_digest(files),
        facts=(*checkpoint.facts, *facts),
        lora=str(location),
    )


def read(location: str) -> Lora:
    """The layers of a LoRA file, from its header. Raises CheckpointError."""
    path = Path(location).expanduser()
    if path.is_dir():
        path = path / USUAL
    if not path.is_file():
        raise CheckpointError(
            f"There is no LoRA at {location}.", hint=f"Give a .safetensors file, or a folder with {USUAL}."
        )
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{path.name} is a pickle file and was not opened: loading it would run code from it.",
            hint="Get the publisher's .safetensors file.",
        )
    header = read_header(path)
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name in header.shapes:
        prefix = next((p for p in _PREFIXES if name.startswith(p)), None)
        match = _SUFFIX.search(name)
        if prefix is None or match is None:
            raise CheckpointError(
                f"{path.name} is not a plain LoRA for this architecture: it holds the tensor {name!r}.",
                hint="Supported: LoRA in the formats of diffusers, PEFT and kohya, for the UNet and one text encoder; "
                "no DoRA, LoHa or LoKr.",
            )
        kind = next(k for k, v in match.groupdict().items() if v)
        found.setdefault((_PREFIXES[prefix], name[len(prefix) : match.start()]), {})[kind] = name
    layers = tuple(_layer(path.name, key, tensors, header) for key, tensors in sorted(found.items()))
    if not layers:
        raise CheckpointError(f"{path.name} holds no tensors.", hint="Fetch the file again.")
    return Lora(path, layers, _configured(path.name, header))


def merge(lora: Lora, parts: dict[str, Any]) -> None:
    """Add the products to the weights of the networks, in place.

    Args:
        lora: what `read` gave.
        parts: `unet` and `text_encoder`, torch modules on the CPU.

    Raises:
        CheckpointError: a layer that the networks do not have, or matrices that do not fit it.
    """
    import torch
    from safetensors.torch import load_file

    tensors = load_file(lora.path)
    names = {component: _modules(network.named_modules()) for component, network in parts.items()}
    for layer in lora.layers:
        module = names[layer.component].get(_plain(layer.module))
        down, up = (tensors[name].float().flatten(1) for name in (layer.down, layer.up))
        if module is None or up.shape[1] != len(down) or len(up) * down.shape[1] != module.weight.numel():
            raise CheckpointError(
                f"The LoRA {lora.path.name} does not fit the base checkpoint: {layer.component} {layer.module}.",
                hint="Give the base checkpoint that it was trained on.",
            )
        scale = lora.configured.get(layer.component, 1.0)
        if layer.alpha is not None:
            scale = float(tensors[layer.alpha]) / layer.rank
        with torch.no_grad():
            weight = module.weight
            weight.copy_(weight.float() + scale * (up @ down).reshape(weight.shape))


def _modules(named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {_plain(name): module for name, module in named if getattr(module, "weight", None) is not None}


def _plain(name: str) -> str:
    """One spelling for dots, underscores and the level `text_model`, which some releases of transformers leave out."""
    return name.replace(".", "_").removeprefix("text_model_")


def _layer(file: str, key: tuple[str, str], tensors: dict[str, str], header: Header) -> Layer:
    if not {"down", "up"} <= set(tensors):
        raise CheckpointError(f"{file} lacks one of the two matrices of {key[1]}.", hint="Fetch the file again.")
    return Layer(*key, _rank(file, header, tensors), tensors["down"], tensors["up"], tensors.get("alpha"))


def _rank(file: str, header: Header, tensors: dict[str, str]) -> int:
    """The inner side of the two matrices, which must agree."""
    down, up = header.shapes[tensors["down"]], header.shapes[tensors["up"]]
    if len(down) < 2 or len(up) < 2 or down[0] != up[1] or down[0] < 1:
        raise CheckpointError(f"{file} holds matrices of {tensors['down']} that do not fit together.")
    return down[0]


def _configured(file: str, header: Header) -> dict[str, float]:
    text = header.metadata.get(_METADATA)
    if text is None:
        return {}
    try:
        values = foreign.parse(text, depth=8)
        scales = {}
        for component in ("unet", "text_encoder"):
            own = {k.removeprefix(f"{component}."): v for k, v in values.items() if k.startswith(f"{component}.")}
            special = [
                k for k in ("alpha_pattern", "rank_pattern", "use_dora", "use_rslora", "lora_bias") if own.get(k)
            ]
            if special:
                raise CheckpointError(
                    f"The LoRA {file} uses {', '.join(special)}, which is not supported.", hint="Supported: plain LoRA."
                )
            if "lora_alpha" in own:
                scales[component] = float(own["lora_alpha"]) / float(own["r"])
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as exc:
        raise CheckpointError(f"The configuration in the header of {file} is not readable.") from exc
    return scales


def _scale_sentence(lora: Lora) -> str:
    if any(layer.alpha for layer in lora.layers):
        return "alpha / rank, alpha from the file's tensors"
    if lora.configured:
        return (
            ", ".join(f"{value:g} ({name.replace('_', ' ')})" for name, value in lora.configured.items()) + ", header"
        )
    return "1, by convention: the file does not state it"
