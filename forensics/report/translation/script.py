"""The words that a page's script prints, in another language: literals of the script, each an entry of the catalogue.

A script has no sentences but those in `SPOKEN`. They stand in it as literals, with what it puts in between `${` and
`}`; in the catalogue they have places `{a}`, `{b}` and so on, and the context `script`, so that "{a} and {b}" is asked
for nowhere else. The rest of the script is the same in every language.
"""

from __future__ import annotations

import re
import string

from forensics.report.translation.catalogue import Catalogue

CONTEXT = "script"
SPOKEN = (
    "`${pair.a} and ${pair.b}`",
    "`${id}: ${e.title}, ${e.width} by ${e.height} pixels. ${pair.said}`",
    "`${pair.b} is laid over ${pair.a} as it was measured.`",
    "`${pair.b} is shown in the frame of ${pair.a}.`",
    "`${agreed} of ${Object.keys(data.exhibits).length} embedded files agree with the case.`",
    '"agrees"',
    '"DIFFERS"',
    '"Start"',
    '"Stop"',
)
"""Literals of the viewer's script that a reader sees, with their quotation marks."""
_PUT_IN = re.compile(r"\$\{(.+?)\}")
_PLACE = re.compile(r"\{(\w)\}")


def asked(literal: str) -> tuple[str, tuple[str, ...]]:
    """A literal as the catalogue has it, and what the script puts into its places, in their order."""
    put_in = tuple(_PUT_IN.findall(literal))
    names = iter(string.ascii_lowercase)
    return _PUT_IN.sub(lambda _: f"{{{next(names)}}}", literal[1:-1]), put_in


def translated(text: str, catalogue: Catalogue) -> tuple[str, tuple[str, ...]]:
    """The script with its literals in the language of the catalogue, and the sentences that have no entry there."""
    entries = {e.source: e.target for e in catalogue.entries if e.context == CONTEXT}
    left = []
    for literal in SPOKEN:
        source, put_in = asked(literal)
        if literal not in text:
            continue
        if (target := entries.get(source)) is None:
            left.append(source)
            continue
        places = dict(zip(string.ascii_lowercase, put_in, strict=False))
        text = text.replace(literal, _literal(target, places))
    return text, tuple(left)


def _literal(target: str, places: dict[str, str]) -> str:
    """A translation as a literal that ends where it should, whatever marks the sentence holds."""
    plain = target.replace("\\", "\\\\").replace("`", "\\`").replace("$", "\\$").replace("<", "\\u003c")
    return f"`{_PLACE.sub(lambda found: '${' + places[found.group(1)] + '}', plain)}`"
