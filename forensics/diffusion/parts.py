"""Networks from the files of an identified checkpoint: safetensors only, no remote code, every weight accounted for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from forensics.diffusion import configs
from forensics.diffusion.headers import read_json
from forensics.diffusion.schedule import Schedule
from forensics.errors import CheckpointError

TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast")
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


def network(cls: Any, folder: Path, variant: str | None, name: str, **dtype: torch.dtype) -> Any:
    """One network, with every tensor from the file: a tensor left at random would be evidence of nothing.

    Raises:
        CheckpointError: the weights do not fit the configuration, or tensors are missing.
    """
    configs.checked(read_json(folder / "config.json"), f"config.json of the {name}")
    try:
        made, info = cls.from_pretrained(
            str(folder),
            use_safetensors=True,
            local_files_only=True,
            variant=variant,
            output_loading_info=True,
            **dtype,
        )
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError) as exc:
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
    except Exception as exc:  # the parser of tokenizer files is compiled code with an exception of its own
        raise CheckpointError("The tokenizer could not be loaded.", hint="Fetch the folder `tokenizer` again.") from exc


def complete(name: str, missing: list[str]) -> None:
    """Raises CheckpointError where tensors of the network `name` were not in the file."""
    lacking = sorted(k for k in missing if not k.endswith(_BENIGN))
    if lacking:
        raise CheckpointError(
            f"{name} lacks {len(lacking)} tensors, the first {lacking[0]!r}.",
            hint="The file is of another architecture or incomplete: fetch the checkpoint again.",
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
