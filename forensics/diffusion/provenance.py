"""What training programs and mergers write into a weight file about where the weights come from.

These are statements of whoever wrote the file. They say what a model was trained on as nothing else in it does: how
many pictures, how often each, under which tags; which models were merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from forensics import foreign
from forensics.case import Fact, StatedTable
from forensics.diffusion.headers import SOURCE

SHORT = 200
"""Characters of a value that is printed as it stands."""
TAGS = 40
"""Rows of a table or a list that is printed; the exhibit holds all."""
ENTRIES = 120
"""Entries of one file that are printed; the exhibit holds all."""
_QUIET = ("format", SOURCE)
_LONGEST = 4 * TAGS * SHORT
_DEPTH = 24
_LEFT = "it stands in the exhibit"


@dataclass(frozen=True, slots=True)
class Stated:
    """One entry of a file's metadata, as found."""

    key: str
    value: str


def stated(metadata: Mapping[str, str]) -> tuple[Stated, ...]:
    """Every entry of any length, sorted by key, without those that say nothing of the weights."""
    return tuple(Stated(k, v) for k, v in sorted(metadata.items()) if k not in _QUIET)


def metadata_facts(metadata: Mapping[str, str], whose: str = "file metadata") -> tuple[Fact, ...]:
    """Readable rows of the metadata, at most `ENTRIES`: summaries where the key is known, else short values as found.

    Args:
        metadata: the `__metadata__` of a safetensors file.
        whose: begins the names of the facts.
    """
    entries = stated(metadata)
    rows = []
    if source := metadata.get(SOURCE):
        rows.append(
            Fact(
                f"{whose}: converted",
                f"made of a pickle file with SHA-256 {_printable(source)}, by the word of the file itself",
            )
        )
    for entry in entries[:ENTRIES]:
        read = _READERS.get(entry.key)
        text = _tried(read, entry.value) if read else None
        if text is None:
            short = len(entry.value) <= SHORT and entry.value.isprintable()
            text = entry.value if short else f"{len(entry.value):,} characters, not printed here; {_LEFT}"
        rows.append(Fact(f"{whose}: {_printable(entry.key)}", text[:_LONGEST]))
    if len(entries) > ENTRIES:
        rows.append(Fact(whose, f"{len(entries) - ENTRIES:,} more entries, not printed here; the exhibit holds them"))
    return tuple(rows)


def tables(metadata: Mapping[str, str]) -> tuple[StatedTable, ...]:
    """What the metadata says of pictures, tags, sizes and merged models, each table at most `TAGS` rows."""
    made = []
    for title, columns, keys, read in _TABLES:
        rows: list[tuple[str, ...]] = []
        for key in keys:
            rows += _tried_rows(read, metadata.get(key, ""))
        if rows:
            made.append(StatedTable(title, columns, tuple(rows[:TAGS]), max(0, len(rows) - TAGS)))
    return tuple(made)


_FOREIGN = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, foreign.Unreadable)
"""What reading the JSON of strangers by the shape that it usually has can raise."""


def _tried(read: Callable[[Any], str], value: str) -> str | None:
    try:
        return read(foreign.parse(value, depth=_DEPTH))
    except _FOREIGN:
        return None


def _tried_rows(read: Callable[[Any], Iterable[tuple[str, ...]]], value: str) -> list[tuple[str, ...]]:
    try:
        return [tuple(map(_printable, row)) for row in read(foreign.parse(value, depth=_DEPTH))] if value else []
    except _FOREIGN:
        return []


def _listed(parts: Iterable[str], between: str = ", ") -> str:
    """The first of the parts, and how many more there are."""
    held = list(parts)
    more = f"{between}and {len(held) - TAGS:,} more" if len(held) > TAGS else ""
    return f"{between.join(held[:TAGS])}{more}"


def _ranked(value: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Tags by their number, of folder -> tag -> number, as kohya's scripts write it."""
    counts: dict[str, int] = {}
    for tags in value.values():
        for tag, count in tags.items():
            counts[tag.strip()] = counts.get(tag.strip(), 0) + int(count)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _tags(value: Mapping[str, Mapping[str, int]]) -> str:
    ranked = _ranked(value)
    folders = _listed(map(_printable, value))
    return f"{len(ranked):,} tags in the folders {folders}: {_listed(f'{_printable(t)} ({n})' for t, n in ranked)}"


def _tag_rows(value: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, ...]]:
    return ((tag, f"{count:,}") for tag, count in _ranked(value))


def _sizes(value: Mapping[str, Any]) -> list[tuple[str, int]]:
    buckets = [(b["resolution"], int(b["count"])) for b in value["buckets"].values()]
    return [(f"{int(size[0])} × {int(size[1])}", count) for size, count in buckets if count]


def _buckets(value: Mapping[str, Any]) -> str:
    sizes = _sizes(value)
    listed = _listed(f"{size}: {count}" for size, count in sizes)
    return f"{sum(count for _, count in sizes):,} pictures with repeats, by size: {listed}"


def _size_rows(value: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    return ((size, f"{count:,}") for size, count in _sizes(value))


def _subsets(value: Any) -> Iterator[tuple[str, int, int, str]]:
    """Name, pictures, repeats and word of each folder, in either of the two forms of kohya's scripts."""
    if isinstance(value, dict):
        for name, row in value.items():
            yield str(name), int(row["img_count"]), int(row["n_repeats"]), ""
        return
    for data in value:
        for subset in data.get("subsets", []):
            name = subset.get("image_dir") or subset.get("metadata_file") or "unnamed"
            word = subset.get("class_tokens")
            yield str(name), int(subset["img_count"]), int(subset["num_repeats"]), str(word or "")


def _folders(value: Any) -> str:
    return _listed(
        (
            f"{_printable(name)}: {pictures} pictures, each {repeats} times in an epoch"
            + (f", under the word {_printable(word)}" if word else "")
            for name, pictures, repeats, word in _subsets(value)
        ),
        "; ",
    )


def _folder_rows(value: Any) -> Iterator[tuple[str, ...]]:
    for name, pictures, repeats, word in _subsets(value):
        yield name, f"{pictures:,}", f"{repeats:,}", f"{pictures * repeats:,}", word or "–"


_RECIPE = ("interp_method", "multiplier", "custom_name", "discard_weights", "bake_in_vae")


def _parts_of(value: Mapping[str, Any]) -> list[str]:
    """How models were merged, as key and value; a recipe of another program by its plain entries."""
    own = "primary_model_hash" in value
    keys = _RECIPE if own else [k for k in value if k != "type"]
    return [
        f"{_printable(str(k)).replace('_', ' ')} {_printable(str(value[k]))}"
        for k in keys
        if isinstance(value.get(k), (str, int, float)) and value[k] not in ("", False)
    ]


def _recipe(value: Mapping[str, Any]) -> str:
    models = value.get("primary_model_hash"), value.get("secondary_model_hash"), value.get("tertiary_model_hash")
    named = [f"models {', '.join(_printable(str(m)) for m in models if m)}"] if any(models) else []
    return "merged: " + _listed([*named, *_parts_of(value)], "; ")


def _merged(value: Mapping[str, Mapping[str, Any]]) -> str:
    rows = (f"{_printable(str(m.get('name', 'unnamed')))} ({_printable(digest)[:16]})" for digest, m in value.items())
    return f"{len(value):,} {'model' if len(value) == 1 else 'models'}: {_listed(rows)}"


def _merged_rows(value: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for digest, model in value.items():
        below = model.get("sd_merge_recipe")
        yield str(model.get("name", "unnamed")), digest, "; ".join(_parts_of(below)) if below else "–"


def _graph_rows(value: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Model files in a graph of ComfyUI, which writes the graph that merged a model into the model."""
    for node in value.values():
        kind, given = str(node["class_type"]), node["inputs"]
        files = [v for v in given.values() if isinstance(v, str) and v.lower().endswith((".safetensors", ".ckpt"))]
        numbers = [f"{k} {v}" for k, v in given.items() if isinstance(v, int | float) and "Merge" in kind]
        if files or numbers:
            yield ", ".join(files) or "–", "–", f"{kind} {_listed(numbers)}".strip()


def _printable(text: str) -> str:
    shown = text if text.isprintable() else repr(text)
    return shown if len(shown) <= SHORT else f"{shown[:SHORT]}…"


def _left(value: Mapping[str, str]) -> str:
    """What the converter found beside the tensors of a pickle."""
    return "beside the tensors: " + _listed((f"{_printable(k)} {_printable(str(v))}" for k, v in value.items()), "; ")


_READERS: dict[str, Callable[[Any], str]] = {
    "ss_tag_frequency": _tags,
    "ss_bucket_info": _buckets,
    "ss_dataset_dirs": _folders,
    "ss_reg_dataset_dirs": _folders,
    "ss_datasets": _folders,
    "sd_merge_recipe": _recipe,
    "sd_merge_models": _merged,
    "converted_left_out": _left,
}
_IN_FOLDERS = ("Folder", "Pictures", "Repeats in an epoch", "Shown in an epoch", "Word")
_MERGED = ("Model", "SHA-256", "How it was merged")
_TABLES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], Callable[[Any], Iterable[tuple[str, ...]]]], ...] = (
    ("Pictures of the training", _IN_FOLDERS, ("ss_dataset_dirs", "ss_datasets"), _folder_rows),
    ("Pictures of a class beside them (regularisation)", _IN_FOLDERS, ("ss_reg_dataset_dirs",), _folder_rows),
    ("Tags of the pictures of the training", ("Tag", "Times"), ("ss_tag_frequency",), _tag_rows),
    ("Sizes of the pictures of the training", ("Size", "Pictures with repeats"), ("ss_bucket_info",), _size_rows),
    ("Models that were merged", _MERGED, ("sd_merge_models",), _merged_rows),
    ("Models in the graph that made the file", _MERGED, ("prompt",), _graph_rows),
)
"""Title, columns, keys of the metadata that hold it, and how it is read."""
