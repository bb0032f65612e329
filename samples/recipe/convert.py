"""Validation records of an older form brought to the present one: `python -m samples.recipe.convert RECORD...`.

From version 2 to 3: a statistic was known by its title and is now known by its identity (`forensics.case.Statistic`).
No number changes. A record of the present version is left as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from forensics.case import Statistic
from forensics.schema import decode
from forensics.statistics import record as records
from forensics.statistics.record import ValidationRecord

TITLES_OF_2 = {
    "Codelength, share that the prompt saves": Statistic.SAVED_BY_PROMPT,
    "Codelength, share saved against the control checkpoint": Statistic.SAVED_AGAINST_CONTROL,
    "Reconstruction by the autoencoder, first loss over second": Statistic.AUTOENCODER_RATIO,
    "Reconstruction by the autoencoder, LPIPS of the second feature map": Statistic.AUTOENCODER_LAYER,
}
"""Titles as records of version 2 hold them, frozen here: today's may be worded otherwise."""


def converted(document: Any) -> Any:
    """The same document with every title that stands as a value replaced by the identity."""
    if isinstance(document, dict):
        return {key: converted(value) for key, value in document.items()}
    if isinstance(document, list):
        return [converted(value) for value in document]
    return TITLES_OF_2[document].value if isinstance(document, str) and document in TITLES_OF_2 else document


def convert(path: Path) -> bool:
    """Rewrite one record in place; False where it has the present version already."""
    document = json.loads(path.read_bytes())
    if document.get("schema") != 2:
        return False
    found = converted(document) | {"schema": records.SCHEMA}
    records.save(decode(ValidationRecord, found, "record"), path)
    return True


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {'converted' if convert(Path(name)) else 'left as it is'}")
