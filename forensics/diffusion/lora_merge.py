"""Merging a LoRA or one of its kin into the weights of loaded networks, in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from forensics.diffusion.families import Family
from forensics.diffusion.layers import Layers
from forensics.diffusion.lora import NETWORK, Layer, Lora, misfit, targets
from forensics.diffusion.names import SWAPPED, plain, publisher_layers


def merge(lora: Lora, parts: Mapping[str, Any], row: Family, *, whole: bool = True) -> None:
    """Add what the file holds to the weights of the networks: W + strength · (changed W − W), in float32.

    Args:
        lora: what `lora.read` gave.
        parts: component -> torch module on the CPU.
        whole: whether they are all components; else layers of the others are left for their turn.

    Raises:
        CheckpointError: a layer that the networks do not have, or matrices that do not fit it.
    """
    networks = {NETWORK if name == row.network else name: network for name, network in parts.items()}
    modules = {name: _modules(network) for name, network in networks.items()}
    layers: Layers = {
        name: {layer: tuple(module.weight.shape) for layer, module in own.items()} for name, own in modules.items()
    }
    with safe_open(lora.path, framework="pt") as opened, torch.no_grad():
        for layer in lora.layers:
            where = targets(layer, layers, row)
            if where is None and not whole:
                continue
            if where is None:
                raise misfit(lora, layer)
            component, names = where
            values = {role: opened.get_tensor(name).float() for role, name in layer.tensors.items()}
            # A layer in the publisher's name may have its two halves of rows the other way round.
            swapped = names[0] in SWAPPED and publisher_layers(row.name, plain(layer.module)) == names
            _merge([modules[component][name] for name in names], layer, values, lora, swapped)


def _modules(network: Any) -> dict[str, Any]:
    return {plain(name): m for name, m in network.named_modules() if getattr(m, "weight", None) is not None}


def _merge(found: list[Any], layer: Layer, values: Mapping[str, Tensor], lora: Lora, swapped: bool) -> None:
    before = torch.cat([module.weight.float() for module in found])
    if swapped:
        before = _halves(before)
    try:
        after = changed(before, layer, values, lora.scale(layer)) if layer.size() else before
    except (RuntimeError, ValueError, IndexError) as exc:  # matrices that do not multiply
        raise misfit(lora, layer) from exc
    _place([m.weight for m in found], before + lora.strength * (after - before), swapped)
    if bias := _bias(values, layer, lora):
        if any(m.bias is None for m in found):
            raise misfit(lora, layer)
        plain_bias = torch.cat([m.bias.float() for m in found])
        plain_bias = _halves(plain_bias) if swapped else plain_bias
        _place([m.bias for m in found], plain_bias + lora.strength * bias[0], swapped)


def _place(weights: list[Tensor], whole: Tensor, swapped: bool) -> None:
    pieces = (_halves(whole) if swapped else whole).split([len(w) for w in weights])
    for weight, piece in zip(weights, pieces, strict=True):
        weight.copy_(piece)


def _halves(rows: Tensor) -> Tensor:
    return torch.cat(rows.chunk(2)[::-1])


def _bias(values: Mapping[str, Tensor], layer: Layer, lora: Lora) -> list[Tensor]:
    if "diff_bias" in values:
        return [values["diff_bias"]]
    if "up_bias" in values:
        return [values["up_bias"] * _scale(layer, values, lora.scale(layer))]
    return []


def changed(weight: Tensor, layer: Layer, values: Mapping[str, Tensor], stated: float | None) -> Tensor:
    """The weight under the file's layer at strength 1.

    Args:
        weight: float32, of any shape with its outputs first.
        stated: alpha / rank of a configuration; a tensor `alpha` goes before it.
    """
    delta = _scale(layer, values, stated) * _delta(weight, values).reshape(weight.shape)
    if "magnitude" not in values:
        return weight + delta
    # Liu et al. 2024, eq. 5: the direction is the changed weight over its norm, its length is learned. LyCORIS keeps
    # one length an input, PEFT and newer LyCORIS one an output; the shape of the lengths tells.
    moved, magnitude = weight + delta, values["magnitude"]
    outputs = magnitude.ndim == 1 or magnitude.shape[0] == weight.shape[0]
    if outputs and magnitude.numel() == weight.shape[0]:
        norm = moved.flatten(1).norm(dim=1)
        return moved * (magnitude.flatten() / norm).reshape(-1, *[1] * (weight.ndim - 1))
    norm = moved.transpose(0, 1).flatten(1).norm(dim=1)
    return moved * (magnitude.flatten() / norm).reshape(1, -1, *[1] * (weight.ndim - 2))


def _scale(layer: Layer, values: Mapping[str, Tensor], stated: float | None) -> float:
    if layer.kind == "difference":
        return 1.0
    if "alpha" in values:
        # LyCORIS writes an alpha beside two whole factors of LoKr as well, where it means nothing.
        return float(values["alpha"]) / layer.rank if layer.rank else 1.0
    return 1.0 if stated is None else stated


def _delta(weight: Tensor, v: Mapping[str, Tensor]) -> Tensor:
    if "down" in v:
        if "mid" in v:  # Tucker form of a convolution: 1 × 1, then k × k, then 1 × 1
            return torch.einsum("oa,abhw,bi->oihw", v["up"].flatten(1), v["mid"], v["down"].flatten(1))
        return v["up"].flatten(1) @ v["down"].flatten(1)
    if "hada_w1_a" in v:
        if "hada_t1" in v:
            return _tucker(v["hada_t1"], v["hada_w1_a"], v["hada_w1_b"]) * _tucker(
                v["hada_t2"], v["hada_w2_a"], v["hada_w2_b"]
            )
        return (v["hada_w1_a"] @ v["hada_w1_b"]) * (v["hada_w2_a"] @ v["hada_w2_b"])
    if "diff" in v:
        return v["diff"]
    first = v["lokr_w1"] if "lokr_w1" in v else v["lokr_w1_a"] @ v["lokr_w1_b"]
    if "lokr_t2" in v:
        second = _tucker(v["lokr_t2"], v["lokr_w2_a"], v["lokr_w2_b"])
    else:
        second = v["lokr_w2"] if "lokr_w2" in v else v["lokr_w2_a"] @ v["lokr_w2_b"]
    block = (weight.shape[0] // first.shape[0], weight.shape[1] // first.shape[1], *weight.shape[2:])
    return torch.kron(first.reshape(*first.shape, *[1] * (weight.ndim - 2)), second.reshape(block).contiguous())


def _tucker(core: Tensor, out: Tensor, in_: Tensor) -> Tensor:
    """(r, r, h, w), (r, out), (r, in) -> (out, in, h, w)."""
    return torch.einsum("ijhw,ip,jq->pqhw", core, out, in_)
