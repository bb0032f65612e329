"""Autoencoders beside the one of the checkpoint: what they are, from headers and digests, without torch.

Three layouts: the folder of an `AutoencoderKL` as diffusers writes it, a whole checkpoint (folder or hub id) with such
a folder `vae`, and one `.safetensors` file in the publishers' names. The checkpoint may be of a family that is not
examined here: its autoencoder alone is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensics.case import Absent, Checkpoint, FileDigest
from forensics.diffusion import single_file
from forensics.diffusion.checkpoint import resolve, safe, told
from forensics.diffusion.contents import weights_digest
from forensics.diffusion.families import family
from forensics.diffusion.headers import Header, combined_digest, file_digest, read_header, read_json
from forensics.diffusion.hub import AUTOENCODER
from forensics.diffusion.weight_files import DIFFUSERS_STEM, network_weights
from forensics.errors import CheckpointError

NONE_GIVEN = "other autoencoders"
NO_AUTOENCODER = "The checkpoint works on pixels and has no autoencoder, so there is none to set another beside."
REMEDY = (
    "Name autoencoders of other generators with `--autoencoder`: a folder in the layout of diffusers, a .safetensors "
    "file or a hub id."
)
_CLASS = "AutoencoderKL"
_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_LEVELS = 4
"""Levels of the autoencoders of Stable Diffusion 1.x, 2.x and XL, with 8 × 8 pixels a cell."""


@dataclass(frozen=True, slots=True)
class AutoencoderFiles:
    """One autoencoder, identified before its weights are loaded."""

    name: str
    """Of the folder, the file or the hub repository; never a whole path."""
    root: Path
    """The folder with `config.json` and the weights, or the `.safetensors` file."""
    variant: str | None
    """Of the names of the weight files: `fp16`, or none."""
    weights: tuple[Path, ...]
    prefix: str
    """Beginning of the names of its tensors, in a single file."""
    cell: int
    """Side in pixels of what one latent cell stands for."""
    files: tuple[FileDigest, ...]
    digest: str
    """SHA-256 over the sorted list of file digests, as of a checkpoint."""

    def contents(self) -> str:
        """Digest of what the weights hold, equal for the same weights in another layout or in half precision."""
        return weights_digest(self.weights, tuple(self.prefix + part for part in _PARTS))


@dataclass(frozen=True, slots=True)
class Beside:
    """The autoencoders that the disputed image is put through beside the checkpoint's own."""

    own: str = ""
    """Digest of the checkpoint's autoencoder."""
    others: tuple[AutoencoderFiles, ...] = ()
    left_out: tuple[Absent, ...] = ()
    """Those that are not another one, and why; where none is left, that as well."""


def beside(checkpoint: Checkpoint, control: Checkpoint | None, locations: Sequence[str]) -> Beside:
    """Identify the autoencoders named, and the control checkpoint's; keep those with weights of their own.

    Args:
        control: the control checkpoint, whose autoencoder is tried without being asked for.
        locations: paths or hub ids as the user gave them.

    Raises:
        CheckpointError: one is missing, a pickle, damaged or of another architecture.
    """
    named = [identify(location) for location in locations]
    if not family(checkpoint.family).latent:
        what = [f"autoencoder {found.name}" for found in named] or [NONE_GIVEN]
        return Beside("", (), tuple(Absent(name, NO_AUTOENCODER) for name in what))
    own = of_checkpoint(checkpoint)
    asked = [(found, f"The autoencoder {found.name}") for found in named]
    if control is not None and family(control.family).latent:
        asked.append((of_checkpoint(control), f"The autoencoder of the control checkpoint {control.name}"))
    kept: dict[str, str] = {}
    others, left_out = [], []
    with told("an autoencoder"):
        if asked:
            kept[own.contents()] = "the checkpoint's own"
        for found, said in asked:
            contents = found.contents()
            if contents in kept:
                reason = f"{said} has the same weights as {kept[contents]}, so it is not counted as another."
                left_out.append(Absent(f"autoencoder {found.name}", reason))
                continue
            kept[contents] = f"that of {found.name}"
            others.append(found)
    if not others:
        reason = "No other autoencoder was given: the disputed image was put through the checkpoint's own alone."
        left_out.append(Absent(NONE_GIVEN, reason, REMEDY))
    return Beside(own.digest, tuple(others), tuple(left_out))


def of_checkpoint(checkpoint: Checkpoint) -> AutoencoderFiles:
    """The autoencoder of an identified checkpoint; its files are not hashed again. Raises CheckpointError."""
    path = resolve(checkpoint.location)
    with told(checkpoint.location):
        if path.is_file() and checkpoint.base and single_file.read(path).vae is None:
            root, mark = Path(checkpoint.base).expanduser() / "vae", f"{single_file.BASE}/vae/"
            mine = [f for f in checkpoint.files if f.path.startswith(mark)]
            files = tuple(FileDigest(f.path.removeprefix(mark), f.sha256, f.size_bytes) for f in mine)
            return _folder(root, checkpoint.name, files)
        if path.is_dir():
            mine = [f for f in checkpoint.files if f.path.startswith("vae/")]
            files = tuple(FileDigest(f.path.removeprefix("vae/"), f.sha256, f.size_bytes) for f in mine)
            return _folder(path / "vae", checkpoint.name, files)
        return _file(path, checkpoint.name, tuple(f for f in checkpoint.files if f.path == path.name))


def identify(location: str) -> AutoencoderFiles:
    """The autoencoder at a path or hub id.

    Raises:
        CheckpointError: missing, a pickle, damaged, or no `AutoencoderKL` for pictures of three channels.
    """
    path = resolve(location, AUTOENCODER)
    with told(location):
        if not path.is_dir():
            safe(path)
            return _file(path, path.stem, ())
        within = path / "vae"
        folder = within if (within / "config.json").is_file() else path
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"{location} holds no autoencoder: neither config.json nor vae/config.json is there.",
                hint="Give the folder of an AutoencoderKL of diffusers, or a checkpoint with such a folder `vae`.",
            )
        return _folder(folder, _name(path, location), ())


def _name(path: Path, location: str) -> str:
    if not Path(location).expanduser().exists():
        return location
    full = path.absolute()
    return f"{full.parent.name}/{full.name}" if full.name == "vae" else full.name


def _folder(folder: Path, name: str, files: tuple[FileDigest, ...]) -> AutoencoderFiles:
    config: dict[str, Any] = read_json(folder / "config.json")
    if config.get("_class_name", _CLASS) != _CLASS:
        raise _refused(name, f"its config.json is of the class {config['_class_name']}")
    channels = (config.get("in_channels", 3), config.get("out_channels", 3))
    if channels != (3, 3):
        raise _refused(name, f"it takes {channels[0]} channels and gives {channels[1]}, where a picture has three")
    weights = network_weights(folder, DIFFUSERS_STEM, name)
    if not any(tensor.startswith("decoder.") for header in weights.headers for tensor in header.shapes):
        raise _refused(name, "its weights hold no tensors decoder.*")
    hashed = files or tuple(file_digest(p, p.name) for p in (folder / "config.json", *weights.files))
    cell = 2 ** (len(config.get("block_out_channels", (64,))) - 1)
    return AutoencoderFiles(name, folder, weights.variant, weights.files, "", cell, hashed, combined_digest(hashed))


def _file(path: Path, name: str, files: tuple[FileDigest, ...]) -> AutoencoderFiles:
    header = read_header(path)
    prefix = next((p for p in single_file.VAES if any(n.startswith(p) for n in header.shapes)), "")
    if why := _unfit(header, prefix):
        raise _refused(name, why)
    hashed = files or (file_digest(path, path.name),)
    return AutoencoderFiles(name, path, None, (path,), prefix, 2 ** (_LEVELS - 1), hashed, combined_digest(hashed))


def _unfit(header: Header, prefix: str) -> str:
    """Why a single file is no autoencoder in the publishers' names and shape; empty if it is one."""
    shapes = header.shapes
    if f"{prefix}encoder.conv_in.weight" not in shapes or f"{prefix}decoder.conv_in.weight" not in shapes:
        return "it holds no tensors encoder.* and decoder.*"
    if any(n.startswith(f"{prefix}encoder.down_blocks.") for n in shapes):
        return "a file in the names of diffusers says nothing of its shape without the config.json beside it"
    last, beyond = (f"{prefix}encoder.down.{level}.block.0.conv2.weight" for level in (_LEVELS - 1, _LEVELS))
    if last not in shapes or beyond in shapes or f"{prefix}quant_conv.weight" not in shapes:
        return "its shape is not that of Stable Diffusion 1.x, 2.x or XL"
    if shapes[f"{prefix}decoder.conv_in.weight"][1] != 4:
        return "its latents do not have the four channels of Stable Diffusion 1.x, 2.x or XL"
    return ""


def _refused(name: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"{name} cannot be used as an autoencoder: {why}.",
        hint="Give the folder of an AutoencoderKL of diffusers (config.json and safetensors), a checkpoint with such a "
        "folder `vae`, or a single .safetensors file of Stable Diffusion 1.x, 2.x or XL.",
    )
