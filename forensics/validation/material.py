"""Raw results to the questions and the material that the record is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from forensics.case import Absent, Better, Fact, Pair, Statistic
from forensics.inversion.codelength import last_level, share_saved
from forensics.protocol import Protocol
from forensics.similarity import METRICS
from forensics.stages import domain
from forensics.stages.evaluate import feature
from forensics.stages.given_back import STATISTICS
from forensics.statistics.record import Baseline, Repeat
from forensics.validation import bench, blind, edits, ladder_rows, works
from forensics.validation.assess import Feature, Material, Question, Row
from forensics.validation.journal import Journal
from forensics.validation.works import OFTEN, KnownWork

LEVELS, FINEST = ladder_rows.STUDY_GRID.levels, ladder_rows.STUDY_GRID.cut
"""Of the codelength rows: the grid of the ladder study."""
CHANGED = 20
"""Works of each kind in the test half, by id, that are put through every change of the picture."""
MADE = 80
"""Controls of each half, by id, whose captions pictures are made from, but at most a third of them; they stand for
nothing else in the question of origin. All captioned members give theirs as well: what is disputed may be a copy that
the checkpoint made of a work it was trained on."""
GIVEN_BACK = 80
"""Of the other controls of each half, by id, those that another autoencoder gives back as well."""


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
    wanted: frozenset[str]
    """The tasks of this validation: what else a journal may hold enters no figure."""

    def __contains__(self, key: str) -> bool:
        return key in self.wanted and key in self.journal

    def saved(self, variant: str, work: str) -> float | None:
        """Share that the prompt saves; none where it was not measured."""
        key = f"{bench.ROWS}|{variant}|{work}"
        if key not in self:
            return None
        row = self.journal[key]
        return share_saved(self._bits(row, "prompted"), self._bits(row, "plain"))

    def elsewhere(self, variant: str, work: str) -> float | None:
        """Share saved against the control checkpoint with the same caption, the work's own or that of its neighbour."""
        elsewhere = {bench.OWN: bench.ELSEWHERE, bench.NEIGHBOUR: bench.NEIGHBOUR_ELSEWHERE}
        there = elsewhere.get(variant, f"{bench.ELSEWHERE_OF}{variant}")
        keys = [f"{bench.ROWS}|{name}|{work}" for name in (variant, there)]
        if any(key not in self for key in keys):
            return None
        bits_here, bits_there = (self._bits(self.journal[key], "prompted") for key in keys)
        return share_saved(bits_here, bits_there)

    def _bits(self, row: dict[str, Any], condition: str) -> float:
        cut = last_level(torch.tensor(row["sigmas"], dtype=torch.float64), self.protocol.codelength_cut)
        return ladder_rows.bits(row, condition, cut, self.protocol.codelength_draws)


def parameters(protocol: Protocol) -> tuple[Fact, ...]:
    """What the codelengths depend on; names as in the rows of the protocol."""
    return (
        Fact("codelength levels", str(LEVELS)),
        Fact("codelength finest", str(FINEST)),
        Fact("codelength cut", str(protocol.codelength_cut)),
        Fact("codelength draws", str(protocol.codelength_draws)),
    )


LIMITS = (
    f"Works trained on fewer than {OFTEN} times a pass stand for neither proposition of retention: that a checkpoint "
    "does not give back a work otherwise than works it has not seen does not say that it was not trained on it.",
    "The ratio of retention holds for a work as it was rendered for training: cropped, mirrored or recoloured, a work "
    "that was trained on often can receive a ratio for the second proposition; the table of changes says how far.",
    "Repetition is exact repetition of one file with one caption; crops, other renderings and other captions in the "
    "training set were not part of this validation.",
    "The figures hold for this checkpoint, for pictures like the works validated and for this version of the protocol.",
    "Origin is a question to the autoencoder: pictures of another checkpoint with the same autoencoder, or with a "
    "decoder trained further from it, receive ratios like the checkpoint's own. It is asked of pictures as they "
    "were made: one that was saved with loss, resized, cropped or recoloured since can receive a ratio for the second "
    "proposition although the checkpoint made it; the table of changes says how often.",
    "Derivation is asked of single edits with fixed parameters, not of several at once and not of paraphrases.",
)


def retention_question(controlled: bool, results: Results) -> Question:
    saved, elsewhere = (
        Feature(Statistic.SAVED_BY_PROMPT, Better.HIGHER),
        Feature(Statistic.SAVED_AGAINST_CONTROL, Better.HIGHER),
    )
    # Prompted with the caption of its neighbour, a member is measured as with its own where the two are the same.
    captions = {w.id: w.caption for w in results.known if w.member}
    near = {k.split("|")[2]: results.journal[k]["caption"] for k in results.journal if k.startswith(f"{bench.NEAR}|")}
    variant = bench.NEIGHBOUR_ELSEWHERE if controlled else bench.NEIGHBOUR
    prompted = {w.half for w in results.known if f"{bench.ROWS}|{variant}|{w.id}" in results}
    neighbours = prompted == set(works.HALVES) and near == captions
    # A prompt that a file states is neither: it can be anything, and where it is true it is no caption of a work.
    prompts = ("claimed", "neighbour") if neighbours else ("claimed",)
    return Question(
        Pair.RETENTION,
        elsewhere if controlled else saved,
        (saved, elsewhere) if controlled else (saved,),
        f"works that the checkpoint was trained on at least {OFTEN} times a pass",
        "works that it was not trained on",
        prompts,
    )


def retention(results: Results, controlled: bool) -> Material | Absent:
    rows: list[Row] = []
    for work in results.known:
        values = _values(results, bench.OWN, work, controlled)
        if values is None:
            continue
        status = (work.repetitions >= OFTEN or None) if work.member else False
        group = f"trained on {work.repetitions} times a pass" if work.member else "not trained on"
        rows.append(Row(work.id, work.half, status, group, values))
        if (near := _values(results, bench.NEIGHBOUR, work, controlled)) is not None:
            rows.append(Row(work.id, work.half, status, group, near, ranked=False))
    if controlled and not rows:
        return Absent("retention with a control checkpoint", "No control checkpoint was part of this validation.")
    if not all(any(r.half == h and r.first is s for r in rows) for h in works.HALVES for s in (True, False)):
        return Absent(
            "validation of retention",
            f"Each half needs captioned works trained on at least {OFTEN} times a pass, and captioned controls.",
        )
    nothing: dict[str, tuple[list[Row], list[Row]]] = {}
    prompted = [replace(r, ranked=True) for r in rows if not r.ranked and r.first is False]
    if {r.half for r in prompted} == set(works.HALVES):
        nothing["controls of the test half, prompted with the caption of their neighbour"] = (
            [r for r in prompted if r.half == "test"],
            [r for r in prompted if r.half == "calibration"],
        )
    creators = {w.creator for w in results.known if w.member and w.creator}
    theirs = {w.id for w in results.known if w.creator in creators}
    clean = [r for r in rows if r.ranked and r.first is False]
    if alike := [r for r in clean if r.half == "test" and r.work in theirs]:
        nothing["controls of the test half by creators of whom a work was trained on"] = (
            alike,
            [r for r in clean if r.half == "calibration"],
        )
    if not controlled:
        unseen = [
            Row(w.id, w.half, None if w.member else False, "", {Statistic.SAVED_BY_PROMPT: value})
            for w in results.known
            if (value := results.saved(bench.ELSEWHERE, w.id)) is not None
        ]
        members = [r for r in unseen if r.first is None]
        if members:
            among = [r for r in unseen if r.first is False and r.half == "calibration"]
            nothing["the members, under the control checkpoint, which was not trained on them"] = (members, among)
    altered: dict[str, list[Row]] = {}
    works_changed = changed(results.known)
    for name in edits.ROBUSTNESS:
        found = [_values(results, name, w, controlled) for w in works_changed]
        if all(value is not None for value in found) and {w.member for w in works_changed} == {True, False}:
            altered[name] = [
                Row(w.id, w.half, w.member, "", value)
                for w, value in zip(works_changed, found, strict=True)
                if value is not None
            ]
    return Material(rows, altered, nothing)


def _values(results: Results, variant: str, work: KnownWork, controlled: bool) -> dict[str, float] | None:
    saved = results.saved(variant, work.id)
    if saved is None:
        return None
    if not controlled:
        return {Statistic.SAVED_BY_PROMPT: saved}
    elsewhere = results.elsewhere(variant, work.id)
    return None if elsewhere is None else {Statistic.SAVED_BY_PROMPT: saved, Statistic.SAVED_AGAINST_CONTROL: elsewhere}


def origin_works(known: Sequence[KnownWork], half: str) -> tuple[list[KnownWork], list[KnownWork]]:
    """Works of one half whose captions pictures are made from, and the controls that stand for themselves."""
    members, controls = split([w for w in known if w.half == half])
    captioned = [w for w in controls if w.caption][: min(MADE, len(controls) // 3)]
    return [w for w in members if w.caption] + captioned, [w for w in controls if w not in captioned]


def origin_question() -> Question:
    ratio, layer = (Feature(title, Better.LOWER) for title, _, _ in STATISTICS)
    return Question(
        Pair.ORIGIN,
        ratio,
        (ratio, layer),
        "pictures that the checkpoint made from captions",
        "works that it did not make, as they are and as another autoencoder gives them back",
    )


def origin(results: Results) -> Material | Absent:
    """Rows of the question; the domain is that of the pictures themselves, which were not enlarged or reduced."""
    rows: list[Row] = []
    looks: list[Mapping[str, Any]] = []
    given_back: list[Row] = []

    def row(variant: str, work: KnownWork, status: bool | None, group: str, ranked: bool = True) -> Row | None:
        key = f"{bench.ORIGIN}|{variant}|{work.id}"
        if key not in results or STATISTICS[0][0] not in results.journal[key]:
            return None
        values: dict[str, float] = {name: results.journal[key][name] for name, _, _ in STATISTICS}
        return Row(work.id, work.half, status, group, values, ranked)

    for half in works.HALVES:
        captions, shown = origin_works(results.known, half)
        for work in captions:
            group = f"caption of a work trained on {work.repetitions} times a pass" if work.member else "other captions"
            if (found := row(bench.MADE, work, True, group)) is None:
                return Absent("validation of origin", "Origin was not part of this validation.")
            rows.append(found)
            looks += [results.journal[f"{bench.ORIGIN}|{bench.MADE}|{work.id}"]] if half == "calibration" else []
            if (found := row(bench.MADE_ELSEWHERE, work, None, "made by the control checkpoint")) is not None:
                rows.append(found)
        rows += [found for w in shown if (found := row(bench.OWN, w, False, "")) is not None]
        back = [found for w in shown if (found := row(bench.ANOTHER, w, False, "", ranked=False)) is not None]
        looks += [results.journal[f"{bench.LOOK}|{bench.OWN}|{w.id}"] for w in shown] if half == "calibration" else []
        rows, given_back = rows + back, [replace(r, ranked=True) for r in back]
    clean = [r for r in rows if r.half == "calibration" and r.first is False and r.ranked]
    if not clean or not any(r.first for r in rows):
        return Absent("validation of origin", "Each half needs captions to make pictures from, and further controls.")
    captions, shown = origin_works(results.known, "test")
    altered = {}
    for name in edits.ROBUSTNESS:
        pairs = [(bench.MADE, captions, True), (bench.OWN, shown, False)]
        found_rows = [
            found
            for kind, group, status in pairs
            for w in group[:CHANGED]
            if (found := row(f"{kind}, {name}", w, status, "")) is not None
        ]
        if {r.first for r in found_rows} == {True, False}:
            altered[name] = found_rows
    nothing = {"works of the test half, as another autoencoder gives them back": (given_back, clean)}
    return Material(rows, altered, nothing if given_back else {}, _ranges(looks, centre_of(results)))


def _pair_features() -> dict[str, Feature]:
    """The measures of a pair by name; lower or higher means more alike as the measure itself says."""
    facts = {name: METRICS.load(name).facts for n in bench.PAIR_MEASURES.values() for name in n}  # type: ignore[attr-defined]
    return {name: Feature(feature(metric), metric.better) for name, metric in facts.items()}


def derivation_question() -> Question:
    features = tuple(_pair_features().values())
    return Question(
        Pair.DERIVATION,
        features[0],
        features,
        "edited renderings of a work beside that work",
        "works beside the training image nearest to them, from which they do not derive",
    )


def derivation(results: Results) -> Material | Absent:
    names = _pair_features()
    halves = {w.id: w.half for w in results.known}
    values: dict[tuple[str, str], dict[str, float]] = {}
    for key in results.journal:
        kind, variant, work = key.split("|")
        if kind in bench.PAIR_MEASURES and key in results:
            found = {names[name].name: value for name, value in results.journal[key].items()}
            values.setdefault((work, variant), {}).update(found)
    rows = [
        Row(work, halves[work], variant != bench.INDEPENDENT, variant, found)
        for (work, variant), found in values.items()
        if len(found) == len(names)
    ]
    if not any(r.first is False for r in rows):
        return Absent(
            "validation of derivation",
            "Without a training index that ships its pictures there were no near works made independently.",
            "Pass --index and --clip.",
        )
    return Material(rows)


def look_of(results: Results) -> tuple[dict[str, list[float]], tuple[float, ...]]:
    """Properties of the works of the calibration half, and their mean embedding."""
    centre = centre_of(results)
    # The sizes are those of the works themselves: `assess` widens them by a change of size only where the very form of
    # the ratio was put through that change and kept its sides.
    return _ranges(_looks(results), centre), centre


def centre_of(results: Results) -> tuple[float, ...]:
    """Mean embedding of the works of the calibration half; empty without an embedder."""
    looks = _looks(results)
    if "vector" not in looks[0]:
        return ()
    mean = np.array([look["vector"] for look in looks]).mean(0)
    return tuple(float(f"{v:.6g}") for v in mean / np.linalg.norm(mean))


def _looks(results: Results) -> list[Mapping[str, Any]]:
    return [results.journal[f"{bench.LOOK}|{bench.OWN}|{w.id}"] for w in results.known if w.half == "calibration"]


def _ranges(looks: Sequence[Mapping[str, Any]], centre: Sequence[float]) -> dict[str, list[float]]:
    found = {name: [look["properties"][name] for look in looks] for name in looks[0]["properties"]}
    if len(centre):
        vectors = np.array([look["vector"] for look in looks])
        found[domain.KIND] = [*map(float, vectors @ np.array(centre) / np.linalg.norm(vectors, axis=1)), 1.0]
    return found


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
            (first, second)
            for w in results.known
            if (first := results.saved(bench.OWN, w.id)) is not None
            and (second := results.saved(variant, w.id)) is not None
        ]
        if pairs:
            difference = np.array([a - b for a, b in pairs])
            deviation = float(np.sqrt(np.mean(difference**2) / 2))
            found.append(
                Repeat(name, Statistic.SAVED_BY_PROMPT, len(pairs), float(np.abs(difference).max()), deviation)
            )
    return tuple(found)
