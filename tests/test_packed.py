"""Results of stages as bytes: every kind comes back as it was, and nothing else is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from forensics import packed
from forensics.foreign import Unreadable


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    name: str
    value: float


@dataclass(frozen=True)
class Other:
    name: str


@dataclass(frozen=True)
class Outer:
    inner: Inner | Other | None
    many: tuple[Inner, ...]
    pair: tuple[int, str]
    table: dict[str, tuple[float, ...]]
    colour: Colour
    path: Path | None
    raw: bytes | None
    flag: bool


numbers = st.floats(allow_nan=False)
inner = st.builds(Inner, st.text(st.characters(exclude_categories=["Cs"])), numbers)
outer = st.builds(
    Outer,
    st.one_of(st.none(), inner, st.builds(Other, st.just("x"))),
    st.lists(inner, max_size=3).map(tuple),
    st.tuples(st.integers(-(2**62), 2**62), st.just("a")),
    st.dictionaries(st.sampled_from("abc"), st.lists(numbers, max_size=3).map(tuple)),
    st.just(Colour.RED),
    st.sampled_from([None, Path("a/b")]),
    st.sampled_from([None, b"", b"xyz"]),
    st.booleans(),
)


@given(outer)
def test_every_value_comes_back_as_it_was(value: Outer) -> None:
    data = packed.pack(value)
    assert packed.unpack(Outer, data) == value
    assert packed.pack(packed.unpack(Outer, data)) == data


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_tensors_of_every_kind_and_layout(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    value = (torch.rand(shape) * 4).to(dtype)
    turned = value.permute(*reversed(range(len(shape)))) if shape else value
    for tensor in (value, turned):
        back = packed.unpack(Tensor, packed.pack(tensor))
        assert back.dtype == dtype
        assert torch.equal(back, tensor)


def test_arrays_and_single_numbers_of_numpy() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::-1]
    assert np.array_equal(packed.unpack(NDArray[np.uint8], packed.pack(array)), array)
    assert packed.unpack(tuple[int, float], packed.pack((np.int64(3), np.float32(0.5)))) == (3, 0.5)
    assert packed.unpack(float, packed.pack(float("-inf"))) == float("-inf")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "3"),
        (str, 3),
        (float, True),
        (Inner, Other("x")),
        (Inner | None, Other("x")),
        (tuple[int, int], (1,)),
        (Tensor, 3),
        (bytes, "x"),
        (Colour, "green"),
        (dict[str, int], (1, 2)),
        (Inner, None),
    ],
)
def test_a_value_of_another_kind_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(Unreadable):
        packed.unpack(kind, packed.pack(value))


@pytest.mark.parametrize("data", [b"", b"x", b"3", b"-1\n[]", b"9999999999999\n", b"2\n[]", b"4\nnull" + b"\xff" * 8])
def test_bytes_that_are_no_result_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        packed.unpack(tuple[int, ...], data)


def test_what_is_no_plain_value_is_not_written() -> None:
    with pytest.raises(TypeError, match="no plain value"):
        packed.pack({"a": {1, 2}})
    with pytest.raises(TypeError, match="no plain value"):
        packed.pack(print)
