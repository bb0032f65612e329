"""The layers of an identified checkpoint and the shapes of their weights, from headers alone, in diffusers' names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from forensics.case import Checkpoint
from forensics.diffusion import single_file
from forensics.diffusion.families import family
from forensics.diffusion.names import flux_layers, open_clip_layers, plain, sd3_layers, unet_layers
from forensics.diffusion.single_file import Contents
from forensics.diffusion.weight_files import component_weights, place

Layers = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Component (`network`, `text_encoder` …) -> layer in plain spelling -> shape of its weight."""

_LAYERS = {"flux": flux_layers, "sd3": sd3_layers, "sd": unet_layers, "sdxl": unet_layers}


def layers_of(checkpoint: Checkpoint, path: Path) -> Layers:
    """Every layer with a weight of the network and the text encoders. Raises CheckpointError."""
    row = family(checkpoint.family)
    if path.is_dir():
        return {
            "network" if name == row.network else name: _own(component_weights(path, name).shapes)
            for name in row.parts
            if name != "vae" and place(path, name).is_dir()
        }
    found = single_file.read(path)
    made = {"network": _network(found)}
    for name in found.wanted:
        if name in found.texts:
            prefix = found.texts[name]
            own = {n.removeprefix(prefix): s for n, s in found.header.shapes.items() if n.startswith(prefix)}
            made[name] = _text(own)
        elif checkpoint.base and (Path(checkpoint.base) / name).is_dir():
            made[name] = _own(component_weights(Path(checkpoint.base), name).shapes)
    return made


def _own(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {plain(n.removesuffix(".weight")): shape for n, shape in shapes.items() if n.endswith(".weight")}


def _network(found: Contents) -> dict[str, tuple[int, ...]]:
    shapes = found.network()
    if found.mark.names == "diffusers":
        return _own(shapes)
    made: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        layer, _, end = name.rpartition(".")
        targets = _LAYERS[found.family.name](layer)
        if end not in ("weight", "scale") or not targets:
            continue
        # Fused layers: equal parts, and in FLUX's single blocks the width of the network for all but the last.
        equal = shape[0] // len(targets)
        width = shapes["img_in.weight"][0] if found.family.name == "flux" else equal
        rows = [width] * (len(targets) - 1)
        for target, count in zip(targets, [*rows, shape[0] - sum(rows)], strict=True):
            made[plain(target)] = (count, *shape[1:])
    return made


def _text(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    if "token_embedding.weight" not in shapes:
        return _own(shapes)
    made = {}
    for name, shape in shapes.items():
        for target in open_clip_layers(name):
            if name.endswith(("weight", "in_proj_weight")):
                made[target] = (shape[0] // len(open_clip_layers(name)), *shape[1:])
    return made
