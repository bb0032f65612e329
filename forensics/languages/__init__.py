"""The languages of a report: one catalogue of whole sentences each, `CODE.po` beside this file, and nothing else.

The sealed case and the templates are English. `forensics.report.translation` puts the sentences of a catalogue in at
the very end, so that decisions, sentences and the digest of the case are the same whatever the language of a report.
"""

from __future__ import annotations

from pathlib import Path

ENGLISH = "en"
"""The language of the sealed case and of the templates."""
FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Codes of the languages there are, English first."""
    return (ENGLISH, *sorted(path.stem for path in FOLDER.glob("*.po")))
