"""The fixed sentences about what a service gave, and the explanations that remain open.

Without weights nothing is said of them: a sentence says what the service gave in how many tries, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from forensics.case import Absent
from forensics.outputs.check import Deviation, Kind
from forensics.outputs.plan import PromptClass
from forensics.outputs.results import Cell, Given, PlanFacts, Pooled, Try
from forensics.report import words
from forensics.report.sections.explanations import MEASURED_NOTHING as NOTHING
from forensics.report.sections.explanations import Explanation
from forensics.statistics.discrimination import Rate, share

_NAMED = 6
"""Works that the first page names."""
_ANSWERED = 6
"""Versions of which the first page says a sentence each."""
LIMITS = (
    "These are statements about pictures that a service gave, not about its weights, which nobody had: whether a work "
    "was among what the model was trained on, and whether anything of it is in the model, is not asked and not "
    "answered. A service also consists of filters, of programs that rewrite prompts, and perhaps of a search for "
    "pictures; what came is what all of them together gave.",
    "The intervals are exact for tries that are independent of one another and alike (Clopper and Pearson 1934). Tries "
    "of one prompt with one seed are not independent, and works differ: the rate of several works together is a mean "
    "of these works and says nothing of others. The rates hold for the versions, prompts, accounts and days of the "
    "log.",
    "The log is the statement of whoever kept it. What can be held against it was: numbers, times, files, what files "
    "state of themselves, and the plan. A try that was neither logged nor left a gap cannot be found.",
    "A picture is laid over the works its prompt aims at and over those nearest to it by the copy descriptor, not over "
    "all. A correspondence with a work that is neither is not found; of screenshots, where the picture is a part of a "
    "page, the descriptor names the nearest less surely.",
    "A correspondence in part can be of a part that works of a kind share, a frame, a ground or a letter: models that "
    "never saw a work give such pictures as well, at a rate that only control works show. Where it matters, what "
    "corresponds throughout is the surer count, and a single picture is to be examined with `forensics compare`.",
    "Refusals count as tries without a hit. A filter that refuses hides what would have come without it.",
)


def rate(value: Rate) -> str:
    """k of n with the exact interval."""
    if not value.n:
        return "none of no try"
    low, high = words.number(value.low), words.number(value.high)
    return f"{value.k} of {value.n} ({words.number(value.value)}; 95 % interval {low} to {high})"


def version(service: str, name: str) -> str:
    """A service and its version as one name."""
    return f"{service}, version {name}"


def gave(service: str, name: str, what: str, found: Rate) -> str:
    """The one sentence that is said of a rate."""
    return f"{version(service, name)}: the service gave {what} in {counted(found)}."


def counted(found: Rate) -> str:
    """k of n tries with the exact interval."""
    tries = f"{found.k} of {words.counted(found.n, 'try', 'tries')}"
    if not found.n:
        return tries
    return f"{tries} (95 % interval of the share {words.number(found.low)} to {words.number(found.high)})"


def of_cell(cell: Cell) -> str:
    """A cell as a sentence."""
    work = (
        "a work put forward" if not cell.work else f"{'the control work' if cell.control else ''} {cell.work}".strip()
    )
    how = f"a picture that corresponds to {work}, asked with {cell.prompt_class.said},"
    return gave(cell.service, cell.version, how, cell.rate)


def expected(cell: Cell) -> str:
    """Tries to a first hit, with the interval turned over."""
    low = _tries(cell.expected_low)
    if cell.expected is None or cell.expected_high is None:
        return f"no hit; {low} or more"
    return f"{_tries(cell.expected)} ({low} to {_tries(cell.expected_high)})"


def _tries(value: float) -> str:
    return words.number(value, 1) if value < 100 else words.count(round(value))


def answer(
    given: Sequence[Given],
    tries: Sequence[Try],
    plan: PlanFacts | Absent,
    deviations: Sequence[Deviation],
    controls: Collection[str],
) -> tuple[str, ...]:
    """What the first page says."""
    asked = [g for g in given if g.hits.n]
    said = [
        gave(
            words.cut(g.service, 60),
            words.cut(g.version, 60),
            "a picture that corresponds, throughout or in part, to a work asked for with words alone",
            g.hits,
        )
        + f" It corresponds throughout in {counted(g.throughout)}."
        for g in asked[:_ANSWERED]
    ]
    if len(asked) > _ANSWERED:
        said.append(f"{len(asked) - _ANSWERED} further versions stand in the table.")
    said += [sentence for g in asked[:_ANSWERED] for sentence in _which(g, tries, controls)]
    said.append(_with_pictures(tries, controls))
    at_controls = [
        t
        for t in tries
        if t.counts and t.works and t.prompt_class is not PromptClass.IMAGE and all(w in controls for w in t.works)
    ]
    if at_controls:
        k = sum(any(w in t.hits for w in t.works) for t in at_controls)
        found = share(k, len(at_controls))
        said.append(
            "Asked for control works with words alone, by the same protocol, the services together gave a picture that "
            f"corresponds to the control asked for in {counted(found)}."
        )
    else:
        said.append(
            "No control work was asked for by the same protocol, so there is no measure of how often works of this "
            "kind correspond to what such a service gives."
        )
    refused = share(sum(g.refused.k for g in given), sum(g.tries for g in given))
    said.append(f"Refused by filters: {counted(refused)}. They count as tries in which nothing was given.")
    said += [_held(plan, deviations, tries), "Nothing is said about weights, which nobody had."]
    return tuple(said)


def _which(one: Given, tries: Sequence[Try], controls: Collection[str]) -> list[str]:
    """The works that one version gave when asked for them with words alone, each with the tries that gave it."""
    alone = [
        t
        for t in tries
        if (t.service, t.version, t.counts, t.image_prompt) == (one.service, one.version, True, "")
        and t.prompt_class is not PromptClass.IMAGE
    ]
    came = Counter(w for t in alone for w in t.hits if w in t.works and w not in controls)
    if not came:
        return []
    asked = Counter(w for t in alone for w in t.works)
    named = [f"{words.cut(w, 40)} in {k} of {words.counted(asked[w], 'try', 'tries')}" for w, k in came.most_common()]
    more = len(named) - _NAMED
    rest = f"; and {more} more, which stand in the tables" if more > 0 else ""
    name = version(words.cut(one.service, 60), words.cut(one.version, 60))
    return [f"Works that came so from {name}: {'; '.join(named[:_NAMED])}{rest}."]


def _with_pictures(tries: Sequence[Try], controls: Collection[str]) -> str:
    hits = [t for t in tries if t.counts and any(w not in controls for w in t.hits)]
    supplied = [t for t in hits if t.prompt_class is PromptClass.IMAGE or t.image_prompt]
    if not hits:
        return "No picture that counts corresponds to a work put forward."
    return (
        f"Of {words.counted(len(hits), 'picture', 'pictures')} that correspond to a work put forward, {len(supplied)} "
        "came where, as logged, a picture was supplied as input, which by itself explains what came; the tables keep "
        "these apart."
    )


def _held(plan: PlanFacts | Absent, deviations: Sequence[Deviation], tries: Sequence[Try]) -> str:
    out = sum(not t.counts for t in tries)
    kinds = len({d.kind for d in deviations})
    found = (
        f"the log shows {words.counted(len(deviations), 'deviation', 'deviations')} of "
        f"{words.counted(kinds, 'kind', 'kinds')}, which stand in a table; "
        f"{words.counted(out, 'try does', 'tries do')} not count because of them"
        if deviations
        else "the log shows no deviation"
    )
    if isinstance(plan, Absent):
        return (
            f"No plan made before the first try was shown: which prompts were chosen and when to stop is open; {found}."
        )
    return f"Held against the plan of {words.moment(plan.moment)} and against the files, {found}."


def explanations(
    tries: Sequence[Try], pooled: Sequence[Pooled], deviations: Sequence[Deviation], controls: Collection[str]
) -> tuple[Explanation, ...]:
    """What could explain the hits, a picture supplied as input first."""
    hits = [t for t in tries if t.counts and any(w not in controls for w in t.hits)]
    return (
        _supplied(hits),
        _words(hits),
        _search(),
        _common(),
        _chance(pooled),
        _choice(tries, deviations),
        _weights(),
    )


def _supplied(hits: Sequence[Try]) -> Explanation:
    supplied = [t for t in hits if t.prompt_class is PromptClass.IMAGE or t.image_prompt]
    without = len(hits) - len(supplied)
    return Explanation(
        "A picture as input: the work, or one like it, was supplied with the prompt",
        f"The log states such an input for {len(supplied)} of the {words.counted(len(hits), 'hit', 'hits')}.",
        "It is stated for them." if supplied else NOTHING,
        f"The log states none for {words.counted(without, 'hit', 'hits')}; it is the word of whoever kept it."
        if without
        else NOTHING,
        "The log of the service, which records inputs; the same prompts sent by somebody else.",
    )


def _words(hits: Sequence[Try]) -> Explanation:
    counts = {kind: sum(t.prompt_class is kind for t in hits) for kind in PromptClass}
    named = [f"{counts[kind]} with {kind.said}" for kind in PromptClass if counts[kind]]
    leading = counts[PromptClass.VERBATIM] + counts[PromptClass.REWORDED] + counts[PromptClass.ARTIST]
    return Explanation(
        "The words: the prompt itself describes the picture or asks for it by name",
        f"Hits by class of prompt: {words.listed(named)}." if named else "There was no hit.",
        f"{words.counted(leading, 'hit', 'hits')} came with words that lead to the work or its author."
        if leading
        else NOTHING,
        f"{words.counted(counts[PromptClass.GENERIC], 'hit', 'hits')} came with words for many such pictures."
        if counts[PromptClass.GENERIC]
        else NOTHING,
        "The same words given to persons, or to a service that cannot have seen the work.",
    )


def _search() -> Explanation:
    return Explanation(
        "A search: the service looked for pictures of this name and used one as a template",
        NOTHING,
        NOTHING,
        NOTHING,
        "The service's own account of its tools; the same prompts with its search switched off.",
    )


def _common() -> Explanation:
    return Explanation(
        "A common origin: the work and what came both rest on a third picture, a template or a stock drawing",
        "No collection was searched for a third picture, so whether there is one is open.",
        NOTHING,
        NOTHING,
        "Dated publications, drafts and layered files of the work; a search of other collections.",
    )


def _chance(pooled: Sequence[Pooled]) -> Explanation:
    k, n = sum(p.controls.k for p in pooled), sum(p.controls.n for p in pooled)
    at = share(k, n)
    return Explanation(
        "Chance: works of this kind are often alike, or the comparison errs",
        f"Control works were asked for by the same protocol, and came in {counted(at)}."
        if n
        else "No control work was asked for by the same protocol, so chance was not measured.",
        f"Controls came in {k} of {n} tries." if k else NOTHING,
        f"No control came in {words.counted(n, 'try', 'tries')}." if n and not k else NOTHING,
        "More control works of the same kind, best by the same hand and made after the model was published.",
    )


_OF_CHOICE = (
    Kind.GAP,
    Kind.NOT_PLANNED,
    Kind.BEFORE,
    Kind.BEYOND,
    Kind.NOT_TRIED,
    Kind.NO_ROW,
    Kind.NO_FILE,
    Kind.ORDER,
)


def _choice(tries: Sequence[Try], deviations: Sequence[Deviation]) -> Explanation:
    found = [d for d in deviations if d.kind in _OF_CHOICE]
    return Explanation(
        "Choice: tries that gave nothing were left out, or trying went on until something came",
        f"{words.counted(len(tries), 'try is', 'tries are')} logged; "
        f"{words.counted(len(found), 'deviation bears', 'deviations bear')} on it.",
        "Numbers, files or planned tries are missing, or tries stand beyond the plan." if found else NOTHING,
        "Numbers, files and plan leave no gap." if not found else NOTHING,
        "The account's history at the service; a plan signed and stamped before the first try.",
    )


def _weights() -> Explanation:
    return Explanation(
        "The weights: the model gives the picture because of what it was trained on",
        "The weights were not at hand: none of these measurements bears on it.",
        NOTHING,
        NOTHING,
        "The weights themselves, with `forensics analyze`; the list of training works.",
    )
