"""The parts of a checkpoint, read from a folder or a single file into memory."""

from __future__ import annotations

from pathlib import Path

import torch

from forensics import inputs
from forensics.case import Checkpoint
from forensics.diffusion import configs, embedding, embedding_words, lora_merge, schedule
from forensics.diffusion.checkpoint import resolve
from forensics.diffusion.families import Family, family
from forensics.diffusion.folder import pipeline, present
from forensics.diffusion.lora import read
from forensics.diffusion.parts import Parts, class_of, load_tokenizers, network, quiet
from forensics.diffusion.single_file import LAYOUT
from forensics.diffusion.statements import places
from forensics.diffusion.weight_files import component_weights, place
from forensics.errors import CheckpointError


def load_parts(checkpoint: Checkpoint, dtype: torch.dtype) -> Parts:
    """The parts of a checkpoint, on the CPU: network and text encoders in `dtype`, the autoencoder in float32.

    The autoencoder always runs in float32: in float16 its activations overflow (a known fault of this decoder), and
    bfloat16 resolves less than one grey level, so that the round trip would measure the precision.

    Raises:
        CheckpointError: see `forensics.diffusion.load`.
    """
    root = resolve(checkpoint.location)
    _unchanged(checkpoint, root)
    row = family(checkpoint.family)
    with quiet():
        if checkpoint.layout == LAYOUT:
            from forensics.diffusion import single_file_load

            parts = single_file_load.load(checkpoint, root, dtype)
        else:
            parts = _from_folder(checkpoint, row, root, dtype)
    for given in checkpoint.lora:
        lora_merge.merge(read(given, row), parts.named(row.network), row)
    for name, part in parts.named(row.network).items():
        configs.finite(part, f"{name} with its LoRA" if checkpoint.lora else name)
    embedding_words.install(embedding.read_all(checkpoint, checkpoint.embeddings, root), parts)
    return parts


def _from_folder(checkpoint: Checkpoint, row: Family, root: Path, dtype: torch.dtype) -> Parts:
    index, _ = pipeline(root)
    made = {
        name: network(
            class_of(row.parts[name]),
            place(root, name),
            component_weights(root, name),
            name,
            torch.float32 if name == "vae" else dtype,
        )
        for name in present(row, index)
    }
    return Parts(
        network=made[row.network],
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
