"""Write the golden HTML anew: `python -m tests.report.golden`. Read the difference before committing it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from forensics import report, schema
from forensics.case import Case
from forensics.report import words
from tests.report.cases import CASES

FOLDER = Path(__file__).resolve().parents[1] / "golden"


def path(name: str) -> Path:
    """Where the golden of a case lies."""
    return FOLDER / f"report-{name}.html"


def stable(html: str, case: Case) -> str:
    """The HTML without the digest of the case, which every new field of `Case` changes."""
    return html.replace(words.groups(hashlib.sha256(schema.canonical(case)).hexdigest()), "(digest of the case)")


def main() -> None:
    """Render every case and overwrite its golden."""
    FOLDER.mkdir(exist_ok=True)
    for name, build in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            case = build(Path(folder))
            path(name).write_text(stable(report.render_html(case, Path(folder)), case), encoding="utf-8")
            print(path(name).name)


if __name__ == "__main__":
    main()
