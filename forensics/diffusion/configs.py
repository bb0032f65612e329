"""Configurations of networks and schedules, which others wrote: bounded before a library builds anything from them.

A configuration is code in disguise. `layers_per_block: 1000000000` asks for all memory there is, `norm_num_groups: 0`
for a division by zero, `_attn_implementation` in a text encoder for a kernel from a hub, `auto_map` for a program. So
every known key has its bounds, what can name code is refused, and everything else is a small plain value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from forensics.diffusion.headers import read_json
from forensics.errors import CheckpointError

Rule = Callable[[Any], bool]

_NAMES_CODE = (
    "auto_map",
    "trust_remote_code",
    "custom_pipeline",
    "custom_pipelines",
    "code_revision",
    "quantization_config",
    "_commit_hash",
    "adapter_config",
)
"""Keys with which a library fetches or runs what is not in the file, or replaces the layers that were identified."""
_ATTENTION = (None, "eager", "sdpa")
_LARGEST = 2**53
_ITEMS, _LETTERS, _LEVELS = 100_000, 20_000, 8


def _number(low: float, high: float) -> Rule:
    def holds(value: Any) -> bool:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and math.isfinite(value) and low <= value <= high

    return holds


def _whole(low: int, high: int) -> Rule:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _each(rule: Rule, most: int = 16) -> Rule:
    """A value, or a list of them, possibly a list of lists."""

    def holds(value: Any) -> bool:
        if isinstance(value, list):
            return 0 < len(value) <= most and all(holds(v) for v in value)
        return rule(value)

    return holds


def _list(rule: Rule) -> Rule:
    return lambda value: isinstance(value, list) and _each(rule)(value)


def _or_none(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("in_channels", "out_channels", "latent_channels", "patch_size"), _or_none(_each(_whole(1, 4096)))),
    **dict.fromkeys(("block_out_channels", "mult_channels"), _list(_whole(1, 16_384))),
    "layers_per_block": _each(_whole(1, 32)),
    "transformer_layers_per_block": _or_none(_each(_whole(1, 64))),
    "reverse_transformer_layers_per_block": _or_none(_each(_whole(1, 64))),
    **dict.fromkeys(("attention_head_dim", "num_attention_heads"), _or_none(_each(_whole(1, 4096)))),
    "norm_num_groups": _or_none(_whole(1, 4096)),
    "cross_attention_dim": _or_none(_each(_whole(1, 65_536))),
    "sample_size": _or_none(_each(_whole(1, 16_384))),
    **dict.fromkeys(
        ("hidden_size", "intermediate_size", "projection_dim", "d_model", "d_ff"), _or_none(_whole(1, 131_072))
    ),
    **dict.fromkeys(("num_hidden_layers", "num_layers", "num_single_layers"), _or_none(_whole(0, 512))),
    "vocab_size": _whole(1, 2_000_000),
    "max_position_embeddings": _whole(1, 1_000_000),
    "scaling_factor": _or_none(_number(1e-6, 1e6)),
    "shift_factor": _or_none(_number(-1e6, 1e6)),
    **dict.fromkeys(("latents_mean", "latents_std"), _or_none(_each(_number(-1e6, 1e6), 1024))),
    "force_upcast": _or_none(lambda v: isinstance(v, bool | float)),
    "num_train_timesteps": _or_none(_whole(1, 100_000)),
    "beta_start": _number(1e-9, 0.999),
    "beta_end": _number(1e-9, 0.999),
    "beta_schedule": lambda v: v in ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"),
    "trained_betas": _or_none(_each(_number(0.0, 0.999), 100_000)),
    "steps_offset": _whole(0, 100_000),
    "norm_eps": _or_none(_number(0.0, 1.0)),
    "layer_norm_eps": _or_none(_number(0.0, 1.0)),
    "dropout": _or_none(_number(0.0, 1.0)),
    "attention_dropout": _or_none(_number(0.0, 1.0)),
    "act_fn": lambda v: isinstance(v, str) and v.isidentifier() and len(v) <= 40,
    "hidden_act": lambda v: isinstance(v, str) and v.replace("_", "").isalnum() and len(v) <= 40,
}


def checked(config: Mapping[str, Any], name: str) -> None:
    """Refuse a configuration that nothing sound is built from.

    Args:
        config: as JSON gave it.
        name: what to call it: "config.json of the unet".

    Raises:
        CheckpointError: naming the first key.
    """
    hint = "Compare the file with the publisher's; a sound one has small plain numbers here."
    for key, value in config.items():
        if key in _NAMES_CODE and value not in (None, False, {}, []):
            raise CheckpointError(
                f"{name} asks with {key!r} for something that is not in the checkpoint; it was not loaded.",
                hint="A checkpoint is examined from its own files alone.",
            )
        if "attn_implementation" in key and value not in _ATTENTION:
            raise CheckpointError(
                f"{name} names an implementation of attention, {str(value)[:60]!r}; it was not loaded.",
                hint="An implementation may be a program on a hub. Take the entry out: results do not depend on it.",
            )
        rule = _RULES.get(key)
        if not (rule(value) if rule else _plain(value)):
            raise CheckpointError(f"{name} states {key} = {str(value)[:60]}, which no network has.", hint=hint)


def _plain(value: Any, level: int = 0) -> bool:
    """Text, truth values, finite numbers, none, and short lists and tables of them."""
    if isinstance(value, str):
        return len(value) <= _LETTERS
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return math.isfinite(value) and abs(value) <= _LARGEST
    inside = [*value, *value.values()] if isinstance(value, dict) else value
    if not isinstance(inside, list) or level == _LEVELS or len(inside) > _ITEMS:
        return False
    return all(_plain(v, level + 1) for v in inside)


def folder(root: Path) -> None:
    """The configurations of a diffusers folder, before anything of it is identified. Raises CheckpointError."""
    if root.is_dir():
        schedules = (root / "scheduler" / "scheduler_config.json", root / "scheduler_config.json")
        for path in (root / "config.json", *sorted(root.glob("*/config.json")), *schedules):
            if path.exists():
                checked(read_json(path), path.relative_to(root).as_posix())


def finite(network: Any, name: str) -> None:
    """Refuse weights that hold what is no number: every result of theirs would be none.

    Args:
        network: of torch.
        name: what to call it.

    Raises:
        CheckpointError: naming the first tensor.
    """
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"The tensor {key!r} of {name} holds values that are not finite numbers.",
                hint="The file is damaged, or was written in a precision that overflowed: fetch it again.",
            )


__all__ = ["checked", "finite", "folder"]
