"""One HTML file to look at every pair of the report: slider, blink, difference, equal zoom, and the digests again.

Everything is inside: no request leaves the page, and its security policy names style and script by digest, so that
nothing else can run in it. The same case gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from forensics import resources, schema
from forensics.case import Case, Measurement, NotMeasured
from forensics.report import glyphs
from forensics.report import stored_pictures as exhibits
from forensics.report.sections.exhibits import picture
from forensics.report.sections.measurements import Measures


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


def viewer(case: Case, folder: Path) -> bytes:
    """The page. Raises VerificationError for an exhibit that is missing or differs from its digest."""
    templates = resources.templates() / "viewer"
    stored = exhibits.verified(case, folder)
    style, script = ((templates / name).read_text(encoding="utf-8") for name in ("viewer.css", "viewer.js"))
    shown = Viewer(
        f"Pairs of pictures, {case.matter.reference or f'case {case.id[:8]}'}",
        "Demonstration checkpoint, draft" if case.demonstration else "Draft, not signed",
        f"{case.tool.name} {case.tool.value}",
        hashlib.sha256(schema.canonical(case)).hexdigest(),
        Markup(style),
        _hash(style),
        Markup(script),
        _hash(script),
        _json(_data(case, stored)),
    )
    environment = Environment(
        loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("viewer.html.j2").render(v=shown).encode()


def pairs(case: Case) -> tuple[tuple[str, str], ...]:
    """Every pair the report shows or measures: the disputed image with each exhibit, then all others measured."""
    disputed = case.item(case.disputed).exhibit
    shown = [(disputed, e.id) for e in case.exhibits if e.id != disputed]
    measured = [(m.a, m.b) for m in case.measurements if isinstance(m, Measurement | NotMeasured)]
    known = {frozenset(p) for p in shown}
    others = [p for p in measured if frozenset(p) not in known]
    return tuple(dict.fromkeys([*shown, *others])) or ((disputed, disputed),)


def _data(case: Case, stored: dict[str, bytes]) -> dict[str, object]:
    measures = Measures(case)
    fonts = resources.templates() / "fonts"
    return {
        "exhibits": {
            e.id: {
                "title": glyphs.escape(e.title, fonts),
                "alt": glyphs.escape(picture(e, 1).alt, fonts),
                "type": e.media_type,
                "width": e.width,
                "height": e.height,
                "sha256": e.sha256,
                "bytes": base64.b64encode(stored[e.path]).decode(),
            }
            for e in case.exhibits
        },
        "pairs": [{"a": a, "b": b, "values": measures.beside(a, b)} for a, b in pairs(case)],
    }


def _json(data: object) -> Markup:
    """JSON that can stand inside a script element: no character of it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
