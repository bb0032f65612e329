"""Which files of a diffusers folder hold the weights of a component, and what their headers say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forensics.diffusion.headers import PICKLES, Header, read_header, read_json
from forensics.errors import CheckpointError

DIFFUSERS_STEM = "diffusion_pytorch_model"
"""Beginning of the names of weight files that diffusers writes."""
_STEM = {"unet": DIFFUSERS_STEM, "vae": DIFFUSERS_STEM, "text_encoder": "model"}


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight files of one component, as they will be loaded."""

    variant: str | None
    """`fp16` for files named `….fp16.safetensors`; none for the plain names, which are preferred."""
    files: tuple[Path, ...]
    headers: tuple[Header, ...]

    @property
    def parameters(self) -> int:
        return sum(h.parameters() for h in self.headers)


def component_weights(root: Path, component: str) -> Weights:
    """The safetensors files of a component: the plain ones, a sharded set, or the one variant there is.

    Raises:
        CheckpointError: only pickles, nothing at all, a missing shard, or a choice that is not ours to make.
    """
    return network_weights(root / component, _STEM[component], component)


def network_weights(folder: Path, stem: str, component: str) -> Weights:
    """The same for a folder that holds one network.

    Args:
        stem: beginning of the names of its weight files.
        component: what messages call it.

    Raises:
        CheckpointError: as for `component_weights`.
    """
    index = folder / f"{stem}.safetensors.index.json"
    variant = None
    if (plain := folder / f"{stem}.safetensors").is_file():
        files = [plain]
    elif index.is_file():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise CheckpointError(f"{component}/{index.name} lists no shards.", hint="Fetch the checkpoint again.")
        files = [folder / name for name in sorted({str(v) for v in shards.values()})]
    else:
        found = sorted(folder.glob(f"{stem}.*.safetensors"))
        if len(found) != 1:
            raise _no_weights(folder, component, found)
        files, variant = found, found[0].name.removeprefix(f"{stem}.").removesuffix(".safetensors")
    for file in files:
        # A shard name with a separator could lead out of the folder.
        if file.parent != folder:
            raise CheckpointError(f"{component} names a shard outside its folder: {file.name}.")
    return Weights(variant, tuple(files), tuple(read_header(file) for file in files))


def _no_weights(folder: Path, component: str, found: list[Path]) -> CheckpointError:
    if found:
        names = ", ".join(f.name for f in found)
        return CheckpointError(
            f"{component} has several weight files and none with the plain name: {names}.",
            hint="Leave one of them in the folder, so that the report can say which was examined.",
        )
    if pickles := [f.name for f in sorted(folder.glob("*")) if f.suffix in PICKLES]:
        return CheckpointError(
            f"{component} has only pickle weights ({', '.join(pickles)}); they were not opened: loading one would run "
            "code from it.",
            hint="Get the publisher's .safetensors files, or convert the folder on a machine you can afford to lose: "
            "`DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(NEW, safe_serialization=True)`.",
        )
    return CheckpointError(f"{component} has no weight file.", hint="Fetch the checkpoint again, complete.")
