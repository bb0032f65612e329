"""The measurements of a case repeated from its own exhibits, and compared with what it states.

`verify` shows that a folder is the one that was written; this shows that what was written is what the program measures.
The files as received are taken from the folder, the checkpoint, the index and the controls from where the case says
they lie, or from where the reader says, and their digests must be the stated ones. Numbers may differ by the tolerance
of the protocol, the one that stored scores are held against; words, counts and ranks may not differ.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from forensics import examination, foreign, weights
from forensics.case import Absent, Case, Checkpoint, ControlFacts, IndexFacts
from forensics.controls import cache
from forensics.errors import CaseError, CheckpointError, RerunError
from forensics.events import Emit, ignore
from forensics.folder import Ledger, file_sha256, load, stored
from forensics.overlay.glued import Glued
from forensics.protocol import PROFILES
from forensics.schema import encode
from forensics.settings import GIVEN, Resolved, Settings, resolve
from forensics.stages import open as opened
from forensics.stages.declared import declared

COMPARED = (
    "neighbours",
    "inversions",
    "measurements",
    "comparisons",
    "curves",
    "origin",
    "ledger",
    "correspondences",
    "control_correspondence",
    "style",
    "assessments",
    "findings",
    "absences",
    "announced",
)
"""Fields of a case that are results."""
TIMES = ("seconds",)
"""Fields in them that are times."""
_SHOWN = 12
_CONSTANT = "controls.cache.TOLERANCE"
_FLOOR = 1e-6
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


@dataclass(slots=True)
class Compared:
    """Two documents beside each other."""

    tolerance: float
    """Relative difference that numbers may have."""
    numbers: int = 0
    largest: float = 0.0
    differences: list[str] = field(default_factory=list)

    def values(self, stated: Any, found: Any, where: str) -> None:
        """Compare two plain JSON values and what is in them."""
        if isinstance(stated, dict) and isinstance(found, dict) and stated.keys() == found.keys():
            for key in stated:
                if key not in TIMES:
                    self.values(stated[key], found[key], f"{where}, {key}")
        elif isinstance(stated, list) and isinstance(found, list):
            self._rows(stated, found, where)
        elif isinstance(stated, str) and isinstance(found, str):
            self._words(stated, found, where)
        elif _is_number(stated) and _is_number(found):
            self._number(stated, found, where)
        elif stated != found:
            self.differences.append(f"{where}: {_said(stated)} in the case, {_said(found)} now")

    def _rows(self, stated: list[Any], found: list[Any], where: str) -> None:
        if len(stated) != len(found):
            self.differences.append(f"{where}: {len(stated)} in the case, {len(found)} now")
        for number, (a, b) in enumerate(zip(stated, found, strict=False), 1):
            self.values(a, b, f"{where} {_called(a, number)}")

    def _number(self, stated: float, found: float, where: str) -> None:
        self.numbers += 1
        off = abs(stated - found) / max(abs(stated), abs(found), _FLOOR)
        self.largest = max(self.largest, off)
        exact = isinstance(stated, int) and isinstance(found, int)
        if stated != found and (exact or off > self.tolerance):
            self.differences.append(f"{where}: {stated:g} in the case, {found:g} now")

    def _words(self, stated: str, found: str, where: str) -> None:
        """Sentences hold rounded numbers, whose last digit may turn."""
        same = _NUMBER.sub("", stated) == _NUMBER.sub("", found)
        pairs = zip(_NUMBER.findall(stated), _NUMBER.findall(found), strict=False)
        if stated != found and not (same and all(_near(a, b, self.tolerance) for a, b in pairs)):
            self.differences.append(f"{where}: {_said(stated)} in the case, {_said(found)} now")


def rerun(folder: Path, given: Mapping[str, Any] | None = None, emit: Emit = ignore) -> Iterator[str]:
    """Repeat the measurements of a case and compare; a sentence for each part found to agree.

    Args:
        folder: the case folder, verified; nothing is written to it.
        given: settings by name that say where inputs lie here: `checkpoint`, `index`, `controls` and the like.
        emit: told of progress.

    Raises:
        RerunError: what was measured is not what the case states; the message names what differs.
        CheckpointError: the checkpoint that the case names is not to be had.
        CaseError: the case was made under another protocol than that of this release.
        ForensicsError: as the examination.
    """
    case = load(folder)
    resolved = _resolved(case, folder, given or {})
    tolerance = _tolerance(folder, case, resolved.settings)
    _further(case)
    if case.command == "analyze":
        _same_checkpoint(case, resolved.settings)
    with tempfile.TemporaryDirectory(prefix="rerun-") as work:
        found = _repeated(case, folder, resolved, Path(work), emit)
        _same_inputs(case, found)
        compared = Compared(tolerance)
        for name in COMPARED:
            compared.values(encode(getattr(case, name)), encode(getattr(found, name)), name.replace("_", " "))
    if compared.differences:
        raise RerunError(_named(compared), hint=_hint(case, found))
    yield (
        f"Rerun: the measurements were repeated from the {len(case.items)} files as received in the folder; "
        f"{compared.numbers:,} numbers and every word of the results agree. Largest relative difference "
        f"{compared.largest:.1g}, allowed {tolerance:g} ({_CONSTANT} of the protocol)."
    )
    equal = {(e.id, e.pixel_sha256) for e in case.exhibits} & {(e.id, e.pixel_sha256) for e in found.exhibits}
    yield f"Rerun: {len(equal)} of {len(case.exhibits)} exhibits are the same, pixel by pixel."
    yield from (f"Rerun, {fact.name}: {fact.value}." for fact in found.environment if fact.name == "control scores")


def _repeated(case: Case, folder: Path, resolved: Resolved, work: Path, emit: Emit) -> Case:
    """The case that the same files give now."""
    paths = []
    for item in case.items:
        path = work / item.id / (Path(item.file_name).name or item.id)
        path.parent.mkdir(parents=True)
        path.write_bytes(stored(folder, item.stored).read_bytes())
        if file_sha256(path) != item.sha256:
            raise CaseError(f"{item.stored} is not what the case received.", hint="Run `forensics verify` first.")
        paths.append(path)
    image, *originals = paths
    settings = replace(resolved.settings, originals=tuple(map(str, originals)))
    resolved = Resolved(settings, case.matter, resolved.rows)
    ledger = Ledger(work / "case", command=case.command)
    try:
        further = _further(case)
        if case.command == "compare":
            return examination.compared(image, tuple(originals), ledger, resolved, emit, further=further)
        return examination.examined(image, ledger, resolved, emit, further=further)
    finally:
        ledger.done()


def _resolved(case: Case, folder: Path, given: Mapping[str, Any]) -> Resolved:
    """The settings of the case, as its table states them, with what the reader says of where things lie."""
    rows = {row.name: row.value for row in case.settings if row.source in GIVEN}
    rows |= {r.name: r.value for r in case.settings if r.name == "profile"}
    flags: dict[str, Any] = {}
    for kind in fields(Settings):
        text = rows.get(kind.name)
        if text is None or kind.name == "originals" or text == "not given":
            continue
        if isinstance(kind.default, tuple):
            flags[kind.name] = _captions(case, text) if kind.name in _WORDS else _listed(text)
        else:
            flags[kind.name] = int(text) if isinstance(kind.default, int) or kind.name == "size" else text
    flags.pop("check_by_others", None)  # statements of others are no results, and nothing of them is measured
    flags["c2pa_trust"] = tuple(str(stored(folder, one.path)) for one in case.trust)
    return resolve(flags | {name: value for name, value in given.items() if value not in (None, ())})


def _listed(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(text.split("; "))


def _captions(case: Case, text: str) -> tuple[str, ...]:
    """Captions as they were given: the table joins them, and one may hold what joins them."""
    prompts, pieces = {row.prompt for row in case.inversions}, _listed(text)
    found: list[str] = []
    while pieces:
        longest = next((n for n in range(len(pieces), 0, -1) if "; ".join(pieces[:n]) in prompts), 1)
        found.append("; ".join(pieces[:longest]))
        pieces = pieces[longest:]
    return tuple(found)


def _tolerance(folder: Path, case: Case, settings: Settings) -> float:
    """What the protocol of the case allows. Raises CaseError where this release measures by another protocol."""
    now = declared(PROFILES[settings.profile])
    if now.digest != case.protocol.sha256:
        raise CaseError(
            f"The case was made by {case.tool.name} {case.tool.value} under another protocol than that of this "
            "release, so that its measurements cannot be repeated here.",
            hint="Use the release that the case names under 'tool'.",
        )
    try:
        rows = foreign.read_json(stored(folder, case.protocol.path), 16 * foreign.MIB)["constants"]
        return float(next(row["value"] for row in rows if row["name"] == _CONSTANT))
    except (foreign.Unreadable, KeyError, TypeError, ValueError, StopIteration):
        return cache.TOLERANCE


def _further(case: Case) -> bool:
    """Whether the case was compared with a further source of alignments, which must then be the same one here: what
    was measured without it is repeated without it, and the other way round. Raises RerunError."""
    stated = next((fact.value for fact in case.environment if fact.name == Glued.role), "")
    row = weights.TABLE[Glued.row]
    if stated and (stated != Glued.stated(row.sha256) or weights.find(row.file) is None):
        raise RerunError(
            f"The case was compared with a further source of alignments, {stated}, which is not at hand here.",
            hint=f"Run `forensics weights fetch {row.name}`. If the version is another, use the release of the case.",
        )
    return bool(stated)


def _same_checkpoint(case: Case, settings: Settings) -> None:
    """Before anything is measured: minutes are not spent on another checkpoint."""
    stated = case.checkpoint
    if not isinstance(stated, Checkpoint):
        return
    found = opened.identify(settings)
    if found.digest != stated.digest:
        raise CheckpointError(
            f"{found.name} has the digest {found.digest}; the case was made with {stated.name}, {stated.digest}.",
            hint="Name the checkpoint of the case with --checkpoint.",
        )


def _same_inputs(case: Case, found: Case) -> None:
    """Index, controls and validation record, by their digests. Raises RerunError."""
    pairs = {
        "training index": (_digest(case.index), _digest(found.index)),
        "control works": (_digest(case.controls), _digest(found.controls)),
    }
    for what, (stated, now) in pairs.items():
        if stated != now:
            raise RerunError(
                f"The {what} of the case, {stated or 'none'}, and of the rerun, {now or 'none'}, are not the same.",
                hint="Name those of the case with --index, --clip and --controls.",
            )


def _digest(facts: IndexFacts | ControlFacts | Absent) -> str:
    return "" if isinstance(facts, Absent) else facts.digest


def _named(compared: Compared) -> str:
    first = "; ".join(compared.differences[:_SHOWN])
    more = len(compared.differences) - _SHOWN
    rest = f"; and {more} more" if more > 0 else ""
    return (
        f"The measurements, repeated, are not those of the case in {len(compared.differences)} places (allowed "
        f"relative difference {compared.tolerance:g}): {first}{rest}."
    )


def _hint(case: Case, found: Case) -> str:
    """What a reader should look at first."""
    before, now = ({f.name: f.value for f in one.environment} for one in (case, found))
    changed = [f"{name} {before[name]}, now {now[name]}" for name in before.keys() & now.keys() if name in _MEANS]
    differing = sorted(row for row in changed if row.split(" ", 1)[1].split(", now ")[0] != row.split(", now ")[1])
    if differing:
        return f"The means differ too: {'; '.join(differing)}. Repeat it with those of the case before concluding."
    return "Either the case was changed before it was sealed, or the program is not the one that made it."


_WORDS = ("captions", "reworded", "generic")
"""Settings that are prompts."""
_MEANS = ("device", "precision", "torch", "diffusers", "transformers", "numpy", "pillow")


def _called(value: Any, number: int) -> str:
    if not isinstance(value, dict):
        return str(number)
    name = str(value.get("id") or value.get("control") or value.get("exhibit") or number)
    pair = f" ({value['metric']}, {value['a']} and {value['b']})" if {"metric", "a", "b"} <= value.keys() else ""
    return f"{name}{pair}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(a: str, b: str, tolerance: float) -> bool:
    """Whether two numbers as printed are the same but for the tolerance and one unit of the last digit."""
    x, y = (float(text.replace(",", "")) for text in (a, b))
    mantissa = a.partition("e")[0].partition(".")[2]
    step = 10.0 ** -len(mantissa) if "." in a else 0.0
    return abs(x - y) <= max(1.01 * step, tolerance * max(abs(x), abs(y)) if "." in a else 0.0)


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
