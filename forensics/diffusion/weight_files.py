"""Which files of a diffusers folder hold the weights of a component, and what their headers say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from forensics.diffusion.headers import PICKLES, Header, read_header, read_json
from forensics.errors import CheckpointError

DIFFUSERS_STEM = "diffusion_pytorch_model"
"""Beginning of the names of weight files that diffusers writes."""
TRANSFORMERS_STEM = "model"
_PREFERRED = ("", "fp32", "ema", "bf16", "fp16")
"""Variants in the order in which they are taken; any other is taken only where it is the only one."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight files of one component, as they will be loaded."""

    variant: str | None
    """`fp16` for files named `….fp16.safetensors`; none for the plain names, which are preferred."""
    files: tuple[Path, ...]
    headers: tuple[Header, ...]
    index: Path | None = None
    """Which file holds which tensor, where the weights are in several; part of what decides."""
    unused: tuple[str, ...] = ()
    """Names of weight files beside them that are not loaded."""

    @property
    def parameters(self) -> int:
        return sum(h.parameters() for h in self.headers)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: shape for header in self.headers for name, shape in header.shapes.items()}


def stem_of(component: str) -> str:
    """Beginning of the names of a component's weight files: transformers' for text encoders, else diffusers'."""
    return TRANSFORMERS_STEM if component.startswith("text_encoder") else DIFFUSERS_STEM


def place(root: Path, component: str) -> Path:
    """Where a component lies: in its own folder, or in the root as the first published folders of diffusers have it."""
    inner = root / component
    alone = "scheduler_config.json" if component == "scheduler" else "config.json"
    return root if not inner.is_dir() and (root / alone).is_file() else inner


def component_weights(root: Path, component: str) -> Weights:
    """The safetensors files of a component: the plain ones, a sharded set, or a variant, in a fixed order.

    Raises:
        CheckpointError: only pickles, nothing at all, a missing shard, or a choice that is not ours to make.
    """
    return network_weights(place(root, component), stem_of(component), component)


def network_weights(folder: Path, stem: str, component: str) -> Weights:
    """The same for a folder that holds one network.

    Args:
        stem: beginning of the names of its weight files.
        component: what messages call it.

    Raises:
        CheckpointError: as for `component_weights`.
    """
    sets = _sets(folder, stem, component)
    known = [v for v in _PREFERRED if v in sets]
    if not known and len(sets) != 1:
        raise _no_weights(folder, component, sets)
    variant = known[0] if known else next(iter(sets))
    index, files = sets[variant]
    for file in files:
        # A shard name with a separator could lead out of the folder.
        if file.parent != folder:
            raise CheckpointError(f"{component} names a shard outside its folder: {file.name}.")
        if not file.is_file():
            raise CheckpointError(
                f"{component} lacks the shard {file.name}.", hint="Fetch that file again; the others can stay."
            )
    unused = {p.name for v, (_, paths) in sets.items() if v != variant for p in paths} - {p.name for p in files}
    headers = tuple(read_header(file) for file in files)
    return Weights(variant or None, tuple(files), headers, index, tuple(sorted(unused)))


def _sets(folder: Path, stem: str, component: str) -> dict[str, tuple[Path | None, list[Path]]]:
    """Variant -> index and files. A whole file is preferred to shards of the same variant."""
    sets: dict[str, tuple[Path | None, list[Path]]] = {}
    shard = re.compile(
        rf"{re.escape(stem)}(?:\.(?P<before>[\w-]+?))?-\d+-of-(?P<count>\d+)(?:\.(?P<after>[\w-]+))?\.safetensors\Z"
    )
    whole = re.compile(rf"{re.escape(stem)}(?:\.(?P<variant>[\w-]+))?\.safetensors\Z")
    loose: dict[str, tuple[int, list[Path]]] = {}
    for path in sorted(folder.glob(f"{stem}*.safetensors")):
        if match := shard.match(path.name):
            variant = match["before"] or match["after"] or ""
            loose.setdefault(variant, (int(match["count"]), []))[1].append(path)
        elif match := whole.match(path.name):
            sets[match["variant"] or ""] = None, [path]
    for index in sorted(folder.glob(f"{stem}.*index*.json")):
        middle = index.name.removeprefix(f"{stem}.").removesuffix(".json")  # `safetensors.index.fp16` and relatives
        words = [word for word in middle.split(".") if word not in ("safetensors", "index")]
        shards = read_json(index).get("weight_map")
        if "safetensors" not in middle:
            continue
        if not isinstance(shards, dict) or not shards:
            raise CheckpointError(f"{component}/{index.name} lists no shards.", hint="Fetch the checkpoint again.")
        sets.setdefault(".".join(words), (index, [folder / name for name in sorted({str(v) for v in shards.values()})]))
    for variant, (count, paths) in loose.items():
        if variant not in sets:
            if len(paths) != count:
                raise CheckpointError(
                    f"{component} has {len(paths)} of {count} shards and no list of them.",
                    hint="Fetch the missing shards; the others can stay.",
                )
            sets[variant] = None, paths
    return sets


def _no_weights(folder: Path, component: str, sets: dict[str, tuple[Path | None, list[Path]]]) -> CheckpointError:
    if sets:
        names = ", ".join(sorted(p.name for _, paths in sets.values() for p in paths))
        return CheckpointError(
            f"{component} has several weight files and none with a name that says which is meant: {names}.",
            hint="Make a copy of the folder, leave one of them in the copy and examine that; the folder as received "
            "stays untouched.",
        )
    if pickles := [f.name for f in sorted(folder.glob("*")) if f.suffix in PICKLES]:
        return CheckpointError(
            f"{component} has only pickle weights ({', '.join(pickles)}); they were not opened: loading one would run "
            "code from it.",
            hint="Get the publisher's .safetensors files, or convert each with `forensics weights convert FILE`, which "
            "reads tensors and runs no code.",
        )
    if any(folder.glob("*.gguf")):
        return CheckpointError(
            f"{component} has only GGUF weights, which are rounded to few bits.",
            hint="If it is the denoising network, name the file with `--checkpoint FILE.gguf` and the folder with "
            "`--base`; else get the publisher's .safetensors files.",
        )
    return CheckpointError(f"{component} has no weight file.", hint="Fetch the checkpoint again, complete.")
