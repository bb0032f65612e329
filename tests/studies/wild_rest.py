"""Further inputs of the kinds that are no single file: names, cases that travelled, keys, trust, screenshots, captures.

    python -m tests.studies.wild_rest [--only TEXT]

As `wild_more`, each with the public report or rule that it follows. Nothing was chosen after seeing what the program
says of it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image, ImageDraw

from forensics import portfolio
from forensics.controls import works
from forensics.errors import ExitCode, ForensicsError
from forensics.pictures import intake
from forensics.pictures.metadata import trust
from forensics.resources import samples
from tests import test_wacz
from tests.metadata import files, house
from tests.studies import wild_folders
from tests.studies.wild import outcome
from tests.studies.wild_folders import Identity

Said = tuple[str, bool]
"""What was said, and whether it is right."""


@dataclass(frozen=True, slots=True)
class Rest:
    """An input of our own that is more than one file."""

    kind: str
    name: str
    source: str
    right: str
    run: Callable[[Path], Said]
    """Given an empty folder."""
    slow: bool = False
    """Whether it takes seconds: for the study alone."""


# Names


def _put(folder: Path, name: bytes) -> Path:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    path.write_bytes(files.png(files.picture(48)))
    return path


def _composed(folder: Path) -> Said:
    path = _put(folder, "Mu\u0308ller.png".encode())
    (folder / "controls.csv").write_text("file,ground,caption\nMüller.png,drawn here,x\n", encoding="utf-8")
    found = works.load(folder).works
    return str(found), [work.path for work in found] == [path]


def _bytes(folder: Path) -> Said:
    for number in range(3):
        _put(folder, b"plain%d.png" % number)
    _put(folder, b"M\xfcller.png")
    found = portfolio.read(str(folder))
    return f"{len(found.works)} works", len(found.works) == 4


def _longest(folder: Path) -> Said:
    path = _put(folder, "é".encode() * 125 + b"x.png")  # 255 bytes, 130 characters
    return str(intake.read(path).picture.size), intake.read(path).picture.size == (48, 48)


def _with_cells(folder: Path) -> Said:
    path = _put(folder, b'say "hare", twice\nor so.png')
    row = '"say ""hare"", twice\nor so.png",drawn here,x\n'
    (folder / "controls.csv").write_text(f"file,ground,caption\n{row}", encoding="utf-8", newline="")
    found = works.load(folder).works
    return str(found), [work.path for work in found] == [path]


_NAMES = "8 names"
NAMES = [
    Rest(
        _NAMES,
        "composed in the table, decomposed on disk",
        "Apple TN1150 (HFS Plus): names are decomposed",
        "found",
        _composed,
    ),
    Rest(
        _NAMES,
        "Latin-1 name among others",
        "POSIX: a name is bytes; archives of Windows systems",
        "all are read",
        _bytes,
    ),
    Rest(_NAMES, "255 bytes of two-byte letters", "NAME_MAX of limits.h", "examined", _longest),
    Rest(_NAMES, "quotation marks, comma and line end", "RFC 4180, quoted cells", "found", _with_cells),
]


# Cases that travelled


def _stray(name: str, maker: str) -> Callable[[Path], Said]:
    def run(_: Path) -> Said:
        code, said = wild_folders.added(name)
        return f"{code}: {said[-300:]}", code == ExitCode.ADDED and f"{name} (as {maker} makes)" in said

    return run


_TRAVELLED = "9 travelled cases"
TRAVELLED = [
    Rest(_TRAVELLED, name, source, "named with its maker", _stray(name, maker), slow=True)
    for name, source, maker in (
        ("report (Copie en conflit de Marie 2026-11-29).pdf", "Dropbox help, conflicted copies, French", "Dropbox"),
        ("report_nas_Nov-29-1200-2026_Conflict.pdf", "Synology Drive, conflict files", "Synology Drive"),
        ("data/exhibits/.thumbnails/1.jpg", "Android media scanner", "Android"),
    )
]


# Certificates


def _key(identity: Identity, *words: str, sound: bool) -> Callable[[Path], Said]:
    def run(_: Path) -> Said:
        code, said = wild_folders.signed(identity)
        return f"{code}: {said[-400:]}", (code == 0) is sound and all(word in said for word in words)

    return run


_NOW = dt.datetime.now(dt.UTC)
_KEYS = "11 certificates"
CERTIFICATES = [
    Rest(
        _KEYS,
        "not valid before next year",
        "RFC 5280 4.1.2.5",
        "refused, with the day",
        _key(
            Identity(facts={"begins": _NOW + dt.timedelta(days=300), "ends": _NOW + dt.timedelta(days=600)}),
            "not valid before",
            sound=False,
        ),
        slow=True,
    ),
    Rest(
        _KEYS,
        "for servers alone",
        "RFC 5280 4.2.1.12, serverAuth",
        "refused: of another use",
        _key(Identity(facts={"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)}), "not for", sound=False),
        slow=True,
    ),
    Rest(
        _KEYS,
        "P-521 by an authority, for e-mail",
        "RFC 5480, secp521r1",
        "signs, and its issuer is trusted",
        _key(
            Identity(
                make=lambda: ec.generate_private_key(ec.SECP521R1()),
                facts={"purposes": (ExtendedKeyUsageOID.EMAIL_PROTECTION,)},
                by_authority=True,
            ),
            "is trusted",
            sound=True,
        ),
        slow=True,
    ),
    Rest(
        _KEYS,
        "RSA of 4096 bits",
        "BSI TR-02102-1",
        "signs",
        _key(
            Identity(make=lambda: rsa.generate_private_key(public_exponent=65537, key_size=4096)),
            "is trusted",
            sound=True,
        ),
        slow=True,
    ),
]


# Content Credentials


def _trusted(listed: bool, *words: str, changed: bool = False) -> Callable[[Path], Said]:
    def run(folder: Path) -> Said:
        root, root_key = house.certificate("Root")
        other, _ = house.certificate("Other")
        data = house.signed(*house.certificate("Signer", (root.subject, root_key)))
        if changed:
            data = files.with_chunk(data, files.chunk(b"tEXt", b"Comment\0added"))
        path = folder / "list.pem"
        path.write_bytes(house.pem(root if listed else other))
        found = intake.decode(data, "x", trust=trust.lists([str(path)])).provenance
        said = "; ".join(f"{f.name}: {f.value}" for f in found)
        return said, all(word in said for word in words)

    return run


_CREDENTIALS = "12 Content Credentials"
CREDENTIALS = [
    Rest(
        _CREDENTIALS,
        "issuer on the list",
        "C2PA 2.2, 14.4 trust lists",
        "intact and vouched for",
        _trusted(True, "are intact", "leads to an issuer"),
    ),
    Rest(
        _CREDENTIALS,
        "issuer on no list",
        "C2PA 2.2, signingCredential.untrusted",
        "intact, vouched for by nobody",
        _trusted(False, "are intact", "leads to no issuer"),
    ),
    Rest(
        _CREDENTIALS,
        "changed bytes, issuer on the list",
        "C2PA 2.2, assertion.dataHash.mismatch",
        "broken, and vouched for",
        _trusted(True, "Broken", "leads to an issuer", changed=True),
    ),
]


# Screenshots


def _screen(size: tuple[int, int], scale: float, place: tuple[int, int], dark: bool) -> Callable[[Path], Said]:
    """A work shown by a program at a scale, with bars and words around it."""

    def run(folder: Path) -> Said:
        original = samples() / "originals" / "edited-original.png"
        shutil.copyfile(original, folder / "original.png")
        with Image.open(original) as work:
            shown = work.convert("RGB").resize(
                (round(work.width * scale), round(work.height * scale)), Image.Resampling.BICUBIC
            )
        screen = Image.new("RGB", size, (24, 24, 28) if dark else (245, 245, 245))
        draw = ImageDraw.Draw(screen)
        ink = (220, 220, 220) if dark else (30, 30, 30)
        for row in range(12, size[1], 34):
            draw.text((8, row), "posted by someone, 12 comments, share, reply", fill=ink)
        draw.rectangle((0, 0, size[0], 26), fill=(60, 90, 160))
        screen.paste(shown, place)
        screen.save(folder / "screen.png")
        got = outcome('"corresponds throughout', "all of the work")(folder / "screen.png")
        return got.said, not got.wrong

    return run


_SHOTS = "13 screenshots"
SCREENSHOTS = [
    Rest(
        _SHOTS,
        "a phone's viewer, dark, 90 %",
        "screenshots of image viewers on telephones",
        "corresponds to the work",
        _screen((400, 700), 0.9, (40, 160), True),
        slow=True,
    ),
    Rest(
        _SHOTS,
        "a browser's window, 140 %",
        "browser zoom levels",
        "corresponds to the work",
        _screen((900, 620), 1.4, (300, 90), False),
        slow=True,
    ),
    Rest(
        _SHOTS,
        "a timeline, 75 %",
        "previews in social networks",
        "corresponds to the work",
        _screen((640, 520), 0.75, (150, 120), False),
        slow=True,
    ),
]


# Captures


def _capture(*words: str, url: str = "", **how: object) -> Callable[[Path], Said]:
    def run(_: Path) -> Said:
        small, large = files.png(files.picture(40)), files.png(files.picture(90))
        pictures = {"https://example.org/a.png": small, "https://example.org/b.png?size=large": large}
        data = test_wacz.package(pictures, **how)  # type: ignore[arg-type]
        try:
            found = intake.decode(data, "capture.wacz", url=url)
        except ForensicsError as exc:
            return f"refused: {exc.message}", all(word in exc.message for word in words)
        said = f"{found.picture.size} " + "; ".join(
            [*found.decoding, *(f"{f.name}: {f.value}" for f in found.provenance)]
        )
        return said, all(word in said for word in words)

    return run


_CAPTURES = "14 web captures"
CAPTURES = [
    Rest(
        _CAPTURES,
        "address with a query",
        "WARC 1.1, WARC-Target-URI",
        "that picture and its address",
        _capture("(90, 90)", "b.png?size=large", url="https://example.org/b.png?size=large"),
    ),
    Rest(
        _CAPTURES,
        "the smaller picture by its address",
        "WACZ 1.1.1, pages and archive",
        "that picture",
        _capture("(40, 40)", "a.png", url="https://example.org/a.png"),
    ),
    Rest(
        _CAPTURES,
        "an address that was not captured",
        "WACZ 1.1.1, indexes",
        "refused",
        _capture("holds no picture at", url="https://example.org/c.png"),
    ),
    Rest(
        _CAPTURES,
        "pages changed after the package was listed",
        "WACZ 1.1.1, datapackage.json",
        "examined, the change named",
        _capture("pages.jsonl", change=b" "),
    ),
]

CASES = [*NAMES, *TRAVELLED, *CERTIFICATES, *CREDENTIALS, *SCREENSHOTS, *CAPTURES]


def judge(rest: Rest) -> Said:
    """What came of it, and whether that is right."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return rest.run(Path(folder))
        except Exception as exc:  # a study goes on: what fails unexpectedly is a failure of the case
            return f"{type(exc).__name__}: {exc}", False


def main() -> None:
    """Print the table, how many of each kind and how many are right; the exit code is 1 where any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="Kinds or names that contain this.")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    for rest in CASES:
        if given.only not in f"{rest.kind} {rest.name}":
            continue
        said, right = judge(rest)
        counts["right" if right else "WRONG"] += 1
        print(f"{rest.kind} | {rest.name} | {rest.source}\n    right: {rest.right}\n    got:   {said[:500]}")
        print(f"    {'right' if right else 'WRONG'}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
    sys.exit(1 if counts["WRONG"] else 0)


if __name__ == "__main__":
    main()
