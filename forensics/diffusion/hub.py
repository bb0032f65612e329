"""Hub ids (`owner/name`, with `@revision` if need be): the local cache, else safetensors and JSON alone are fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from forensics.errors import CheckpointError

_ID = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_UNWANTED = ("*.bin", "*.ckpt", "*.pt", "*.msgpack", "*.onnx*", "safety_checker/*", "*.fp16.*", "*.non_ema.*")


@dataclass(frozen=True, slots=True)
class Sought:
    """What a location is expected to hold."""

    what: str
    """`checkpoint` or `autoencoder`; the option that takes it has the same name."""
    content: str
    wanted: tuple[str, ...]
    """Patterns of the files of a hub repository that are fetched."""
    marks: tuple[str, ...]
    """Files of which one must be there."""


CHECKPOINT = Sought(
    "checkpoint",
    "diffusers pipeline",
    ("model_index.json", "*/*.json", "*/*.txt", "*/*.safetensors"),
    ("model_index.json",),
)
AUTOENCODER = Sought(
    "autoencoder",
    "autoencoder in the layout of diffusers",
    ("config.json", "diffusion_pytorch_model*", "vae/*.json", "vae/*.safetensors"),
    ("config.json", "vae/config.json"),
)


def is_hub_id(location: str) -> bool:
    """Whether the text has the form of a hub id; a path that exists is never taken for one by the caller."""
    return _ID.match(location) is not None


def commit(folder: Path) -> str | None:
    """The commit that a snapshot folder of the hub cache is of; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _COMMIT.match(folder.name) else None


def snapshot(hub_id: str, sought: Sought = CHECKPOINT) -> Path:
    """The folder of a hub checkpoint or autoencoder: from the local cache if it is there, else downloaded.

    Raises:
        CheckpointError: not in the cache and not to be had, with the command that fetches it elsewhere.
    """
    from huggingface_hub import snapshot_download

    match = _ID.match(hub_id)
    name, revision = (match["name"], match["revision"]) if match else (hub_id, None)
    at = f" --revision {revision}" if revision else ""
    remedy = (
        f"On a machine with access run `hf download {name}{at} --exclude '*.bin' '*.ckpt' --local-dir FOLDER`, "
        f"bring the folder here and pass --{sought.what} FOLDER."
    )
    for local in (True, False):
        try:
            folder = snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(sought.wanted),
                ignore_patterns=list(_UNWANTED),
                local_files_only=local,
            )
        # Offline, unknown id, gated, no disk space: the library raises from a dozen trees, and for the user all of
        # them mean that the checkpoint is not here.
        except Exception as exc:
            if not local:
                raise CheckpointError(
                    f"The {sought.what} {hub_id!r} is neither a path nor in the local hub cache, and could not be "
                    f"downloaded ({type(exc).__name__}).",
                    hint=remedy,
                ) from exc
        else:
            if any((Path(folder) / mark).is_file() for mark in sought.marks):
                return Path(folder)
    raise CheckpointError(f"The hub repository {hub_id!r} holds no {sought.content}.", hint=remedy)
