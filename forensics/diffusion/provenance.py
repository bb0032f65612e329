"""What training programs and mergers write into a weight file about where the weights come from.

These are statements of whoever wrote the file. They say what a model was trained on as nothing else in it does: how
many pictures, how often each, under which tags; which models were merged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forensics.case import Fact

SHORT = 200
"""Characters of a value that is printed as it stands."""
TAGS = 40
"""Tags of the table that a fact prints; the exhibit holds all."""
_QUIET = ("format",)


@dataclass(frozen=True, slots=True)
class Stated:
    """One entry of a file's metadata, as found."""

    key: str
    value: str


def stated(metadata: Mapping[str, str]) -> tuple[Stated, ...]:
    """Every entry of any length, sorted by key, without those that say nothing of the weights."""
    return tuple(Stated(k, v) for k, v in sorted(metadata.items()) if k not in _QUIET)


def metadata_facts(metadata: Mapping[str, str], whose: str = "file metadata") -> tuple[Fact, ...]:
    """Readable rows of the metadata: tables where the key is known, the length where the value is long and is not.

    Args:
        metadata: the `__metadata__` of a safetensors file.
        whose: begins the names of the facts.
    """
    rows = []
    for entry in stated(metadata):
        read = _READERS.get(entry.key)
        text = _tried(read, entry.value) if read else None
        if text is None:
            short = len(entry.value) <= SHORT and entry.value.isprintable()
            text = (
                entry.value
                if short
                else f"{len(entry.value)} characters, too long to print here; it stands in the file"
            )
        rows.append(Fact(f"{whose}: {entry.key}", text))
    return tuple(rows)


def _tried(read: Any, value: str) -> str | None:
    try:
        return str(read(json.loads(value)))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _tags(value: Mapping[str, Mapping[str, int]]) -> str:
    """Folder -> tag -> count, as kohya's scripts write it."""
    counts: dict[str, int] = {}
    for tags in value.values():
        for tag, count in tags.items():
            counts[tag.strip()] = counts.get(tag.strip(), 0) + int(count)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ", ".join(f"{_printable(tag)} ({count})" for tag, count in ranked[:TAGS])
    more = f", and {len(ranked) - TAGS} more" if len(ranked) > TAGS else ""
    folders = ", ".join(_printable(name) for name in value)
    return f"{len(ranked)} tags in the folders {folders}: {listed}{more}"


def _buckets(value: Mapping[str, Any]) -> str:
    buckets = value["buckets"]
    sizes = [(b["resolution"], int(b["count"])) for b in buckets.values()]
    listed = ", ".join(f"{size[0]} × {size[1]}: {count}" for size, count in sizes if count)
    return f"{sum(count for _, count in sizes)} pictures with repeats, by size: {listed}"


def _folders(value: Mapping[str, Mapping[str, Any]]) -> str:
    """Folder -> number of repeats and pictures."""
    rows = [
        f"{_printable(name)}: {int(row['img_count'])} pictures, each {int(row['n_repeats'])} times in an epoch"
        for name, row in value.items()
    ]
    return "; ".join(rows)


def _datasets(value: list[Mapping[str, Any]]) -> str:
    rows = []
    for data in value:
        for subset in data.get("subsets", []):
            name = subset.get("image_dir") or subset.get("metadata_file") or "unnamed"
            trigger = subset.get("class_tokens")
            rows.append(
                f"{_printable(str(name))}: {int(subset['img_count'])} pictures, each {int(subset['num_repeats'])} "
                "times in an epoch" + (f", under the word {_printable(str(trigger))}" if trigger else "")
            )
    return "; ".join(rows)


def _recipe(value: Mapping[str, Any]) -> str:
    models = value.get("primary_model_hash"), value.get("secondary_model_hash"), value.get("tertiary_model_hash")
    parts = [f"models {', '.join(str(m) for m in models if m)}"]
    for key in ("interp_method", "multiplier", "custom_name", "discard_weights", "bake_in_vae"):
        if value.get(key) not in (None, "", False):
            parts.append(f"{key.replace('_', ' ')} {_printable(str(value[key]))}")
    return "merged: " + "; ".join(parts)


def _merged(value: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [f"{_printable(str(m.get('name', 'unnamed')))} ({digest[:16]})" for digest, m in value.items()]
    return f"{len(rows)} models: {', '.join(rows)}"


def _printable(text: str) -> str:
    shown = text if text.isprintable() else repr(text)
    return shown if len(shown) <= SHORT else f"{shown[:SHORT]}…"


_READERS: dict[str, Any] = {
    "ss_tag_frequency": _tags,
    "ss_bucket_info": _buckets,
    "ss_dataset_dirs": _folders,
    "ss_reg_dataset_dirs": _folders,
    "ss_datasets": _datasets,
    "sd_merge_recipe": _recipe,
    "sd_merge_models": _merged,
}
