"""Every domain type, frozen, on the standard library alone.

A `Case` is what an examination produced: everything a reader of the report sees is a pure function of it. Ids are the
tags printed in the report (`Q1` disputed image, `R1` original, `N1` neighbour, `A1` autoencoder round trip, `I1`
inversion, `G1` regeneration, `C1` control). Collections are tuples; absence is a value with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from forensics.case.correspondence import Correspondence, outcomes_before, outcomes_today
from forensics.case.finding import Assessment, Finding
from forensics.case.ladder import Inversion, LedgerRow, RateCurve
from forensics.case.measurement import Comparison, ControlFacts, Measurement, Metric, NotMeasured
from forensics.case.model import NO_ORIGIN_STAGE, Checkpoint, Origin
from forensics.case.received import (
    Absent,
    CheckByOthers,
    CustodyEntry,
    Exhibit,
    Fact,
    FileDigest,
    Item,
    Matter,
    Setting,
)
from forensics.case.training import NO_STYLE, IndexFacts, Neighbour, Search, Style
from forensics.case.validation import NO_VALIDATION, AnnouncedRates, ValidationFacts

SCHEMA = 3
"""Version of the serialised form that is written."""
BEFORE_GRADED = 2
"""Version in which the strongest outcomes had names that name a right."""
READ = (BEFORE_GRADED, SCHEMA)
"""Versions that are read; a reader refuses any other by name."""


@dataclass(frozen=True, slots=True)
class Case:
    """The whole examination. Construction fails on a dangling citation or a duplicate id."""

    schema: int
    """Version of the serialised form: of the file that it was read from, else of those written today."""
    id: str
    """UUID derived from the inputs' digests and the settings: the same examination has the same id."""
    created: str
    """UTC, ISO 8601, seconds."""
    tool: Fact
    """Name and version of the software."""
    command: str
    """`analyze` or `compare`."""
    protocol: FileDigest
    """The protocol parameters, hashed before the run."""
    matter: Matter
    disputed: str
    """Item id."""
    items: tuple[Item, ...]
    checkpoint: Checkpoint | Absent
    index: IndexFacts | Absent
    controls: ControlFacts | Absent
    exhibits: tuple[Exhibit, ...]
    neighbours: tuple[Neighbour, ...]
    inversions: tuple[Inversion, ...]
    metrics: tuple[Metric, ...]
    measurements: tuple[Measurement | NotMeasured, ...]
    comparisons: tuple[Comparison, ...]
    assessments: tuple[Assessment, ...]
    findings: tuple[Finding, ...]
    absences: tuple[Absent, ...]
    """Everything not measured or not at hand, with reasons."""
    settings: tuple[Setting, ...]
    environment: tuple[Fact, ...]
    custody: tuple[CustodyEntry, ...]
    """The chain up to the moment the case was frozen; `custody.jsonl` goes on from there."""
    validation: ValidationFacts | Absent = NO_VALIDATION
    """The known error rates that the findings rest on."""
    curves: tuple[RateCurve, ...] = ()
    """Bits against nearness: of the checkpoint, of the control checkpoint, of the controls, of codecs."""
    ledger: tuple[LedgerRow, ...] = ()
    """One row a rung that was run on the controls too, by rising supplied bits."""
    origin: Origin | Absent = NO_ORIGIN_STAGE
    """What bears on whether the checkpoint made the disputed image."""
    correspondences: tuple[Correspondence, ...] = ()
    """The disputed image laid over every work it was compared with, in the order of the assessments."""
    control_correspondence: Correspondence | None = None
    """The same comparison for the control nearest by the primary measurement of derivation, to be seen beside it."""
    style: Style | Absent = NO_STYLE
    """Resemblance in style; it stands apart from every finding."""
    search: Search | None = None
    """How the index was searched; none where there was no index."""
    checks: tuple[CheckByOthers, ...] = ()
    """Checks that others made and somebody handed in; nothing rests on them."""
    trust: tuple[FileDigest, ...] = ()
    """Lists of trusted issuers against which Content Credentials were held, in the order given."""

    announced: AnnouncedRates | Absent | None = None
    """How often examinations of works never trained on set them apart; none where no checkpoint was examined, and in
    cases before version 3."""

    def __post_init__(self) -> None:
        exhibits = _unique([e.id for e in self.exhibits], "exhibit")
        items = _unique([i.id for i in self.items], "item")
        metrics = _unique([m.name for m in self.metrics], "metric")
        measured = _unique([m.id for m in self.measurements], "measurement")
        compared = _unique([c.id for c in self.comparisons], "comparison")
        _unique([i.id for i in self.inversions], "inversion")
        _unique([f.id for f in self.findings], "finding")
        _require({self.disputed}, items, "disputed item")
        _require({i.exhibit for i in self.items}, exhibits, "working copy")
        _require({n.exhibit for n in self.neighbours if n.exhibit}, exhibits, "neighbour exhibit")
        for inversion in self.inversions:
            cited = {*inversion.outputs, *inversion.maps, *filter(None, (inversion.best, inversion.median))}
            _require(cited, exhibits, f"output of {inversion.id}")
        for m in self.measurements:
            _require({m.a, m.b}, exhibits, f"exhibit of measurement {m.id}")
            _require({m.metric}, metrics, f"metric of measurement {m.id}")
        _unique([c.id for c in self.correspondences], "correspondence")
        for c in (*self.correspondences, *filter(None, (self.control_correspondence,))):
            _require({c.work, *c.figures, *filter(None, (c.laid,))}, exhibits, f"exhibit of correspondence {c.id}")
        if isinstance(self.style, Style):
            cited = {p.exhibit for p in self.style.palettes} | {w.work for m in self.style.measures for w in m.works}
            _require(cited, exhibits, "exhibit of the style page")
        for a in self.assessments:
            _require({a.work}, exhibits, f"work of assessment {a.id}")
            _require(set(a.cites), measured, f"citation of assessment {a.id}")
        for f in self.findings:
            _require(set(f.cites), measured | compared, f"citation of finding {f.id}")
        _unique([k.id for k in self.checks], "check")
        _require({k.item for k in self.checks}, items, "item checked by others")
        climbed = {i.id for i in self.inversions}
        _require({row.inversion for row in self.ledger if row.inversion}, climbed, "inversion of the ledger")

    @staticmethod
    def as_read(wire: dict[str, Any]) -> dict[str, Any]:
        """Today's wire form; see `forensics.schema.Versioned`."""
        if wire.get("schema") != BEFORE_GRADED:
            return wire
        if "announced" in wire:
            raise ValueError("unknown field 'announced'")
        return {**outcomes_today(wire), "announced": None}

    @staticmethod
    def as_written(wire: dict[str, Any]) -> dict[str, Any]:
        """The wire form of the version that it names."""
        if wire["schema"] != BEFORE_GRADED:
            return wire
        return {name: value for name, value in outcomes_before(wire).items() if name != "announced"}

    def exhibit(self, exhibit_id: str) -> Exhibit:
        """The exhibit with this tag. Raises KeyError."""
        for exhibit in self.exhibits:
            if exhibit.id == exhibit_id:
                return exhibit
        raise KeyError(exhibit_id)

    def item(self, item_id: str) -> Item:
        """The item with this tag. Raises KeyError."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise KeyError(item_id)

    @property
    def asked(self) -> str:
        """Exhibit id of the picture that retention is asked of, and the ladder climbed with."""
        return self.origin.gate.target if isinstance(self.origin, Origin) else self.item(self.disputed).exhibit

    @property
    def demonstration(self) -> bool:
        """Whether the embedded reference checkpoint was examined."""
        return isinstance(self.checkpoint, Checkpoint) and self.checkpoint.demonstration


def _unique(ids: list[str], what: str) -> set[str]:
    seen: set[str] = set()
    for i in ids:
        if i in seen:
            raise ValueError(f"two {what}s share the id {i!r}")
        seen.add(i)
    return seen


def _require(cited: set[str], known: set[str], what: str) -> None:
    if dangling := sorted(cited - known):
        raise ValueError(f"{what}: no such id {', '.join(map(repr, dangling))}")
