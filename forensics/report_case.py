"""From a closed case folder to its PDF, without torch: the second half of every examination."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from forensics import casefile, report


def render(folder: Path, *, paper: str = "A4") -> Path:
    """Render the report of a case folder again and renew the manifest.

    Raises:
        CaseError: the folder holds no case that this release reads.
        VerificationError: an exhibit differs from its digest.
        RenderingError: the report would be incomplete.
    """
    case = casefile.load(folder)
    pdf = report.render(case, folder, paper=cast("Literal['A4', 'Letter']", paper))
    return casefile.save_report(folder, pdf)
