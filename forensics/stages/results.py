"""What the stages of an examination gave, gathered: what the findings are drawn from, and what the case holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from forensics.case import Absent, Case, ControlFacts, Correspondence, Style
from forensics.controls.cache import Kind
from forensics.findings.conclude import Conclusions
from forensics.findings.evidence import Evidence
from forensics.stages import announced, bit_ledger
from forensics.stages import open as opened
from forensics.stages.context import Context, Models, Received
from forensics.stages.evaluate import Evaluated
from forensics.stages.ladder import Ladder
from forensics.stages.measure import Measured
from forensics.stages.origin import Traced
from forensics.stages.rank import across_questions
from forensics.stages.search import Found


@dataclass(frozen=True, slots=True)
class Results:
    """One field a stage, in the order of the examination."""

    models: Models
    found: Found
    traced: Traced
    rungs: Ladder
    measured: Measured
    evaluated: Evaluated
    laid: tuple[Correspondence, ...]
    nearest: Correspondence | None
    manner: Style | Absent

    def evidence(self, received: Received, context: Context) -> Evidence:
        """What the findings are drawn from."""
        measured, traced = self.measured, self.traced
        return Evidence(
            received.item,
            context.ledger.exhibits,
            (*(work.id for work in received.put_forward), *self.found.pictures),
            measured.measurements,
            context.protocol,
            across_questions((*measured.comparisons, *traced.comparisons)),
            self.found.neighbours,
            measured.inversions,
            self.models.checkpoint,
            bit_ledger.ledger(self.rungs, measured.inversions, measured.measurements, context.protocol.rank_level),
            self.evaluated.ratios,
            traced.facts,
            self.laid,
            self.evaluated.facts,
        )

    def put_into(self, case: Case, evidence: Evidence, concluded: Conclusions, context: Context) -> Case:
        """A case of which nothing was known but what was received, with everything that was measured and found."""
        found, traced, rungs, measured = self.found, self.traced, self.rungs, self.measured
        absent = [why for why in (found.facts, self.models.incomparable) if isinstance(why, Absent)]
        return replace(
            case,
            checkpoint=opened.published(self.models.checkpoint),
            controls=scored(context),
            index=found.facts,
            exhibits=context.ledger.exhibits,
            neighbours=found.neighbours,
            inversions=measured.inversions,
            metrics=measured.metrics,
            measurements=measured.measurements,
            comparisons=evidence.comparisons,
            assessments=concluded.assessments,
            findings=concluded.findings,
            absences=(*absent, *traced.absences, *rungs.absences, *measured.absences, *concluded.absences),
            settings=(*case.settings, *rungs.settings),
            environment=(*case.environment, *context.cache.account()),
            curves=rungs.curves,
            origin=traced.facts,
            ledger=evidence.ledger,
            validation=self.evaluated.facts,
            correspondences=self.laid,
            control_correspondence=self.nearest,
            style=self.manner,
            search=found.said,
            announced=announced.rates(context.protocol, self.models.checkpoint),
        )


def scored(context: Context) -> ControlFacts | Absent:
    """The controls, and how many of their scores this run computed itself."""
    facts = context.controls.facts
    if isinstance(facts, Absent):
        return facts
    # By score, not by access: two statistics that read one stored score have read one.
    fresh = sum(source.kind is Kind.FRESH for source in context.cache.sources.values())
    return replace(facts, computed=fresh, stored=len(context.cache.sources) - fresh)
