"""Hub ids (`owner/name`, with `@revision` if need be): the local cache, else safetensors and JSON alone are fetched."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from forensics.diffusion.headers import read_json
from forensics.diffusion.weight_files import component_weights, place
from forensics.errors import CheckpointError

_ID = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_UNWANTED = ("*.bin", "*.ckpt", "*.pt", "*.msgpack", "*.onnx*", "safety_checker/*", "*.bin.index*.json")
_VARIANTS = ("*.fp16.*", "*.fp16-*", "*.bf16.*", "*.bf16-*", "*.non_ema.*", "*.non_ema-*")
"""Names of weights beside the plain ones."""
_WEIGHTED = ("unet", "transformer", "vae", "text_encoder")
"""Beginning of the names of components that have weights."""
_BYSTANDERS = ("safety_checker", "feature_extractor", "image_encoder", "depth_estimator")
"""Components that take no part in making a picture, and are not fetched."""


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
    (
        "model_index.json",
        "*/*.json",
        "*/*.txt",
        "*/*.safetensors",
        # A pipeline of one network, as the first published ones lie.
        "config.json",
        "scheduler_config.json",
        "diffusion_pytorch_model*.safetensors",
    ),
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
    """The folder of a hub checkpoint or autoencoder: from the local cache if it is whole there, else downloaded.

    What is in the cache in part is completed, and a file that broke off is resumed where it broke off.

    Raises:
        CheckpointError: not whole in the cache and not to be had, with the reason and what works instead.
    """
    match = _ID.match(hub_id)
    name, revision = (match["name"], match["revision"]) if match else (hub_id, None)
    wanted = Wanted(hub_id, name, revision, sought)
    cached = _cached(wanted)
    if cached is not None and not _lacks(cached, sought):
        return cached
    try:
        folder = _downloaded(wanted)
    except Exception as exc:  # the library raises from a dozen trees: its own, httpx's, the system's
        raise _refused(wanted, exc, cached) from exc
    if not any((folder / mark).is_file() for mark in sought.marks):
        raise CheckpointError(f"The hub repository {hub_id!r} holds no {sought.content}.", hint=_elsewhere(wanted))
    return folder


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the hub."""

    given: str
    """As the user wrote it."""
    name: str
    revision: str | None
    sought: Sought


def _cached(wanted: Wanted) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        # One file of it finds the folder, whole or not: completeness is judged by what the checkpoint itself names.
        folder = snapshot_download(
            wanted.name, revision=wanted.revision, allow_patterns=list(wanted.sought.marks), local_files_only=True
        )
    except (LocalEntryNotFoundError, ValueError, OSError):
        return None
    return Path(folder)


def _lacks(folder: Path, sought: Sought) -> str:
    """The first thing that a snapshot folder lacks of what it names itself; empty where it is whole."""
    if sought is not CHECKPOINT:
        some = any(folder.glob("*.safetensors")) or any(folder.glob("vae/*.safetensors"))
        return "" if some and any((folder / mark).is_file() for mark in sought.marks) else "weights"
    if not (folder / "model_index.json").is_file():
        return "model_index.json"
    for name, entry in read_json(folder / "model_index.json").items():
        if not isinstance(entry, list) or len(entry) != 2 or None in entry or name in _BYSTANDERS:
            continue
        if name.startswith(_WEIGHTED):
            try:
                component_weights(folder, name)
            except CheckpointError as exc:
                return exc.message.rstrip(".")
        needed = "scheduler_config.json" if name == "scheduler" else "config.json"
        if not (
            any((folder / name).glob("*")) if name.startswith("tokenizer") else (place(folder, name) / needed).is_file()
        ):
            return f"{name}/{'' if name.startswith('tokenizer') else needed}"
    return ""


def _downloaded(wanted: Wanted) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    files = HfApi().list_repo_files(wanted.name, revision=wanted.revision)
    return Path(
        snapshot_download(wanted.name, revision=wanted.revision, allow_patterns=chosen(files, wanted.sought) or ["-"])
    )


def chosen(files: Sequence[str], sought: Sought) -> list[str]:
    """Which files of a repository are fetched: no pickles and no code; a variant only where there is no plain set."""
    kept = [f for f in files if _like(f, sought.wanted) and not _like(f, _UNWANTED)]
    plain = {f.rpartition("/")[0] for f in kept if f.endswith(".safetensors") and not _like(f, _VARIANTS)}
    return [f for f in kept if not _like(f, _VARIANTS) or f.rpartition("/")[0] not in plain]


def _like(file: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(file, pattern) for pattern in patterns)


def _elsewhere(wanted: Wanted) -> str:
    at = f" --revision {wanted.revision}" if wanted.revision else ""
    return (
        f"On a machine with access run `hf download {wanted.name}{at} --exclude '*.bin' '*.ckpt' --local-dir FOLDER`, "
        f"bring the folder here and pass --{wanted.sought.what} FOLDER."
    )


def _refused(wanted: Wanted, exc: Exception, cached: Path | None) -> CheckpointError:
    """Why the hub gave nothing, in the words of the case at hand."""
    from huggingface_hub import constants, errors

    what, elsewhere = f"The {wanted.sought.what} {wanted.given!r}", _elsewhere(wanted)
    status = getattr(getattr(exc, "response", None), "status_code", None)
    if isinstance(exc, errors.GatedRepoError) or status == 403:
        return CheckpointError(
            f"{what} is gated: its publisher gives it to those who accepted the terms, and the hub refused.",
            hint="Accept the terms on the page of the model, sign in with `hf auth login`, and run the command again. "
            + elsewhere,
        )
    if isinstance(exc, errors.RevisionNotFoundError):
        return CheckpointError(
            f"{what} is on the hub, but has no revision {wanted.revision!r}.",
            hint="Name a branch, a tag or a whole commit behind the @, or leave it out for the newest.",
        )
    if isinstance(exc, errors.RepositoryNotFoundError) or status in (401, 404):
        return CheckpointError(
            f"{what} is neither a path nor on the hub {constants.ENDPOINT} for whoever asks ({status or 'not found'}).",
            hint="Check the spelling. For a private model sign in with `hf auth login`. " + elsewhere,
        )
    lacking = _lacks(cached, wanted.sought) if cached is not None else ""
    held = (
        f"is in the local hub cache in part only ({lacking})" if cached is not None else "is not in the local hub cache"
    )
    if constants.HF_HUB_OFFLINE:
        return CheckpointError(
            f"{what} is neither a path nor whole at hand: it {held}, and HF_HUB_OFFLINE forbids to ask the hub.",
            hint="Unset HF_HUB_OFFLINE and run the command again: what is there is kept, what is missing is fetched. "
            + elsewhere,
        )
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return CheckpointError(
            f"{what} does not fit on the disk of the hub cache.",
            hint=f"Free some space, or set HF_HOME to a folder with more; what was fetched is kept. {elsewhere}",
        )
    return CheckpointError(
        f"{what} is neither a path nor whole at hand: it {held}, and could not be downloaded from {constants.ENDPOINT} "
        f"({type(exc).__name__}{f', status {status}' if status else ''}).",
        hint=f"Run the command again: a download goes on where it broke off. {elsewhere}",
    )
