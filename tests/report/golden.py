"""Write the golden HTML anew: `python -m tests.report.golden`. Read the difference before committing it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from forensics import report
from tests.report.cases import CASES

FOLDER = Path(__file__).resolve().parents[1] / "golden"


def path(name: str) -> Path:
    """Where the golden of a case lies."""
    return FOLDER / f"report-{name}.html"


def main() -> None:
    """Render every case and overwrite its golden."""
    FOLDER.mkdir(exist_ok=True)
    for name, build in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path(name).write_text(report.render_html(build(Path(folder)), Path(folder)), encoding="utf-8")
            print(path(name).name)


if __name__ == "__main__":
    main()
