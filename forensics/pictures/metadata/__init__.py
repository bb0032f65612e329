"""What generators and signers leave in a file: parameter texts, graphs, hidden bits, Content Credentials."""

from __future__ import annotations

from PIL import Image

from forensics.pictures.metadata import arguments, comfyui, invokeai, novelai, stealth, webui
from forensics.pictures.metadata.base import Entries, GeneratorMetadata
from forensics.pictures.metadata.provenance import read as provenance

__all__ = ["READERS", "Entries", "GeneratorMetadata", "generators", "provenance"]

READERS = (webui.read, comfyui.read, invokeai.read, novelai.read, arguments.read)
"""One reader for each layout; each takes the text entries of the file and returns the records it recognises."""


def generators(entries: Entries, image: Image.Image) -> tuple[GeneratorMetadata, ...]:
    """Every generator record of a file, each once, in the order of `READERS`, hidden ones last.

    Args:
        entries: the text entries of the file, complete.
        image: the decoded picture with its samples as stored.
    """
    found = [record for reader in READERS for record in reader(entries)]
    return tuple(dict.fromkeys([*found, *stealth.read(image)]))
