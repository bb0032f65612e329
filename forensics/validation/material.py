"""Raw results to the questions and the material that the record is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forensics.case import Absent, Better, Fact, Pair
from forensics.inversion.codelength import share_saved
from forensics.protocol import Protocol
from forensics.similarity import METRICS
from forensics.stages import domain
from forensics.stages.evaluate import feature
from forensics.stages.measure import SAVED, SAVED_ELSEWHERE
from forensics.statistics.record import Baseline, Repeat
from forensics.validation import bench, blind, edits, ladder_rows, works
from forensics.validation.assess import Feature, Material, Question, Row
from forensics.validation.journal import Journal
from forensics.validation.works import OFTEN, KnownWork

LEVELS, FINEST = ladder_rows.STUDY_GRID.levels, ladder_rows.STUDY_GRID.cut
"""Of the codelength rows: the grid of the ladder study."""
CHANGED = 4
"""Works of each kind in the test half, by id, that are put through every change of the picture."""


def split(known: Sequence[KnownWork]) -> tuple[list[KnownWork], list[KnownWork]]:
    ordered = sorted(known, key=lambda w: w.id)
    return [w for w in ordered if w.member], [w for w in ordered if not w.member]


def changed(known: Sequence[KnownWork]) -> list[KnownWork]:
    members, controls = split([w for w in known if w.half == "test" and w.caption])
    return [w for w in members if w.repetitions >= OFTEN][:CHANGED] + controls[:CHANGED]


@dataclass(frozen=True, slots=True)
class Results:
    """Raw results as values."""

    journal: Journal
    protocol: Protocol
    known: Sequence[KnownWork]

    def saved(self, variant: str, work: str) -> float | None:
        """Share that the prompt saves; none where it was not measured."""
        key = f"{bench.ROWS}|{variant}|{work}"
        if key not in self.journal:
            return None
        row = self.journal[key]
        return share_saved(self._bits(row, "prompted"), self._bits(row, "plain"))

    def elsewhere(self, work: str) -> float | None:
        """Share saved against the control checkpoint, with the own caption."""
        keys = [f"{bench.ROWS}|{variant}|{work}" for variant in (bench.OWN, bench.ELSEWHERE)]
        if any(key not in self.journal for key in keys):
            return None
        here, there = (self._bits(self.journal[key], "prompted") for key in keys)
        return share_saved(here, there)

    def _bits(self, row: dict[str, Any], condition: str) -> float:
        cut = int(np.abs(np.log(row["sigmas"]) - np.log(self.protocol.codelength_cut)).argmin())
        return ladder_rows.bits(row, condition, cut, self.protocol.codelength_draws)


def parameters(protocol: Protocol) -> tuple[Fact, ...]:
    """What the codelengths depend on; names as in the rows of the protocol."""
    return (
        Fact("codelength levels", str(LEVELS)), Fact("codelength finest", str(FINEST)),
        Fact("codelength cut", str(protocol.codelength_cut)), Fact("codelength draws", str(protocol.codelength_draws)),
    )  # fmt: skip


LIMITS = (
    f"Works trained on fewer than {OFTEN} times a pass stand for neither proposition of retention: that a checkpoint "
    "does not reproduce a work otherwise than works it has not seen does not say that it was not trained on it.",
    "The ratio of retention holds for a work as it was rendered for training: cropped, mirrored or recoloured, a work "
    "that was trained on often can receive a ratio for the second proposition; the table of changes says how far.",
    "Repetition is exact repetition of one file with one caption; crops, other renderings and other captions in the "
    "training set were not part of this validation.",
    "The figures hold for this checkpoint, for pictures like the works validated and for this version of the protocol.",
    "Derivation is asked of single edits with fixed parameters, not of several at once and not of paraphrases.",
)


def retention_question(controlled: bool, results: Results) -> Question:
    saved, elsewhere = Feature(SAVED, Better.HIGHER), Feature(SAVED_ELSEWHERE, Better.HIGHER)
    # Prompted with the caption of its neighbour, a member is measured as with its own where the two are the same.
    captions = {w.id: w.caption for w in results.known if w.member}
    near = {k.split("|")[2]: results.journal[k]["caption"] for k in results.journal if k.startswith(f"{bench.NEAR}|")}
    prompted = {w.half for w in results.known if f"{bench.ROWS}|{bench.NEIGHBOUR}|{w.id}" in results.journal}
    neighbours = prompted == set(works.HALVES) and near == captions
    prompts = ("claimed", "file", "neighbour") if neighbours and not controlled else ("claimed", "file")
    return Question(
        Pair.RETENTION, elsewhere if controlled else saved, (saved, elsewhere) if controlled else (saved,),
        f"works that the checkpoint was trained on at least {OFTEN} times a pass", "works that it was not trained on",
        prompts,
    )  # fmt: skip


def retention(results: Results, controlled: bool) -> Material | Absent:
    rows: list[Row] = []
    for work in results.known:
        values = _values(results, bench.OWN, work, controlled)
        if values is None:
            continue
        status = (work.repetitions >= OFTEN or None) if work.member else False
        group = f"trained on {work.repetitions} times a pass" if work.member else "not trained on"
        rows.append(Row(work.id, work.half, status, group, values))
        if not controlled and (near := _values(results, bench.NEIGHBOUR, work, False)) is not None:
            rows.append(Row(work.id, work.half, status, group, near, ranked=False))
    if controlled and not rows:
        return Absent("retention with a control checkpoint", "No control checkpoint was part of this validation.")
    if not all(any(r.half == h and r.first is s for r in rows) for h in works.HALVES for s in (True, False)):
        return Absent(
            "validation of retention",
            f"Each half needs captioned works trained on at least {OFTEN} times a pass, and captioned controls.",
        )
    nothing: dict[str, tuple[list[Row], list[Row]]] = {}
    if not controlled:
        prompted = [replace(r, ranked=True) for r in rows if not r.ranked and r.first is False]
        if {r.half for r in prompted} == set(works.HALVES):
            nothing["controls of the test half, prompted with the caption of their neighbour"] = (
                [r for r in prompted if r.half == "test"], [r for r in prompted if r.half == "calibration"],
            )  # fmt: skip
        unseen = [
            Row(w.id, w.half, None if w.member else False, "", {SAVED: value}) for w in results.known
            if (value := results.saved(bench.ELSEWHERE, w.id)) is not None
        ]  # fmt: skip
        members = [r for r in unseen if r.first is None]
        if members:
            among = [r for r in unseen if r.first is False and r.half == "calibration"]
            nothing["the members, under the control checkpoint, which was not trained on them"] = (members, among)
    altered: dict[str, list[Row]] = {}
    if not controlled:
        works_changed = changed(results.known)
        for name in edits.ROBUSTNESS:
            found = [results.saved(name, w.id) for w in works_changed]
            if all(value is not None for value in found) and {w.member for w in works_changed} == {True, False}:
                altered[name] = [
                    Row(w.id, w.half, w.member, "", {SAVED: value})
                    for w, value in zip(works_changed, found, strict=True) if value is not None
                ]  # fmt: skip
    return Material(rows, altered, nothing)


def _values(results: Results, variant: str, work: KnownWork, controlled: bool) -> dict[str, float] | None:
    saved = results.saved(variant, work.id)
    if saved is None:
        return None
    if not controlled:
        return {SAVED: saved}
    elsewhere = results.elsewhere(work.id)
    return None if elsewhere is None else {SAVED: saved, SAVED_ELSEWHERE: elsewhere}


def _pair_features() -> dict[str, Feature]:
    """The measures of a pair by name; lower or higher means more alike as the measure itself says."""
    facts = {name: METRICS.load(name).facts for name in bench.PAIR_MEASURES}  # type: ignore[attr-defined]
    return {name: Feature(feature(metric), metric.better) for name, metric in facts.items()}


def derivation_question() -> Question:
    features = tuple(_pair_features().values())
    return Question(
        Pair.DERIVATION, features[0], features, "edited renderings of a work beside that work",
        "works beside the training image nearest to them, from which they do not derive",
    )  # fmt: skip


def derivation(results: Results) -> Material | Absent:
    rows, names = [], _pair_features()
    halves = {w.id: w.half for w in results.known}
    for key in results.journal:
        kind, variant, work = key.split("|")
        if kind == bench.PAIR:
            values = {names[name].name: value for name, value in results.journal[key].items()}
            rows.append(Row(work, halves[work], variant != bench.INDEPENDENT, variant, values))
    if not any(r.first is False for r in rows):
        return Absent(
            "validation of derivation",
            "Without a training index that ships its pictures there were no near works made independently.",
            "Pass --index and --clip.",
        )
    return Material(rows)


def look_of(journal: Journal, known: Sequence[KnownWork]) -> tuple[dict[str, list[float]], tuple[float, ...]]:
    """Properties of the works of the calibration half, and their mean embedding."""
    looks = [journal[f"{bench.LOOK}|{bench.OWN}|{w.id}"] for w in known if w.half == "calibration"]
    found = {name: [look["properties"][name] for look in looks] for name in looks[0]["properties"]}
    # Half and double size are part of the robustness study.
    found[domain.SIDE] = [min(found[domain.SIDE]) / 2, max(found[domain.SIDE]) * 2]
    if "vector" not in looks[0]:
        return found, ()
    vectors = np.array([look["vector"] for look in looks])
    mean = vectors.mean(0)
    centre = mean / np.linalg.norm(mean)
    found[domain.KIND] = [*map(float, vectors @ centre / np.linalg.norm(vectors, axis=1)), 1.0]
    return found, tuple(float(f"{v:.6g}") for v in centre)


def baselines(journal: Journal, known: Sequence[KnownWork]) -> tuple[Baseline, ...]:
    member, half = [w.member for w in known], [w.half for w in known]
    looks = [journal[f"{bench.LOOK}|{bench.OWN}|{w.id}"] for w in known]
    rows = [[*look["properties"].values(), *look.get("vector", ())] for look in looks]
    found = [blind.image(rows, member, half)]
    if all(w.caption for w in known):
        found.insert(0, blind.text([w.caption for w in known], member, half))
    return tuple(found)


def repeats(results: Results) -> tuple[Repeat, ...]:
    found = []
    for variant, name in ((bench.AGAIN, "second run"), (bench.HALF_PRECISION, "networks in bf16")):
        pairs = [
            (first, second) for w in results.known
            if (first := results.saved(bench.OWN, w.id)) is not None
            and (second := results.saved(variant, w.id)) is not None
        ]  # fmt: skip
        if pairs:
            difference = np.array([a - b for a, b in pairs])
            deviation = float(np.sqrt(np.mean(difference**2) / 2))
            found.append(Repeat(name, SAVED, len(pairs), float(np.abs(difference).max()), deviation))
    return tuple(found)
