"""The view through the templates: HTML that refers to nothing but the exhibits, the stylesheet and the typefaces."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from forensics import resources
from forensics.languages import ENGLISH
from forensics.report import glyphs

if TYPE_CHECKING:
    from forensics.case import Case


def render(
    report: object,
    template: str = "report.html.j2",
    *,
    detail: int = 0,
    letters: frozenset[int] = frozenset(),
    language: str = ENGLISH,
    case: Case | None = None,
    verbatim: frozenset[str] = frozenset(),
) -> str:
    """Deterministic HTML of a report, in full or as the two pages of `letter.html.j2`.

    Another template comes with a view of its own, which it knows as `r` as well.
    `detail` is how many parts the letter leaves to the full report, saying so: 0 none, 1 the pictures, 2 long lists as
    well, 3 what was done as well. Nothing is ever cut within a sentence. `letters` are code points that typefaces kept
    with the case hold. `language` is the code of a catalogue, and `case` says what it leaves as it stands;
    where there is none, `verbatim` does.
    A template that asks for what the view does not hold raises UndefinedError.
    """
    folder = resources.templates()
    text = _environment(folder).get_template(template).render(r=report, detail=detail, language=language)
    if language != ENGLISH and (case is not None or verbatim):
        from forensics.report.translation import catalogue, material, page  # needed for other languages alone

        own = verbatim if case is None else material.verbatim(case)
        forms = frozenset() if case is None else material.forms(case)
        text = page.translated(text, catalogue.load(language), own, forms).html
    return glyphs.page(text, folder / "fonts", letters)


def warm() -> None:
    """Read every template of the report, so that the next page is put together at once."""
    environment = _environment(resources.templates())
    for name in environment.list_templates(extensions=["j2"]):
        if name.startswith(("report", "macros", "sections/", "methods/")):
            environment.get_template(name)


@lru_cache(maxsize=2)
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters["commands"] = commands
    return environment


def commands(text: str) -> Markup:
    """Text in which a command between backticks, or a flag such as --original, is set in the typewriter face."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"(?<![\w<>-])(--[a-z][a-z-]+)(?![^<]*</code>)", r"<code>\1</code>", marked))
