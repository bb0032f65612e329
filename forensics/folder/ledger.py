"""A case folder while an examination writes it: bytes in, exhibits out, a hash-chained custody log.

Stages see neither paths nor terminals: only the ledger writes. From the first second `case.json` says that the case is
incomplete; whatever is written is written whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from forensics import foreign
from forensics.case import Case, CustodyEntry, Exhibit, FileDigest, Item
from forensics.errors import CaseError
from forensics.events import Emit, Event
from forensics.files import utc_now
from forensics.folder import journal, progress, unfinished
from forensics.folder.bag import DATA, TAGS
from forensics.folder.custody import FROZEN, actor, check_chain, custody_lines, following, line, read_custody
from forensics.folder.layout import CASE, CUSTODY, EXHIBITS, STORED, SUFFIX, sha256, stored
from forensics.foreign import sha256 as file_sha256
from forensics.pictures import ahead, intake
from forensics.pictures.png import pixel_sha256, png_bytes
from forensics.schema import canonical


class Ledger:
    """A case folder being written, by this program alone until `done` or the end of the program."""

    def __init__(
        self,
        folder: Path,
        *,
        force: bool = False,
        command: str = "analyze",
        asked: dict[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        """Create the folder. An existing one is refused, or with `force` kept aside under a new name.

        Args:
            folder: the case folder.
            force: keep an existing one aside.
            command: `analyze` or `compare`.
            asked: what was asked for, kept while the case is incomplete.
            resume: go on in a folder whose examination was stopped; its custody chain goes on as well.

        Raises:
            CaseError: the folder exists, is being written to by another run, or cannot be made.
            VerificationError: the custody log of the folder to go on in is not a chain.
        """
        self._aside = None if resume else set_aside(folder, force=force)
        self._made = tuple(p for p in (folder, *folder.parents) if not p.exists())
        try:
            (folder / DATA / EXHIBITS).mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as exc:  # ValueError: a name with a NUL
            raise CaseError(
                f"{folder} cannot be created: {getattr(exc, 'strerror', None) or exc}.",
                hint="Choose another folder with -o.",
            ) from exc
        self.folder = folder
        self.actor = actor()
        self._command = command
        self._stage = ""
        self._closed = self._stopped = False
        self._lock = journal.hold(folder)
        self._asked = asked
        self._resumed = resume
        try:
            self._custody: list[CustodyEntry] = _chain(folder) if resume else []
        except BaseException:
            self.done()
            raise
        self._exhibits: dict[str, Exhibit] = {}
        self._began = self._custody[0].utc if self._custody else utc_now()
        try:
            self.stage("beginning")  # the mark comes first: from here on the folder says what it is, whatever happens
            self.log("examination resumed" if self._custody else "case folder opened", folder.name, "")
        except CaseError:
            if not resume:
                self._withdraw()
            self.done()
            raise

    @property
    def exhibits(self) -> tuple[Exhibit, ...]:
        return tuple(self._exhibits.values())

    @property
    def custody(self) -> tuple[CustodyEntry, ...]:
        return tuple(self._custody)

    def log(self, action: str, item: str, digest: str) -> None:
        """Append one link to the custody chain, on disk at once: nothing gathered is lost if the run stops.

        Raises:
            CaseError: the log cannot be written.
        """
        entry = following(tuple(self._custody), action, item, digest)
        path = self.folder / CUSTODY
        try:
            with path.open("ab") as stream:
                before = stream.tell()
                try:
                    stream.write(line(entry) + b"\n")
                    stream.flush()
                except OSError:
                    with contextlib.suppress(OSError):  # a full disk leaves half a line, which would break the chain
                        os.truncate(path, before)
                    raise
        except OSError as exc:
            raise CaseError(f"{path} cannot be written: {exc.strerror}.", hint="Free some space.") from exc
        self._custody.append(entry)

    def stage(self, name: str) -> None:
        """Say which stage is at work: what a stopped examination is found with."""
        if name != self._stage and not self._closed:
            self._stage = name
            self._mark()

    def ask(self, asked: dict[str, Any]) -> None:
        """Say anew what was asked for, where that was settled after the folder was made."""
        self._asked = asked
        self._mark()

    def _mark(self) -> None:
        self._write(Path(CASE).name, unfinished.mark(self._command, self._began, self._stage, self._asked))

    def watched(self, emit: Emit) -> Emit:
        """Progress on its way to the user, which on the way says which stage is at work."""

        def watch(event: Event) -> None:
            self.stage(event.stage)
            emit(event)

        return watch

    def receive(self, path: Path, item_id: str, role: str) -> tuple[Item, Image.Image]:
        """Take a file into evidence: read once, hash, store the bytes, then decode a copy.

        Raises:
            ImageError: the file cannot be read or decoded; the digest of what was read is in the custody log.
        """
        data = intake.read_bytes(path)
        name = os.fsencode(path.name).decode("utf-8", "backslashreplace")  # a name need not be text
        digest = sha256(data)  # before decoding: what is examined is what was received
        self.log(f"received as {role}", name, digest)
        decoded, png = ahead.taken(data, digest, name)
        kept = f"{EXHIBITS}/{digest}{SUFFIX.get(decoded.media_type, '.bin')}"
        self._write(kept, data)
        title = f"{role.capitalize()} image, working copy"
        exhibit = self.put(decoded.picture, item_id, title, "received", png=png)
        item = Item(
            id=item_id,
            role=role,
            file_name=name,
            sha256=digest,
            size_bytes=len(data),
            media_type=decoded.media_type,
            width=decoded.width,
            height=decoded.height,
            stored=kept,
            exhibit=exhibit.id,
            decoding=decoded.decoding,
            metadata=decoded.metadata,
            generator=decoded.generator,
            provenance=decoded.provenance,
        )
        return item, decoded.picture

    def as_received(self, item: Item) -> bytes:
        """The bytes of an item again, as they were hashed when it was received.

        Raises:
            CaseError: the folder holds others by now.
        """
        try:
            data = stored(self.folder, item.stored).read_bytes()
        except OSError as exc:
            raise CaseError(
                f"{item.stored} cannot be read: {exc.strerror}.", hint="Run the examination again."
            ) from exc
        if sha256(data) != item.sha256:
            raise CaseError(
                f"{item.stored} changed while the examination ran: it has another digest than what was received.",
                hint="Find out who writes to the case folder, and run the examination again.",
            )
        return data

    def put(
        self,
        picture: Image.Image,
        exhibit_id: str,
        title: str,
        made_by: str,
        *,
        seed: int | None = None,
        png: bytes | None = None,
    ) -> Exhibit:
        """Store a picture as PNG under its digest and enter it as an exhibit.

        Args:
            png: the same picture as `png_bytes` gives it, where that was done before.
        """
        if exhibit_id in self._exhibits:
            raise ValueError(f"exhibit {exhibit_id} was entered already")
        data = png_bytes(picture) if png is None else png
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
        self.log(STORED, name, digest)
        return FileDigest(name, digest, len(data))

    def fix(self, name: str, data: bytes) -> FileDigest:
        """As `put_file`, for what an examination must not change while it goes on.

        Raises:
            CaseError: an examination that is resumed was begun with another content.
        """
        path = stored(self.folder, name)
        if self._resumed and path.is_file() and file_sha256(path) != sha256(data):
            raise CaseError(
                f"The examination in {self.folder} cannot go on: it was begun with another {name}. Nothing that was "
                "gathered was changed.",
                hint="Use the release of forensics that began it, or start anew with --force.",
            )
        return self.put_file(name, data)

    def agree(self, parts: tuple[str, ...]) -> str:
        """Fix what the results of stages depend on, as `progress.agree`."""
        return progress.agree(self.folder, parts)

    def keep(self, name: str, identity: str, data: bytes) -> None:
        """Keep what a stage gave until the case is frozen. Raises CaseError where it cannot be written."""
        progress.put(self.folder, name, identity, data)

    def kept(self, name: str, identity: str) -> tuple[bytes, str] | None:
        """What a stage gave before the examination was stopped, and its digest; none where it is to be done."""
        try:
            return progress.get(self.folder, name, identity)
        except foreign.Unreadable:
            self.log("what was kept of a stage is damaged, it is done again", name, "")
            return None

    def enter_again(self, exhibits: tuple[Exhibit, ...]) -> bool:
        """Enter exhibits that were stored before the stop; nothing is entered where one of them is not there."""
        try:
            sound = all(file_sha256(stored(self.folder, e.path)) == e.sha256 for e in exhibits)
        except foreign.Unreadable:
            sound = False
        if not sound or any(e.id in self._exhibits for e in exhibits):
            return False
        self._exhibits |= {e.id: e for e in exhibits}
        return True

    def close(self, case: Case) -> str:
        """Write the frozen case in the place of its mark, let others write to the folder, and return its digest."""
        data = canonical(case)
        digest = sha256(data)
        path = self.folder / CASE
        part = journal.prepare(
            path, data
        )  # on the disk before the log says so: `settled` finishes what is stopped here
        self.log(FROZEN, path.name, digest)
        journal.settle(part, path)
        self._closed = True
        progress.remove(self.folder)
        self.done()
        return digest

    def stopped(self, why: BaseException) -> None:
        """Say in the custody log what ended the run, once; a folder in which nothing was gathered yet is taken away.

        An interruption leaves the folder, so that the examination can go on.
        """
        if self._stopped or (self._closed and ((self.folder / TAGS).exists() or journal.leftovers(self.folder))):
            return  # what is frozen and bound by manifests gets no line more
        self._stopped = True
        if not self._resumed and len(self._custody) == 1 and isinstance(why, Exception):
            self._withdraw()
            return
        with contextlib.suppress(CaseError):  # what stopped it may be what keeps the log from being written
            self.log(f"examination stopped: {type(why).__name__}", self.folder.name, "")

    def _withdraw(self) -> None:
        with contextlib.suppress(OSError):
            for name in (CASE, CUSTODY):
                (self.folder / name).unlink(missing_ok=True)
            (self.folder / DATA / EXHIBITS).rmdir()
            (self.folder / DATA).rmdir()
            for place in self._made:
                place.rmdir()
            if self._aside is not None:
                self._aside.rename(self.folder)

    def done(self) -> None:
        """Let other programs write to the folder."""
        journal.release(self._lock)
        self._lock = None

    def _write(self, relative: str, data: bytes) -> None:
        journal.write_file(stored(self.folder, relative), data)


@contextlib.contextmanager
def stops_on_record(ledger: Ledger) -> Iterator[None]:
    """Whatever ends the examination early, the custody log says so; the exhibits gathered stay."""
    try:
        yield
    except BaseException as exc:
        ledger.stopped(exc)
        raise
    finally:
        ledger.done()


def settled(folder: Path) -> bool:
    """Whether the case in a folder is frozen; a freezing that was stopped between log and case is finished.

    Raises:
        CaseError: the custody log says that a case was frozen, and it is not there.
    """
    with journal.locked(folder):
        try:
            data = foreign.read_json(folder / CASE, foreign.MIB * 256)
        except foreign.Unreadable:
            return False  # said by whoever reads it next
        if not unfinished.is_unfinished(data):
            return isinstance(data, dict) and data.get("type") == "Case"
        frozen = [e.sha256 for e in _entries(folder) if e.action == FROZEN]
        if not frozen:
            return False
        part = journal.part_of(folder / CASE)
        if not part.is_file() or file_sha256(part) != frozen[-1]:
            raise CaseError(
                f"The custody log of {folder} says that a case was frozen, and no such case is there.",
                hint="Start the examination anew with --force, which keeps this folder aside.",
            )
        journal.settle(part, folder / CASE)
        progress.remove(folder)
        return True


def _entries(folder: Path) -> list[CustodyEntry]:
    """The chain as it is, sound; none where the run was stopped before its first line."""
    if not (folder / CUSTODY).exists():
        return []
    entries = list(read_custody(folder, torn=True))
    check_chain(entries)
    return entries


def _chain(folder: Path) -> list[CustodyEntry]:
    """The chain of a stopped examination, sound; half a line at its end and half-written files are removed."""
    entries = _entries(folder)
    journal.write_file(folder / CUSTODY, custody_lines(tuple(entries)))
    for name in journal.parts(folder):
        (folder / name).unlink(missing_ok=True)
    return entries


def _holds_something(folder: Path) -> bool:
    """Whether there is anything but empty folders, as a run leaves that was stopped before its first file."""
    return any(p.is_symlink() or not p.is_dir() for p in folder.rglob("*"))


def set_aside(folder: Path, *, force: bool) -> Path | None:
    """Move a folder that is in the way; where it lies then, none where there was none.

    Raises:
        CaseError: `force` is not set, or it is no case folder.
    """
    try:
        there = folder.exists() and (
            not folder.is_dir() or any(p.is_symlink() or not p.is_dir() for p in folder.rglob("*"))
        )
    except (OSError, ValueError) as exc:
        raise CaseError(
            f"{folder} cannot be examined: {getattr(exc, 'strerror', None) or exc}.",
            hint="Choose another folder with -o.",
        ) from exc
    if not there:
        return None
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
    with journal.locked(folder):
        for number in range(1, 10_000):
            candidate = folder.with_name(f"{folder.name}.kept-{number}")
            if not candidate.exists():
                folder.rename(candidate)
                return candidate
    raise CaseError(f"{folder} has too many kept copies.", hint="Move some of them elsewhere.")
