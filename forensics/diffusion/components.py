"""Networks from the files of an identified checkpoint: safetensors only, no remote code, every weight accounted for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from forensics.case import Checkpoint
from forensics.diffusion import lora, schedule
from forensics.diffusion.checkpoint import resolve
from forensics.diffusion.headers import read_json
from forensics.diffusion.schedule import Schedule
from forensics.diffusion.weight_files import component_weights
from forensics.errors import CheckpointError

_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast")
_BENIGN = ("position_ids",)
"""Buffers that older files carry and newer networks compute."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The components as diffusers and transformers give them."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    schedule: Schedule


def load_parts(checkpoint: Checkpoint, dtype: torch.dtype) -> Parts:
    """The parts of a checkpoint, on the CPU: UNet and text encoder in `dtype`, the autoencoder in float32.

    The autoencoder always runs in float32: in float16 its activations overflow (a known fault of this decoder), and
    bfloat16 resolves less than one grey level, so that the round trip would measure the precision.

    Raises:
        CheckpointError: see `forensics.diffusion.load`.
    """
    root = resolve(checkpoint.location)
    _unchanged(checkpoint, root)
    with quiet():
        if checkpoint.layout == "single file":
            from forensics.diffusion import single_file_load

            parts = single_file_load.load(checkpoint, root, dtype)
        else:
            parts = _from_folder(checkpoint, root, dtype)
    if checkpoint.lora:
        lora.merge(lora.read(checkpoint.lora), {"unet": parts.unet, "text_encoder": parts.text_encoder})
    return parts


def _from_folder(checkpoint: Checkpoint, root: Path, dtype: torch.dtype) -> Parts:
    import transformers
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = _network(UNet2DConditionModel, root, "unet", torch_dtype=dtype)
    vae = _network(AutoencoderKL, root, "vae", torch_dtype=torch.float32)
    text_encoder = _network(transformers.CLIPTextModel, root, "text_encoder", dtype=dtype)
    entry: Any = read_json(root / "model_index.json").get("tokenizer")
    kind = entry[1] if isinstance(entry, list) and len(entry) == 2 else "CLIPTokenizer"
    if kind not in _TOKENIZERS:
        known = ", ".join(_TOKENIZERS)
        raise CheckpointError(f"The tokenizer class {kind!r} is not supported.", hint=f"Known: {known}.")
    tokenizer = clip_tokenizer(root / "tokenizer", kind)
    config = read_json(root / "scheduler" / "scheduler_config.json")
    return Parts(unet, vae, text_encoder, tokenizer, schedule.from_config(config, checkpoint.prediction))


def _network(cls: Any, root: Path, name: str, **dtype: torch.dtype) -> Any:
    return network(cls, root / name, component_weights(root, name).variant, name, **dtype)


def network(cls: Any, folder: Path, variant: str | None, name: str, **dtype: torch.dtype) -> Any:
    """One network, with every tensor from the file: a tensor left at random would be evidence of nothing.

    Raises:
        CheckpointError: the weights do not fit the configuration, or tensors are missing.
    """
    try:
        made, info = cls.from_pretrained(
            str(folder),
            use_safetensors=True,
            local_files_only=True,
            variant=variant,
            output_loading_info=True,
            **dtype,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise CheckpointError(
            f"The weights of {name} do not fit its config.json.", hint="Fetch the checkpoint again, complete."
        ) from exc
    complete(name, [*info["missing_keys"], *(str(k) for k in info.get("mismatched_keys", ()))])
    return made


def clip_tokenizer(folder: Path, kind: str = "CLIPTokenizer") -> Any:
    """A tokenizer from its files. Raises CheckpointError."""
    import transformers

    try:
        return getattr(transformers, kind).from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise CheckpointError("The tokenizer could not be loaded.", hint="Fetch the folder `tokenizer` again.") from exc


def complete(name: str, missing: list[str]) -> None:
    """Raises CheckpointError where tensors of the network `name` were not in the file."""
    lacking = sorted(k for k in missing if not k.endswith(_BENIGN))
    if lacking:
        raise CheckpointError(
            f"{name} lacks {len(lacking)} tensors, the first {lacking[0]!r}.",
            hint="The file is of another architecture or incomplete: fetch the checkpoint again.",
        )


def _unchanged(checkpoint: Checkpoint, root: Path) -> None:
    for file in checkpoint.files:
        path = (root if root.is_dir() else root.parent) / file.path
        if checkpoint.lora and file.path.startswith(f"{lora.FOLDER}/"):
            path = lora.read(checkpoint.lora).path
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            raise CheckpointError(
                f"{file.path} has changed since the checkpoint was identified.",
                hint="Keep the checkpoint still during the run.",
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the loaders' own progress bars: progress is ours to report, as events."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
