"""What generators and signers leave in a file: parameter texts, graphs, hidden bits, Content Credentials.

Readers of such records exist as packages. Ours is here because a report must say three things that they do not give:
by which marks an entry was taken for a generator's, what in it no rule covers, and how its bytes became text. One of
those packages, sd-parsers, is held against ours by `python -m tests.studies.second_reader`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from forensics.pictures.metadata import (
    arguments,
    comfyui,
    drawthings,
    invokeai,
    mochi,
    novelai,
    services,
    stealth,
    swarmui,
    webui,
)
from forensics.pictures.metadata.base import Entries, GeneratorMetadata, Lora
from forensics.pictures.metadata.provenance import read as provenance

__all__ = ["READERS", "Entries", "GeneratorMetadata", "Lora", "generators", "provenance"]

READERS = (
    drawthings.read,
    mochi.read,
    webui.read,
    comfyui.read,
    swarmui.read,
    invokeai.read,
    novelai.read,
    arguments.read,
    services.read,
)
"""One reader for each layout; each takes the text entries of the file and returns the records it recognises."""


def generators(
    entries: Entries, image: Image.Image, encodings: Mapping[str, str] | None = None
) -> tuple[GeneratorMetadata, ...]:
    """Every generator record of a file, each once, in the order of `READERS`, hidden ones last.

    Args:
        entries: the text entries of the file, complete.
        image: the decoded picture with its samples as stored.
        encodings: for entries whose code had to be found out, the sentence that says how.
    """
    found: list[GeneratorMetadata] = []
    for reader in READERS:
        for record in reader(entries):
            said = (encodings or {}).get(record.entry, "")
            found.append(replace(record, encoding=said) if said else record)
    found += stealth.read(image)
    return tuple(_together(_without_names_alone(found)))


def _without_names_alone(found: list[GeneratorMetadata]) -> list[GeneratorMetadata]:
    """A name in Software says nothing more where a full record of that very program is there."""
    full = [record.software.lower() for record in found if record.prompt or record.seed is not None]
    kept = []
    for record in found:
        named_only = len(record.marks) == 1 and not record.prompt and record.seed is None
        if named_only and full and record.problems == services.ONLY_A_NAME:
            if any(record.software.lower() in name for name in full):
                continue
            record = replace(record, problems=())
        kept.append(record)
    return kept


def _together(found: list[GeneratorMetadata]) -> list[GeneratorMetadata]:
    """Records that state the same in several places as one, with the places named."""
    kept: dict[GeneratorMetadata, list[GeneratorMetadata]] = {}
    for record in found:
        kept.setdefault(replace(record, source="", entry="", encoding="", marks=()), []).append(record)
    return [
        replace(same[0], source=" and ".join(dict.fromkeys(record.source for record in same))) for same in kept.values()
    ]
