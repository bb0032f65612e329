"""The cases of `wild` that are whole folders: what travelled through other systems, and what other keys signed.

A small case is made, changed as the case says, and handed to the commands as a person would. The certificates are made
after the descriptions in the table: nothing of anybody's keys is kept.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from forensics import documents
from forensics.errors import ExitCode
from forensics.folder import load
from forensics.folder.layout import REPORT
from tests.cli.support import run
from tests.signing import keys
from tests.test_casefile import small_case

Outcome = tuple[int, str]
"""Exit code, and what was said on both streams."""
_YEAR = dt.timedelta(days=365)


@contextmanager
def _case() -> Iterator[Path]:
    """A sound case folder with its report drawn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = small_case(Path(temporary) / "case")
        (folder / REPORT).unlink()
        documents.render(folder)
        yield folder


def _ran(*arguments: Any) -> Outcome:
    done = run(*arguments)
    return done.exit_code, f"{done.stdout} {done.stderr}".strip()


# Cases that travelled


def added(name: str) -> Outcome:
    """A file that a system put into the folder."""
    with _case() as folder:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\0\0\1Bud1")
        return _ran("verify", folder)


def empty_folder() -> Outcome:
    """A folder without files, which no manifest can list."""
    with _case() as folder:
        (folder / "empty" / "within").mkdir(parents=True)
        return _ran("verify", folder)


def called_otherwise() -> Outcome:
    """The folder called by a dot, and with a slash behind."""
    with _case() as folder:
        before = Path.cwd()
        try:
            os.chdir(folder)
            code, said = _ran("verify", ".")
            return (code, said) if code else _ran("verify", f"{folder}/")
        finally:
            os.chdir(before)


def through_git() -> Outcome:
    """Checked in, and checked out with the line ends of Windows."""
    with _case() as folder:
        git = ["git", "-c", "core.autocrlf=true", "-c", "user.name=a", "-c", "user.email=a@example.org"]
        out = folder.with_name("out")
        for command in (
            ["git", "-c", "init.defaultBranch=x", "init", "-q", str(folder)],
            [*git, "-C", str(folder), "add", "-A"],
            [*git, "-C", str(folder), "commit", "-qm", "x"],
            [*git, "clone", "-q", str(folder), str(out)],
        ):
            subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(out / ".git")
        return _ran("verify", out)


def through_zip() -> Outcome:
    """Packed and unpacked."""
    with _case() as folder:
        path, out = folder.with_suffix(".zip"), folder.with_name("out")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
            for file in sorted(folder.rglob("*")):
                package.write(file, file.relative_to(folder))
        with zipfile.ZipFile(path) as package:
            package.extractall(out)
        return _ran("verify", out)


# Signatures


@dataclass(frozen=True, slots=True)
class Identity:
    """What a key file holds, as the table describes it."""

    subject: str = "A. N. Examiner"
    make: Callable[[], Any] = field(default=lambda: ec.generate_private_key(ec.SECP256R1()))
    facts: dict[str, Any] = field(default_factory=dict)
    by_authority: bool = False
    without_key: bool = False
    old: bool = False
    """Locked by a cipher of the 1990s, as old programs export it."""
    passphrase: bytes = keys.WORD.encode() + b"\n"
    """Of the file that holds it."""


def signed(identity: Identity, *, trust: bool = True) -> Outcome:
    """`sign` with such a key, and where it signs, `verify` with its issuer named: the last exit code, and all said."""
    with _case() as folder:
        private = identity.make()
        issuer = ec.generate_private_key(ec.SECP256R1())
        root = keys.certificate(issuer, "An Issuer", authority=True)
        more: dict[str, Any] = {"issuer": (issuer, "An Issuer")} if identity.by_authority else {}
        cert = keys.certificate(private, identity.subject, **more, **identity.facts)
        path, word = folder.with_name("id.p12"), folder.with_name("word")
        _write(path, private, cert, identity)
        word.write_bytes(identity.passphrase)
        trusted = keys.pem(folder.with_name("root.pem"), root if identity.by_authority else cert)
        code, said = _ran("sign", folder, "--pkcs12", path, "--passfile", word)
        if code:
            return code, said
        checked, more_said = _ran("verify", folder, *(("--trust", trusted) if trust else ()))
        assert load(folder)
        return checked, f"{said} {more_said}"


def _write(path: Path, private: Any, cert: x509.Certificate, identity: Identity) -> None:
    if not identity.old:
        keys.pkcs12(path, None if identity.without_key else private, cert)
        return
    locked = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(keys.WORD.encode())
    )
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"id", private, cert, None, locked))


def _rsa() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _past() -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC)
    return {"begins": now - 2 * _YEAR, "ends": now - _YEAR}


SIGNATURES: dict[str, tuple[Identity, Callable[[int, str], bool]]] = {
    "certonly.p12": (Identity(without_key=True), lambda c, t: c != 0 and "holds no private key" in t),
    "expired.p12": (Identity(facts=_past()), lambda c, t: "expired at" in t),
    "encryptonly.p12": (
        Identity("A. N. Examiner", _rsa, {"uses": keys.usage(signs=False, encrypts=True)}),
        lambda c, t: c != 0 and "not for signatures" in t,
    ),
    "ed25519.p12": (Identity(make=ed25519.Ed25519PrivateKey.generate), lambda c, t: c == 0 and "is trusted" in t),
    "leafexpired.p12": (Identity(facts=_past(), by_authority=True), lambda c, t: "expired at" in t),
    "umlaut.p12": (Identity("Jürgen Müßig 草"), lambda c, t: c == 0 and "Jürgen Müßig 草" in t),
    "rc2.p12": (Identity(make=_rsa, old=True), lambda c, t: c == 0 and "is trusted" in t),
    "passphrase with CR LF": (
        Identity(passphrase=keys.WORD.encode() + b"\r\n"),
        lambda c, t: c == 0 and "is trusted" in t,
    ),
}
"""Name of a case -> what the key file holds, and whether an outcome is right."""

TRAVELLED: dict[str, tuple[Callable[[], Outcome], Callable[[int, str], bool]]] = {
    "._report.pdf at the top": (
        lambda: added("._report.pdf"),
        lambda c, t: c == ExitCode.ADDED and "agree" in t and "._report.pdf (as macOS makes)" in t,
    ),
    ".DS_Store at the top": (
        lambda: added(".DS_Store"),
        lambda c, t: c == ExitCode.ADDED and "agree" in t and ".DS_Store (as macOS makes)" in t,
    ),
    ".DS_Store in data/exhibits": (
        lambda: added("data/exhibits/.DS_Store"),
        lambda c, t: c == ExitCode.ADDED and "agree" in t and "data/exhibits/.DS_Store (as macOS makes)" in t,
    ),
    # The table was written when such a folder passed unseen; since then it is foreign content, and named as that.
    "empty folder inside": (empty_folder, lambda c, t: (c, "an empty folder" in t) in ((0, False), (8, True))),
    "called as . and with /": (called_otherwise, lambda c, t: c == 0 and "agree" in t),
    "git with autocrlf": (through_git, lambda c, t: c == 8 and "line ends" in t),
    "zip and unzip": (through_zip, lambda c, t: c == 0 and "agree" in t),
}
"""Name of a case -> what happened to the folder, and whether an outcome is right."""
