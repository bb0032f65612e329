"""What a stage gave, as bytes and back: dataclasses, words, numbers and arrays, and nothing that runs.

The bytes lie in a case folder while an examination is incomplete, and whoever can write there can write them. So no
pickle is read: the tree is JSON through the bounded reader, the arrays are safetensors, and what comes out has the
kinds that the annotations of this program name, or is refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from forensics import foreign

_SEQUENCES = (tuple, list, Sequence)
_MAPPINGS = (dict, Mapping)


def pack(value: Any) -> bytes:
    """Bytes of a value; equal values have equal bytes.

    Raises:
        TypeError: something in it is no plain value.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    tree = json.dumps(_plain(value, arrays), ensure_ascii=False, separators=(",", ":")).encode()
    return b"%d\n" % len(tree) + tree + save_arrays({f"{i:06d}": array for i, array in enumerate(arrays)})


def unpack(kind: Any, data: bytes) -> Any:
    """The value of this kind.

    Args:
        kind: a type as it stands in an annotation: a dataclass, `tuple[X, ...]`, `X | None`, a tensor.
        data: bytes that `pack` made.

    Raises:
        foreign.Unreadable: they hold something else.
    """
    head, _, rest = data.partition(b"\n")
    if not head.isdigit() or len(head) > 12:
        raise foreign.Unreadable("does not begin with its length")
    tree, body = rest[: int(head)], rest[int(head) :]
    try:
        arrays = load_arrays(body)
        return _value(kind, foreign.parse(tree), arrays)
    except foreign.Unreadable:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as exc:
        raise foreign.Unreadable(f"does not hold what it should ({type(exc).__name__})") from exc


def _plain(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": repr(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"of": type(value).__name__, "fields": fields}
    if isinstance(value, Mapping):
        return {"rows": [[_plain(k, arrays), _plain(v, arrays)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        return [_plain(v, arrays) for v in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):  # one number of an array
        return _plain(value.item(), arrays)
    return _stored(value, arrays)


def _stored(value: Any, arrays: list[np.ndarray[Any, Any]]) -> dict[str, Any]:
    kind = {}
    if isinstance(value, bytes):
        found = np.frombuffer(value, np.uint8)
    elif isinstance(value, np.ndarray):
        found = value
    elif hasattr(value, "detach"):
        import torch

        tensor = value.detach().cpu()
        if tensor.dtype is torch.bfloat16:  # which numpy does not know
            kind, tensor = {"kind": "bfloat16"}, tensor.view(torch.int16)
        found = tensor.numpy()
    else:
        raise TypeError(f"{type(value).__name__} is no plain value")
    arrays.append(np.ascontiguousarray(found).reshape(found.shape))
    return {"array": len(arrays) - 1, **kind}


def _value(kind: Any, data: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), data, arrays)
    if origin in _SEQUENCES:
        return _row(kind, data, arrays)
    if origin in _MAPPINGS:
        keys, values = get_args(kind)
        return {_value(keys, k, arrays): _value(values, v, arrays) for k, v in data["rows"]}
    if dataclasses.is_dataclass(kind):
        return _filled(typing.cast("type[Any]", kind), data, arrays)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind is float:
        return _number(data)
    if kind is Path:
        return Path(_word(data))
    if kind in (str, int, bool, type(None)):
        if type(data) is not (kind or type(None)):
            raise TypeError(f"expected {kind}, found {type(data)}")
        return data
    return _array(origin or kind, data, arrays)


def _one_of(options: tuple[Any, ...], data: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    if data is None:
        if type(None) not in options:
            raise TypeError("nothing where something is expected")
        return None
    named = data.get("of") if isinstance(data, dict) else None
    for option in options:
        fits = getattr(option, "__name__", "") == named if named else not dataclasses.is_dataclass(option)
        if option is not type(None) and fits:
            return _value(option, data, arrays)
    raise TypeError("none of the kinds expected")


def _row(kind: Any, data: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise TypeError("no list")
    kinds = get_args(kind)
    if get_origin(kind) is not tuple or (len(kinds) == 2 and kinds[1] is Ellipsis):
        return tuple(_value(kinds[0], v, arrays) for v in data)
    return tuple(_value(k, v, arrays) for k, v in zip(kinds, data, strict=True))


def _filled(kind: type[Any], data: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    hints, fields = _hints(typing.cast("Any", kind)), data["fields"]
    if data["of"] != kind.__name__ or set(fields) != set(hints):
        raise TypeError(f"no {kind.__name__}")
    return kind(**{name: _value(hint, fields[name], arrays) for name, hint in hints.items()})


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _number(data: Any) -> float:
    if isinstance(data, dict):
        return float(_word(data["number"]))
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise TypeError("no number")
    return float(data)


def _word(data: Any) -> str:
    if not isinstance(data, str):
        raise TypeError("no text")
    return data


def _array(kind: Any, data: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    found = arrays[f"{int(data['array']):06d}"]
    if kind is bytes:
        return found.tobytes()
    if kind is np.ndarray:
        return found
    if getattr(kind, "__module__", "") != "torch":
        raise TypeError(f"{kind} is no plain value")
    import torch

    tensor = torch.from_numpy(found.copy())
    return tensor.view(torch.bfloat16) if data.get("kind") == "bfloat16" else tensor
