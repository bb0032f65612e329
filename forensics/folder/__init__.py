"""The case folder: bytes in, exhibits out, custody chain, BagIt bag, timestamp request, signature, verification.

The folder is the only cut on disk between the half that needs torch and the half that does not. This door names what
others use; the public formats (RFC 8493, RFC 3161, PAdES, CMS) can be checked by other programs without any of it. The
software has no key: a signature says who stands for a folder, not that what it states is right.
"""

from __future__ import annotations

from forensics.files import utc_now
from forensics.folder.custody import custody_lines, entry_digest, read_custody
from forensics.folder.layout import CASE, CUSTODY, EXHIBITS, MANIFEST, REPLY, REPORT, REQUEST, sha256, stored
from forensics.folder.ledger import Ledger, settled, stops_on_record
from forensics.folder.save import append_custody, save, save_report, write_manifest
from forensics.folder.verify import load, verify
from forensics.foreign import sha256 as file_sha256

__all__ = [
    "CASE",
    "CUSTODY",
    "EXHIBITS",
    "MANIFEST",
    "REPLY",
    "REPORT",
    "REQUEST",
    "Ledger",
    "append_custody",
    "custody_lines",
    "entry_digest",
    "file_sha256",
    "load",
    "read_custody",
    "save",
    "save_report",
    "settled",
    "sha256",
    "stops_on_record",
    "stored",
    "utc_now",
    "verify",
    "write_manifest",
]
