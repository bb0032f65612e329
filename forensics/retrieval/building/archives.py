"""Tar files of samples: pictures with their words as members, as img2dataset and WebDataset write them.

Members belong to one sample whose names agree up to the first dot: `00001.jpg`, `00001.txt`, or with columns,
`00001.input.jpg`, `00001.mask.png`, `00001.outputs.txt`. Where the parts behind the first dot are names and no columns
(`a.house.jpg`, `a.hare.jpg`), the suffix alone is cut off.
"""

from __future__ import annotations

import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from forensics.errors import IndexError_
from forensics.retrieval.building.entries import is_picture
from forensics.retrieval.building.places import Place
from forensics.retrieval.building.side_files import TEXTS, caption, document

ARCHIVES = (".tar", ".tar.gz", ".tgz")
_SHOWN = 4
_COLUMNS = 8
"""More kinds of names behind the first dot than this are names."""
_NOT_THE_PICTURE = ("mask", "seg", "depth", "cond", "control", "latent", "thumb", "pose", "edge", "normal", "alpha")
_WORDS = ("caption", "txt", "text", "prompt", "outputs", "title")


@dataclass(slots=True)
class Sample:
    """One picture of an archive with the words of its sample."""

    name: str
    """Below the source: `<archive>/<member>`."""
    read: Callable[[], bytes]
    row: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    unreadable: str = ""
    """Why its words could not be read."""
    nothing: str = ""
    """Why the sample gives no picture; empty where it does."""
    more: tuple[str, ...] = ()
    """Further pictures of the sample, which are not looked at."""


def is_archive(name: str) -> bool:
    """Whether a file is a tar file by its name."""
    return name.lower().endswith(ARCHIVES) and not PurePosixPath(name).name.startswith("._")


def stem(name: str) -> str:
    """Name of an archive without its suffix."""
    lowered = name.lower()
    return next((name[: -len(suffix)] for suffix in ARCHIVES if lowered.endswith(suffix)), name)


@contextmanager
def samples(place: Place, name: str) -> Iterator[dict[str, Sample]]:
    """The samples of a tar file by key, to be read while it is open. Raises IndexError_ where it is not readable."""
    with ExitStack() as stack:
        archive, files = opened(stack, place, name, "r")
        yield _samples(archive, files, name)


def _samples(
    archive: tarfile.TarFile, files: list[tuple[tarfile.TarInfo, PurePosixPath]], name: str
) -> dict[str, Sample]:
    columns = _has_columns([inside for _, inside in files])
    groups: defaultdict[str, list[tuple[str, tarfile.TarInfo, PurePosixPath]]] = defaultdict(list)
    for member, inside in files:
        key, rest = _parted(inside, columns)
        groups[key].append((rest, member, inside))
    found: dict[str, Sample] = {}
    for key, members in groups.items():
        pictures = sorted((m for m in members if is_picture(m[2].name)), key=lambda m: _rank(m[0]))
        if pictures:
            chosen = pictures[0]
            sample = Sample(f"{name}/{chosen[2].as_posix()}", partial(_extract, archive, chosen[1]))
            sample.more = tuple(m[2].name for m in pictures[1:])
            _words(archive, members, sample)
            found[key] = sample
        else:
            said = ", ".join(m[2].name for m in members[:_SHOWN]) + (" …" if len(members) > _SHOWN else "")
            first = members[0]
            reason = f"the sample holds no picture that is read: {said}"
            found[key] = Sample(f"{name}/{first[2].as_posix()}", partial(_extract, archive, first[1]), nothing=reason)
    return found


def _has_columns(inside: list[PurePosixPath]) -> bool:
    """Whether the parts behind the first dot are columns: a few kinds of them, each at several samples."""
    kinds = Counter(path.name.partition(".")[2] for path in inside if path.name.count(".") > 1)
    samples_ = len({(path.parent, path.name.partition(".")[0]) for path in inside})
    return bool(kinds) and len(kinds) <= _COLUMNS and (samples_ == 1 or min(kinds.values()) * 2 >= min(samples_, 4))


def _parted(path: PurePosixPath, columns: bool) -> tuple[str, str]:
    """(key of the sample, kind of member)"""
    if columns:
        base, _, rest = path.name.partition(".")
        return (path.parent / base).as_posix(), rest
    if is_picture(PurePosixPath(path.stem).as_posix()) and path.suffix.lower() in (*TEXTS, ".json"):
        return path.with_suffix("").with_suffix("").as_posix(), path.suffix[1:]  # NAME.jpg.txt beside NAME.jpg
    return path.with_suffix("").as_posix(), path.suffix[1:]


def _rank(kind: str) -> tuple[bool, bool, str]:
    """Order of the pictures of one sample: plain ones, then inputs, then what is named for another purpose."""
    lowered = kind.lower()
    return any(word in lowered for word in _NOT_THE_PICTURE), "." in kind and "input" not in lowered, lowered


def _words(archive: tarfile.TarFile, members: list[tuple[str, tarfile.TarInfo, PurePosixPath]], sample: Sample) -> None:
    texts = []
    for kind, member, inside in members:
        try:
            if inside.suffix.lower() == ".json":
                sample.row |= document(_extract(archive, member), inside.name)
            elif inside.suffix.lower() in TEXTS:
                texts.append((kind, member))
        except (OSError, ValueError) as exc:
            sample.unreadable = f"its member {inside.name} is not readable: {exc}"
    order = sorted(texts, key=lambda t: next((n for n, w in enumerate(_WORDS) if w in t[0].lower()), len(_WORDS)))
    for _, member in order[:1]:
        text, remark = caption(_extract(archive, member))
        if text:
            sample.row["caption"] = text
        if remark:
            sample.remarks.append(remark)


@contextmanager
def packed_pictures(place: Place, name: str) -> Iterator[dict[str, tuple[str, Callable[[], bytes]]]]:
    """Pictures of a tar file by key, to be read while it is open. Raises IndexError_ where it is not readable."""
    with samples(place, name) as found:
        yield {key: (sample.name, sample.read) for key, sample in found.items() if not sample.nothing}


def packed_places(place: Place, name: str) -> dict[str, tuple[int, int]]:
    """Where in a tar file its pictures lie, by key: (first byte, length). Raises as `packed_pictures` does."""
    with ExitStack() as stack:
        _, files = opened(stack, place, name, "r:")  # in a compressed one places mean nothing
        return {
            inside.stem: (member.offset_data, member.size)
            for member, inside in files
            if is_picture(inside.name) and not member.issparse()
        }


def opened(
    stack: ExitStack, place: Place, name: str, mode: Literal["r", "r:"]
) -> tuple[tarfile.TarFile, list[tuple[tarfile.TarInfo, PurePosixPath]]]:
    """An archive and its files. Raises IndexError_ where it is not readable."""
    try:
        stream = stack.enter_context(place.open(name))
        archive = stack.enter_context(tarfile.open(fileobj=stream, mode=mode))  # noqa: SIM115 - closed by the stack
        return archive, [(m, PurePosixPath(m.name)) for m in archive.getmembers() if m.isfile()]
    except (OSError, tarfile.TarError, EOFError) as exc:
        raise IndexError_(f"{place}/{name} is not a readable tar file: {exc}.", hint="Obtain the shard again.") from exc


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    if stream is None:
        raise OSError(f"{member.name} is not a file")
    return stream.read()
