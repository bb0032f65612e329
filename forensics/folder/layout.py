"""Where everything in a case folder lies, and what may lie there.

    data/case.json  data/protocol.json  data/exhibits/<sha256><suffix>      the evidence, fixed when the case is frozen
    report.pdf  viewer.html  tables/  custody.jsonl                         what was made of it and done with it
    bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt    the bag (RFC 8493)
    tagmanifest-sha256.txt.p7s                                              a person's signature over all of it (CMS)
    tagmanifest-sha256.txt.tsq                                              the request for a timestamp (RFC 3161)
    unfinished/                                                             while an examination goes on: its stages

The folder is the only cut on disk between the half that needs torch and the half that does not.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from forensics.folder import bag
from forensics.folder.bag import DATA

CASE = f"{DATA}/case.json"
CUSTODY = "custody.jsonl"
MANIFEST = bag.PAYLOAD
REPORT = "report.pdf"
SIGNED = "report-signed.pdf"
SEAL = f"{bag.TAGS}.p7s"
"""The signature over the second manifest, and through it over every file of the folder."""
REQUEST = f"{bag.TAGS}.tsq"
REPLY = f"{bag.TAGS}.tsr"
"""The reply of a time-stamping authority, put there by a person."""
BESIDE = (SEAL, REQUEST, REPLY)
"""Made from the second manifest, so that no manifest can list them."""
EXHIBITS = "exhibits"
UNFINISHED = "unfinished"
"""What finished stages gave, until the case is frozen (`folder.progress`)."""
STORED = "file stored"
"""What the custody log says of a file among the evidence that is no picture."""
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


def stored(folder: Path, relative: str) -> Path:
    """Where a path that the case names lies on disk."""
    return folder / DATA / relative


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()
