"""The parts of a checkpoint, read from a folder or a single file into memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from forensics import inputs
from forensics.case import Checkpoint
from forensics.diffusion import configs, embedding, embedding_words, in_files, lora_merge, schedule
from forensics.diffusion.checkpoint import resolve
from forensics.diffusion.families import Family, family
from forensics.diffusion.folder import pipeline, present
from forensics.diffusion.lora import read
from forensics.diffusion.parts import Parts, Wanted, class_of, load_tokenizers, network, quiet, skeleton
from forensics.diffusion.single_file import LAYOUT
from forensics.diffusion.single_file import read as read_file
from forensics.diffusion.statements import places
from forensics.diffusion.weight_files import component_weights, place
from forensics.errors import CheckpointError


def load_parts(checkpoint: Checkpoint, dtype: torch.dtype, *, stay: bool = False) -> Parts:
    """The parts of a checkpoint, on the CPU: network and text encoders in `dtype`, the autoencoder in float32.

    The autoencoder always runs in float32: in float16 its activations overflow (a known fault of this decoder), and
    bfloat16 resolves less than one grey level, so that the round trip would measure the precision.

    Args:
        stay: the weights of the network stay in their files where these have one number format that can be widened.

    Raises:
        CheckpointError: see `forensics.diffusion.load`.
    """
    return _read(checkpoint, dtype, Wanted(stored=stored(checkpoint) if stay else None))


_FORMATS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


def stored(checkpoint: Checkpoint) -> torch.dtype | None:
    """The number format of the network's weights in their files; None where it is not one, or where a LoRA is to be
    merged into them. Raises CheckpointError."""
    if checkpoint.lora:
        return None
    root, row = resolve(checkpoint.location), family(checkpoint.family)
    if checkpoint.layout == LAYOUT:
        found = read_file(root)
        kinds = {found.header.kinds.get(f"{found.prefix}{name}", "") for name in found.network()}
    else:
        headers = component_weights(root, row.network).headers
        kinds = {kind for header in headers for kind in header.kinds.values()}
    return _FORMATS.get(kinds.pop()) if len(kinds) == 1 else None


def without_network(checkpoint: Checkpoint, dtype: torch.dtype) -> Parts:
    """The same with a network that has its configuration and no weights. Raises CheckpointError."""
    return _read(checkpoint, dtype, Wanted(network=False))


@dataclass(frozen=True, slots=True)
class Later:
    """What is read of a checkpoint when its turn has come. Raises CheckpointError."""

    checkpoint: Checkpoint
    dtype: torch.dtype
    stay: bool = False
    """Whether the network's weights stay in their files; see `load_parts`."""

    def network(self) -> Any:
        """The denoising network, on the CPU."""
        kept = stored(self.checkpoint) if self.stay else None
        return _read(self.checkpoint, self.dtype, Wanted(texts=False, vae=False, stored=kept)).network

    def texts(self) -> Mapping[str, Any]:
        """The text encoders, on the CPU; words of embeddings are not opened in them anew."""
        return _read(self.checkpoint, self.dtype, Wanted(network=False, vae=False, words=False)).texts


def _read(checkpoint: Checkpoint, dtype: torch.dtype, wanted: Wanted) -> Parts:
    root = resolve(checkpoint.location)
    _unchanged(checkpoint, root)
    row = family(checkpoint.family)
    with quiet():
        if checkpoint.layout == LAYOUT:
            from forensics.diffusion import single_file_load

            parts = single_file_load.load(checkpoint, root, dtype, wanted)
        else:
            parts = _from_folder(checkpoint, row, root, dtype, wanted)
    read_now = dict(parts.texts) | ({row.network: parts.network} if wanted.network else {})
    for given in checkpoint.lora:
        lora_merge.merge(read(given, row), read_now, row, whole=wanted.network and wanted.texts)
    for name, part in read_now.items():
        configs.finite(part, f"{name} with its LoRA" if checkpoint.lora else name)
    if wanted.network and wanted.stored is not None:
        in_files.keep(parts.network, dtype)
    if wanted.texts and wanted.words:
        embedding_words.install(embedding.of_checkpoint(checkpoint, root), parts)
    return parts


def _from_folder(checkpoint: Checkpoint, row: Family, root: Path, dtype: torch.dtype, wanted: Wanted) -> Parts:
    index, _ = pipeline(root)

    def one(name: str) -> Any:
        cls, folder = class_of(row.parts[name]), place(root, name)
        if name == row.network and not wanted.network:
            return skeleton(cls, folder)
        kind = torch.float32 if name == "vae" else (wanted.stored or dtype) if name == row.network else dtype
        return network(cls, folder, component_weights(root, name), name, kind)

    made = {name: one(name) for name in present(row, index) if wanted.reads(name, row)}
    return Parts(
        network=made.get(row.network),
        vae=made.get("vae"),
        texts={name: made[name] for name in made if name.startswith("text_encoder")},
        tokenizers=load_tokenizers(root, row, index, made),
        schedule=schedule.of_folder(root, checkpoint.prediction),
        index={key: value for key, value in index.items() if not key.startswith("_") and not isinstance(value, list)},
    )


def _unchanged(checkpoint: Checkpoint, root: Path) -> None:
    for file, path in places(checkpoint, root):
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            raise CheckpointError(
                f"{file.path} has changed since the checkpoint was identified.",
                hint="Keep the checkpoint still during the run.",
            )
        inputs.unmoved(path)
