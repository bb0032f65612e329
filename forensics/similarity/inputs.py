"""What every measure of likeness accepts, checked in one place.

LPIPS and most image libraries take 8-bit values without complaint and answer with a wrong number; here a value outside
[0, 1] is an error, never a silent rescaling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from forensics.pictures.tensors import resize

SIDE = 256
"""Common side in pixels for pictures compared without alignment."""
MIN_SIDE = 11
"""Shorter side below which the 11 x 11 window of SSIM does not fit."""
SIZE_SENTENCE = (
    f"Both pictures are brought to {SIDE} × {SIDE} pixels (bicubic, antialiased, whole picture, proportions not kept)"
)


@dataclass(slots=True)
class _Held:
    """A large picture that several measures ask for, and what they found of it."""

    picture: Tensor
    """What lives keeps its identity, by which it is known."""
    sound: bool = False
    made: dict[str, Tensor] = field(default_factory=dict)
    """What was made of it, by name."""


_HELD: dict[int, _Held] = {}


@contextmanager
def held(pictures: Iterable[Tensor]) -> Iterator[None]:
    """Check these pictures once, and make what several measures need of them once, while it lasts.

    Nothing may change them meanwhile.
    """
    added = {id(picture): _Held(picture) for picture in pictures if id(picture) not in _HELD}
    _HELD.update(added)
    try:
        yield
    finally:
        for name, one in added.items():
            if _HELD.get(name) is one:
                del _HELD[name]


def check(a: Tensor, b: Tensor) -> None:
    """Raises ValueError unless both are (B, 3, H, W) floating tensors of one B, finite and within [0, 1]."""
    for name, t in (("first", a), ("second", b)):
        known = _HELD.get(id(t))
        if known is not None and known.sound:
            continue
        if t.ndim != 4 or t.shape[1] != 3:
            raise ValueError(f"the {name} batch has shape {tuple(t.shape)}; expected (B, 3, H, W)")
        if not t.is_floating_point():
            raise ValueError(f"the {name} batch has dtype {t.dtype}; expected floating point in [0, 1]")
        if min(t.shape[-2:]) < MIN_SIDE:
            raise ValueError(f"the {name} batch is {tuple(t.shape[-2:])}; at least {MIN_SIDE} pixels a side are needed")
        if not t.numel():
            continue
        low, high = (float(v) for v in t.aminmax())  # one pass; a value that is no number comes through
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"the {name} batch has values that are not finite")
        if low < 0 or high > 1:
            raise ValueError(f"the {name} batch reaches from {low:g} to {high:g}; expected values in [0, 1]")
        if known is not None:
            known.sound = True
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"batches of {a.shape[0]} and {b.shape[0]} pictures cannot be paired")


def same_size(a: Tensor, b: Tensor) -> None:
    """`check`, and the two batches have one size. Raises ValueError."""
    check(a, b)
    if a.shape[-2:] != b.shape[-2:]:
        raise ValueError(f"sizes differ: {tuple(a.shape[-2:])} and {tuple(b.shape[-2:])}")


def common(a: Tensor, b: Tensor, side: int = SIDE) -> tuple[Tensor, Tensor]:
    """Both batches checked, on the CPU and at side x side pixels. Raises ValueError as `check` does."""
    check(a, b)
    return _at(a, side), _at(b, side)


def _at(picture: Tensor, side: int) -> Tensor:
    return found(picture, f"at {side}", lambda: resize(picture.cpu().float(), side, side))


def found(picture: Tensor, name: str, make: Callable[[], Tensor]) -> Tensor:
    """What is made of a picture, made once while the picture is `held`."""
    known = _HELD.get(id(picture))
    if known is None:
        return make()
    if name not in known.made:
        known.made[name] = make()
    return known.made[name]


def singly(batch: Tensor) -> Sequence[Tensor]:
    """The pictures of a batch, (1, 3, H, W) each; a batch of one is its picture, and stays known where it is `held`."""
    if len(batch) == 1:
        return [batch]
    return batch.split(1) if len(batch) else []  # an empty batch splits into one empty part
