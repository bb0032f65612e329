"""Sentences of one language, found by the English sentence as it was printed, with whatever stands in its places.

An entry of the catalogue is an English sentence or part of one with named places, `{k} of {n} controls come as near.`,
and what is said for it. A printed text is matched against all of them; the entry with most letters of its own wins,
and what stands in its places is translated in turn. In the translation a place can ask for a case of its contents
(`{target:dat}`: the entry with that context comes first) or for them as they stand (`{prompt:raw}`). A place that can
be empty is written `{how?}` in the sentence.

The letters of the case (names, captions, questions put by a party) are handed in and never translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from babel.messages.pofile import read_po

from forensics.languages import ENGLISH, FOLDER
from forensics.report.words import LEFT_OUT

LABEL = "label"
"""Context of what the program itself says in a list of what a file states."""
RAW, NAME = "raw", "name"
"""Of a place: its contents stand as they are, and are numbers, tags or letters of the case; or are some other name."""
_LONGEST_NAME, _SHORTEST_CUT = 90, 8
_PLACE = re.compile(r"\{(\w+)(?::(\w+)|(\?))?\}")
_POWER = r"[+-]\d{2,3}"
"""The exponent of a number as Python writes it, behind an e: with its sign, which no letters of a digest have."""
_NUMBER = rf"[−-]?\d(?:[\d\u202f.,]*\d)?(?:e{_POWER})?(?:[\u202f ]%)?"
_NUMERIC = re.compile(r"(?:k|n|p|px|low|high|number|hits|draws|count|bits)\d*")
"""Names of places that hold a number and nothing else."""
_STOP = re.compile(r"(?<=[.?!…”)])\s+(?=[“\"A-Z0-9\[(])")
"""Where one sentence ends and another begins."""
_LETTERS = re.compile(r"[^\W_]+")
_ANY_STOP = re.compile(r"(?<=[.?!])\s+(?=\S)")
"""Where one may: a name that is written small can begin a sentence."""
_WORD = re.compile(r"(?<![\w.#/-])(?=\w*[a-z])[A-Za-z]{2,}(?![\w/]*\d)(?!\.\w)")
_NEUTRAL = frozenset({"px", "kB", "MB", "GB", "WebP", "forensics"})
_TECHNICAL = re.compile(
    r"(?<![\w“])(?:[\w.+-]*(?:[_/\\=@][\w.+-]*)+|[\w+-]+\.[a-z]\w{1,11}(?=$|[\s,;:)])|\w*[a-z][A-Z]\w*)"
)
"""Names that programs have: of files, of folders, of classes."""
_QUOTED = re.compile(r"“([^“”]*)”")
_DECIMAL = re.compile(
    rf"(?<![\w.,/§-])([−-]?)(\d{{1,3}}(?:\u202f\d{{3}})+|\d+)(?:\.(\d+))?(?:e({_POWER}))?"
    r"(?=$|[\s,;:)\]\u202f%…–×”“]|\.(?!\d))"
)
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_MOMENT = re.compile(r"\b(\d{1,2}) ([A-Z][a-z]+) (\d{4})\b")
_HELD = 0xF000
"""Private code points stand for quotations while a sentence is translated."""
_TAKEN = re.compile(f"[{chr(_HELD + 1)}-\uf8ff]")
"""Those that stand for none yet: a text that has one of its own keeps its quotations as they are."""
_MONTHS = tuple(Locale.parse(ENGLISH).months["format"]["wide"].values())
_ROW = 4
"""Commas of a text that is read as a row of names, all at once."""
_LONGEST = 5
"""Sentences that one entry can hold."""
_LONG, _TELLING = 300, 12
"""Characters of a text from which an entry needs a run of letters of its own."""
_DEPTH, _READINGS, _LARGEST = 12, 300, 4000
"""Bounds of what is tried for one text, in steps, readings and characters: no sentence of ours comes near them."""


@dataclass(frozen=True, slots=True)
class Said:
    """A text in the language of a catalogue."""

    text: str
    left: tuple[str, ...] = ()
    """Parts that had no entry and stand in English."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sentence, or part of one, and what is said for it."""

    context: str
    source: str
    target: str
    pattern: re.Pattern[str] | None
    """None where the source has no places."""
    letters: int
    """Characters of its own: of two entries that fit, the one with more is meant."""
    longest: str
    """Its longest run of them, to pass over entries that cannot fit."""
    told_by: str = ""
    """Its longest whole word, which stands in every text that it fits; empty where it has none."""


class Catalogue:
    """All entries of one language."""

    def __init__(self, code: str, entries: Sequence[Entry]) -> None:
        self.code = code
        self.locale = Locale.parse(code)
        self.entries = tuple(entries)
        self.exact = {(e.context, e.source): e for e in entries if e.pattern is None}
        self.open = sorted((e for e in entries if e.pattern is not None), key=lambda e: -e.letters)
        self.labels = tuple(e for e in self.open if e.context == LABEL)
        self._by_word: dict[str, list[tuple[int, Entry]]] = {}
        for place, e in enumerate(self.open):
            self._by_word.setdefault(e.told_by, []).append((place, e))

    def fitting(self, text: str) -> list[Entry]:
        """The entries with places whose own words all could stand in a text, those with most letters first."""
        words = {"", *_LETTERS.findall(text.lower())}
        found = sorted((one for word in words for one in self._by_word.get(word, ())), key=lambda one: one[0])
        return [e for _, e in found]


@lru_cache(maxsize=4)
def load(code: str) -> Catalogue:
    """The catalogue of a language. Raises FileNotFoundError for a language that there is none of."""
    with (FOLDER / f"{code}.po").open("rb") as file:
        messages = read_po(file, locale=code)
    made = [entry(str(m.id), str(m.string), m.context or "") for m in messages if m.id and m.string and not m.fuzzy]
    return Catalogue(code, made)


def entry(source: str, target: str, context: str = "") -> Entry:
    """One entry, with the pattern of its source. Raises ValueError for a target with a place that the source lacks."""
    places = [(found.group(1), bool(found.group(3))) for found in _PLACE.finditer(source)]
    if unknown := {found.group(1) for found in _PLACE.finditer(target)} - {name for name, _ in places}:
        raise ValueError(f"{source!r}: the translation has places of its own: {', '.join(sorted(unknown))}")
    runs = re.split(r"\{\w+\??\}", source)
    letters, longest = sum(map(len, runs)), max(runs, key=len)
    if not places:
        return Entry(context, source, target, None, letters, longest)
    words = re.findall(r"(?<=\W)[^\W_]+(?=\W)", f" {re.sub(_PLACE, '_', source)} ")
    written = [re.escape(runs[0])]
    for (name, optional), run in zip(places, runs[1:], strict=True):
        held = _NUMBER if _NUMERIC.fullmatch(name) else ".*?" if optional else ".+?"
        written.append(f"(?P<{name}>{held}){re.escape(run)}")
    pattern = re.compile("".join(written), re.DOTALL)
    return Entry(context, source, target, pattern, letters, longest, max(words, key=len, default="").lower())


class Translator:
    """Puts texts of one report into the language of a catalogue."""

    def __init__(self, catalogue: Catalogue, verbatim: Iterable[str] = ()) -> None:
        """`verbatim` are texts of the material, which stand as they are as a whole and wherever one fills a place."""
        self.catalogue = catalogue
        self._verbatim = frozenset(" ".join(v.split(" ")) for v in verbatim)
        self._quoting = tuple(v for v in self._verbatim if "“" in v and len(v) <= _LONGEST_NAME)
        """Names with quotations of their own, which are told from sentences as a whole."""
        self._known: dict[tuple[str, str], Said] = {}
        self._left = _READINGS

    def say(self, text: str, context: str = "", depth: int = 0) -> Said:
        """The text in the language of the catalogue; parts without an entry in English, and named."""
        quoting = depth == 0 and "“" in text and not _TAKEN.search(text)
        if quoting and not any(name in text for name in self._quoting):
            return self._around_quotes(text, context)
        return self._said(text, context, depth)

    def _around_quotes(self, text: str, context: str) -> Said:
        """A text whose quotations, which hold anything a party wrote, are one letter each while it is translated."""
        held: list[str] = []

        def hold(found: re.Match[str]) -> str:
            held.append(found.group(1))
            return f"“{chr(_HELD + len(held))}”"

        def give(found: re.Match[str]) -> str:
            inner = held[ord(found.group()) - _HELD - 1]
            said = Said(inner) if self._given(inner) or len(inner) > _LONGEST_NAME else self._said(inner, "", 1)
            return inner if said.left else said.text

        found = self._said(_QUOTED.sub(hold, text), context, 0)
        marks = f"[{chr(_HELD + 1)}-{chr(_HELD + len(held))}]" if held else "(?!)"
        every, said = re.compile(marks), found.text
        if not found.left:  # a place that gives its contents as they stand gives English marks around them
            said = re.sub(f"“({marks})”", r"„\1“", said)
        return Said(every.sub(give, said), tuple(every.sub(give, left) for left in found.left))

    def labelled(self, text: str) -> str:
        """A text that quotes a file, of which our own labels and sentences, those entered as `label`, are translated;
        whatever stands in their places stays as it is."""
        bare = text.strip()
        for form, back in _forms(bare):
            if (e := self.catalogue.exact.get((LABEL, form))) is not None:
                return text.replace(bare, back(e.target))
            for e in self.catalogue.labels:
                if e.pattern is not None and e.longest in form and (found := e.pattern.fullmatch(form)):
                    return text.replace(bare, back(_PLACE.sub(_Place(found), e.target)))
        return text

    def _said(self, text: str, context: str, depth: int) -> Said:
        bare = text.strip()
        if not bare:
            return Said(text)
        key = (bare, context)
        if depth == 0:
            self._left = _READINGS
        if key not in self._known:
            self._left -= 1
            if depth > _DEPTH or self._left < 0 or len(bare) > _LARGEST:
                return Said(text, (bare,))
            self._known[key] = self._say(bare, context, depth)
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        said = self._known[key]
        return Said(f"{before}{said.text}{after}", said.left)

    def _say(self, text: str, context: str, depth: int) -> Said:
        fixed = self._fixed(text, context)
        if self._given(text) and (fixed is None or len(text) <= _LONGEST_NAME):
            return Said(self._public(text))
        if fixed is not None:
            return Said(fixed)
        if self.neutral(text):
            return Said(self.localised(text))
        best = Said(text, (text,))
        for said in self._ways(text, context, depth):
            if not said.left:
                return said
            if sum(map(len, said.left)) < sum(map(len, best.left)):
                best = said
        return best

    def _ways(self, text: str, context: str, depth: int) -> Iterator[Said]:
        """Every way in which the text can be read, the likeliest first."""
        yield from self._matched(text, context, depth, whole=False)
        stops = [found.span() for found in _STOP.finditer(text)]
        if stops:
            yield self._sentences(text, stops, depth)
            yield from self._matched(text, context, depth, whole=True)
        yield from (said for said in self._joined(text, context, depth) if not said.left)
        closer = [found.span() for found in _ANY_STOP.finditer(text)]
        if len(closer) > len(stops):
            yield self._sentences(text, closer, depth)

    def _fixed(self, text: str, context: str) -> str | None:
        """What an entry without places says for the text, whose first letter and last stop the report may have set."""
        for form, back in _forms(text):
            found = self.catalogue.exact.get((context, form)) or self.catalogue.exact.get(("", form))
            if found is not None:
                return back(found.target)
        return None

    def _matched(self, text: str, context: str, depth: int, *, whole: bool) -> Iterator[Said]:
        """Entries that fit: those whose places hold no end of a sentence, or (`whole`) those where one does."""
        forms = list(_forms(text))
        fitting = self.catalogue.fitting(text)
        entries = [e for e in fitting if e.context == context] if context else []
        for e in (*entries, *(e for e in fitting if not e.context)):
            for form, back in forms:
                if len(form) > _LONG and len(e.longest) < _TELLING:
                    continue  # signs alone fit a long text in more ways than can be tried, and tell nothing
                if form.endswith(".") and e.source.endswith("}"):
                    continue  # a last place takes no stop of the sentence: the form without it fits as well
                if e.pattern is not None and e.longest in form and (found := e.pattern.fullmatch(form)):
                    if any(_STOP.search(value) for value in found.groups()) == whole:
                        said = self._filled(e, found, depth)
                        yield Said(back(said.text), said.left)
                    break

    def _filled(self, e: Entry, found: re.Match[str], depth: int) -> Said:
        left: list[str] = []

        def fill(place: re.Match[str]) -> str:
            name, how = place.group(1), place.group(2) or ""
            value = found.group(name)
            if how in (RAW, NAME):
                if not (self._stands(value) if how == RAW else self._named(value)) and f"“{{{name}}}”" not in e.source:
                    left.append(value)
                return self._public(value)
            said = self.say(value, how, depth + 1)
            left.extend(said.left)
            return said.text

        text = _PLACE.sub(fill, e.target)
        for name, value in found.groupdict().items():
            if f"{{{name}" not in e.target and not self.neutral(value):
                left += self.say(value, "", depth + 1).left  # what a translation leaves out is read all the same
        return Said(text, tuple(left))

    def _sentences(self, text: str, stops: Sequence[tuple[int, int]], depth: int) -> Said:
        """The text sentence by sentence, as few entries as hold it with least left in English."""
        starts, ends = [0, *(end for _, end in stops)], [*(start for start, _ in stops), len(text)]
        best: list[tuple[int, int, list[Said]]] = [(0, 0, [])]
        for end in range(1, len(ends) + 1):
            ways = []
            for start in range(max(0, end - _LONGEST), end):
                if start == 0 and end == len(ends):
                    continue
                said = self._part(text[starts[start] : ends[end - 1]], end - start, depth)
                unsaid, parts, before = best[start]
                ways.append((unsaid + sum(map(len, said.left)), parts + 1, [*before, said]))
            best.append(min(ways, key=lambda way: way[:2]))
        chosen = best[-1][2]
        return Said(" ".join(p.text for p in chosen), tuple(left for p in chosen for left in p.left))

    def _part(self, text: str, sentences: int, depth: int) -> Said:
        """A run of sentences, read as one entry or not at all where they are several."""
        if sentences == 1:
            return self.say(text, "", depth + 1)
        if (fixed := self._fixed(text, "")) is not None:
            return Said(fixed)
        found = next((said for said in self._matched(text, "", depth + 1, whole=False) if not said.left), None)
        return found or Said(text, (text,))

    def _joined(self, text: str, context: str, depth: int) -> Iterator[Said]:
        """Texts that the report puts together in one form: what is quoted, in brackets, in a row, behind a colon."""
        if text.count(", ") >= _ROW:
            parts = [self.say(part, context, depth + 1) for part in text.split(", ")]
            yield Said(", ".join(part.text for part in parts), tuple(left for part in parts for left in part.left))
        for joint in ("; ", ": ", " · ", ", "):
            if joint in text:
                yield from self._apart(text, joint, joint, context, depth)
        if aside := re.fullmatch(r"(.+) \(([^()]*)\)([.,]?)", text):
            one, two = (self.say(aside.group(n), context if n == 1 else "", depth + 1) for n in (1, 2))
            yield Said(f"{one.text} ({two.text}){aside.group(3)}", one.left + two.left)
        if " and " in text:
            yield from self._apart(text, " and ", f" {self._word('and')} ", context, depth)

    def _apart(self, text: str, joint: str, to: str, context: str, depth: int) -> Iterator[Said]:
        head, tail = (text.split(joint, 1)) if joint == ": " else text.rsplit(joint, 1)
        one, two = self.say(head, context, depth + 1), self.say(tail, "" if joint == ": " else context, depth + 1)
        yield Said(f"{one.text}{to}{two.text}", one.left + two.left)

    def _word(self, english: str) -> str:
        found = self.catalogue.exact.get(("", english))
        return found.target if found else english

    def _given(self, text: str) -> bool:
        """Whether a text is of the material, with whatever mark the report sets behind it."""
        if text.endswith("…") and len(text) > _SHORTEST_CUT:
            return any(whole.startswith(text[:-1]) for whole in self._verbatim)
        return text in self._verbatim or text.rstrip(",;:") in self._verbatim

    def _public(self, text: str) -> str:
        """A text of the material as it stands, but for the words that the report sets in place of an address."""
        return text.replace(LEFT_OUT, self._fixed(LEFT_OUT, "") or LEFT_OUT)

    def _stands(self, value: str) -> bool:
        return self.neutral(value) or self._given(value)

    def _named(self, value: str) -> bool:
        return self._given(value) or (len(value) <= _LONGEST_NAME and not re.search(r"[.;:] ", value))

    def neutral(self, text: str) -> bool:
        """Whether a text holds no word of any language: numbers, tags, digests, names of files, what is quoted."""
        bare = _TECHNICAL.sub("", _MOMENT.sub("", _QUOTED.sub("", text)))
        return all(word in _NEUTRAL for word in _WORD.findall(bare)) and "—" not in bare

    def localised(self, text: str) -> str:
        """Numbers, dates and quotation marks as the language writes them."""
        text = _MOMENT.sub(self._date, _QUOTED.sub(r"„\1“", text))
        text = re.sub(r"(?<=\d)%", "\u202f%", text)
        return _DECIMAL.sub(self._decimal, text)

    def _decimal(self, found: re.Match[str]) -> str:
        """0.05, −0.05 and 5.0e-05 as the language writes them; a number without a point or an exponent as it is."""
        sign, whole, part, exponent = found.groups()
        if part is None and exponent is None:
            return found.group()
        symbols = self.catalogue.locale.number_symbols["latn"]
        number = whole if part is None else f"{whole}{symbols['decimal']}{part}"
        if exponent is not None:
            power = str(int(exponent)).translate(_RAISED)
            number = f"{number}\u202f{symbols['superscriptingExponent']}\u202f10{power}"
        return f"{'−' if sign else ''}{number}"

    def _date(self, found: re.Match[str]) -> str:
        try:
            day = date(int(found.group(3)), _MONTHS.index(found.group(2)) + 1, int(found.group(1)))
        except ValueError:
            return found.group()
        return format_date(day, "long", locale=self.catalogue.locale)


@dataclass(frozen=True, slots=True)
class _Place:
    """Gives what stands in a place of an entry, as it stands."""

    found: re.Match[str]

    def __call__(self, place: re.Match[str]) -> str:
        return str(self.found.group(place.group(1)))


def _forms(text: str) -> Iterator[tuple[str, _Back]]:
    """The text as it stands, with its first letter changed, and with its last stop taken off or put on."""
    stopped = text.endswith(".") and not text.endswith("..")
    for form, stop in ((text, 0), (text[:-1] if stopped else f"{text}.", 1 if stopped else -1)):
        for other, capital in ((form, False), (form[:1].swapcase() + form[1:], form[:1].isupper())):
            if other:
                yield other, _Back(stop, capital)


@dataclass(frozen=True, slots=True)
class _Back:
    """Gives a translation the first letter and the last stop that the printed text had."""

    stop: int
    capital: bool

    def __call__(self, text: str) -> str:
        if self.stop > 0 and text[-1:] not in (".", "?", "!", "…"):
            text += "."
        if self.stop < 0 and text.endswith("."):
            text = text[:-1]
        return text[:1].upper() + text[1:] if self.capital else text
