"""What a collection came to, as it is written to `outputs.json`: all that pages and tables show, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from forensics.case import Absent, Fact, Outcome, outcomes_before, outcomes_today
from forensics.outputs.check import Deviation
from forensics.outputs.log import Result
from forensics.outputs.plan import PromptClass
from forensics.report.sections.explanations import Explanation
from forensics.statistics.discrimination import Rate

SCHEMA = "outputs 2"
BEFORE_GRADED = "outputs 1"
"""Version in which the strongest outcomes had names that name a right."""
FILE = "outputs.json"
COPY = (Outcome.THROUGHOUT, Outcome.PARTLY)
"""The words of the overlay that make a hit."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture laid over one work."""

    work: str
    outcome: Outcome
    agreement: float
    """Share of what could agree in the overlap that does, of the best part; 0 where nothing could be laid."""
    cosine: float | None
    """Of the copy descriptor; None without one."""
    aimed: bool
    """Whether the prompt aims at this work; the others are the nearest by the descriptor."""

    @property
    def hit(self) -> bool:
        return self.outcome in COPY


@dataclass(frozen=True, slots=True)
class Try:
    """One row of the log, and what came of it."""

    line: int
    number: int
    time: str
    """UTC, ISO 8601."""
    service: str
    version: str
    account: str
    seed: str
    prompt: str
    """As sent."""
    prompt_id: str
    prompt_class: PromptClass | None
    image_prompt: str
    works: tuple[str, ...]
    """What the prompt aims at; empty where it aims at none of them."""
    result: Result
    file: str
    sha256: str
    """Of the file; empty where there is none."""
    counts: bool
    why_not: str
    judged: tuple[Judged, ...]
    picture: str
    """What came, as a PNG in the folder; only of pictures that correspond to a work or control."""

    @property
    def hits(self) -> tuple[str, ...]:
        """Works and controls that the picture corresponds to."""
        return tuple(one.work for one in self.judged if one.hit)


@dataclass(frozen=True, slots=True)
class Cell:
    """Tries of one version with prompts of one class that aim at one work."""

    service: str
    version: str
    prompt_class: PromptClass
    work: str
    """Empty for prompts that aim at none: there any work is a hit."""
    control: bool
    """Whether the work is a control work."""
    prompts: int
    """Distinct prompts among the tries."""
    rate: Rate
    """Hits of all tries, the refused and failed ones among them."""
    of_pictures: Rate
    """Hits of the pictures given."""
    throughout: int
    """Hits that correspond throughout."""
    refused: int
    failed: int
    expected: float | None
    """Tries to a first hit, on average, at this rate; None without a hit."""
    expected_low: float
    """By the upper end of the interval of the rate: fewer tries are not to be expected."""
    expected_high: float | None
    """By the lower end; None where that is 0."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """All tries of one version with prompts of one class: at works, and at controls by the same protocol."""

    service: str
    version: str
    prompt_class: PromptClass
    works: Rate
    works_throughout: int
    """Of these hits, those that correspond throughout; likewise below."""
    controls: Rate
    controls_throughout: int
    works_hit: Rate
    """Works hit at least once, of those aimed at."""
    controls_hit: Rate


@dataclass(frozen=True, slots=True)
class Given:
    """What one version gave and refused, whatever was asked."""

    service: str
    version: str
    tries: int
    refused: Rate
    failed: Rate
    hits: Rate
    """Tries that count, at works put forward and with words alone, that hit what they aim at."""
    throughout: Rate
    """As `hits`, of pictures that correspond throughout alone."""
    supplied: Rate
    """As `hits`, of tries with a picture as input."""
    logged: Rate
    """As `hits`, of everything logged, whether it counts or not."""


@dataclass(frozen=True, slots=True)
class OffAim:
    """A work hit by prompts that do not aim at it."""

    work: str
    control: bool
    tries: int
    """Tries that count, gave a picture and do not aim at the work."""
    lines: tuple[int, ...]
    """Of the log."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A work or control put forward."""

    id: str
    caption: str
    sha256: str
    control: bool
    picture: str
    """As a PNG in the folder; only where something corresponds to it."""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The plan that the log was held against."""

    title: str
    digest: str
    file_sha256: str
    moment: str
    shown_by: str
    signed: str
    tries: int
    seed: int
    stop: str


@dataclass(frozen=True, slots=True)
class NotUsed:
    """A work or a file that takes no part."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """The whole."""

    schema: str
    tool: Fact
    created: str
    """UTC, ISO 8601: when the comparison was begun."""
    command: str
    folder: str
    log: str
    log_sha256: str
    unknown_columns: tuple[str, ...]
    plan: PlanFacts | Absent
    source: str
    source_digest: str
    controls: Fact | Absent
    """Name and digest; the grounds."""
    grounds: str
    candidates: int
    protocol: tuple[Fact, ...]
    word_errors: str
    """What the study of the words says of their errors."""
    works: tuple[Shown, ...]
    tries: tuple[Try, ...]
    cells: tuple[Cell, ...]
    pooled: tuple[Pooled, ...]
    given: tuple[Given, ...]
    off_aim: tuple[OffAim, ...]
    deviations: tuple[Deviation, ...]
    explanations: tuple[Explanation, ...]
    not_used: tuple[NotUsed, ...]
    limits: tuple[str, ...]

    @staticmethod
    def as_read(wire: dict[str, Any]) -> dict[str, Any]:
        """Today's wire form; see `forensics.schema.Versioned`."""
        return outcomes_today(wire) if wire.get("schema") == BEFORE_GRADED else wire

    @staticmethod
    def as_written(wire: dict[str, Any]) -> dict[str, Any]:
        """The wire form of the version that it names."""
        return outcomes_before(wire) if wire["schema"] == BEFORE_GRADED else wire
