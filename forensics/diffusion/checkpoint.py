"""What a checkpoint is, from headers alone: no torch, no weights loaded, no code of the checkpoint's run.

Three layouts: a diffusers folder, one `.safetensors` file, a hub id. Pickle files are refused: opening one runs
whatever its author put into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forensics.case import Checkpoint
from forensics.diffusion import configs, folder, hub, single_file
from forensics.diffusion.headers import PICKLES
from forensics.diffusion.hub import CHECKPOINT, Sought
from forensics.diffusion.lora import attach
from forensics.errors import CheckpointError


def identify(location: str, *, demonstration: bool = False, lora: str | None = None) -> Checkpoint:
    """The checkpoint at a path or hub id: family, prediction, size, digest of every file that takes part.

    Args:
        location: a diffusers folder, a `.safetensors` file, or a hub id `owner/name`.
        demonstration: whether it is the embedded reference checkpoint; said on every page of the report.
        lora: a LoRA for this checkpoint: a `.safetensors` file, or a folder in the format of diffusers.

    Raises:
        CheckpointError: missing, a pickle, damaged, or of a family not supported yet.
    """
    path = resolve(location)
    with told(location):
        configs.folder(path)
        found = _identify(path, location, demonstration)
        return attach(found, lora) if lora else found


@contextmanager
def told(location: str) -> Iterator[None]:
    """What reading the files of strangers can raise, as a `CheckpointError`."""
    try:
        yield
    except OSError as exc:
        raise CheckpointError(f"{exc.filename} cannot be read: {exc.strerror}.", hint="Check its permissions.") from exc
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as exc:
        # Configurations come from strangers: a list where a number belongs ends up here, whichever key it was.
        raise CheckpointError(
            f"A configuration file of {location} holds a value of an unexpected kind ({exc}).",
            hint="Fetch the checkpoint again, complete and unedited.",
        ) from exc


def _identify(path: Path, location: str, demonstration: bool) -> Checkpoint:
    if path.is_dir():
        return folder.identify(path, location, demonstration)
    safe(path)
    return single_file.identify(path, location, demonstration)


def safe(path: Path) -> None:
    """Raises CheckpointError for a file that is not a `.safetensors` file."""
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{path.name} is a pickle file and was not opened: loading it would run code from it.",
            hint="Get the publisher's .safetensors file, or convert it on a machine you can afford to lose: "
            "scripts/convert_original_stable_diffusion_to_diffusers.py of diffusers with --to_safetensors.",
        )
    if path.suffix.lower() != ".safetensors":
        raise CheckpointError(
            f"{path.name} is neither a folder nor a .safetensors file.",
            hint="Give a diffusers folder, a .safetensors file or a hub id (owner/name).",
        )


def resolve(location: str, sought: Sought = CHECKPOINT) -> Path:
    """The path behind a location as the user gave it; a hub id becomes its snapshot folder.

    Raises:
        CheckpointError: there is no such path, and no such hub repository at hand.
    """
    path = Path(location).expanduser()
    try:
        if path.exists():
            return path
    except (OSError, ValueError) as exc:  # a name that is too long, or with a NUL
        raise CheckpointError(
            f"There is no {sought.what} of this name: {str(exc)[:80]}.", hint="Give a path or a hub id (owner/name)."
        ) from exc
    looks_like_file = path.suffix.lower() in (*PICKLES, ".safetensors")
    if hub.is_hub_id(location) and not looks_like_file and not path.parent.is_dir():
        return hub.snapshot(location, sought)
    raise CheckpointError(
        f"There is no {sought.what} at {location}.",
        hint="Give a diffusers folder, a .safetensors file or a hub id (owner/name).",
    )
