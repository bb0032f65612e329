"""Networks from the files of an identified checkpoint: safetensors only, no remote code, every weight accounted for."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forensics.diffusion import configs
from forensics.diffusion.families import LIBRARIES, Family
from forensics.diffusion.folder import tokenizers
from forensics.diffusion.headers import read_json
from forensics.diffusion.schedule import Schedule
from forensics.diffusion.weight_files import Weights, stem_of
from forensics.errors import CheckpointError

TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "T5Tokenizer", "T5TokenizerFast")
_BENIGN = ("position_ids",)
"""Buffers that older files carry and newer networks compute."""
_EIGHT_BITS = (torch.float8_e4m3fn, torch.float8_e5m2)


@dataclass(frozen=True, slots=True)
class Parts:
    """The components as diffusers and transformers give them."""

    network: Any
    """The one that denoises."""
    vae: Any
    """None where the network works on pixels."""
    texts: Mapping[str, Any]
    """Text encoders by the name of their component; those that the checkpoint has."""
    tokenizers: Mapping[str, Any]
    schedule: Schedule
    index: Mapping[str, Any] = field(default_factory=dict)
    """What `model_index.json` says beside the components, for the family's pipeline."""

    def named(self, network: str) -> dict[str, Any]:
        """Component -> module of everything that has weights but the autoencoder."""
        return {network: self.network, **self.texts}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which components are read."""

    network: bool = True
    """With its weights; else the network is one without."""
    texts: bool = True
    vae: bool = True
    words: bool = True
    """Whether words of embeddings are opened in tokenizers and text encoders."""
    stored: torch.dtype | None = None
    """In which format the network's weights stay in their files, see `in_files`; None where they are read whole."""

    def reads(self, component: str, row: Family) -> bool:
        """Whether a component is made at all."""
        return {row.network: self.network or self.words, "vae": self.vae}.get(component, self.texts)


def skeleton(cls: Any, folder: Path) -> Any:
    """The network of a configuration without weights, which takes no memory. Raises CheckpointError."""
    config = read_json(folder / "config.json")
    configs.checked(config, f"config.json of {folder.name}")
    with torch.device("meta"):
        return cls.from_config(config)


def class_of(name: str) -> Any:
    """The class of a component, from the library that it belongs to and no other."""
    import diffusers
    import transformers

    return getattr(diffusers if LIBRARIES[name] == "diffusers" else transformers, name)


def network(cls: Any, folder: Path, weights: Weights, name: str, dtype: torch.dtype) -> Any:
    """One network, with every tensor from the files: a tensor left at random would be evidence of nothing.

    The files are shown to the libraries under the plain names, whatever variant or shards they are: which of several
    is loaded has been decided and said, and the libraries' own choice would be another.

    Raises:
        CheckpointError: the weights do not fit the configuration, or tensors are missing.
    """
    configs.checked(read_json(folder / "config.json"), f"config.json of the {name}")
    stem = stem_of("text_encoder" if LIBRARIES[cls.__name__] == "transformers" else "unet")
    kind = {"torch_dtype" if LIBRARIES[cls.__name__] == "diffusers" else "dtype": dtype}
    with tempfile.TemporaryDirectory() as shown:
        view = Path(shown)
        (view / "config.json").symlink_to((folder / "config.json").resolve())
        _show(view, stem, weights)
        try:
            made, info = cls.from_pretrained(
                str(view), use_safetensors=True, local_files_only=True, output_loading_info=True, **kind
            )
        except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError) as exc:
            raise CheckpointError(
                f"The weights of {name} do not fit its config.json.", hint="Fetch the checkpoint again, complete."
            ) from exc
    complete(name, [*info["missing_keys"], *(str(k) for k in info.get("mismatched_keys", ()))])
    return made


def _show(view: Path, stem: str, weights: Weights) -> None:
    import json

    if len(weights.files) == 1:
        (view / f"{stem}.safetensors").symlink_to(weights.files[0].resolve())
        return
    count = len(weights.files)
    entries: dict[str, str] = {}
    for number, (file, header) in enumerate(zip(weights.files, weights.headers, strict=True), 1):
        shard = f"{stem}-{number:05}-of-{count:05}.safetensors"
        (view / shard).symlink_to(file.resolve())
        entries |= dict.fromkeys(header.shapes, shard)
    index = {"metadata": {"total_size": sum(f.stat().st_size for f in weights.files)}, "weight_map": entries}
    (view / f"{stem}.safetensors.index.json").write_text(json.dumps(index), "utf-8")


def from_tensors(cls: Any, config: Path, tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype) -> Any:
    """One network from tensors in its own names and the folder of its `config.json`.

    Raises:
        CheckpointError: tensors missing, left over, or of other shapes.
    """
    settings = read_json(config / "config.json")
    if LIBRARIES[cls.__name__] == "diffusers":
        made = cls.from_config(settings)
    else:
        made = cls(cls.config_class.from_dict(settings))
    own = made.state_dict()
    found = {_own_name(key, own): value for key, value in tensors.items()}
    for tied in ("encoder.embed_tokens.weight", "shared.weight"):
        other = "shared.weight" if tied.startswith("encoder") else "encoder.embed_tokens.weight"
        if tied in own and tied not in found and other in found:
            found[tied] = found[other]
    if left := sorted(k for k in found if k not in own and not k.endswith(_BENIGN)):
        raise CheckpointError(
            f"{name} has {len(left)} tensors that its configuration has no place for, the first {left[0]!r}.",
            hint="The base is of another generation than the file: give the base it was trained from.",
        )
    try:
        missing, _ = made.load_state_dict(found, strict=False)
    except RuntimeError as exc:
        raise CheckpointError(
            f"The tensors of {name} do not have the shapes of its configuration.",
            hint="The base is of another generation than the file: give the base it was trained from.",
        ) from exc
    complete(name, list(missing))
    return made.to(dtype)


def _own_name(key: str, own: Mapping[str, Tensor]) -> str:
    """The level `text_model` comes and goes between releases of transformers."""
    if key in own:
        return key
    bare = key.removeprefix("text_model.")
    return bare if bare in own else f"text_model.{key}" if f"text_model.{key}" in own else key


def clip_tokenizer(folder: Path, kind: str = "CLIPTokenizer") -> Any:
    """A tokenizer from its files. Raises CheckpointError."""
    import transformers

    if kind not in TOKENIZERS:
        known = ", ".join(TOKENIZERS)
        raise CheckpointError(f"The tokenizer class {kind!r} is not supported.", hint=f"Known: {known}.")
    try:
        return getattr(transformers, kind).from_pretrained(str(folder), local_files_only=True)
    except Exception as exc:  # the parser of tokenizer files is compiled code with an exception of its own
        raise CheckpointError(
            "The tokenizer could not be loaded.", hint=f"Fetch the folder `{folder.name}` again."
        ) from exc


def complete(name: str, missing: list[str]) -> None:
    """Raises CheckpointError where tensors of the network `name` were not in the file."""
    lacking = sorted(k for k in missing if not k.endswith(_BENIGN))
    if lacking:
        raise CheckpointError(
            f"{name} lacks {len(lacking)} tensors, the first {lacking[0]!r}.",
            hint="The file is of another architecture or incomplete: fetch the checkpoint again.",
        )


def widened(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of eight bits as float16 or, with the scale some files carry beside them, as float32 products."""
    for name in [n for n in tensors if n.endswith((".scale_weight", ".weight_scale"))]:
        weight = name.removesuffix(".scale_weight").removesuffix(".weight_scale") + ".weight"
        scale = tensors.pop(name).float()
        if weight in tensors:
            tensors[weight] = tensors[weight].float() * scale.reshape(-1, *[1] * (tensors[weight].ndim - 1))
    for name in [n for n in tensors if n.endswith((".scale_input", ".input_scale")) or n == "scaled_fp8"]:
        del tensors[name]
    return {n: v.to(torch.float16) if v.dtype in _EIGHT_BITS else v for n, v in tensors.items()}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the loaders' own progress bars and remarks: progress is reported as events, and what is wrong raises."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), of_diffusers.get_verbosity()
    logging.disable_progress_bar()
    of_diffusers.set_verbosity_error()
    try:
        yield
    finally:
        of_diffusers.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def load_tokenizers(root: Path, row: Family, index: dict[str, Any], parts: Any) -> dict[str, Any]:
    """The tokenizers of the text encoders in `parts`. Raises CheckpointError."""
    found = {}
    for name in tokenizers(row, parts):
        entry = index.get(name)
        kind = str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else "CLIPTokenizer"
        found[name] = clip_tokenizer(root / name, kind)
    return found
