"""Files that systems and syncing programs add to any folder that passes through them, and line ends they changed.

A case that travelled by memory stick, mail or cloud often holds `.DS_Store` or `Thumbs.db`. That is no tampering and
not nothing either: such a file is named, with who makes files of that name, and the listed files are judged without it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_MAKERS: tuple[tuple[str, str], ...] = (
    (
        r"\.DS_Store|\._.*|\.Spotlight-V100(/.*)?|\.Trashes(/.*)?|\.fseventsd(/.*)?|\.TemporaryItems(/.*)?|\.localized"
        r"|\.apdisk|\.AppleDouble(/.*)?|\.DocumentRevisions-V100(/.*)?|\.VolumeIcon\.icns|Icon\r|__MACOSX(/.*)?"
        r"|\.AppleDB(/.*)?|\.AppleDesktop(/.*)?|\.LSOverride|Network Trash Folder(/.*)?"
        r"|\.com\.apple\.timemachine\..*|\.smbdelete[0-9A-Za-z]+",
        "macOS",
    ),
    (
        r"thumbs\.db(:encryptable)?|ehthumbs(_vista)?\.db|desktop\.ini|\$RECYCLE\.BIN(/.*)?"
        r"|RECYCLER(/.*)?|WPSettings\.dat|System Volume Information(/.*)?|.*:Zone\.Identifier"
        r"|Folder\.jpg|AlbumArtSmall\.jpg|found\.\d{3}(/.*)?",
        "Windows",
    ),
    (
        r"\.directory|\.Trash-\d+(/.*)?|\.nfs[0-9a-f]+|\.fuse_hidden[0-9a-f]+|lost\+found(/.*)?",
        "a Linux desktop or file server",
    ),
    (r"\.nomedia|\.thumbnails(/.*)?|\.(trashed|pending)-\d+-.+|LOST\.DIR(/.*)?", "Android"),
    (r".+_.+_\w{3}-\d{2}-\d{4,6}-\d{4}_Conflict(\..*)?", "Synology Drive"),
    (r".*\(SFConflict .+\).*", "Seafile"),
    (r"\.sync(/.*)?|.*\.!sync|.+\.Conflict(\..+)?", "Resilio Sync"),
    (r"\.?picasa\.ini|\.picasaoriginals(/.*)?|descript\.ion", "a program that shows pictures"),
    (r"@eaDir(/.*)?|#recycle(/.*)?|\.@__thumb(/.*)?|@Recycle(/.*)?", "a network storage device"),
    (
        r"\.dropbox(\.attr|\.cache(/.*)?)?|.*\(.*conflicted copy.*\).*|.*\(.*in Konflikt stehende Kopie.*\).*"
        r"|.*\((.* )?(Konfliktkopie|Copie en conflit|Copia en conflicto|Copia in conflitto|C[oó]pia em conflito)"
        r"( .*)?\).*"
        r"|.*\(.*Case Conflict.*\).*",
        "Dropbox",
    ),
    (
        r"\.sync-conflict-.*|.*\.sync-conflict-\d{8}-\d{6}.*|\.stfolder(/.*)?|\.stversions(/.*)?|\.stignore"
        r"|[.~]syncthing[.~].*",
        "Syncthing",
    ),
    (
        r"\.sync_.*\.db(-.*)?|\._sync_.*|\.owncloudsync\.log.*|\.nextcloudsync\.log.*|.*_conflict-\d{8}-\d{6}.*"
        r"|.*\(.*conflict \d{4}-\d{2}-\d{2}.*\).*",
        "Nextcloud or ownCloud",
    ),
    (r"\.tmp\.drive(?:download|upload)(/.*)?", "Google Drive"),
    (r"\.849C9593-D756-4E56-8D6E-42412F2A707B", "OneDrive"),
    (r"\..*\.icloud|.+ \d{1,2}\.[A-Za-z0-9]+", "iCloud Drive"),
    (
        r"\.~lock\..*#|~\$.*|~WR[LD]\d+\.tmp|.*~|#.*#|\.goutputstream-.*|\.#.*|\..*\.sw[opx]",
        "an office program or editor that had a file open",
    ),
    (r".+-[A-Za-z0-9]*(DESKTOP|LAPTOP)-[A-Za-z0-9]+(-\d+)?\..+", "OneDrive"),
    (
        r".+\(\d+\)\.[A-Za-z0-9]+|.*\[conflicted\].*|.+ - (Copy|Kopie|copie|copia)( \(\d+\))?(\.[A-Za-z0-9]+)?"
        r"|(Copy|Kopie) (of|von) .+"
        r"|.+ copy( \d+)?\.[A-Za-z0-9]+",
        "a program that copies or syncs, under a name of its own",
    ),
)
"""Pattern of the last part of a name, or of the folder in which it lies, and who makes files of that name."""
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), maker) for pattern, maker in _MAKERS)


def maker(name: str) -> str:
    """Who usually makes a file of this name; empty where nobody is known to.

    Args:
        name: relative to the case folder, with forward slashes.
    """
    parts = name.split("/")
    for begin in range(len(parts)):
        rest = "/".join(parts[begin:])
        for pattern, who in _COMPILED:
            # A pattern for a folder ends in an optional "/…": one for a file must not match across folders.
            if pattern.fullmatch(rest) and ("/" not in rest or "(/.*)?" in pattern.pattern):
                return who
    return ""


def said(names: Iterable[str]) -> str:
    """The added files with their makers: ".DS_Store (as macOS makes), Thumbs.db (as Windows makes)"."""
    return ", ".join(f"{name} (as {maker(name)} makes)" for name in names)


def line_ends(data: bytes, digest: str) -> str:
    """How the line ends of a text were changed, where undoing the change gives the stated digest; empty otherwise.

    Args:
        data: bytes as found.
        digest: SHA-256 as stated, hexadecimal.
    """
    if b"\0" in data[:4096]:
        return ""
    undone = {
        "CR LF instead of LF": data.replace(b"\r\n", b"\n"),
        "CR instead of LF": data.replace(b"\r", b"\n"),
        "LF instead of CR LF": re.sub(rb"(?<!\r)\n", b"\r\n", data),
        "a byte order mark at the beginning": data.removeprefix(b"\xef\xbb\xbf"),
        "a byte order mark and CR LF instead of LF": data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n"),
        "another line end at the very end": data.rstrip(b"\r\n") + b"\n",
    }
    for change, original in undone.items():
        if original != data and hashlib.sha256(original).hexdigest() == digest:
            return change
    return ""
