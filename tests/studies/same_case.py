"""Two case files beside each other, field by field: what a change of the program changed in what it measures.

    python -m tests.studies.same_case BEFORE/data/case.json AFTER/data/case.json

Rows with an id are paired by it, comparisons by what they are of, everything else by its place. What must differ from
run to run is left out: identifiers, times, digests of the protocol, the custody log. Every other difference is printed
under its path, and counted; the exit status says whether there was one outside the fields named with --besides.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVERY_RUN = frozenset({"id", "created", "custody", "protocol", "seconds", "environment", "tool", "schema", "settings"})
"""Names of fields that say when, where and under which rules a case was made; an `id` inside a row pairs it."""
ORDER = "order"
"""Stands for a field where two lists hold the same texts in another order."""
_ABSENT = object()


def keyed(rows: list[Any]) -> dict[str, Any] | None:
    """Rows by what tells them apart; None where nothing does."""
    for name in ("title", "id", "name", "exhibit", "work"):
        if all(isinstance(row, dict) and isinstance(row.get(name), str) for row in rows):
            keys = [row[name] for row in rows]
            if len(set(keys)) == len(keys):
                return dict(zip(keys, rows, strict=True))
    return None


def _texts(rows: list[Any]) -> list[str]:
    return sorted(rows) if all(isinstance(row, str) for row in rows) else []


def differences(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of every value that is not the same."""
    if isinstance(a, list) and isinstance(b, list) and (one := keyed(a)) is not None and (two := keyed(b)) is not None:
        a, b = one, two
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted({*a, *b}):
            if name not in EVERY_RUN:
                yield from differences(a.get(name, _ABSENT), b.get(name, _ABSENT), f"{path}/{name}")
    elif isinstance(a, list) and isinstance(b, list) and a != b and _texts(a) == _texts(b) != []:
        yield f"{path}/{ORDER}", a, b
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, pair in enumerate(zip(a, b, strict=True)):
            yield from differences(*pair, f"{path}/{number}")
    elif a != b:
        yield path, a, b


def values(found: Any) -> int:
    """Numbers and texts in a document: how much was compared."""
    if isinstance(found, dict):
        return sum(values(v) for name, v in found.items() if name not in EVERY_RUN)
    return sum(map(values, found)) if isinstance(found, list) else 1


def main() -> None:
    """Print every difference; exit 1 where one lies outside the fields named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--besides", nargs="*", default=[], help="last names of fields that may differ")
    arguments = parser.parse_args()
    before, after = (json.loads(p.read_text(encoding="utf-8")) for p in (arguments.before, arguments.after))
    outside: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for path, a, b in differences(before, after):
        name = next((n for n in reversed(path.split("/")) if not n.isdigit()), "")
        if name in arguments.besides:
            within[name] += 1
            continue
        outside[path.split("/")[1]] += 1
        shown = ["(not there)" if v is _ABSENT else json.dumps(v, ensure_ascii=False)[:160] for v in (a, b)]
        print(f"{path}\n    before {shown[0]}\n    after  {shown[1]}")
    print(f"{values(before)} values before, {values(after)} after; {sum(outside.values())} differ", dict(outside))
    if within:
        print("differ as expected:", dict(within))
    sys.exit(bool(outside))


if __name__ == "__main__":
    main()
