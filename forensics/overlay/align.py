"""How one picture is laid over another: {as is, mirrored} × {normal, tone-inverted}, the simplest adequate model.

Keypoints propose first (RootSIFT, MAGSAC++: D. Barath et al., CVPR 2020). Flat art has few, so whole frames, drawn
contents and a search over positions and sizes propose as well. Every proposal is judged in one way, by the agreement of
the two pictures in the bands of 24, 32 and 48 pixels of their overlap, and the best two are polished (enhanced
correlation coefficient, G. Evangelidis and E. Psarakis, PAMI 2008). No free-form warp is ever used: flexible warps
manufacture agreement. That nothing fits is a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from forensics.overlay.keypoints import Keypoints, match, variant
from forensics.overlay.overlay import Overlay, lay, project, tones
from forensics.overlay.plates import Array, Box, Matrix, Plate
from forensics.overlay.thumbnail_level import measure

MIN_INLIERS = 6
"""Distinct places that must agree before keypoints propose anything."""
TOLERANCE = 3.0
"""Reprojection error of an inlier at most, in pixels of the plate."""
SPREAD = 1.0
"""Standard deviation of a keypoint's place, in pixels of the plate, by which the choice of the model weighs errors."""
REGIONS = 5
"""Parts of a collage that are looked for."""
_LAMBDA = 2.0
"""Torr's weight of a dimension that an outlier misses."""
_JUDGED = (24, 32, 48)
_JUDGE_SIDE = 128
_POLISH_SIDES = (128, 256)
"""Canvas of the first and, where that agrees, of the second polishing."""
_POLISH_STEPS = (25, 40)
_POLISH_FINE = 0.45
"""Score above which the second polishing is worth its time; unrelated pairs do not reach it."""
_HOPELESS = 0.08
"""Score up to which a proposal is not polished at all."""
_POLISH_GAIN = 0.004
_MAX_POLISH = 0.05
_SEARCH_SIDE = 72
_SEARCH_SHRINK = 0.85
_SEARCH_SIZES = 9
_POLISHED = 3
_SAME_FRAME = 1.5
_LEAST_OVERLAP = 0.02


@dataclass(frozen=True, slots=True)
class Alignment:
    """One way of laying picture b over picture a."""

    matrix: Matrix
    """Plate of b -> plate of a; contains the mirror, if any."""
    model: str
    """`identity`, `similarity`, `affine` or `homography`."""
    mirrored: bool
    proposed: str
    """`keypoints`, `frame`, `content` or `search`."""
    inliers: int
    """Distinct places of keypoints that agree with it; 0 where keypoints did not propose it."""
    score: float
    """Mean correlation in the bands of 24, 32 and 48 pixels, times the fourth root of the smaller picture's share."""
    points: Matrix
    """(k, 4): x, y in plate a and x, y in plate b of the inliers."""


def mirror(plate: Plate) -> Matrix:
    """Left and right exchanged within the plate."""
    return np.array([[-1.0, 0, plate.size[1] - 1], [0, 1, 0], [0, 0, 1]])


def align(a: Plate, b: Plate, ka: Keypoints, kb: Keypoints) -> list[Alignment]:
    """The best alignment first, then further parts of a collage, if keypoints find any. Empty where nothing fits."""
    cv2.setRNGSeed(0)
    proposals = list(_from_keypoints(a, b, ka, kb))
    proposals += [*_frames(a, b), *_contents(a, b), *_search(a, b)]
    judged = sorted((_judge(a, b, p) for p in proposals), key=lambda p: -p.score)
    judged = [p for p in judged if p.score > 0]
    if not judged:
        return []
    # Keypoints that agree in many places are examined whatever the quick judgement says.
    chosen = judged[:_POLISHED]
    if not any(p.proposed == "keypoints" for p in chosen):
        chosen += [p for p in judged if p.proposed == "keypoints"][:1]
    polished = [polish(a, b, p) for p in chosen]
    best = max(polished, key=lambda p: p.score)
    return [best, *_further(a, b, ka, kb, best)]


def _from_keypoints(a: Plate, b: Plate, ka: Keypoints, kb: Keypoints) -> Iterator[Alignment]:
    for mirrored in (False, True):
        for inverted in (False, True):
            pairs = match(ka.vectors, variant(kb.vectors, mirrored=mirrored, inverted=inverted))
            found = fit(a, b, np.concatenate([ka.points[pairs[:, 0]], kb.points[pairs[:, 1]]], 1), mirrored=mirrored)
            if found is not None:
                yield found


def fit(a: Plate, b: Plate, points: Matrix, *, mirrored: bool) -> Alignment | None:
    """The simplest model that explains matched places (k, 4), or none that is sane."""
    if len(points) < MIN_INLIERS:
        return None
    flip = mirror(b) if mirrored else np.eye(3)
    # OpenCV wants its points contiguous.
    target, source = np.ascontiguousarray(points[:, :2]), np.ascontiguousarray(project(flip, points[:, 2:]))
    models: list[tuple[str, Matrix]] = []
    similarity, _ = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=4000, confidence=0.9999
    )
    affine, _ = cv2.estimateAffine2D(
        source, target, method=cv2.USAC_MAGSAC, ransacReprojThreshold=TOLERANCE, maxIters=4000, confidence=0.9999
    )
    plane, _ = cv2.findHomography(source, target, cv2.USAC_MAGSAC, TOLERANCE, maxIters=10000, confidence=0.9999)
    for name, matrix in (("similarity", similarity), ("affine", affine), ("homography", plane)):
        if matrix is not None and np.isfinite(matrix).all():
            full = np.vstack([matrix, [0, 0, 1]]) if matrix.shape[0] == 2 else matrix
            if _sane(full, b):
                models.append((name, full))
    counted = [(name, matrix, _inliers(matrix, source, target)) for name, matrix in models]
    if not counted:
        return None
    most = max(_distinct(target[hit]) for _, _, hit in counted)
    if most < MIN_INLIERS:
        return None
    name, matrix, hit = min(counted, key=lambda row: _gric(row[0], row[1], source, target))
    if _distinct(target[hit]) < MIN_INLIERS:
        return None
    whole = matrix @ flip
    return Alignment(whole, name, mirrored, "keypoints", _distinct(target[hit]), 0.0, points[hit])


_PARAMETERS = {"similarity": 4, "affine": 6, "homography": 8}


def _gric(name: str, matrix: Matrix, source: Matrix, target: Matrix) -> float:
    """Geometric robust information criterion (P. Torr, Phil. Trans. R. Soc. A 356, 1998): the smaller, the better.

    Counting inliers alone takes an affine map for a plane seen in perspective: it stays within the tolerance of the
    inliers almost everywhere. Errors and parameters are therefore weighed against each other. A pair of places has
    four dimensions, a map between planes leaves two of them free; an outlier counts as the two that it misses.
    """
    error = np.hypot(*(project(matrix, source) - target).T)
    misfit = np.minimum((error / SPREAD) ** 2, 2 * _LAMBDA)
    return float(misfit.sum() + _PARAMETERS[name] * np.log(4 * len(source)))


def _inliers(matrix: Matrix, source: Matrix, target: Matrix) -> np.ndarray:
    return np.asarray(np.hypot(*(project(matrix, source) - target).T) <= TOLERANCE)


def _distinct(points: Matrix) -> int:
    """Places, not keypoints: several at one place count once."""
    return len({(round(x / 4), round(y / 4)) for x, y in points}) if len(points) else 0


def _sane(matrix: Matrix, b: Plate) -> bool:
    height, width = b.size
    corners = Box(0, 0, width, height).corners()
    depth = np.concatenate([corners, np.ones((4, 1))], 1) @ matrix[2]
    if depth.min() * depth.max() <= 0 or np.abs(depth).max() > 4 * np.abs(depth).min():
        return False
    shown = project(matrix, corners).astype(np.float32)
    if not cv2.isContourConvex(shown.reshape(-1, 1, 2)) or cv2.contourArea(shown, oriented=True) <= 0:
        return False
    ratio = cv2.contourArea(shown) / (width * height)
    sides = np.hypot(*(np.roll(shown, -1, 0) - shown).T) / [width, height, width, height]
    return bool(0.02 <= ratio <= 50 and sides.max() <= 4 * sides.min())


def _between(inside: Box, b: Box) -> Matrix:
    """The map that lays rectangle b over rectangle `inside`."""
    sx, sy = inside.width / b.width, inside.height / b.height
    x = inside.left - 0.5 - sx * (b.left - 0.5)
    y = inside.top - 0.5 - sy * (b.top - 0.5)
    return np.array([[sx, 0, x], [0, sy, y], [0, 0, 1.0]])


def _frames(a: Plate, b: Plate) -> Iterator[Alignment]:
    ours, theirs = (Box(0, 0, p.size[1], p.size[0]) for p in (a, b))
    direct = _between(ours, theirs)
    for mirrored in (False, True):
        yield _plain(direct @ mirror(b) if mirrored else direct, "identity", mirrored, "frame")


def _contents(a: Plate, b: Plate) -> Iterator[Alignment]:
    if a.margin_share < 0.02 and b.margin_share < 0.02:
        return
    ratio = (a.content.width / b.content.width) / (a.content.height / b.content.height)
    if not 0.5 <= ratio <= 2:
        return
    direct = _between(a.content, b.content)
    for mirrored in (False, True):
        if mirrored:
            box = b.content
            flip = np.array([[-1.0, 0, box.left + box.right - 1], [0, 1, 0], [0, 0, 1]])
            yield _plain(direct @ flip, "similarity" if 0.97 < ratio < 1.03 else "affine", True, "content")
        else:
            yield _plain(direct, "similarity" if 0.97 < ratio < 1.03 else "affine", False, "content")


def _search(a: Plate, b: Plate) -> Iterator[Alignment]:
    """Either content looked for in the other at several sizes, both ways round and in both tones."""
    for mirrored in (False, True):
        flip = mirror(b) if mirrored else np.eye(3)
        theirs = b.luma[:, ::-1] if mirrored else b.luma
        box = _flipped(b, b.content) if mirrored else b.content
        for one, one_box, other, other_box, swapped in (
            (a.luma, a.content, theirs, box, False),
            (theirs, box, a.luma, a.content, True),
        ):
            for matrix in _placed(one, one_box, other, other_box):
                whole = np.linalg.inv(matrix) @ flip if swapped else matrix @ flip
                yield _plain(whole, "similarity", mirrored, "search")


def _placed(scene: Array, scene_box: Box, part: Array, part_box: Box) -> Iterator[Matrix]:
    """Best positions of `part` in `scene`, positively and negatively correlated: maps of part into scene."""
    field, down = _small(scene, scene_box, _SEARCH_SIDE)
    cut = part[part_box.top : part_box.bottom, part_box.left : part_box.right]
    best: dict[bool, tuple[float, Matrix]] = {}
    for k in range(_SEARCH_SIZES):
        side = _SEARCH_SIDE * _SEARCH_SHRINK**k
        scale = min(side / max(cut.shape), field.shape[0] / cut.shape[0], field.shape[1] / cut.shape[1])
        size = (round(cut.shape[1] * scale), round(cut.shape[0] * scale))
        if min(size) < 12 or size[0] > field.shape[1] or size[1] > field.shape[0]:
            continue
        template = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
        if template.std() < 0.02:
            continue
        response = cv2.matchTemplate(field, template, cv2.TM_CCOEFF_NORMED)
        low, high, at_low, at_high = cv2.minMaxLoc(response)
        for inverted, value, at in ((False, high, at_high), (True, -low, at_low)):
            if np.isfinite(value) and value <= 1.001 and value > best.get(inverted, (0.3, None))[0]:
                sx, sy = size[0] / cut.shape[1] / down, size[1] / cut.shape[0] / down
                x = scene_box.left - 0.5 + at[0] / down - sx * (part_box.left - 0.5)
                y = scene_box.top - 0.5 + at[1] / down - sy * (part_box.top - 0.5)
                best[inverted] = (value, np.array([[sx, 0, x], [0, sy, y], [0, 0, 1.0]]))
    yield from (matrix for _, matrix in best.values())


def _small(luma: Array, box: Box, side: int) -> tuple[Array, float]:
    cut = luma[box.top : box.bottom, box.left : box.right]
    down = side / max(cut.shape)
    size = (max(2, round(cut.shape[1] * down)), max(2, round(cut.shape[0] * down)))
    return cv2.resize(cut, size, interpolation=cv2.INTER_AREA), down


def _flipped(plate: Plate, box: Box) -> Box:
    width = plate.size[1]
    return Box(width - box.right, box.top, width - box.left, box.bottom)


def _plain(matrix: Matrix, model: str, mirrored: bool, proposed: str) -> Alignment:
    return Alignment(matrix, model, mirrored, proposed, 0, 0.0, np.zeros((0, 4)))


def _judge(a: Plate, b: Plate, proposal: Alignment, side: int = _JUDGE_SIDE) -> Alignment:
    over = lay(a, b, proposal.matrix, side)
    if over is None or min(over.area_a, over.area_b) < _LEAST_OVERLAP:
        return replace(proposal, score=-1.0)
    return replace(proposal, score=_score(over))


def _score(over: Overlay) -> float:
    x, y, _ = tones(over)
    agreement = measure(x, y, over.mask, interval=False, sides=_JUDGED).mean(*_JUDGED)
    return agreement * max(over.area_a, over.area_b) ** 0.25


def polish(a: Plate, b: Plate, proposal: Alignment) -> Alignment:
    """Moved by a fraction of a pixel or a few to the best correlation; kept only where that agrees better."""
    best = _judge(a, b, _same_frame(a, b, proposal))
    if best.score <= _HOPELESS:
        return best
    best = _polished(a, b, best, _POLISH_SIDES[0], _POLISH_STEPS[0])
    if best.score <= _POLISH_FINE:
        return best
    return _polished(a, b, _same_frame(a, b, best), _POLISH_SIDES[1], _POLISH_STEPS[1])


def _polished(a: Plate, b: Plate, proposal: Alignment, side: int, steps: int) -> Alignment:
    before = _judge(a, b, proposal, side)
    over = lay(a, b, proposal.matrix, side)
    if over is None or before.score <= 0:
        return before
    x, y, _ = tones(over)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-5)
    homography = proposal.model == "homography"
    start = np.eye(3, dtype=np.float32) if homography else np.eye(2, 3, dtype=np.float32)
    motion = cv2.MOTION_HOMOGRAPHY if homography else cv2.MOTION_AFFINE
    try:
        _, found = cv2.findTransformECC(x, y, start, motion, criteria, over.mask.astype(np.uint8), 5)
    except cv2.error:  # it does not converge where there is nothing to correlate
        return before
    step = np.vstack([found, [0, 0, 1]]).astype(np.float64) if found.shape[0] == 2 else found.astype(np.float64)
    corners = Box(0, 0, x.shape[1], x.shape[0]).corners()
    if np.hypot(*(project(step, corners) - corners).T).max() > _MAX_POLISH * max(x.shape):
        return before
    # The step maps canvas a to canvas b; b has to be moved back by it.
    moved = np.linalg.inv(over.to_canvas) @ np.linalg.inv(step) @ over.to_canvas @ proposal.matrix
    after = _judge(a, b, replace(proposal, matrix=moved), side)
    if after.score <= before.score + _POLISH_GAIN:
        return before
    return replace(after, model="similarity" if after.model == "identity" else after.model)


def _same_frame(a: Plate, b: Plate, proposal: Alignment) -> Alignment:
    """A model that moves no corner of the frame visibly is the identity (or the plain mirror)."""
    ours, theirs = (Box(0, 0, p.size[1], p.size[0]) for p in (a, b))
    plain = _between(ours, theirs) @ (mirror(b) if proposal.mirrored else np.eye(3))
    corners = theirs.corners()
    if np.hypot(*(project(plain, corners) - project(proposal.matrix, corners)).T).max() <= _SAME_FRAME:
        return replace(proposal, matrix=plain, model="identity")
    return proposal


def _further(a: Plate, b: Plate, ka: Keypoints, kb: Keypoints, first: Alignment) -> Iterator[Alignment]:
    """Parts of a collage: what the alignments so far do not explain, matched again."""
    taken = [first]
    free_a = ~_covered(a, b, first, ka.points)
    free_b = np.ones(len(kb.points), bool)
    for _ in range(REGIONS - 1):
        rest_a = Keypoints(ka.points[free_a], ka.vectors[free_a])
        rest_b = Keypoints(kb.points[free_b], kb.vectors[free_b])
        found = [p for p in _from_keypoints(a, b, rest_a, rest_b) if p.inliers >= 2 * MIN_INLIERS]
        found = [p for p in (polish(a, b, p) for p in found) if p.score > 0]
        if not found:
            return
        best = max(found, key=lambda p: (p.inliers, p.score))
        if any(
            np.hypot(*(project(best.matrix, best.points[:, 2:]) - project(t.matrix, best.points[:, 2:])).T).mean()
            <= 3 * TOLERANCE
            for t in taken
        ):
            return
        taken.append(best)
        yield best
        free_a = free_a & ~_covered(a, b, best, ka.points)


def _covered(a: Plate, b: Plate, found: Alignment, points: Matrix) -> np.ndarray:
    """Which points of plate a lie under picture b as laid over it."""
    if not len(points):
        return np.zeros(0, bool)
    shown = project(np.asarray(np.linalg.inv(found.matrix), np.float64), points)
    height, width = b.size
    return np.asarray((shown[:, 0] >= 0) & (shown[:, 0] < width) & (shown[:, 1] >= 0) & (shown[:, 1] < height))
