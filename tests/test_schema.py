"""The wire form: everything written is read back the same, and agrees with the published JSON Schema."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics import case as domain
from forensics.case import Absent, Case, CustodyEntry, Finding, Inversion, Measurement
from forensics.errors import CaseError
from forensics.protocol import PROFILES, Protocol
from forensics.schema import canonical, decode, encode, json_schema
from tests.studies import schema_page

SCHEMA = json_schema(Case, "case")
KINDS = [
    kind
    for kind in vars(domain).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__.startswith(domain.__name__)
    if kind is not domain.Kind  # what the program knows of a statistic; a case holds its name alone
]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Every value that the annotation allows."""
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, get_args(kind)))
    if origin is tuple:
        args = get_args(kind)
        if len(args) == 2 and args[1] is Ellipsis:
            return st.lists(values(args[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, args))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{f.name: values(hints[f.name]) for f in dataclasses.fields(kind)})
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        int: st.integers(-(2**63), 2**63),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return plain[kind]


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not Case], ids=lambda k: k.__name__)
def test_round_trip_and_schema_of_every_type(kind: type[Any]) -> None:
    schema = json_schema(kind, kind.__name__)
    validator = jsonschema.Draft202012Validator(schema)

    @settings(max_examples=25, deadline=None)
    @given(values(kind))
    def law(value: Any) -> None:
        wire = json.loads(canonical(value))
        assert decode(kind, wire) == value
        assert canonical(decode(kind, wire)) == canonical(value)
        validator.validate(wire)

    law()


def test_schema_is_itself_valid_and_names_every_type() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]) == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("profile", PROFILES)
def test_protocol_has_a_canonical_form(profile: str) -> None:
    assert decode(Protocol, json.loads(PROFILES[profile].canonical)) == PROFILES[profile]


def test_canonical_form_does_not_depend_on_the_order_of_keys() -> None:
    text = canonical(Absent("what", "reason é")).decode()
    assert text == '{\n  "reason": "reason é",\n  "remedy": "",\n  "type": "Absent",\n  "what": "what"\n}\n'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_has_no_wire_form(value: float) -> None:
    with pytest.raises(ValueError, match="recorded as absent"):
        encode(Measurement("M1", "ssim", "Q1", "N1", value))


ENTRY = encode(CustodyEntry(1, "2026-01-01T00:00:00Z", "a", "b", "c", "d", "e"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extra": 1}, "unknown field 'extra'"),
        ({"seq": "1"}, "expected int"),
        ({"seq": True}, "expected int"),
        ({"utc": None}, "expected str"),
        ({"type": "Fact"}, "expected type"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_schema_agrees(change: dict[str, Any], said: str) -> None:
    wrong = ENTRY | change
    with pytest.raises(CaseError, match=said):
        decode(CustodyEntry, wrong)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema(CustodyEntry, "entry"))


def test_missing_field_is_named() -> None:
    with pytest.raises(CaseError, match=r"case: missing field 'actor'"):
        decode(CustodyEntry, {k: v for k, v in ENTRY.items() if k != "actor"})


def test_place_of_a_fault_is_named() -> None:
    hints = get_type_hints(Finding)
    assert get_origin(hints["cites"]) is tuple
    with pytest.raises(CaseError, match=r"case\[1\]: expected str"):
        decode(hints["cites"], ["M1", 2])


def test_union_is_told_apart_by_its_type() -> None:
    hint = get_type_hints(Inversion)["supplied_bits"]
    absent = Absent("bits", "not counted")
    assert decode(hint, encode(absent)) == absent
    assert decode(hint, 3) == 3.0
    with pytest.raises(CaseError, match="unknown type"):
        decode(hint, {"type": "Fact"})


def test_the_page_about_the_case_is_current_and_names_every_field() -> None:
    text = schema_page.PAGE.read_text(encoding="utf-8")
    assert text == schema_page.page(), "write it anew with `python -m tests.studies.schema_page`"
    for name, definition in SCHEMA["$defs"].items():
        section = text.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0]
        for field in definition["properties"]:
            assert field == "type" or f"| `{field}` |" in section, f"{name}.{field}"
