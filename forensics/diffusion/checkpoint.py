"""What a checkpoint is, from headers alone: no torch, no weights loaded, no code of the checkpoint's run.

Three layouts: a diffusers folder, one `.safetensors` file, a hub id. Pickle files are refused: opening one runs
whatever its author put into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from forensics.case import Checkpoint, Fact
from forensics.diffusion import configs, distilled, embedding, folder, gguf_files, hub, single_file
from forensics.diffusion.families import family
from forensics.diffusion.headers import PICKLES, read_json
from forensics.diffusion.hub import CHECKPOINT, Sought
from forensics.diffusion.lora import attach
from forensics.diffusion.weight_files import place
from forensics.diffusion.wishes import NONE, Wishes
from forensics.errors import CheckpointError


def identify(
    location: str,
    *,
    demonstration: bool = False,
    lora: str | Sequence[str] | None = None,
    wishes: Wishes = NONE,
) -> Checkpoint:
    """The checkpoint at a path or hub id: family, prediction, size, digest of every file that takes part.

    Args:
        location: a diffusers folder, a `.safetensors` file, or a hub id `owner/name`, with `@revision` if need be.
        demonstration: whether it is the embedded reference checkpoint; said on every page of the report.
        lora: LoRA files or folders for this checkpoint, merged in this order, each with an optional strength
            (`FILE:0.8`); they come after those of `wishes`.
        wishes: what the examiner states beside the location.

    Raises:
        CheckpointError: missing, a pickle, damaged, or of a family not supported yet; a LoRA that does not fit.
    """
    loras = (*wishes.lora, *((lora,) if isinstance(lora, str) else lora or ()))
    path = resolve(location)
    with told(location):
        configs.folder(path)
        found = _identify(path, location, demonstration, replace(wishes, lora=(), embeddings=()))
        if commit := hub.commit(path):
            found = replace(found, facts=(Fact("commit of the hub repository", commit), *found.facts))
        if loras:
            found = attach(found, loras, path)
        if wishes.embeddings:
            found = embedding.attach(found, wishes.embeddings, path)
        if loras:
            found = embedding.attach_bundled(found, path)
        if own := own_steps(found, path):
            found = replace(found, facts=(*found.facts, own.fact))
        return _stated(found, wishes)


def own_steps(found: Checkpoint, path: Path) -> distilled.Own | None:
    """The steps of a distilled checkpoint, from its names and configurations. Raises CheckpointError."""
    row, root = family(found.family), Path(found.base).expanduser() if found.base else path
    network: dict[str, object] = {}
    schedule: dict[str, object] = {}
    if root.is_dir():
        network = dict(folder.config(root, row.network))
        schedule = read_json(place(root, "scheduler") / "scheduler_config.json")
    if path.is_file():
        # Of a file the tensors tell what its network takes, whatever the base says.
        shapes = single_file.read(path).network()
        network.pop("time_cond_proj_dim", None)
        if "time_embedding.cond_proj.weight" in shapes:
            network["time_cond_proj_dim"] = shapes["time_embedding.cond_proj.weight"][1]
        network["guidance_embeds"] = any(
            "guidance_embedder." in name or name.startswith("guidance_in.") for name in shapes
        )
    return distilled.own_steps(distilled.names_of(found), schedule, network, row.name)


def _stated(found: Checkpoint, wishes: Wishes) -> Checkpoint:
    """The same weights under another reading are another generator: what was stated goes into the digest."""
    said = [f"{name}={value}" for name, value in (("prediction", wishes.prediction), ("size", wishes.size)) if value]
    if not said:
        return found
    return replace(found, digest=hashlib.sha256("\n".join([found.digest, *said]).encode()).hexdigest())


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


def _identify(path: Path, location: str, demonstration: bool, wishes: Wishes) -> Checkpoint:
    if path.is_dir():
        if wishes.base:
            raise CheckpointError(
                f"{path.name} is a folder with parts of its own; a base is for a single file that lacks some.",
                hint="Leave out --base, or give the weight file of the network inside the folder with --checkpoint.",
            )
        return folder.identify(path, location, demonstration, wishes)
    if not gguf_files.is_gguf(path):
        safe(path)
    return single_file.identify(path, location, demonstration, wishes)


def safe(path: Path) -> None:
    """Raises CheckpointError for a file that is not a `.safetensors` file."""
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{path.name} is a pickle file and was not opened: loading it would run code from it.",
            hint=f"Get the publisher's .safetensors file, or run `forensics weights convert {path.name}`, which reads "
            "the tensors, runs no code of the file and states the digests of both.",
        )
    if gguf_files.is_gguf(path):
        raise CheckpointError(
            f"{path.name} is a GGUF file, of which nothing but a denoising network is read.",
            hint="Such a file holds a denoising network: name it with --checkpoint, and the rest with --base.",
        )
    if path.suffix.lower() != ".safetensors":
        raise CheckpointError(
            f"{path.name} is neither a folder nor a .safetensors file.",
            hint="Give a diffusers folder, a .safetensors or .gguf file or a hub id (owner/name).",
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
    looks_like_file = path.suffix.lower() in (*PICKLES, gguf_files.SUFFIX, ".safetensors")
    if hub.is_hub_id(location) and not looks_like_file and not path.parent.is_dir():
        return hub.snapshot(location, sought)
    raise CheckpointError(
        f"There is no {sought.what} at {location}.",
        hint="Give a diffusers folder, a .safetensors file or a hub id (owner/name).",
    )
