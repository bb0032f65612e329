"""The process that reads one pickle of tensors: `pickle_worker.py SOURCE TARGET SHA256`."""

from __future__ import annotations

import contextlib
import ctypes
import json
import pickle
import re
import sys
from collections.abc import Iterator
from typing import Any

_NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of Linux."""
_SHORT, _ENTRIES = 200, 200
"""Characters and number of the values that are no tensors and are written down."""


def main(source: str, target: str, sha256: str) -> int:
    """Read and write; names of what is no tensor go to standard output as JSON."""
    import torch
    from safetensors.torch import save_file

    _without_network()
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        # The rest of PyTorch's message advises to open the file without the restriction: that is not passed on.
        named = re.search(r"(?:GLOBAL|Unsupported (?:global|class|operand)\S*) ([\w.]+)", str(exc))
        print(f"it holds more than tensors{f' ({named[1]})' if named else ''}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError, EOFError, OSError, ValueError, KeyError) as exc:
        print(f"it cannot be read ({type(exc).__name__}: {_first_line(exc)})", file=sys.stderr)
        return 2
    # Training programs put the weights one level down.
    inner = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(inner, dict):
        print(f"it holds {type(loaded).__name__}, no names with tensors", file=sys.stderr)
        return 2
    tensors, left = {}, []
    plain: dict[str, str] = {}
    for name, value in _flat(inner, ""):
        if isinstance(value, torch.Tensor):
            # A copy of its own: tensors of one storage cannot be written apart otherwise.
            tensors[name] = value.detach().clone().contiguous()
        else:
            left.append(name)
            if isinstance(value, str | int | float) and len(str(value)) <= _SHORT and len(plain) < _ENTRIES:
                plain[name[:_SHORT]] = str(value)
    if not tensors:
        print("it holds no tensors", file=sys.stderr)
        return 2
    said = {"format": "pt", "converted_from_sha256": sha256}
    if beside := _beside(loaded, inner, plain):
        said["converted_left_out"] = json.dumps(beside, sort_keys=True)
    save_file(tensors, target, metadata=said)
    print(json.dumps(sorted(left)))
    return 0


def _beside(loaded: Any, inner: Any, plain: dict[str, str]) -> dict[str, str]:
    """Short plain values beside the tensors, such as steps and the name of the model trained: of either level."""
    outer = loaded if isinstance(loaded, dict) and loaded is not inner else {}
    short = {
        str(k)[:_SHORT]: str(v)
        for k, v in list(outer.items())[:_ENTRIES]
        if isinstance(v, str | int | float) and len(str(v)) <= _SHORT
    }
    return {**plain, **short}


def _flat(entries: dict[Any, Any], start: str) -> Iterator[tuple[str, Any]]:
    for key, value in entries.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", value


def _without_network() -> None:
    """A network of its own with nothing in it, where the system allows it; the restricted reader needs none anyway."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(_NEW_USER_AND_NETWORK)


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [""])[0][:200]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
