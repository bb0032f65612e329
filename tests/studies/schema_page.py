"""The page that documents `case.json`: `python -m tests.studies.schema_page` writes `forensics/case.md` anew.

It is made from the files of `forensics/case/` themselves, so that the words about a field and the field stand in one
place; a test fails where the page is not current.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import forensics.case as domain
from forensics.case import SCHEMA, Case
from forensics.schema import json_schema

DOMAIN = Path(domain.__file__).parent
PAGE = DOMAIN.with_name("case.md")
_HEAD = f"""# The file `case.json`

Version {SCHEMA} of the record that every report is drawn from. Written by `python -m tests.studies.schema_page` from
`forensics/case.py`; change that file, not this page.

The file is canonical JSON: UTF-8, keys sorted, indented by two spaces, one line break at the end, numbers as the
shortest text that reads back the same. Every object names its type in the field `type`. Unknown and
missing fields are errors. A field that may be an `Absent` holds, where there is nothing, the reason for it. Digests are
SHA-256 in hexadecimal, moments UTC in ISO 8601, pictures are named by the `id` of their exhibit. The JSON Schema (draft
2020-12) of the same is printed by `python -m tests.studies.schema_page --schema`.

Cases of version 2 are read and verified as well. They differ in two names of `Outcome`: `reproduces` was what is now
`corresponds throughout`, `partly reproduces` what is now `corresponds in part`. What is read from one is written as it
was, so that digests and signatures over it hold.

"""


def page() -> str:
    """The page as Markdown: `Case` first, then every type it holds, by name."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(DOMAIN.glob("*.py"))]
    classes = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    wanted = ["Case", *sorted(set(json_schema(Case, "case")["$defs"]) - {"Case"})]
    enums = sorted(
        name
        for name, node in classes.items()
        if any(ast.unparse(b) in ("Enum", "StrEnum") for b in node.bases) and _used(name, classes, wanted)
    )
    return _HEAD + "\n".join(_section(classes[name]) for name in (*wanted, *enums)) + "\n"


def _used(name: str, classes: dict[str, ast.ClassDef], wanted: list[str]) -> bool:
    return any(name in ast.unparse(node.annotation) for w in wanted for node in _fields(classes[w]))


def _fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    return [part for part in node.body if isinstance(part, ast.AnnAssign)]


def _section(node: ast.ClassDef) -> str:
    parts = [f"## {node.name}\n", _flat(ast.get_docstring(node) or ""), ""]
    if fields := _fields(node):
        parts += ["| field | type | |", "|---|---|---|"]
        said = _said(node)
        for field in fields:
            name = ast.unparse(field.target)
            kind = ast.unparse(field.annotation).replace("|", "or").replace("'", "")
            parts.append(f"| `{name}` | {kind} | {said.get(name, '')} |")
    else:
        values = [part for part in node.body if isinstance(part, ast.Assign)]
        said = _said(node)
        parts += ["| value | |", "|---|---|"]
        for value in values:
            name = ast.unparse(value.targets[0])
            parts.append(f"| `{ast.literal_eval(value.value)}` | {said.get(name, '')} |")
    return "\n".join([*parts, ""])


def _said(node: ast.ClassDef) -> dict[str, str]:
    """Name -> the words under it."""
    found = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign | ast.Assign) and isinstance(after, ast.Expr):
            target = before.target if isinstance(before, ast.AnnAssign) else before.targets[0]
            if isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
                found[ast.unparse(target)] = _flat(after.value.value)
    return found


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Write the page, or with `--schema` print the JSON Schema."""
    if arguments == ["--schema"]:
        print(json.dumps(json_schema(Case, "case"), indent=1, sort_keys=True))
        return
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.name)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
