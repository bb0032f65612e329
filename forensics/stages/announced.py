"""How often an examination sets works apart that it should not: from the study of headings, where one fits.

The study examined works of known status, on which the shipped reference checkpoint was not trained, as disputed images.
What it found holds for that checkpoint and for pictures of that kind; of any other checkpoint the report says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forensics.case import Absent, AnnouncedRates, AnnouncedShare, Checkpoint, Pair
from forensics.protocol import VERSION, Protocol
from forensics.resources import samples


def rates(protocol: Protocol, checkpoint: Checkpoint, study: Path | None = None) -> AnnouncedRates | Absent:
    """The rates for the profile in use, of the nearest profile studied where it was not studied itself.

    Args:
        protocol: in force.
        checkpoint: the one examined.
        study: file written by `tests.studies.headings`; the one that ships where none is named.
    """
    path = study or samples() / "reference" / "headings-study.json"
    made: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if made.get("protocol") != VERSION:
        return Absent(
            "rate of answers that set apart",
            "How often an examination sets works apart that no checkpoint was trained on has not been measured under "
            "this version of the protocol.",
        )
    profile = protocol.profile if protocol.profile in made["rates"] else "standard"
    found = made["rates"][profile]
    own = checkpoint.digest == made["checkpoint"] and not (checkpoint.lora or checkpoint.embeddings)
    return AnnouncedRates(
        profile=profile,
        works=found["works"],
        controls=found["controls"],
        own_checkpoint=own,
        any_question=AnnouncedShare("any", *found["any"]),
        questions=tuple(AnnouncedShare(pair.value, *found["announced"][pair.value]) for pair in Pair),
        first=tuple(AnnouncedShare(pair.value, *found["first"][pair.value]) for pair in Pair),
    )
