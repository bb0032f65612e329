"""Hit rates with exact intervals, by model version, prompt class and work; pure.

A hit is a picture that corresponds to a work its prompt aims at, throughout or in part. All tries are the denominator,
those that were refused or failed among them; beside it stands the same of the pictures given. Expected numbers of tries
are those of a geometric distribution, 1 / rate, with the exact interval of the rate turned over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from forensics.case import Outcome
from forensics.outputs.log import Result
from forensics.outputs.plan import PromptClass
from forensics.outputs.results import COPY, Cell, Given, OffAim, Pooled, Try
from forensics.statistics.discrimination import Rate, share

ANY = ""
"""The work of prompts that aim at none."""


def hit(one: Try, work: str, controls: Collection[str]) -> bool:
    """Whether what came corresponds to a work; to any work put forward where none is named."""
    return work in one.hits if work != ANY else _any(one, controls, COPY)


def cells(tries: Iterable[Try], controls: Collection[str]) -> tuple[Cell, ...]:
    """A row for each version, class and work that tries which count aim at, in this order; works before controls."""
    groups: dict[tuple[str, str, int, bool, str], list[Try]] = {}
    classes = list(PromptClass)
    for one in tries:
        if one.counts and one.prompt_class is not None:
            for work in one.works or (ANY,):
                key = one.service, one.version, classes.index(one.prompt_class), work in controls, work
                groups.setdefault(key, []).append(one)
    return tuple(_cell(key, groups[key], controls) for key in sorted(groups))


def _cell(key: tuple[str, str, int, bool, str], group: Sequence[Try], controls: Collection[str]) -> Cell:
    service, version, place, control, work = key
    got = [one for one in group if one.file]
    hits = [one for one in got if hit(one, work, controls)]
    rate = share(len(hits), len(group))
    return Cell(
        service=service,
        version=version,
        prompt_class=list(PromptClass)[place],
        work=work,
        control=control,
        prompts=len({one.prompt for one in group}),
        rate=rate,
        of_pictures=share(len(hits), len(got)),
        throughout=sum(_throughout(one, work, controls) for one in hits),
        refused=_count(group, Result.REFUSED),
        failed=_count(group, Result.FAILED),
        expected=1 / rate.value if rate.k else None,
        expected_low=1 / rate.high,
        expected_high=1 / rate.low if rate.low > 0 else None,
    )


def _throughout(one: Try, work: str, controls: Collection[str]) -> bool:
    if work == ANY:
        return _any(one, controls, (Outcome.THROUGHOUT,))
    return any(j.outcome is Outcome.THROUGHOUT and j.work == work for j in one.judged)


def _count(group: Iterable[Try], result: Result) -> int:
    return sum(one.result is result for one in group)


def pooled(tries: Iterable[Try], controls: Collection[str]) -> tuple[Pooled, ...]:
    """Works and controls side by side, for each version and class; prompts that aim at no work are left out."""
    groups: dict[tuple[str, str, int], list[Try]] = {}
    classes = list(PromptClass)
    for one in tries:
        if one.counts and one.prompt_class is not None and one.works:
            groups.setdefault((one.service, one.version, classes.index(one.prompt_class)), []).append(one)
    found = []
    for (service, version, place), group in sorted(groups.items()):
        at = [[one for one in group if side(one, controls)] for side in (_at_works, _at_controls)]
        rates = [share(sum(_aimed(one) for one in some), len(some)) for some in at]
        whole = [sum(_aimed(one, (Outcome.THROUGHOUT,)) for one in some) for some in at]
        aims = [
            {w for one in some for w in one.works if (w in controls) is side}
            for some, side in zip(at, _SIDES, strict=True)
        ]
        reached = [len({w for one in some for w in one.hits} & aim) for some, aim in zip(at, aims, strict=True)]
        shares = [share(k, len(aim)) for k, aim in zip(reached, aims, strict=True)]
        of = service, version, classes[place]
        found.append(Pooled(*of, rates[0], whole[0], rates[1], whole[1], *shares))
    return tuple(found)


_SIDES = (False, True)


def _at_works(one: Try, controls: Collection[str]) -> bool:
    return any(w not in controls for w in one.works)


def _at_controls(one: Try, controls: Collection[str]) -> bool:
    return bool(one.works) and not _at_works(one, controls)


def _aimed(one: Try, words: Collection[Outcome] = COPY) -> bool:
    return any(j.outcome in words and j.work in one.works for j in one.judged)


def given(tries: Sequence[Try], controls: Collection[str]) -> tuple[Given, ...]:
    """What each version gave, of everything logged once."""
    versions = sorted({(one.service, one.version) for one in tries})
    found = []
    for service, version in versions:
        of = [one for one in tries if (one.service, one.version) == (service, version)]
        counting = [one for one in of if one.counts]
        words, pictures = ([one for one in counting if _supplied(one) is side] for side in _SIDES)
        logged = [one for one in of if not _supplied(one)]
        hits, supplied, everything = (_of_works(some, controls) for some in (words, pictures, logged))
        found.append(
            Given(
                service,
                version,
                len(counting),
                share(_count(counting, Result.REFUSED), len(counting)),
                share(_count(counting, Result.FAILED), len(counting)),
                hits,
                _of_works(words, controls, (Outcome.THROUGHOUT,)),
                supplied,
                everything,
            )
        )
    return tuple(found)


def _supplied(one: Try) -> bool:
    return one.prompt_class is PromptClass.IMAGE


def _of_works(tries: Iterable[Try], controls: Collection[str], words: Collection[Outcome] = COPY) -> Rate:
    """Tries at works, or at none of the works and controls, that hit what they aim at."""
    asked = [one for one in tries if not _at_controls(one, controls)]
    met = [_aimed(one, words) if one.works else _any(one, controls, words) for one in asked]
    return share(sum(met), len(asked))


def _any(one: Try, controls: Collection[str], words: Collection[Outcome]) -> bool:
    return any(j.outcome in words and j.work not in controls for j in one.judged)


def off_aim(tries: Iterable[Try], controls: Collection[str]) -> tuple[OffAim, ...]:
    """Works and controls that pictures correspond to although their prompts aim at others."""
    counting = [one for one in tries if one.counts and one.file]
    works = {w for one in counting for w in one.hits if one.works and w not in one.works}
    found = []
    for work in sorted(works):
        others = [one for one in counting if one.works and work not in one.works]
        lines = tuple(one.line for one in others if work in one.hits)
        found.append(OffAim(work, work in controls, len(others), lines))
    return tuple(found)
