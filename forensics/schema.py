"""Dataclasses to JSON and back, and the JSON Schema of what is written.

The wire form is derived from the annotations of `forensics.case` alone, so that the file format, its published schema
and the types cannot drift apart. A union of dataclasses carries a `type` tag.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from enum import Enum
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints, runtime_checkable

from forensics.errors import CaseError

T = TypeVar("T")


@runtime_checkable
class Versioned(Protocol):
    """A dataclass whose wire form had other versions before, one of which its own fields name.

    What was read from an older file is written as that file was, byte for byte: its digest stands in documents and
    signatures.
    """

    @staticmethod
    def as_read(wire: dict[str, Any]) -> dict[str, Any]:
        """Today's wire form of one of any version. Raises ValueError for what none had."""
        ...

    @staticmethod
    def as_written(wire: dict[str, Any]) -> dict[str, Any]:
        """The wire form of the version that it names, of today's."""
        ...


def encode(value: Any) -> Any:
    """Plain JSON values for a frozen dataclass. Raises ValueError for a float that JSON cannot hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        wire = {"type": type(value).__name__, **fields}
        return typing.cast("Versioned", value).as_written(wire) if _versioned(type(value)) else wire
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [encode(v) for v in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a measurement that is not finite must be recorded as absent, with its reason")
        return value
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


@functools.cache
def _versioned(kind: type[Any]) -> bool:
    """Asked once of every dataclass: the answer takes as long as all else of a value."""
    return issubclass(kind, Versioned)


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Annotation of every field, taken from the text of the annotations once."""
    return get_type_hints(kind)


def canonical(value: Any) -> bytes:
    """Canonical JSON: UTF-8, sorted keys, two-space indent, shortest round-trip floats, one newline at the end."""
    text = json.dumps(encode(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def decode(kind: type[T], data: Any, where: str = "case") -> T:
    """The dataclass `kind` from plain JSON values. Raises CaseError naming the place that does not fit."""
    return typing.cast("T", _decode(kind, data, where))


def _decode(kind: Any, data: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), data, where)
    if origin is tuple:
        return _decode_tuple(get_args(kind), data, where)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast("type[Any]", kind), data, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError as exc:
            raise CaseError(f"{where}: {data!r} is not one of {[e.value for e in kind]}") from exc
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is type(None) and data is None:
        return None
    if not isinstance(kind, type) or not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise CaseError(f"{where}: expected {getattr(kind, '__name__', kind)}, found {type(data).__name__}")
    return data


def _decode_union(options: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in options:
        return None
    if isinstance(data, dict):
        for option in options:
            if dataclasses.is_dataclass(option) and data.get("type") == typing.cast("type", option).__name__:
                return _decode(option, data, where)
        raise CaseError(f"{where}: unknown type {data.get('type')!r}")
    plain = [o for o in options if o is not type(None) and not dataclasses.is_dataclass(o)]
    if not plain:
        raise CaseError(f"{where}: expected an object, found {type(data).__name__}")
    return _decode(plain[0], data, where)


def _decode_tuple(args: tuple[Any, ...], data: Any, where: str) -> Any:
    if not isinstance(data, list):
        raise CaseError(f"{where}: expected a list, found {type(data).__name__}")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], v, f"{where}[{i}]") for i, v in enumerate(data))
    if len(args) != len(data):
        raise CaseError(f"{where}: expected {len(args)} values, found {len(data)}")
    return tuple(_decode(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, data, strict=True)))


def _decode_dataclass(kind: type[Any], data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise CaseError(f"{where}: expected an object, found {type(data).__name__}")
    hints = _hints(typing.cast("Any", kind))
    names = [f.name for f in dataclasses.fields(kind)]
    if data.get("type") != kind.__name__:
        raise CaseError(f"{where}: expected type {kind.__name__!r}, found {data.get('type')!r}")
    if _versioned(typing.cast("Any", kind)):
        try:
            data = kind.as_read(data)
        except ValueError as exc:
            raise CaseError(f"{where}: {exc}") from exc
    if unknown := sorted(set(data) - set(names) - {"type"}):
        raise CaseError(f"{where}: unknown field {unknown[0]!r}")
    if missing := [n for n in names if n not in data]:
        raise CaseError(f"{where}: missing field {missing[0]!r}")
    return kind(**{n: _decode(hints[n], data[n], f"{where}.{n}") for n in names})


def of_kinds(value: Any, where: str = "value") -> None:
    """Refuse a dataclass that was made from foreign values without looking at their kinds.

    Raises:
        ValueError: naming the first field that holds another kind of value than it is annotated with.
    """
    hints = _hints(typing.cast("Any", type(value)))
    for field in dataclasses.fields(value):
        _of_kind(getattr(value, field.name), hints[field.name], f"{where}.{field.name}")


def _of_kind(value: Any, hint: Any, where: str) -> None:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        plain = [option for option in args if _fits(value, option)]
        if not plain:
            raise ValueError(f"{where} holds {type(value).__name__}")
        return _of_kind(value, plain[0], where)
    if not _fits(value, hint):
        raise ValueError(f"{where} holds {type(value).__name__}")
    if dataclasses.is_dataclass(hint):
        return of_kinds(value, where)
    if origin is tuple and args:
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ValueError(f"{where} holds {len(value)} values")
        for number, (one, kind) in enumerate(zip(value, kinds, strict=True)):
            _of_kind(one, kind, f"{where}[{number}]")
    return None


def _fits(value: Any, hint: Any) -> bool:
    kind = get_origin(hint) or hint
    if not isinstance(kind, type):
        return True
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def json_schema(kind: type[Any], title: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the wire form of `kind`."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(option, definitions) for option in get_args(kind)]}
    if origin is tuple:
        args = get_args(kind)
        if len(args) == 2 and args[1] is Ellipsis:
            return {"type": "array", "items": _schema(args[0], definitions)}
        fixed = [_schema(a, definitions) for a in args]
        return {"type": "array", "prefixItems": fixed, "minItems": len(args), "maxItems": len(args)}
    if dataclasses.is_dataclass(kind):
        return _dataclass_schema(typing.cast("type[Any]", kind), definitions)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [e.value for e in kind]}
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    return {"type": plain[kind]}


def _dataclass_schema(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{kind.__name__}"}
    if kind.__name__ in definitions:
        return reference
    definitions[kind.__name__] = {}  # claimed before descending, so that recursive types end
    hints = get_type_hints(kind)
    properties: dict[str, Any] = {"type": {"const": kind.__name__}}
    properties |= {f.name: _schema(hints[f.name], definitions) for f in dataclasses.fields(kind)}
    definitions[kind.__name__] = {
        "type": "object",
        "description": (kind.__doc__ or "").strip().split("\n")[0],
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }
    return reference
