"""One HTML file to look at the pairs of the report: laid over each other by the overlay that was measured, then slider,
blink, difference, equal zoom, and the digests again.

Everything is inside: no request leaves the page, and its security policy names style and script by digest, so that
nothing else can run in it. The same case gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from forensics import resources, schema
from forensics.case import Case
from forensics.languages import ENGLISH
from forensics.report import drawn, glyphs, typefaces, words
from forensics.report import stored_pictures as exhibits
from forensics.report.sections import answers
from forensics.report.sections.kinds import MADE, kind_of
from forensics.report.sections.measurements import Measures

if TYPE_CHECKING:
    from forensics.report.translation.catalogue import Translator


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the template asks for."""

    title: str
    status: str
    tool: str
    digest: str
    style: Markup
    style_hash: str
    script: Markup
    script_hash: str
    data: Markup


def viewer(case: Case, folder: Path, *, language: str = ENGLISH) -> bytes:
    """The page, in a language of `languages.names()`.

    Raises VerificationError for an exhibit that is missing or differs from its digest.
    """
    templates = resources.templates() / "viewer"
    stored = exhibits.verified(case, folder)
    spoken = _Spoken.of(case, language)
    style, script = ((templates / name).read_text(encoding="utf-8") for name in ("viewer.css", "viewer.js"))
    script = spoken.script(script)
    faces = typefaces.stored(case, folder)
    letters = typefaces.letters(faces)
    style = typefaces.styled(
        style,
        faces,
        {path: f"data:font/{path[-3:]};base64,{base64.b64encode(f).decode()}" for path, f in faces.items()},
    )
    shown = Viewer(
        glyphs.isolated(
            f"Pairs of pictures, {case.matter.reference or f'case {case.id[:8]}'}",
            resources.templates() / "fonts",
            letters,
        ),
        "Demonstration checkpoint, draft" if case.demonstration else "Draft, not signed",
        f"{case.tool.name} {case.tool.value}",
        hashlib.sha256(schema.canonical(case)).hexdigest(),
        Markup(style),
        _hash(style),
        Markup(script),
        _hash(script),
        _json(_data(case, stored, letters, spoken)),
    )
    environment = Environment(
        loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return spoken.page(environment.get_template("viewer.html.j2").render(v=shown)).encode()


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Puts what the page says into its language; in English everything stands as it is."""

    translator: Translator | None = None
    verbatim: frozenset[str] = frozenset()
    """Texts of the material, which stand as they are."""
    english: frozenset[str] = frozenset()
    """Texts that are English whatever the language of the page."""

    @classmethod
    def of(cls, case: Case, language: str) -> _Spoken:
        """For one case, whose own texts stay as they are."""
        if language == ENGLISH:
            return cls()
        from forensics.report.translation import catalogue, material  # needed for other languages alone

        own = material.verbatim(case)
        return cls(catalogue.Translator(catalogue.load(language), own), own, material.forms(case))

    def __call__(self, text: str) -> str:
        return self.translator.say(text).text if self.translator is not None else text

    def script(self, text: str) -> str:
        """The script, whose literals are sentences too."""
        if self.translator is None:
            return text
        from forensics.report.translation import script

        return script.translated(text, self.translator.catalogue)[0]

    def page(self, text: str) -> str:
        """The page around script and data."""
        if self.translator is None:
            return text
        from forensics.report.translation import page

        return page.translated(text, self.translator.catalogue, self.verbatim, self.english).html


@dataclass(frozen=True, slots=True)
class Shown:
    """One pair: the picture beneath, the one laid over it, and what was found of the two."""

    a: str
    b: str
    group: str
    said: str
    """The outcome in plain words, with caption and hit rate where there are any."""
    matrix: tuple[float, ...] | None
    """Nine numbers, row by row: pixels of `b` -> pixels of `a`, counted from the corner; none where nothing was laid
    over anything, so that the frames lie on each other."""
    inverted: bool


def pairs(case: Case) -> tuple[Shown, ...]:
    """The pairs that make sense, group by group: works, what was generated, the nearest control.

    Figures that were drawn about a pair, and pictures that nothing was measured between, are no pairs.
    """
    made = [*_works(case), *_generated(case), *_control(case)]
    disputed = case.item(case.disputed).exhibit
    return tuple(made) or (Shown(disputed, disputed, "Disputed image", "There is no other picture.", None, False),)


def _works(case: Case) -> list[Shown]:
    disputed = case.item(case.disputed).exhibit
    originals = [i.exhibit for i in case.items if i.id != case.disputed]
    found = [n.exhibit for n in case.neighbours if n.exhibit]
    graded = {a.work: a for a in case.assessments}
    laid = {c.work: c for c in case.correspondences}
    captions = {n.exhibit: n.caption for n in case.neighbours if n.caption}
    rows = []
    for tag in dict.fromkeys([*originals, *found]):
        c, said = laid.get(tag), []
        region = c.regions[0] if c and c.regions else None
        if tag in graded:
            said.append(answers.graded(case, graded[tag], region))
        if tag in captions:
            said.append(f"Caption: “{words.public(captions[tag])}”.")
        matrix = _matrix(region.matrix) if region else None
        rows.append(Shown(disputed, tag, "Works", " ".join(said), matrix, bool(region and region.inverted)))
    return rows


def _generated(case: Case) -> list[Shown]:
    rows = []
    for key, head in MADE:
        for v in (v for v in case.inversions if kind_of(v) == key):
            whose = f"Control checkpoint {v.checkpoint}" if v.checkpoint else "Checkpoint"
            told = f", given “{v.prompt}”" if v.prompt else ""
            came = f": near-copies {answers.came(v)}" if v.hits else ""
            for tag in v.outputs:
                role = {v.best: ", the closest", v.median: ", the median"}.get(tag, "")
                rows.append(Shown(case.asked, tag, head, f"{whose}{told}{came}{role}.", None, False))
    return rows


def _control(case: Case) -> list[Shown]:
    found = case.control_correspondence
    if found is None:
        return []
    region = found.regions[0] if found.regions else None
    said = f"The nearest control work and the item of the index nearest to it: {found.outcome.said}."
    matrix = _matrix(region.matrix) if region else None
    return [Shown(found.laid, found.work, "Nearest control", said, matrix, bool(region and region.inverted))]


def _matrix(matrix: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(v), 6) for v in drawn.cornered(matrix).ravel())


def _data(case: Case, stored: dict[str, bytes], letters: frozenset[int], spoken: _Spoken) -> dict[str, object]:
    measures = Measures(case)
    fonts = resources.templates() / "fonts"
    shown = pairs(case)
    used = {tag for p in shown for tag in (p.a, p.b)}
    return {
        "exhibits": {
            e.id: {
                "title": glyphs.isolated(spoken(words.public(e.title)), fonts, letters),
                "type": e.media_type,
                "width": e.width,
                "height": e.height,
                "sha256": e.sha256,
                "bytes": base64.b64encode(stored[e.path]).decode(),
            }
            for e in case.exhibits
            if e.id in used
        },
        "pairs": [
            {
                "a": p.a,
                "b": p.b,
                "group": spoken(p.group),
                "said": glyphs.isolated(spoken(p.said), fonts, letters),
                "values": spoken(measures.beside(p.a, p.b)),
                "matrix": p.matrix,
                "inverted": p.inverted,
            }
            for p in shown
        ],
    }


def _json(data: object) -> Markup:
    """JSON that can stand inside a script element: no character of it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
