"""Hub ids (`owner/name`): the local hub cache first, then a download of safetensors and configuration alone."""

from __future__ import annotations

import re
from pathlib import Path

from forensics.errors import CheckpointError

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z")
_WANTED = ("model_index.json", "*/*.json", "*/*.txt", "*/*.safetensors")
_UNWANTED = ("*.bin", "*.ckpt", "*.pt", "*.msgpack", "*.onnx*", "safety_checker/*", "*.fp16.*", "*.non_ema.*")


def is_hub_id(location: str) -> bool:
    """Whether the text has the form `owner/name`; a path that exists is never taken for one by the caller."""
    return _ID.match(location) is not None


def snapshot(hub_id: str) -> Path:
    """The folder of a hub checkpoint: from the local cache if it is there, else downloaded.

    Raises:
        CheckpointError: not in the cache and not to be had, with the command that fetches it elsewhere.
    """
    from huggingface_hub import snapshot_download

    remedy = (
        f"On a machine with access run `hf download {hub_id} --exclude '*.bin' '*.ckpt' --local-dir FOLDER`, "
        "bring the folder here and pass --checkpoint FOLDER."
    )
    for local in (True, False):
        try:
            folder = snapshot_download(
                hub_id, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED), local_files_only=local
            )
        # Offline, unknown id, gated, no disk space: the library raises from a dozen trees, and for the user all of
        # them mean that the checkpoint is not here.
        except Exception as exc:
            if not local:
                raise CheckpointError(
                    f"The checkpoint {hub_id!r} is neither a path nor in the local hub cache, and could not be "
                    f"downloaded ({type(exc).__name__}).",
                    hint=remedy,
                ) from exc
        else:
            if (Path(folder) / "model_index.json").is_file():
                return Path(folder)
    raise CheckpointError(f"The hub repository {hub_id!r} holds no diffusers pipeline.", hint=remedy)
