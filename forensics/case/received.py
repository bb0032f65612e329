"""What was received: files, exhibits, settings, matter, custody; and absence as a value with a reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that was not measured or is not at hand. It is printed with its reason, never left blank."""

    what: str
    """What is missing, as a noun phrase: "training index"."""
    reason: str
    """Why, as a full sentence."""
    remedy: str = ""
    """What would supply it, as a full sentence; empty where nothing would."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A named fact printed verbatim: a parameter, a version, a metadata entry."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file named and hashed."""

    path: str
    """Relative, with forward slashes."""
    sha256: str
    """Hexadecimal, of the bytes as they are on disk."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture in evidence, stored as `exhibits/<sha256><suffix>` in the case folder."""

    id: str
    """Tag printed in the report, unique in the case."""
    sha256: str
    """Of the stored bytes."""
    pixel_sha256: str
    """Of the decoded 8-bit RGB pixels, row by row: survives a change of container."""
    path: str
    """Inside the case folder, with forward slashes."""
    media_type: str
    width: int
    height: int
    title: str
    """What the picture is, in words for a reader."""
    made_by: str
    """`received`, or the method and version that produced it: "inversion.ode@1"."""
    seed: int | None = None
    """Seed of the random draw it was made from; none where nothing was drawn."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file received for examination. The bytes as received are stored and hashed before anything decodes them."""

    id: str
    role: str
    """`disputed` or `original`."""
    file_name: str
    sha256: str
    size_bytes: int
    media_type: str
    width: int
    """Pixels as stored, before the EXIF orientation is applied."""
    height: int
    stored: str
    """Path of the bytes as received inside the case folder."""
    exhibit: str
    """Id of the working copy: upright, sRGB, 8-bit RGB."""
    decoding: tuple[str, ...]
    """What was done to obtain the working copy, one sentence each: orientation, colour profile, alpha."""
    metadata: tuple[Fact, ...]
    """Embedded metadata, verbatim: "the file states"."""
    generator: tuple[Fact, ...]
    """Metadata that image generators write (prompt, seed, sampler, model); forgeable, like all metadata."""
    provenance: tuple[Fact, ...] = ()
    """Content Credentials (C2PA) with the result of their validation, and unsigned statements of the source."""


@dataclass(frozen=True, slots=True)
class CheckByOthers:
    """What somebody else found with means that this program does not have, as it was handed in. It is the word of
    whoever is named: it was neither made nor repeated here, and no measurement, rank or finding depends on it."""

    id: str
    """Tag printed in the report: `K1`."""
    item: str
    """Id of the file that was checked."""
    tool: str
    """What it was checked with: "SynthID Detector"."""
    version: str
    by: str
    """Who checked."""
    on: str
    """The day, ISO 8601."""
    where: str
    """Place or address."""
    result: str
    """In the words of the statement."""
    same_bytes: bool
    """Whether the statement names the digest of the file received; if not, which bytes were checked is not stated."""
    file_name: str
    """Of the capture; empty where there is none."""
    capture: FileDigest | Absent
    """The result as it was shown, stored in the case folder."""


@dataclass(frozen=True, slots=True)
class CustodyEntry:
    """One link of the hash chain in `custody.jsonl`."""

    seq: int
    utc: str
    actor: str
    action: str
    item: str
    sha256: str
    """Digest of the item after the action, or the one that the action names; empty where it concerns no file."""
    previous: str
    """Digest of the previous line; 64 zeros for the first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that was in force, and where it came from."""

    name: str
    value: str
    source: str
    """`default`, `case file` or `command line`."""


@dataclass(frozen=True, slots=True)
class Examiner:
    """What only the person who answers for the examination can say, as the case file gives it; empty where nothing."""

    qualifications: str = ""
    publications: str = ""
    testimony: str = ""
    compensation: str = ""
    conflicts: str = ""
    supervision: str = ""
    operator: str = ""
    """Who ran the program, where that is another person."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What the case file says about the proceedings. Every field may be empty: a person fills it in."""

    reference: str = ""
    court: str = ""
    title: str = ""
    claimant: str = ""
    respondent: str = ""
    instructed_by: str = ""
    examiner: str = ""
    questions: tuple[str, ...] = ()
    instructions: str = ""
    """What the examiner was asked to do, and on which assumptions."""
    provenance: str = ""
    """How, when and from whom each item was obtained, and its custody before the examination."""
    jurisdiction: str = ""
    """Name of a pack in `forensics.jurisdictions`; empty for the general form."""
    person: Examiner = Examiner()
