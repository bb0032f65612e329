"""The case folder: bytes in, exhibits out, a hash-chained custody log, a bag that other programs can check.

    data/case.json  data/protocol.json  data/exhibits/<sha256><suffix>      the evidence, fixed when the case is frozen
    report.pdf  custody.jsonl                                               what was made of it and done with it
    bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt    the bag (RFC 8493)
    tagmanifest-sha256.txt.tsq                                              the request for a timestamp (RFC 3161)

The folder is the only cut on disk between the half that needs torch and the half that does not.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from forensics.case import Case, CustodyEntry, Exhibit, FileDigest, Item
from forensics.errors import CaseError
from forensics.folder.bag import DATA
from forensics.folder.custody import current_user, custody_line, entry_digest, utc_now
from forensics.folder.layout import CASE, CUSTODY, EXHIBITS, SUFFIX, sha256, stored
from forensics.pictures import intake
from forensics.pictures.png import pixel_sha256, png_bytes
from forensics.schema import canonical


class Ledger:
    """A case folder being written. Stages see neither paths nor terminals: only the ledger writes."""

    def __init__(self, folder: Path, *, force: bool = False) -> None:
        """Create the folder. An existing one is refused, or with `force` kept aside under a new name.

        Raises:
            CaseError: the folder exists, or cannot be made.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not force:
                raise CaseError(
                    f"{folder} exists already and was left as it is.",
                    hint="Choose another folder with -o, or pass --force to keep the old one aside and start anew.",
                )
            if not (folder / CUSTODY).is_file():
                raise CaseError(
                    f"{folder} holds other files than a case and was left as it is.",
                    hint="--force keeps an old case folder aside, and nothing else. Choose another folder with -o.",
                )
            folder.rename(_aside(folder))
        try:
            (folder / DATA / EXHIBITS).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CaseError(
                f"{folder} cannot be created: {exc.strerror}.", hint="Choose another folder with -o."
            ) from exc
        self.folder = folder
        self.actor = current_user()
        self._custody: list[CustodyEntry] = []
        self._exhibits: dict[str, Exhibit] = {}
        self.log("case folder opened", folder.name, "")

    @property
    def exhibits(self) -> tuple[Exhibit, ...]:
        return tuple(self._exhibits.values())

    @property
    def custody(self) -> tuple[CustodyEntry, ...]:
        return tuple(self._custody)

    def log(self, action: str, item: str, digest: str) -> None:
        """Append one link to the custody chain, on disk at once: nothing gathered is lost if the run stops."""
        previous = entry_digest(self._custody[-1]) if self._custody else "0" * 64
        entry = CustodyEntry(len(self._custody) + 1, utc_now(), self.actor, action, item, digest, previous)
        self._custody.append(entry)
        with (self.folder / CUSTODY).open("ab") as stream:
            stream.write(custody_line(entry) + b"\n")

    def receive(self, path: Path, item_id: str, role: str) -> tuple[Item, Image.Image]:
        """Take a file into evidence: read once, hash, store the bytes, then decode a copy.

        Raises:
            ImageError: the file cannot be read or decoded; the digest of what was read is in the custody log.
        """
        data = intake.read_bytes(path)
        name = os.fsencode(path.name).decode("utf-8", "backslashreplace")  # a name need not be text
        digest = sha256(data)  # before decoding: what is examined is what was received
        self.log(f"received as {role}", name, digest)
        decoded = intake.decode(data, name)
        stored = f"{EXHIBITS}/{digest}{SUFFIX.get(decoded.media_type, '.bin')}"
        self._write(stored, data)
        exhibit = self.put(decoded.picture, item_id, f"{role.capitalize()} image, working copy", "received")
        item = Item(
            id=item_id,
            role=role,
            file_name=name,
            sha256=digest,
            size_bytes=len(data),
            media_type=decoded.media_type,
            width=decoded.width,
            height=decoded.height,
            stored=stored,
            exhibit=exhibit.id,
            decoding=decoded.decoding,
            metadata=decoded.metadata,
            generator=decoded.generator,
            provenance=decoded.provenance,
        )
        return item, decoded.picture

    def put(
        self, picture: Image.Image, exhibit_id: str, title: str, made_by: str, *, seed: int | None = None
    ) -> Exhibit:
        """Store a picture as PNG under its digest and enter it as an exhibit."""
        if exhibit_id in self._exhibits:
            raise ValueError(f"exhibit {exhibit_id} was entered already")
        data = png_bytes(picture)
        digest = sha256(data)
        path = f"{EXHIBITS}/{digest}.png"
        self._write(path, data)
        exhibit = Exhibit(
            id=exhibit_id,
            sha256=digest,
            pixel_sha256=pixel_sha256(picture),
            path=path,
            media_type="image/png",
            width=picture.width,
            height=picture.height,
            title=title,
            made_by=made_by,
            seed=seed,
        )
        self._exhibits[exhibit_id] = exhibit
        self.log("exhibit stored", exhibit_id, digest)
        return exhibit

    def put_file(self, name: str, data: bytes) -> FileDigest:
        """Store a file that is no picture among the evidence."""
        self._write(name, data)
        digest = sha256(data)
        self.log("file stored", name, digest)
        return FileDigest(name, digest, len(data))

    def close(self, case: Case) -> str:
        """Write the frozen case and return its digest."""
        data = canonical(case)
        self._write(Path(CASE).name, data)
        digest = sha256(data)
        self.log("case frozen", Path(CASE).name, digest)
        return digest

    def _write(self, relative: str, data: bytes) -> None:
        path = stored(self.folder, relative)
        try:
            temporary = path.with_name(path.name + ".part")
            temporary.write_bytes(data)
            temporary.replace(path)  # a reader never sees half a file
        except OSError as exc:
            raise CaseError(
                f"{path} cannot be written: {exc.strerror}.", hint="Free some space and run again."
            ) from exc


def _aside(folder: Path) -> Path:
    for number in range(1, 10_000):
        candidate = folder.with_name(f"{folder.name}.kept-{number}")
        if not candidate.exists():
            return candidate
    raise CaseError(f"{folder} has too many kept copies.", hint="Move some of them elsewhere.")
