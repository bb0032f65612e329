"""Measurements to graded words and findings: pure, from fixed templates, never beyond what the numbers carry.

Every sentence a finding can contain stands in this file. Positive and negative outcomes are worded symmetrically, a
positive one is followed by its limits, and nothing is multiplied across the three proposition pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from forensics.case import (
    Absent,
    Assessment,
    Better,
    Checkpoint,
    Comparison,
    Correspondence,
    Exhibit,
    Finding,
    Grade,
    Inversion,
    Item,
    LedgerRow,
    LikelihoodRatio,
    Measurement,
    Neighbour,
    NotMeasured,
    Origin,
    Outcome,
    Pair,
    StatedRecipe,
    share,
    stops_at,
)
from forensics.protocol import Protocol
from forensics.verbal import NOTHING_CONTRARY, TONES_UNCHANGED, placed_among_controls

LAID_OVER = "Aligned LPIPS to"
"""Beginning of the title of the comparison by which a work put forward is ranked; its id follows."""
NEAREST = f"{LAID_OVER} the nearest training image"
"""Title of the comparison that neighbours are ranked by."""
FROM_PROMPT = "Generated from the prompt, median LPIPS"
"""Title of the comparison that says whether the work comes back from its prompt."""
_OF_RETENTION = ("Generated from the prompt", "Codelength")
"""Beginnings of the titles of comparisons that bear on retention."""
_OF_DERIVATION = ("Cosine to", "Copy descriptor")
"""Beginnings of the titles of secondary comparisons that bear on derivation."""
NO_DIFFERENCE = "No difference above the resolution of the measures was found."
NO_CHECKPOINT = Absent(
    "checkpoint",
    "No checkpoint was examined: this is a comparison of pictures.",
    "Use `forensics analyze` with --checkpoint.",
)
NO_RECORD = Absent(
    "likelihood ratio",
    "No validation record exists for this checkpoint and this version of the protocol.",
    "The rank among the control works is offered instead.",
)
NO_RATIO_COMPARED = Absent(
    "likelihood ratio",
    "A likelihood ratio is calibrated on works of known status with a checkpoint; this is a comparison of pictures.",
    "Use `forensics analyze` with a checkpoint that has a validation record.",
)
NO_ORIGIN = Absent(
    "origin",
    "The primary measurement of whether the checkpoint made the disputed image was not made.",
    "Embedded metadata are listed with the items; they can be forged and stripped.",
)
_ORIGIN_LIMITS = (
    "The measurement concerns an autoencoder. Other checkpoints of the family share it, so no single one is named.",
    "Pictures that another autoencoder made can lie outside the range of the controls too: in the study of the "
    "embedded checkpoint most of those of a small stranger did.",
    "Saving as JPEG, resizing and cropping remove the trace; a plain picture can score low without having any.",
)
_UNALIGNED = (
    "The pictures were compared as they lie: a mirrored, cropped or shifted picture scores lower than it would aligned."
)
_BACK_UNALIGNED = (
    "What the checkpoint gave back was compared with its target as it lies: a picture that comes back mirrored, "
    "cropped or shifted scores lower than it would aligned."
)
_ALIGNED = (
    "Position, size, rotation, mirroring, tone and colour were compensated before the pictures were compared; "
    "free-form changes of shape were not."
)
_HIT = "A hit in the index is not training, and the absence of a hit is not absence from the training set."


_MAY_BE_EDITED = "Unaligned, an edited rendering of the work can receive this grade too."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the findings are drawn from; empty collections where a stage was not run."""

    disputed: Item
    exhibits: tuple[Exhibit, ...]
    works: tuple[str, ...]
    """Exhibit ids of the works compared: the originals, then the neighbours in the order of rank."""
    measurements: tuple[Measurement | NotMeasured, ...]
    protocol: Protocol
    comparisons: tuple[Comparison, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    inversions: tuple[Inversion, ...] = ()
    checkpoint: Checkpoint | Absent = NO_CHECKPOINT
    ledger: tuple[LedgerRow, ...] = ()
    ratios: Mapping[Pair, LikelihoodRatio | Absent] = field(default_factory=dict)
    """From a validation record that fits; empty without one."""
    origin: Origin | None = None
    correspondences: tuple[Correspondence, ...] = ()
    """The disputed image laid over the works; a work without one is graded by unaligned measures."""

    def ratio(self, pair: Pair) -> LikelihoodRatio | Absent:
        """The likelihood ratio of a pair, or why there is none."""
        return self.ratios.get(pair, NO_RATIO_COMPARED if isinstance(self.checkpoint, Absent) else NO_RECORD)

    def laid_over(self, work: str) -> Correspondence | None:
        """The correspondence with a work, if it was examined."""
        return next((c for c in self.correspondences if c.work == work), None)

    def of(self, work: str) -> dict[str, Measurement]:
        """The measurements between the disputed image and a work, by measure."""
        pair = (self.disputed.exhibit, work)
        return {m.metric: m for m in self.measurements if isinstance(m, Measurement) and (m.a, m.b) == pair}

    def primary(self, pair: Pair) -> Comparison | None:
        """The pre-declared primary comparison of a pair, if it was made."""
        return next((c for c in self.comparisons if c.primary_for is pair), None)

    def rank_of(self, work: str) -> Comparison | None:
        """The comparison by which this work is ranked among the controls, if it was made."""
        title = NEAREST if any(n.exhibit == work for n in self.neighbours) else f"{LAID_OVER} {work}"
        return next((c for c in self.comparisons if c.title == title), None)

    def same_pixels(self, work: str) -> bool:
        """Whether the decoded pixels of the disputed image and of the work are equal."""
        by_id = {e.id: e.pixel_sha256 for e in self.exhibits}
        return by_id[self.disputed.exhibit] == by_id[work]


@dataclass(frozen=True, slots=True)
class Conclusions:
    """Assessments, findings and what they could not rest on."""

    assessments: tuple[Assessment, ...]
    findings: tuple[Finding, ...]
    absences: tuple[Absent, ...]


def conclude(evidence: Evidence) -> Conclusions:
    """Draw the graded assessments and one finding per proposition pair."""
    assessments = tuple(_assess(f"S{i}", work, evidence) for i, work in enumerate(evidence.works, 1))
    findings = (_derivation(evidence, assessments), _retention(evidence), _origin(evidence))
    ratios = [evidence.ratio(pair) for pair in Pair]
    missing = (
        []
        if any(isinstance(r, LikelihoodRatio) for r in ratios)
        else list(dict.fromkeys(r for r in ratios if isinstance(r, Absent)))
    )
    if evidence.primary(Pair.ORIGIN) is None:
        missing.append(evidence.checkpoint if isinstance(evidence.checkpoint, Absent) else NO_ORIGIN)
    return Conclusions(assessments, findings, tuple(missing))


# --- assessment of one work -------------------------------------------------------------------------------------------


def _assess(assessment_id: str, work: str, evidence: Evidence) -> Assessment:
    values = evidence.of(work)
    grade, basis = _grade(work, values, evidence)
    return Assessment(
        id=assessment_id,
        work=work,
        grade=grade,
        basis=basis,
        corresponds=_corresponds(values, grade, evidence.laid_over(work)),
        differs=_differs(values, grade, evidence.laid_over(work)),
        subject_or_manner=_subject(values, evidence),
        cites=tuple(m.id for m in values.values()),
    )


def _grade(work: str, values: dict[str, Measurement], evidence: Evidence) -> tuple[Grade, str]:
    protocol, disputed = evidence.protocol, evidence.disputed.exhibit
    if evidence.same_pixels(work):
        return Grade.SAME_PIXELS, f"The SHA-256 of the decoded pixels of {disputed} and {work} is equal."
    if (laid := evidence.laid_over(work)) is not None:
        return _GRADES[laid.outcome], f"{disputed} and {work}: {laid.outcome.value}. {laid.basis}"
    ssim, lpips = values.get("ssim"), values.get("lpips")
    if ssim is None or lpips is None:
        return Grade.INSUFFICIENT, "SSIM or LPIPS could not be measured; no grade is given."
    stated = f"SSIM {ssim.value:.3f} and LPIPS {lpips.value:.3f} between {disputed} and {work}"
    if ssim.value >= protocol.near_pixels_ssim and lpips.value <= protocol.near_pixels_lpips:
        bounds = f"SSIM at least {protocol.near_pixels_ssim:.2f} and LPIPS at most {protocol.near_pixels_lpips:.2f}"
        return Grade.THROUGHOUT, f"{stated} lie within the bounds of the protocol for this grade ({bounds})."
    rank = evidence.rank_of(work)
    if rank is None:
        return (
            Grade.INSUFFICIENT,
            f"{stated} lie outside the bounds for near agreement, and there is no control to rank them among.",
        )
    at_least = sum(score.value <= rank.value for score in rank.controls)
    ranked = f"{at_least} of {rank.n} control works reach as low an LPIPS by the same comparison."
    if (1 + at_least) / (1 + rank.n) <= protocol.rank_level:
        return Grade.IN_PART, f"{stated}. {ranked}"
    if at_least == 0:
        # No control comes as near, yet there are too few of them: "subject only" would say more than was measured.
        return Grade.INSUFFICIENT, f"{stated}. {ranked} {_too_few(rank, protocol)}"
    if (clip := values.get("clip")) is not None and (nearest := _nearest(evidence)) is not None:
        below = sum(score.value < clip.value for score in nearest.controls)
        if below * 2 >= nearest.n:
            return Grade.SUBJECT, (
                f"{stated}. {ranked} The embedding (cosine {clip.value:.3f}) is closer than those of {below} of "
                f"{nearest.n} controls to their first neighbour. {_MAY_BE_EDITED}"
            )
    return Grade.NONE, f"{stated}. {ranked} {_MAY_BE_EDITED}"


_GRADES = {
    Outcome.REPRODUCES: Grade.THROUGHOUT,
    Outcome.PARTLY: Grade.IN_PART,
    Outcome.ARRANGEMENT: Grade.SUBJECT,
    Outcome.SUBJECT: Grade.SUBJECT,
    Outcome.STYLE: Grade.SUBJECT,
    Outcome.NONE: Grade.NONE,
    Outcome.INSUFFICIENT: Grade.INSUFFICIENT,
}
"""The graded word of the assessment that belongs to each outcome of the aligned comparison."""


_POSITIVE = (Grade.SAME_PIXELS, Grade.THROUGHOUT, Grade.IN_PART)
_NO_PIXELS = "No correspondence of pixels beyond that between controls and their neighbours was measured."
_NO_PART = "No part of the one agrees in detail with the other when they are laid over each other."


def _nearest(evidence: Evidence) -> Comparison | None:
    return next((c for c in evidence.comparisons if c.better is Better.HIGHER and "osine" in c.title), None)


def _corresponds(values: dict[str, Measurement], grade: Grade, laid: Correspondence | None = None) -> tuple[str, ...]:
    if grade is Grade.SAME_PIXELS:
        return ("Every pixel.",)
    if grade not in _POSITIVE:
        return (_NO_PART if laid else _NO_PIXELS,)
    if laid is not None:
        return _aligned(laid)
    rows = []
    if ssim := values.get("ssim"):
        rows.append(f"Local pattern of brightness: SSIM {ssim.value:.3f}, where 1 is reached by equal pictures.")
    if lpips := values.get("lpips"):
        rows.append(f"Features of edges and texture: LPIPS {lpips.value:.3f}, where 0 is reached by equal pictures.")
    if (tiled := values.get("tiled")) and tiled.value <= 0.15:
        rows.append(
            f"Every sixteenth of the picture: tiled distance {tiled.value:.3f}, where 0 is reached by equal pictures."
        )
    return tuple(rows)


def _aligned(laid: Correspondence) -> tuple[str, ...]:
    """What corresponds once the two are laid over each other, region by region."""
    rows = []
    for r in laid.regions:
        shares = f"{share(r.share_disputed)} of the disputed image and {share(r.share_work)} of the work agree"
        how = f"as a thumbnail of {r.level} pixels" if r.level else f"in cells tied together by {r.places} keypoints"
        rows.append(f"Region {r.number}: {shares} {how}.")
    return (*rows, *filter(None, (laid.containment,)))


def _differs(values: dict[str, Measurement], grade: Grade, laid: Correspondence | None = None) -> tuple[str, ...]:
    if grade is Grade.SAME_PIXELS:
        return ("Nothing in the decoded pixels. The files may still differ in container and metadata.",)
    if laid is not None and laid.regions and grade in (Grade.THROUGHOUT, Grade.IN_PART):
        changed = [f"From the work to the disputed image: {words}." for words in laid.tones if words != TONES_UNCHANGED]
        if laid.differences:
            changed.append(
                f"{len(laid.differences)} cells of the overlap differ in detail; they are numbered in the table."
            )
        return tuple(changed) or (NO_DIFFERENCE,)
    rows = []
    if tiled := values.get("tiled"):
        rows.append(
            f"The sixteenth of the picture that differs most does so by {tiled.value:.3f} (root mean square of values "
            "in 0 to 1)."
        )
    if (ssim := values.get("ssim")) and ssim.value < 0.95:
        rows.append(f"Local pattern of brightness: SSIM falls short of 1 by {1 - ssim.value:.3f}.")
    if (lpips := values.get("lpips")) and lpips.value > 0.05:
        rows.append(f"Features of edges and texture: LPIPS {lpips.value:.3f} above 0.")
    return tuple(rows) or (NO_DIFFERENCE,)


def _subject(values: dict[str, Measurement], evidence: Evidence) -> tuple[str, ...]:
    clip = values.get("clip")
    if clip is None:
        return ("Closeness of subject was not measured.",)
    sentence = f"Cosine of the CLIP embeddings {clip.value:.3f}: closeness of subject and manner, not of expression."
    if (nearest := _nearest(evidence)) is not None:
        k = sum(score.value >= clip.value for score in nearest.controls)
        sentence += f" {k} of {nearest.n} control works have a first neighbour at least as close."
    return (sentence,)


# --- findings, one per proposition pair -------------------------------------------------------------------------------


def _derivation(evidence: Evidence, assessments: Sequence[Assessment]) -> Finding:
    question = "Does the disputed image correspond to the works put forward, or to the nearest training image?"
    if not evidence.works:
        answer = "Not evaluated: there was no work to compare the disputed image with."
        return Finding("F1", Pair.DERIVATION, question, answer, evidence.ratio(Pair.DERIVATION), (), (), (_UNALIGNED,))
    first = assessments[0]
    # The caution about alignment stands among the limits of the finding and need not be said twice on one page.
    answer = f"{first.work}: {first.grade.value}. {first.basis.removesuffix(' ' + _MAY_BE_EDITED)}"
    cites = list(first.cites)
    laid = evidence.laid_over(first.work)
    contrary = _against(first, assessments[1:], evidence)
    rank = evidence.primary(Pair.DERIVATION)
    if rank:
        cites.append(rank.id)
        answer += f" {_ranked(rank, evidence.protocol)}"
    contrary += _sensitivity(evidence, Pair.DERIVATION, rank)
    limits = [_UNALIGNED if laid is None else _ALIGNED]
    if any(n.exhibit == first.work for n in evidence.neighbours):
        limits.append("The work compared was found by searching; it was not put forward by a party.")
        limits.append(_HIT)
    return Finding(
        "F1", Pair.DERIVATION, question, answer, evidence.ratio(Pair.DERIVATION), tuple(cites),
        tuple(contrary) or (NOTHING_CONTRARY,),
        tuple(limits),
    )  # fmt: skip


def _against(first: Assessment, others: Sequence[Assessment], evidence: Evidence) -> list[str]:
    """What tells against the grade of the first work: differences where it corresponds, likenesses where it does not.

    Whatever says the same as the grade is no point against it, in either direction.
    """
    level = evidence.protocol.rank_level
    beside = [c for c in evidence.comparisons if c.primary_for is None and c.title.startswith(_OF_DERIVATION)]
    if first.grade in _POSITIVE:
        rows = [f"{first.work}: {row}" for row in first.differs if row != NO_DIFFERENCE] if (
            first.grade is not Grade.SAME_PIXELS
        ) else []  # fmt: skip
        return rows + [_counted(c) for c in beside if c.p > level]
    if first.grade is Grade.INSUFFICIENT:
        return []
    rows = [f"{a.work}: {a.grade.value}. {a.basis}" for a in others if a.grade in _POSITIVE]
    return rows + [_counted(c) for c in beside if c.p <= level]


def _counted(c: Comparison) -> str:
    return f"{c.title}: {c.k} of {c.n} controls are at least as extreme (p = {_p(c.p)})."


def _p(value: float) -> str:
    """Two significant digits, as everywhere in the report: 0.050, 0.20, 1.0."""
    return f"{value:.{1 - math.floor(math.log10(value))}f}"


def _retention(evidence: Evidence) -> Finding:
    question = "Does the checkpoint reproduce the disputed image otherwise than it reproduces works it has not seen?"
    if isinstance(evidence.checkpoint, Absent):
        answer = f"Not evaluated: {_lower(evidence.checkpoint.reason)}"
        return Finding("F2", Pair.RETENTION, question, answer, evidence.ratio(Pair.RETENTION), (), (), ())
    rank = evidence.primary(Pair.RETENTION)
    run = next((i for i in evidence.inversions if i.method == "regeneration"), None)
    if rank is None or run is None:
        answer = "Not evaluated: the primary measurement could not be made; the reason stands among the absent items."
        limits = (*_limits(evidence, run), *_reconstruction(evidence))
        return Finding("F2", Pair.RETENTION, question, answer, evidence.ratio(Pair.RETENTION), (), (), limits)
    answer = (
        f"{_plainly(rank, evidence)} Told the prompt ({run.prompt_source}), the checkpoint needs "
        f"{_share(rank.value)} bits for "
        f"{_asked_of(evidence)} than {_than(rank, evidence.protocol)}. "
        f"{_ranked(rank, evidence.protocol, 'reach at least as large a share', _asked_of(evidence))}"
    )
    cites = [rank.id]
    back = next((c for c in evidence.comparisons if c.title == FROM_PROMPT), None)
    if back is not None:
        cites.append(back.id)
        answer += (
            f" From the prompt alone, {len(run.seeds)} seeds gave pictures whose median LPIPS to {_asked_of(evidence)} "
            f"is {back.value:.3f}; {back.k} of {back.n} controls are at least as close to theirs (p = {_p(back.p)})."
            f"{_supplied(run)}"
        )
    if evidence.ledger:
        answer += f" {claim(evidence.ledger)}"
    level = evidence.protocol.rank_level
    # Against retention tells that works never seen come back as well; where retention is not said, it is a limit.
    also_back = _reconstruction(evidence)
    contrary = [*_sensitivity(evidence, Pair.RETENTION, rank), *(also_back if rank.p <= level else ())]
    for other in evidence.comparisons:
        if other.primary_for is not None or not other.title.startswith(_OF_RETENTION):
            continue
        # A secondary measurement speaks for something by its corrected p, and against it by the plain one.
        if other.p > level >= rank.p or (rank.p > level and other.p_holm is not None and other.p_holm <= level):
            contrary.append(_counted(other))
    return Finding(
        "F2", Pair.RETENTION, question, answer, evidence.ratio(Pair.RETENTION), tuple(cites),
        tuple(contrary) or (NOTHING_CONTRARY,),
        (*_limits(evidence, run), *(() if rank.p <= level else also_back)),
    )  # fmt: skip


def _share(saved: float) -> str:
    return f"{100 * abs(saved):.1f} % {'fewer' if saved >= 0 else 'more'}"


def _than(rank: Comparison, protocol: Protocol) -> str:
    if rank.title == protocol.primary_retention_with_control_checkpoint:
        return "the control checkpoint, which is told the same prompt"
    return "without it"


def _sensitivity(evidence: Evidence, pair: Pair, rank: Comparison | None) -> list[str]:
    """Whether the likelihood ratio and the rank, which rest on different measurements, point different ways."""
    ratio = evidence.ratio(pair)
    if isinstance(ratio, Absent) or rank is None:
        return []
    outside = rank.p <= evidence.protocol.rank_level
    if outside == (ratio.log10 > 0):
        return []
    names = ", ".join(f"“{feature.name}”" for feature in ratio.features)
    side = "first" if ratio.log10 > 0 else "second"
    placed = placed_among_controls(rank.k) if outside else "lies inside the range of the controls"
    return [
        f"The likelihood ratio, from {names}, speaks for the {side} proposition, while the rank of “{rank.title}” "
        f"(p = {_p(rank.p)}) {placed}: the two measurements do not agree."
    ]


def _origin(evidence: Evidence) -> Finding:
    question = "Was the disputed image made by this checkpoint, or by another of its family?"
    stated = [f.value for f in evidence.disputed.generator if f.name == "prompt"]
    contrary = tuple(f"The file states a prompt: “{value}”. Metadata can be forged." for value in stated)
    contrary += tuple(f"The file states: {f.name}, {f.value}" for f in evidence.disputed.provenance[:4])
    rank = evidence.primary(Pair.ORIGIN)
    if rank is None or evidence.origin is None:
        why = evidence.checkpoint if isinstance(evidence.checkpoint, Absent) else NO_ORIGIN
        answer = f"Not evaluated: {_lower(why.reason)}"
        return Finding("F3", Pair.ORIGIN, question, answer, why, (), contrary, ())
    low, high = rank.k_interval
    answer = (
        f"{_place(rank, evidence.protocol)} {rank.title}: {rank.value:.3f} under the checkpoint's autoencoder. "
        f"{rank.k} of {rank.n} control works score as low (p = {_p(rank.p)}; 95 % interval for that share {low:.2f} to "
        f"{high:.2f})."
    )
    recipe = evidence.origin.recipe
    if isinstance(recipe, StatedRecipe):
        answer += (
            f" The recipe stated in the file ({recipe.generator}) was followed: {recipe.share_equal:.1%} of the values "
            f"are equal, the largest difference is {recipe.largest_difference} of 255 levels."
        )
    answer += f" {evidence.origin.gate.sentence}"
    for other in evidence.comparisons:
        apart = (other.p <= evidence.protocol.rank_level) != (rank.p <= evidence.protocol.rank_level)
        if other.id.startswith("O") and other.primary_for is None and apart:
            contrary += (f"{other.title}: {other.k} of {other.n} controls score as low (p = {_p(other.p)}).",)
    contrary += _lost_less(rank, evidence)
    return Finding(
        "F3", Pair.ORIGIN, question, answer, evidence.ratio(Pair.ORIGIN), (rank.id,),
        contrary or (NOTHING_CONTRARY,), _ORIGIN_LIMITS,
    )  # fmt: skip


def _lost_less(rank: Comparison, evidence: Evidence) -> tuple[str, ...]:
    """Other autoencoders that give the disputed image back better than the one that it is held to come from."""
    found = evidence.origin
    if found is None or isinstance(found.reconstructions, Absent) or rank.p > evidence.protocol.rank_level:
        return ()
    own = found.reconstructions[0]
    ratio = min(found.reconstructions, key=lambda r: r.ratio)
    layer = min(found.reconstructions, key=lambda r: r.layer)
    said: tuple[str, ...] = ()
    if ratio is not own:
        said += (
            f"The autoencoder of {ratio.autoencoder} gives a lower ratio: {ratio.ratio:.3f}, the checkpoint's "
            f"{own.ratio:.3f}.",
        )
    if layer is not own:
        said += (
            f"The autoencoder of {layer.autoencoder} gives a lower LPIPS distance: {layer.layer:.4f}, the "
            f"checkpoint's {own.layer:.4f}.",
        )
    return said


def _place(rank: Comparison, protocol: Protocol) -> str:
    if rank.p <= protocol.rank_level:
        return (
            f"The result {placed_among_controls(rank.k)}, as it does for pictures made by the decoder of this "
            "autoencoder."
        )
    if rank.k == 0:
        return _too_few(rank, protocol)
    return "The measurement does not distinguish the disputed image from works that the checkpoint did not make."


def _plainly(rank: Comparison, evidence: Evidence) -> str:
    """The rank of retention in plain words, for a reader who stops after one sentence."""
    target = _asked_of(evidence)
    if rank.title == evidence.protocol.primary_retention_with_control_checkpoint:
        start, than = "Beside the control checkpoint, the one examined saves", ""
    else:
        start, than = "The prompt saves the checkpoint", ", each with a prompt of its own"
    if rank.k == 0:
        return f"{start} more on {target} than on any of {rank.n} works it has not seen{than}."
    if rank.p <= evidence.protocol.rank_level:
        return f"{start} more on {target} than on {rank.n - rank.k} of {rank.n} works it has not seen{than}."
    if rank.k == rank.n:
        return f"{start} no more on {target} than on any of {rank.n} works it has not seen{than}."
    return (
        f"{start} as much on {target} as on some works it has not seen{than}: {rank.k} of {rank.n} reach that or more."
    )


def _asked_of(evidence: Evidence) -> str:
    """The picture that retention was measured on, in words."""
    return evidence.origin.gate.target if evidence.origin is not None and _moved(evidence) else "the disputed image"


def _moved(evidence: Evidence) -> bool:
    """Whether retention was asked of another picture."""
    return evidence.origin is not None and evidence.origin.gate.target != evidence.disputed.exhibit


def claim(ledger: tuple[LedgerRow, ...]) -> str:
    """How far the ladder carries, in one sentence: up to the first rung where control works succeed too."""
    stop = stops_at(ledger)
    if stop is None:
        return (
            f"At none of the {len(ledger)} rungs run did control works succeed too; the last is “{ledger[-1].rung}”"
            f"{_bits(ledger[-1])}."
        )
    before = ledger[: ledger.index(stop)]
    came = [row for row in before if row.reached]
    if came:
        return (
            f"The image comes back, and control works do not, up to the rung “{came[-1].rung}”{_bits(came[-1])}. At "
            f"the rung “{stop.rung}”{_bits(stop)} control works succeed too, and from there on a reconstruction says "
            "nothing about this image."
        )
    if before:
        return (
            f"Below the rung “{stop.rung}”{_bits(stop)}, where control works succeed too, the image does not "
            "come back within the reach of the autoencoder."
        )
    return (
        f"Already at the rung with the fewest supplied bits, “{stop.rung}”{_bits(stop)}, control works come as near: "
        "no rung tells the image from works the checkpoint has not seen."
    )


def _bits(row: LedgerRow) -> str:
    return "" if isinstance(row.bits, Absent) else f" ({row.bits:,.0f} bits supplied)".replace(",", "\u202f")


def _supplied(run: Inversion) -> str:
    if isinstance(run.supplied_bits, Absent):
        return ""
    return f" Prompt and choice of the seed amount to {run.supplied_bits:.0f} bits of supplied information."


def _ranked(
    rank: Comparison, protocol: Protocol, reach: str = "are at least as close", one: str = "the disputed image"
) -> str:
    low, high = rank.k_interval
    counted = (
        f"{rank.k} of {rank.n} control works put through the same search {reach} (p = {_p(rank.p)}; "
        f"95 % interval for the share of such works {low:.2f} to {high:.2f})."
    )
    if rank.p <= protocol.rank_level:
        return f"{counted} The result {placed_among_controls(rank.k)}."
    if rank.k == 0:
        return f"{counted} {_too_few(rank, protocol)}"
    return f"{counted} The measurement does not distinguish {one} from the controls."


def _too_few(rank: Comparison, protocol: Protocol) -> str:
    return (
        f"No control reaches as far, but {rank.n} controls are too few to place a result outside their range at the "
        f"level of {protocol.rank_level:g}."
    )


def _reconstruction(evidence: Evidence) -> tuple[str, ...]:
    """What speaks against reading a reconstruction as retention: the controls come back as well."""
    rows = []
    for comparison in evidence.comparisons:
        if "and back" in comparison.title and comparison.controls:
            values = sorted(score.value for score in comparison.controls)
            rows.append(
                f"{comparison.title}: {comparison.value:.3f} for {_asked_of(evidence)}; median of the controls "
                f"{values[len(values) // 2]:.3f}. Reconstruction with the target in hand succeeds on unseen works too "
                "and is no sign of retention."
            )
    return tuple(rows)


def _limits(evidence: Evidence, run: Inversion | None) -> tuple[str, ...]:
    rows = [_BACK_UNALIGNED]
    if run is not None and run.prompt_source.startswith("caption of neighbour"):
        rows.append(
            "The prompt was found with the disputed image in hand; each control was given its own neighbour's caption."
        )
    if evidence.origin is not None and evidence.origin.gate.grounds:
        rows.append(evidence.origin.gate.sentence)
    else:
        rows.append(
            "If the disputed image is itself an output of the checkpoint, its regeneration says nothing about training."
        )
    rows.append(
        "The results hold for the weights named by their digests, not for a service that uses other weights or filters."
    )
    return tuple(rows)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
