"""The graded word for one work, and what corresponds and differs."""

from __future__ import annotations

from forensics.case import (
    Assessment,
    Comparison,
    Correspondence,
    Grade,
    Measurement,
    Outcome,
    Statistic,
    share,
)
from forensics.findings.evidence import MAY_BE_EDITED, NO_DIFFERENCE, POSITIVE, Evidence, too_few
from forensics.verbal import TONES_UNCHANGED


def assess(assessment_id: str, work: str, evidence: Evidence) -> Assessment:
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
        return _GRADES[laid.outcome], f"{disputed} and {work}: {laid.outcome.said}. {laid.basis}"
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
    if protocol.announces((1 + at_least) / (1 + rank.n), rank.n):
        return Grade.IN_PART, f"{stated}. {ranked}"
    if at_least == 0:
        # No control comes as near, yet there are too few of them: "subject only" would say more than was measured.
        return Grade.INSUFFICIENT, f"{stated}. {ranked} {too_few(rank, protocol)}"
    if (clip := values.get("clip")) is not None and (nearest := _nearest(evidence)) is not None:
        below = sum(score.value < clip.value for score in nearest.controls)
        if below * 2 >= nearest.n:
            return Grade.SUBJECT, (
                f"{stated}. {ranked} The embedding (cosine {clip.value:.3f}) is closer than those of {below} of "
                f"{nearest.n} controls to their first neighbour. {MAY_BE_EDITED}"
            )
    return Grade.NONE, f"{stated}. {ranked} {MAY_BE_EDITED}"


_GRADES = {
    Outcome.THROUGHOUT: Grade.THROUGHOUT,
    Outcome.PARTLY: Grade.IN_PART,
    Outcome.ARRANGEMENT: Grade.SUBJECT,
    Outcome.SUBJECT: Grade.SUBJECT,
    Outcome.STYLE: Grade.SUBJECT,
    Outcome.NONE: Grade.NONE,
    Outcome.INSUFFICIENT: Grade.INSUFFICIENT,
}
"""The graded word of the assessment that belongs to each outcome of the aligned comparison."""
_NO_PIXELS = "No correspondence of pixels beyond that between controls and their neighbours was measured."
_NO_PART = "No part of the one agrees in detail with the other when they are laid over each other."


def _nearest(evidence: Evidence) -> Comparison | None:
    return evidence.comparison(Statistic.COSINE_TO_NEAREST)


def _corresponds(values: dict[str, Measurement], grade: Grade, laid: Correspondence | None = None) -> tuple[str, ...]:
    if grade is Grade.SAME_PIXELS:
        return ("Every pixel.",)
    if grade not in POSITIVE:
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
