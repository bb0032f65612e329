"""Plain random draws from the strategies of the writers, without Hypothesis's search: some thirty times as fast.

Hypothesis mutates, remembers and shrinks; ten thousand records of fourteen grammars take it half an hour of processor
time. Here a seeded generator walks through the same strategies, for the study that asks for many records. What it finds
is repeated by the seed and the number of the record. The suite itself uses Hypothesis.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hypothesis.strategies import SearchStrategy
from hypothesis.strategies._internal import collections, core, misc, numbers, strategies, strings

_TRIES = 200
_MOST = 4096
_ASCII = 0.7
"""Share of characters within ASCII, where the signs of the grammars lie."""


class Unknown(TypeError):
    """A kind of strategy that is not drawn from here."""


def draw(strategy: SearchStrategy[Any], dice: random.Random) -> Any:
    """One value.

    Args:
        strategy: of Hypothesis.
        dice: the source of chance.

    Raises:
        Unknown: a kind of strategy without a rule here.
        LookupError: nothing passed a filter.
    """
    if len(_RESOLVED) > _MOST:
        _RESOLVED.clear()  # strategies made within others live for one record
    known = _RESOLVED.get(id(strategy))
    if known is None or known[0] is not strategy:
        known = _RESOLVED[id(strategy)] = (strategy, *_resolve(strategy))
    return known[1](known[2], dice)


_RESOLVED: dict[int, tuple[SearchStrategy[Any], Callable[[Any, random.Random], Any], Any]] = {}
"""By identity: the strategy, the rule of its kind, and the strategy behind it."""


def _resolve(strategy: Any) -> tuple[Callable[[Any, random.Random], Any], Any]:
    wrapped = getattr(strategy, "wrapped_strategy", None)
    if wrapped is not None and wrapped is not strategy:
        return _resolve(wrapped)
    for kind, rule in _RULES:
        if isinstance(strategy, kind):
            return rule, strategy
    raise Unknown(type(strategy).__name__)


def _composite(strategy: Any, dice: random.Random) -> Any:
    return strategy.definition(lambda inner, label=None: draw(inner, dice), *strategy.args, **strategy.kwargs)


def _filtered(strategy: Any, dice: random.Random) -> Any:
    for _ in range(_TRIES):
        value = draw(strategy.filtered_strategy, dice)
        if all(condition(value) for condition in strategy.flat_conditions):
            return value
    raise LookupError("nothing passed the filter")


def _sampled(strategy: Any, dice: random.Random) -> Any:
    for _ in range(_TRIES):
        value = strategy._transform(dice.choice(strategy.elements), data=None)
        if value is not strategies.filter_not_satisfied:
            return value
    raise LookupError("nothing passed the filter")


def _size(strategy: Any, dice: random.Random) -> int:
    least, most = int(strategy.min_size), strategy.max_size
    most = int(min(most, least + 20)) if most != float("inf") else least + 8
    return (
        min(dice.randint(least, most), dice.randint(least, most)) if dice.random() < 0.5 else dice.randint(least, most)
    )


def _list(strategy: Any, dice: random.Random) -> list[Any]:
    return [draw(strategy.element_strategy, dice) for _ in range(_size(strategy, dice))]


def _unique(strategy: Any, dice: random.Random) -> list[Any]:
    found: list[Any] = []
    seen: list[set[Any]] = [set() for _ in strategy.keys]
    for _ in range(4 * (wanted := _size(strategy, dice))):
        if len(found) == wanted:
            break
        value = draw(strategy.element_strategy, dice)
        if (beside := getattr(strategy, "tuple_suffixes", None)) is not None:  # of a dictionary: key, then value
            value = (value, *draw(beside, dice))
        marks = [key(value) for key in strategy.keys]
        if all(mark not in known for mark, known in zip(marks, seen, strict=True)):
            found.append(value)
            for mark, known in zip(marks, seen, strict=True):
                known.add(mark)
    return found


@lru_cache(maxsize=64)
def _alphabet(intervals: Any) -> tuple[tuple[int, ...], int]:
    """(code points in Hypothesis's order, how many of them come before the first one beyond ASCII)"""
    codes = tuple(intervals)
    return codes, next((n for n, code in enumerate(codes) if code > 127), len(codes))


def _character(strategy: Any, dice: random.Random) -> str:
    codes, within = _alphabet(strategy.intervals)
    bound = within if within and dice.random() < _ASCII else len(codes)
    return chr(codes[int(dice.random() * bound)])


def _text(strategy: Any, dice: random.Random) -> str:
    return "".join(_list(strategy, dice))


def _integer(strategy: Any, dice: random.Random) -> int:
    least = -(2**63) if strategy.start is None else strategy.start
    most = 2**63 if strategy.end is None else strategy.end
    return dice.choice((least, most)) if dice.random() < 0.05 else dice.randint(least, most)


_RULES: tuple[tuple[type[Any], Callable[[Any, random.Random], Any]], ...] = (
    (core.CompositeStrategy, _composite),
    (strategies.FilteredStrategy, _filtered),
    (strategies.MappedStrategy, lambda s, d: s.pack(draw(s.mapped_strategy, d))),
    (strings.TextStrategy, _text),
    (strings.OneCharStringStrategy, _character),
    (collections.UniqueListStrategy, _unique),
    (collections.ListStrategy, _list),
    (collections.TupleStrategy, lambda s, d: tuple(draw(one, d) for one in s.element_strategies)),
    (collections.FixedDictStrategy, lambda s, d: {name: draw(one, d) for name, one in s.mapping.items()}),
    (strategies.SampledFromStrategy, _sampled),
    (strategies.OneOfStrategy, lambda s, d: draw(d.choice(s.original_strategies), d)),
    (numbers.IntegersStrategy, _integer),
    (misc.BooleansStrategy, lambda _, d: d.random() < 0.5),
)
"""Kind of strategy -> how a value of it is drawn; the first kind that fits."""
