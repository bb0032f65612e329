"""Where the files of an identified checkpoint lie, and what their metadata says of them, from headers alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forensics import inputs
from forensics.case import Checkpoint, FileDigest, StatedTable
from forensics.diffusion import embedding, lora, provenance
from forensics.diffusion.families import family
from forensics.diffusion.headers import SOURCE, read_header
from forensics.diffusion.single_file import BASE


@dataclass(frozen=True, slots=True)
class Said:
    """What one weight file says of itself."""

    file: FileDigest
    whole: bytes
    """The metadata with the file's name and digest, as JSON in ASCII with sorted keys."""
    entries: int
    converted_from: str
    tables: tuple[StatedTable, ...]


def places(checkpoint: Checkpoint, root: Path) -> Iterator[tuple[FileDigest, Path]]:
    """Every file of the checkpoint and where it lies.

    Args:
        root: what the checkpoint's location leads to.

    Raises:
        CheckpointError: a LoRA or an embedding is not there any more.
    """
    row = family(checkpoint.family)
    beside = dict(pair for number, given in enumerate(checkpoint.lora) for pair in lora.read(given, row).files(number))
    beside |= dict(e.file for e in embedding.read_all(checkpoint, checkpoint.embeddings, root))
    for file in checkpoint.files:
        path = beside.get(file.path, (root if root.is_dir() else root.parent) / file.path)
        if checkpoint.base and file.path.startswith(f"{BASE}/"):
            path = Path(checkpoint.base).expanduser() / file.path.removeprefix(f"{BASE}/")
        yield file, path


def statements(checkpoint: Checkpoint, root: Path) -> Iterator[Said]:
    """What the weight files say of their origin, of each that says anything. Raises CheckpointError: a file is gone."""
    for file, path in places(checkpoint, root):
        if path.suffix.lower() != ".safetensors":
            continue
        metadata = read_header(path).metadata
        inputs.unmoved(path)
        source = metadata.get(SOURCE, "")
        entries = provenance.stated(metadata)
        if entries or source:
            whole = {"file": file.path, "sha256": file.sha256, "metadata": metadata}
            data = json.dumps(whole, indent=1, sort_keys=True).encode("ascii") + b"\n"
            digest = source if len(source) == 64 and source.isalnum() else ""
            yield Said(file, data, len(entries), digest, provenance.tables(metadata))
