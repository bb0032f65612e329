"""A lint over rendered text for what a reader stumbles over: number and noun, empty intervals, stops, commands.

`stumbles(text, quoted)` returns one line for each. Text that comes from the material is passed in as `quoted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NOUNS = (
    "tokens|bits|vectors|draws|seeds|controls|works|pictures|pixels|outputs|tries|cells|items|files|points|rows|"
    "questions|measurements|keypoints|sources|times|pairs|runs|steps|creators|entries"
)
RULES: dict[str, str] = {
    rf"(?<![\d.,/\u202f−-])1[\s\u202f](?:{NOUNS})\b": "one of many: the noun stands in the singular",
    r"(?<![\d.,:\u202f−-])(\d[\d.,\u202f]*) (?:to|and) \1(?![\d.,:\u202f]*\d)": "an interval of no width",
    r"[?!]\.": "two stops",
    r"\.\.(?!\.)(?<!\.\.\.)": "two stops",
    r",\s*[.;]": "a comma before a stop",
    r"[\w.+-]+@[\w-]+\.[\w.-]+": "a private address",
    r"\b(?:nan|inf)\b": "a value of the program, not of the examination",
}
"""Pattern -> why it makes a reader stumble."""
COMMANDS = r"(?<![\w-])--[a-z][a-z-]+"
"""An option of the command line: it belongs to the appendices on settings and on verification alone."""


def stumbles(text: str, quoted: Iterable[str] = (), *, commands: bool = True) -> list[str]:
    """Every place where one of the rules holds, with its surroundings, after taking out what is quoted."""
    flat = re.sub(r"[ \n\t\r\xa0]+", " ", text)
    for passage in sorted({re.sub(r"\s+", " ", q) for q in quoted if len(q.strip()) > 2}, key=len, reverse=True):
        flat = flat.replace(passage, " … ")
    rules = RULES | ({COMMANDS: "a command in evidence"} if commands else {})
    found = []
    for pattern, reason in rules.items():
        for hit in re.finditer(pattern, flat):
            around = flat[max(0, hit.start() - 50) : hit.end() + 30].strip()
            found.append(f"{hit.group()!r} ({reason}): … {around} …")
    return found
