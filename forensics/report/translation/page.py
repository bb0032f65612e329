"""The finished HTML of a report in another language: every text between two tags, and what is said of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape, unescape
from html.parser import HTMLParser
from itertools import zip_longest

from forensics.report.translation.catalogue import Catalogue, Said, Translator, load

NOTICE = "notice"
"""Id of the paragraph that says in which language the report is printed."""
_HOLD = frozenset({"a", "code"})
"""Elements within a sentence: a reference, whose words the stylesheet makes, and a command."""
_MARKED = frozenset({"i", "em"})
"""Elements within a sentence of the record: a letter of a formula, a term."""
_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_SKIPPED = frozenset({"script", "style"})
_ATTRIBUTES = ("alt", "title", "aria-label", "data-part", "data-status", "data-reference")
_RUNNING = "data-reference"
_MARKS = range(0xE000, 0xF8FF)
"""Private code points stand for elements within a sentence while it is translated."""
_OWN_MARK = re.compile(f"[{chr(_MARKS.start)}-{chr(_MARKS.stop)}]")
"""One that the material itself has: such a text stands as it is, for its marks would be taken for elements."""
_LETTER = '<body class="letter"'
_RECORD = "record-part"
_UNBROKEN, _NOTE = "nowrap", "note"
_ENGLISH = {"refs": "titles of publications, by which they are found"}
"""Class of an element that stays in English, and is marked so -> why."""
_LITERAL = {"hash": "digests", "mono": "digests"}
"""Class of an element whose letters are no words -> what they are."""
_TYPED = {
    "settings": "names and values of settings, as they are typed",
    "tab-protocol": "names of methods and measures, as the attached protocol has them",
    "tab-environment": "names and versions of programs and machines",
}
"""Id of a list whose terms stand as they are where no entry says otherwise -> what they are."""
_STATED = ("tab-meta-", "tab-gen-", "tab-prov-", "tab-stated-")
"""How ids of lists begin that quote what a file states."""
_AROUND = re.compile(r"([\s;:,]*)(.*?)([\s;:,]*)", re.DOTALL)
"""Marks that stand before and behind a part of a sentence in the record."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page in another language."""

    html: str
    left: tuple[str, ...]
    """Sentences that had no entry."""


def translated(html: str, catalogue: Catalogue, verbatim: Iterable[str], english: Iterable[str] = ()) -> Page:
    """The page in the language of the catalogue.

    A sentence without an entry stays in English, is marked, and is counted on the cover. So stays what `_ENGLISH`,
    `_LITERAL` and `_TYPED` name, uncounted.

    Args:
        html: of the whole report, of its letter or of another page of the templates.
        catalogue: of the language.
        verbatim: texts of the material, which stand as they are.
        english: texts that are English whatever the language of the page, and are marked so: forms of a law.
    """
    writer = _Writer(Translator(catalogue, verbatim), frozenset(english))
    writer.read(html)
    left = tuple(dict.fromkeys(writer.left))
    said = _said(writer.translator, len(left), letter=_LETTER in html)
    return Page("".join(writer.out).replace(_notice(""), _notice(said)), left)


def collect(html: str, translator: Translator, *, record: bool = False) -> None:
    """Ask a translator for every text of a page, or of a piece of the record, that would be translated, and write
    nothing."""
    _Writer(translator, frozenset()).read(f'<div class="{_RECORD}">{html}</div>' if record else html)


def stylesheet(language: str) -> str:
    """The words that the stylesheet prints, for elements of this language."""
    translator, spoken = Translator(load(language)), f":lang({language})"

    def words(text: str, *counters: str) -> str:
        parts = translator.say(text).text.split("@")
        told = (f"{_string(part)} {counter}" for part, counter in zip_longest(parts, counters, fillvalue=""))
        return " ".join(told).replace('"" ', "").strip()

    references = (
        (f"a.sec{spoken}::after", "section @", "target-counter(attr(href), section)"),
        (f"a.appx{spoken}::after", "appendix @", "target-counter(attr(href), appendix, upper-alpha)"),
        (f"a.tab{spoken}::after", "Table @", "target-counter(attr(href), tab)"),
        (f"a.fig{spoken}::after", "Figure @", "target-counter(attr(href), fig)"),
        (f"table.t caption{spoken}::before", "Table @", 'counter(tab) ".\\2002"'),
        (f"figcaption{spoken}::before", "Figure @", 'counter(fig) ".\\2002"'),
    )
    pages = words("Page @ of @", "counter(page)", "counter(pages)")
    rules = [f"#foot .page{spoken}::after {{ content: {pages} }}"]
    rules += [f"{selector} {{ content: {words(text, counter)} }}" for selector, text, counter in references]
    # Words of other languages are longer than the columns that were drawn for English ones.
    narrow = ", ".join(f"{place}{spoken}" for place in ("td", "th", ".card-side p", ".panel div"))
    rules.append(f"{narrow} {{ hyphens: auto; hyphenate-limit-chars: 9 5 4 }}")
    # A hyphen within a digest or a name of the program would be read as part of it: lists have none.
    rules.append(f".record-part .columns p.n{spoken} {{ hyphens: auto; hyphenate-limit-chars: 8 4 4 }}")
    rules.append(f".hash{spoken}, .mono{spoken}, code{spoken} {{ hyphens: manual }}")
    rules.append(f".card b{spoken} {{ overflow-wrap: normal }}")
    # Captions in a third of the width would make one block of half a page: here they stand beside their drawings.
    rules.append(f".third{spoken} {{ display: block; width: auto; margin: 0 0 2mm; break-inside: avoid }}")
    rules.append(f".third h3{spoken} {{ min-height: 0 }}")
    rules.append(f".third .chart svg{spoken} {{ float: left; margin: 0 6mm 1mm 0 }}")
    rules.append(f'.third .chart{spoken}::after {{ content: ""; display: block; clear: both }}')
    rules.append(f"#tab-domain{spoken}, #tab-record{spoken} {{ break-inside: auto }}")
    rules.append(f".cover .upper{spoken} {{ min-height: 203mm }}")  # room for the notice on the language
    rules.append(f".answer-card{spoken} {{ break-inside: auto }}")
    rules.append(f".brief{spoken} {{ font-size: 8.4pt; line-height: 11.1pt }}")
    rules.append(f".brief h2.answer{spoken} {{ font-size: 11pt; line-height: 13.6pt }}")
    rules.append(f"table.sure tr{spoken} {{ break-inside: avoid }}")
    # The opinion has twelve pages at most in every language.
    rules.append(f".opinion-part ul.hang{spoken} {{ font-size: 9.2pt; line-height: 12.3pt }}")
    rules.append(f".opinion-part .side{spoken}, .opinion-part .side ul{spoken} {{ font-size: 9pt; line-height: 12pt }}")
    return "\n" + "\n".join(rules) + "\n"


def _string(text: str) -> str:
    return '"' + text.replace("\\", "").replace('"', "").replace(" ", "\\00a0") + '"' if text else '""'


def _notice(text: str) -> str:
    return f'<p id="{NOTICE}">{text}</p>'


def _said(translator: Translator, left: int, *, letter: bool) -> str:
    record = (
        "This report is printed in this language. Names, commands, quotations and titles of publications stand in it "
        "as they are."
    )
    if letter:
        record = "This summary is printed in this language; the case that it derives from is kept in English."
    unsaid = f"{left} sentences have no entry in the catalogue and are printed in English."
    if left == 0:
        unsaid = "Every sentence is printed from the catalogue of this language."
    return escape(f"{translator.say(record).text} {translator.say(unsaid).text}", quote=False)


class _Writer(HTMLParser):
    """Writes every tag as it was read, and the text between two of them in the other language."""

    def __init__(self, translator: Translator, english: frozenset[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.english = english
        self.translator = translator
        self.out: list[str] = []
        self.left: list[str] = []
        self._text = ""
        self._raw = ""
        self._marked = False
        """Whether the text has marks of its own."""
        self._held: list[str] = []
        self._inside: list[str] = []
        """Open elements."""
        self._classes: list[frozenset[str]] = []
        """Their classes."""
        self._record = 0
        """Depth at which the record began; 0 outside it."""
        self._list = ""
        """Id of the last heading or title of a list."""
        self._wrapped: list[int] = []
        """Depths at which a word that must not be parted from its note is open."""

    def read(self, html: str) -> None:
        """The whole page."""
        self.feed(html)
        self.close()
        self.flush()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        written = self.get_starttag_text() or ""
        if self._holds(tag):
            self._held.append(written)
            self._text += chr(_MARKS[len(self._held) - 1])
            self._raw += written
            return
        values = dict(attrs)
        classes = frozenset((values.get("class") or "").split())
        if self._record and _UNBROKEN in classes:  # set anew around the last word, whichever that is
            self._inside.append(tag)
            self._classes.append(classes)
            return
        self.flush()
        if tag not in _VOID:
            self._inside.append(tag)
            self._classes.append(classes)
        self._list = values.get("id") or self._list
        if not self._record and _RECORD in classes:
            self._record = len(self._inside)
        if self._record and _NOTE in classes:
            self._wrap()
        if classes & set(_ENGLISH):
            written = f'{written[:-1]} lang="en">'
        if tag == "html":
            written = re.sub(r'lang="\w+"', f'lang="{self.translator.catalogue.code}"', written)
        self.out.append(self._attributes(tag, written, values))

    def _wrap(self) -> None:
        """Keep the word before a note on one line with it."""
        if self.out and (last := re.search(r"\S+$", self.out[-1])):
            self.out[-1] = f'{self.out[-1][: last.start()]}<span class="{_UNBROKEN}">{last.group()}'
            self._wrapped.append(len(self._inside))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.flush()
        self.out.append(self._attributes(tag, self.get_starttag_text() or "", dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._holds(tag):
            self._text += f"</{tag}>"
            self._raw += f"</{tag}>"
            return
        if self._inside and self._inside[-1] == tag and self._record and _UNBROKEN in self._classes[-1]:
            self._inside.pop()
            self._classes.pop()
            return
        self.flush()
        if len(self._inside) == self._record:
            self._record = 0
        noted = bool(self._wrapped) and self._wrapped[-1] == len(self._inside)
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()
            self._classes.pop()
        self.out.append(f"</{tag}>")
        if noted:
            self._wrapped.pop()
            self.out.append("</span>")

    def handle_data(self, data: str) -> None:
        if self._skips():
            self.out.append(data)
        else:
            self._gather(data, data)

    def handle_entityref(self, name: str) -> None:
        self._gather(unescape(f"&{name};"), f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._gather(unescape(f"&#{name};"), f"&#{name};")

    def _gather(self, text: str, raw: str) -> None:
        self._marked = self._marked or _OWN_MARK.search(text) is not None
        self._text += text
        self._raw += raw

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def _skips(self) -> bool:
        return bool(self._inside) and self._inside[-1] in _SKIPPED

    def _holds(self, tag: str) -> bool:
        """Whether an element stands within a sentence; the lines of the contents are sentences of their own."""
        held = tag in _HOLD or (bool(self._record) and tag in _MARKED and not self._stays(_ENGLISH))
        return held and "nav" not in self._inside and not self._skips()

    def _stays(self, classes: Iterable[str]) -> bool:
        """Whether an open element is of one of these classes."""
        return any(not of.isdisjoint(classes) for of in self._classes)

    def _letters(self) -> bool:
        """Whether the letters here stand as they are where no entry says otherwise."""
        own, within = (self._classes[-1], self._inside[-1]) if self._inside else (frozenset(), "")
        return bool(own & set(_LITERAL)) or (self._list in _TYPED and within in ("dd", "dt"))

    def _option(self, text: str) -> bool:
        """Whether a text is the name or the value of a setting, which is one word."""
        return self._list == "settings" and " " not in text.strip()

    def _attributes(self, tag: str, written: str, values: dict[str, str | None]) -> str:
        names = list(_ATTRIBUTES)
        if tag == "meta" and values.get("name") in ("description", "keywords"):
            names.append("content")
        for name in names:
            if value := values.get(name):
                said = self._say(value).text if name != _RUNNING else self._running(value)
                head, _, rest = written.partition(f'{name}="')
                written = f'{head}{name}="{escape(said)}"{rest.partition(chr(34))[2]}'
        return written

    def _running(self, text: str) -> str:
        """The head of every page: the names of the case, which stand as they are, or the number in place of them."""
        said = self.translator.say(text)
        return text if said.left else said.text

    def _say(self, text: str) -> Said:
        said = self.translator.say(text)
        self.left += said.left
        return said

    def flush(self) -> None:
        """Write the text gathered since the last tag that ends one."""
        text, raw, held, marked = self._text, self._raw, self._held, self._marked
        self._text, self._raw, self._held, self._marked = "", "", [], False
        if not any(c.isalnum() for c in text) or self._stays(_ENGLISH):
            self.out.append(raw)
            return
        if marked and held:
            self.left += (_OWN_MARK.sub("", text),)
            self.out.append(f'<span lang="en">{raw}</span>')
            return
        parts = _Inline(text, held, self.translator)
        if parts.plain.strip() in self.english:
            self.out.append(f'<span lang="en">{raw}</span>')
            return
        if self._list.startswith(_STATED) and self._inside[-1:] in (["dt"], ["dd"], ["td"]):
            self.out.append(parts.back(self.translator.labelled(parts.plain)))
            return
        said = self._piece(parts.plain) if self._record else self.translator.say(parts.plain)
        if self._letters() and (said.left or self.translator.neutral(parts.plain) or self._option(parts.plain)):
            self.out.append(raw)
            return
        self.left += said.left
        english = said.left and "svg" not in self._inside and "title" not in self._inside
        written = parts.back(said.text)
        self.out.append(f'<span lang="en">{written}</span>' if english else written)

    def _piece(self, text: str) -> Said:
        """A part of a sentence of the record, which elements part from the rest and from its marks."""
        context = self._inside[-1] if self._inside else ""
        whole = self.translator.say(text, context)
        if not whole.left or (found := _AROUND.fullmatch(text)) is None:
            return whole
        said = self.translator.say(found.group(2), context)
        return Said(f"{found.group(1)}{said.text}{found.group(3)}", said.left)


class _Inline:
    """A text in which elements within it are one character each, and back."""

    def __init__(self, text: str, held: list[str], translator: Translator) -> None:
        self._elements: dict[str, str] = {}
        for number, opening in enumerate(held):
            mark = chr(_MARKS[number])
            tag = re.match(r"<(\w+)", opening)
            closing = f"</{tag.group(1)}>" if tag else ""
            if opening.startswith("<code"):
                text = re.sub(f"{mark}(.*?)</code>", _command, text, count=1, flags=re.DOTALL)
                continue
            found = re.search(f"{mark}(.*?){closing}", text, flags=re.DOTALL)
            inner = found.group(1) if found else ""
            if tag and tag.group(1) in _MARKED:
                inner = translator.say(inner).text
            self._elements[mark] = f"{opening}{escape(inner, quote=False)}{closing}"
            text = re.sub(f"{mark}.*?{closing}", mark, text, count=1, flags=re.DOTALL)
        lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        self.plain = lead + re.sub(r"[ \n\t\r\xa0]+", " ", text.strip()) + trail

    def back(self, text: str) -> str:
        """The text as HTML, with the elements in their places."""
        written = str(_commands(text))
        for mark, element in self._elements.items():
            written = written.replace(mark, element)
        return written


def _command(found: re.Match[str]) -> str:
    inner = found.group(1)
    return inner if inner.startswith("--") else f"`{inner}`"


def _commands(text: str) -> str:
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"(?<![\w<>-])(--[a-z][a-z-]+)(?![^<]*</code>)", r"<code>\1</code>", marked)
