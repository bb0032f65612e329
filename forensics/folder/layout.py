"""Names and places of what lies in a case folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from forensics.folder import bag
from forensics.folder.bag import DATA

CASE = f"{DATA}/case.json"
CUSTODY = "custody.jsonl"
MANIFEST = bag.PAYLOAD
REPORT = "report.pdf"
REQUEST = f"{bag.TAGS}.tsq"
REPLY = f"{bag.TAGS}.tsr"
"""The reply of a time-stamping authority, put there by a person."""
EXHIBITS = "exhibits"
OWN = (bag.DECLARATION, bag.INFO, bag.PAYLOAD, CUSTODY)
"""Tag files of the bag itself; every other one is a document whose digest the custody log records."""
SUFFIX = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/tiff": ".tif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/heif": ".heic",
    "image/heic": ".heic",
    "image/jxl": ".jxl",
    "application/wacz": ".wacz",
    "image/mpo": ".jpg",
}


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def stored(folder: Path, relative: str) -> Path:
    """Where a path that the case names lies on disk."""
    return folder / DATA / relative
