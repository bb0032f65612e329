"""How one picture is laid over another: proposals from several sources, weighed by one judge, whoever made them.

RootSIFT in its four hypotheses and learned features in all ways round propose (MAGSAC++: D. Barath et al., CVPR 2020);
each finds what the other misses. Flat art and pictures without corners have few of either, so whole frames, drawn
contents and a search over positions and sizes propose as well. Every proposal is weighed in one way (`judge`): by how
much of what the two pictures show agrees under it, of that picture of which more does, so that a sliver of plain paper
wins nothing. The best are polished (enhanced correlation coefficient, G. Evangelidis and E. Psarakis, PAMI 2008), and
the keypoints that agree with the winner are counted anew, whoever proposed it. No free-form warp is used here: flexible
warps manufacture agreement. That nothing fits is a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from forensics.overlay import judge
from forensics.overlay.judge import Judged
from forensics.overlay.keypoints import Keypoints, match, variant
from forensics.overlay.learned import OTHER_WAYS, PLAIN_WAYS, SIDE, TURNED_SIDE, Way
from forensics.overlay.learned import match as match_learned
from forensics.overlay.overlay import Overlay, comparable, inner, lay, project
from forensics.overlay.plates import Array, Box, Matrix, Plate
from forensics.overlay.prepared import Prepared

MIN_INLIERS = 6
"""Distinct places that must agree before keypoints propose anything."""
MIN_LEARNED = 10
"""The same for learned features, which match by chance more often."""
TOLERANCE = 3.0
"""Reprojection error of an inlier at most, in pixels of the plate."""
LEARNED_TOLERANCE = 6.0
"""The same for learned features, in pixels of a picture of 512: they are placed less exactly."""
SPREAD = 1.0
"""Standard deviation of a keypoint's place, in pixels of the plate, by which the choice of the model weighs errors."""
REGIONS = 5
"""Parts of a collage that are looked for."""
CELL = 64
"""Side in pixels, at 512, of the cells over which consistent learned features are counted as spread."""
SPREAD_TOLERANCE = 3.0
"""Reprojection error at most for that, in pixels at 512."""
_LAMBDA = 2.0
"""Torr's weight of a dimension that an outlier misses."""
_FOUND = 0.30
"""Score from which the other ways round are not tried any more."""
_POLISH_SIDES = (128, 256)
"""Canvas of the first and, where that agrees, of the second polishing."""
_POLISH_STEPS = (25, 40)
_POLISH_FINE = 0.12
"""Score above which the second polishing is worth its time; unrelated pairs hardly reach it."""
_HOPELESS = 0.01
"""Score up to which a proposal is not polished at all."""
_PERFECT = 0.995
_POLISH_GAIN = 0.002
_MAX_POLISH = 0.05
_SEARCH_SIDE = 72
_SEARCH_SHRINK = 0.85
_SEARCH_SIZES = 9
_POLISHED = 3
_SAME_FRAME = 1.5
_LEAST_OVERLAP = 0.02
"""Share of both contents that has to lie in the overlap."""
_LEAST_INSET, _INSET = 0.004, 0.9
"""The same of a page on which the other picture stands, and the share of that picture that has to be on it."""
_UNHIDDEN = 0.25
"""Share of what a picture shows that has to lie clear of the other's rim, so that it speaks for the rest."""
_ALIKE = 0.008
"""Distance of the corners, as a share of the long side, up to which two proposals are one."""
_WARMTH = 0.05
"""Weight of the mean likeness beside the share that agrees, so that small steps of polishing count."""
_BY_SPREAD = 0.01
"""Weight, in the choice among polished proposals, of each cell in which learned features agree."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """One way of laying picture b over picture a."""

    matrix: Matrix
    """Plate of b -> plate of a; contains the mirror, if any."""
    model: str
    """`identity`, `similarity`, `affine` or `homography`."""
    mirrored: bool
    proposed: str
    """`keypoints`, `learned`, `frame`, `content` or `search`."""
    inliers: int
    """Distinct places of keypoints that agree with it, whoever proposed it."""
    score: float
    """Share of what the pictures show that agrees, of that picture of which more does, and a little of its likeness."""
    points: Matrix
    """(k, 4): x, y in plate a and x, y in plate b of the inliers."""
    spread: int = 0
    """Cells of 64 pixels, pictures at 512, that hold a learned feature consistent to 3 pixels, of that picture with
    fewer."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Places matched under one hypothesis."""

    source: str
    mirrored: bool
    points: Matrix
    """(k, 4): x, y in plate a and x, y in plate b."""
    tolerance: float
    """In pixels of plate a."""
    counted: bool = True
    """Whether its places speak for the alignment they agree with; else they propose one and say no more."""


Further = Callable[[Prepared, Prepared], Sequence[Matches]]
"""A further source: two pictures -> what it matches, the first of them as plate a. The same judge weighs it."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """An overlap with what the judge made of it."""

    over: Overlay
    judged: Judged
    covers_a: float
    """Share of what picture a shows that lies in the overlap."""
    covers_b: float

    @property
    def score(self) -> float:
        """As `Alignment.score`."""
        return (self.judged.share + _WARMTH * self.judged.warmth) * max(self.covers_a, self.covers_b)


def mirror(plate: Plate) -> Matrix:
    """Left and right exchanged within the plate."""
    return np.array([[-1.0, 0, plate.size[1] - 1], [0, 1, 0], [0, 0, 1]])


def align(a: Prepared, b: Prepared, further: Further | None = None) -> list[Alignment]:
    """The best alignment first, then further parts of a collage, if keypoints find any. Empty where nothing fits.

    Args:
        further: a source beside those of `proposed`; what it proposes is weighed as theirs is.
    """
    cv2.setRNGSeed(0)
    matches = [*proposed(a, b), *(further(a, b) if further is not None else ())]
    fitted = [f for m in matches for f in _fitted(a.plate, b.plate, m)]
    proposals = [*fitted, *_frames(a.plate, b.plate), *_contents(a.plate, b.plate), *_search(a.plate, b.plate)]
    judged = _ranked(a, b, proposals)
    if not judged or judged[0].score < _FOUND:
        more = _by_learned(a, b, OTHER_WAYS, TURNED_SIDE)
        matches += more
        judged = _ranked(a, b, [*judged, *(f for m in more for f in _fitted(a.plate, b.plate, m))])
    if not judged:
        return []
    chosen = judged[:_POLISHED] if judged[0].score < _PERFECT else judged[:1]
    # Features that agree in many places are examined whatever the quick judgement says.
    for source in dict.fromkeys(m.source for m in matches):
        if not any(p.proposed == source for p in chosen):
            chosen += sorted((p for p in judged if p.proposed == source), key=lambda p: -p.inliers)[:1]
    polished = [recounted(a, b, polish(a, b, p), matches) for p in chosen]
    best = max(polished, key=lambda p: p.score + _BY_SPREAD * p.spread)
    return [best, *_further(a, b, best)]


def proposed(a: Prepared, b: Prepared) -> list[Matches]:
    """Places matched by keypoints in their four hypotheses and by learned features as the pictures stand."""
    return [*_by_keypoints(a.keypoints, b.keypoints), *_by_learned(a, b, PLAIN_WAYS, SIDE)]


def _by_keypoints(ka: Keypoints, kb: Keypoints) -> Iterator[Matches]:
    for mirrored in (False, True):
        for inverted in (False, True):
            pairs = match(ka.vectors, variant(kb.vectors, mirrored=mirrored, inverted=inverted))
            points = np.concatenate([ka.points[pairs[:, 0]], kb.points[pairs[:, 1]]], 1)
            yield Matches("keypoints", mirrored, points, TOLERANCE)


def _by_learned(a: Prepared, b: Prepared, ways: Sequence[Way], side: int) -> list[Matches]:
    tolerance = LEARNED_TOLERANCE * max(a.plate.size) / 512
    ours = a.learned.of(side=side)
    return [Matches("learned", way.mirrored, match_learned(ours, b.learned.of(way, side)), tolerance) for way in ways]


def _fitted(a: Plate, b: Plate, found: Matches) -> list[Alignment]:
    made = fit(a, b, found)
    return [] if made is None else [made]


def fit(a: Plate, b: Plate, found: Matches) -> Alignment | None:
    """The simplest model that explains matched places, or none that is sane."""
    least = MIN_INLIERS if found.source == "keypoints" else MIN_LEARNED
    if len(found.points) < least:
        return None
    flip = mirror(b) if found.mirrored else np.eye(3)
    # OpenCV wants its points contiguous.
    target = np.ascontiguousarray(found.points[:, :2])
    source = np.ascontiguousarray(project(flip, found.points[:, 2:]))
    models = [(n, m) for n, m in _models(source, target, found.tolerance) if _sane(m, b)]
    counted = [(n, m, _inliers(m, source, target, found.tolerance)) for n, m in models]
    if not counted or max(_distinct(target[hit]) for _, _, hit in counted) < least:
        return None
    error = SPREAD * found.tolerance / TOLERANCE
    name, matrix, hit = min(counted, key=lambda row: _gric(row[0], row[1], source, target, error))
    if _distinct(target[hit]) < least:
        return None
    return Alignment(matrix @ flip, name, found.mirrored, found.source, _distinct(target[hit]), 0.0, found.points[hit])


def _models(source: Matrix, target: Matrix, tolerance: float) -> Iterator[tuple[str, Matrix]]:
    """Robust fits, the simplest last: where no plane finds its places, the others are not tried."""
    plane, hit = cv2.findHomography(source, target, cv2.USAC_MAGSAC, tolerance, maxIters=5000, confidence=0.9999)
    if plane is None or int(hit.sum()) < MIN_INLIERS:
        return
    yield "homography", np.asarray(plane, np.float64)
    affine, _ = cv2.estimateAffine2D(
        source, target, method=cv2.USAC_MAGSAC, ransacReprojThreshold=tolerance, maxIters=4000, confidence=0.9999
    )
    similarity, _ = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=4000, confidence=0.9999
    )
    for name, matrix in (("affine", affine), ("similarity", similarity)):
        if matrix is not None and np.isfinite(matrix).all():
            yield name, np.vstack([matrix, [0, 0, 1]])


_PARAMETERS = {"similarity": 4, "affine": 6, "homography": 8}


def _gric(name: str, matrix: Matrix, source: Matrix, target: Matrix, spread: float) -> float:
    """Geometric robust information criterion (P. Torr, Phil. Trans. R. Soc. A 356, 1998): the smaller, the better.

    Counting inliers alone takes an affine map for a plane seen in perspective: it stays within the tolerance of the
    inliers almost everywhere. Errors and parameters are therefore weighed against each other. A pair of places has
    four dimensions, a map between planes leaves two of them free; an outlier counts as the two that it misses.
    """
    error = np.hypot(*(project(matrix, source) - target).T)
    misfit = np.minimum((error / spread) ** 2, 2 * _LAMBDA)
    return float(misfit.sum() + _PARAMETERS[name] * np.log(4 * len(source)))


def _inliers(matrix: Matrix, source: Matrix, target: Matrix, tolerance: float = TOLERANCE) -> np.ndarray:
    return np.asarray(np.hypot(*(project(matrix, source) - target).T) <= tolerance)


def recounted(a: Prepared, b: Prepared, found: Alignment, matches: Sequence[Matches]) -> Alignment:
    """The alignment with every keypoint that agrees with it, whoever proposed it, and the spread of learned ones."""
    points, spread = [found.points[:0]], 0
    for some in matches:
        if not some.counted or some.mirrored != found.mirrored or not len(some.points):
            continue
        target, source = some.points[:, :2], some.points[:, 2:]
        near = _inliers(found.matrix, source, target, some.tolerance)
        points.append(some.points[near])
        if some.source == "learned" and near.sum() >= MIN_LEARNED:
            spread = max(spread, _spread(a.plate, b.plate, some.points[near], mirrored=found.mirrored))
    places = np.concatenate(points)
    return replace(found, points=places, inliers=_distinct(places[:, :2]), spread=spread)


def _spread(a: Plate, b: Plate, points: Matrix, *, mirrored: bool) -> int:
    """Cells that hold a match of one plane seen to 3 pixels, of that picture with fewer."""
    scales = 512 / max(a.size), 512 / max(b.size)
    target, source = np.ascontiguousarray(points[:, :2] * scales[0]), np.ascontiguousarray(points[:, 2:] * scales[1])
    # The search for a plane takes orientation to be kept.
    turned = source * [-1.0, 1.0] if mirrored else source
    plane, hit = cv2.findHomography(turned, target, cv2.USAC_MAGSAC, SPREAD_TOLERANCE, maxIters=5000, confidence=0.9999)
    if plane is None:
        return 0
    kept = hit.ravel() > 0
    return min(len(set(map(tuple, (p[kept] // CELL).astype(int).tolist()))) for p in (target, source))


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


def _ranked(a: Prepared, b: Prepared, proposals: Sequence[Alignment]) -> list[Alignment]:
    """Proposals that lay anything over anything, the best first; of two that are alike, the one with more places."""
    kept: list[tuple[Matrix, Alignment]] = []
    height, width = b.plate.size
    corners = Box(0, 0, width, height).corners()
    near = _ALIKE * max(a.plate.size)
    for proposal in sorted(proposals, key=lambda p: -p.inliers):
        at = project(proposal.matrix, corners)
        if all(np.hypot(*(at - other).T).max() > near for other, _ in kept):
            kept.append((at, proposal))
    judged = [p if p.score else _weighed(a, b, p) for _, p in kept]
    return sorted((p for p in judged if p.score > 0), key=lambda p: -p.score)


def weigh(a: Prepared, b: Prepared, matrix: Matrix, side: int, *, evidence: bool = True) -> Weighed | None:
    """The overlap under one matrix (plate of b -> plate of a), judged at a long side of `side` pixels.

    Args:
        evidence: as in `judge.judge`.
    """
    small = side <= _POLISH_SIDES[0]
    to_a, to_b = _to_small(a), _to_small(b)
    brought = to_a @ matrix @ np.linalg.inv(to_b)
    over = lay(a.small, b.small, brought, side) if small else lay(a.plate, b.plate, matrix, side)
    if over is None or not _enough(a, b, over, matrix):
        return None
    to_canvas = over.to_canvas if small else over.to_canvas @ np.linalg.inv(to_a)
    covered_a = _share(a.shown, to_canvas, over)
    covered_b = _share(b.shown, to_canvas @ brought, over)
    return Weighed(over, judge.judge(over, min(side, judge.SIDE), evidence=evidence), covered_a, covered_b)


def _to_small(work: Prepared) -> Matrix:
    """Plate -> small plate."""
    (height, width), (rows, columns) = work.plate.size, work.small.size
    x, y = columns / width, rows / height
    return np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])


def _share(shown: Array, to_canvas: Matrix, over: Overlay, whole: Array | None = None) -> float:
    """Share of what a picture shows that lies in the overlap.

    Args:
        whole: where `shown` is a part of it; then that part has to be a quarter of it at least, else it says nothing.
    """
    total = float(shown.sum())
    if total <= 0 or (whole is not None and total < _UNHIDDEN * float(whole.sum())):
        return 0.0
    size = (shown.shape[1], shown.shape[0])
    # The mask is brought to the picture, not the picture to the canvas: its pixels all count alike.
    inside = cv2.warpPerspective(over.mask.astype(np.float32), np.linalg.inv(to_canvas), size, flags=cv2.INTER_LINEAR)
    return min(1.0, float((inside * shown).sum()) / total)


def _enough(a: Prepared, b: Prepared, over: Overlay, matrix: Matrix) -> bool:
    """Whether the overlap is no sliver: a share of both, or a smaller one of a page on which the other stands whole."""
    least = min(over.area_a, over.area_b)
    if least >= _LEAST_OVERLAP:
        return True
    return least >= _LEAST_INSET and max(comparable(a.plate, b.plate, matrix)) >= _INSET


def within(a: Prepared, b: Prepared, found: Weighed, matrix: Matrix) -> tuple[float, float]:
    """Shares of what the two pictures show that lie in the overlap, of what the other's rim does not hide.

    Args:
        found: the overlap under `matrix` (plate of b -> plate of a), laid from the plates themselves.
    """
    to_a, to_b = _to_small(a), _to_small(b)
    brought = to_a @ matrix @ np.linalg.inv(to_b)
    to_canvas = found.over.to_canvas @ np.linalg.inv(to_a)
    return (
        _share(_unhidden(a, b.small, brought), to_canvas, found.over, a.shown),
        _share(_unhidden(b, a.small, np.asarray(np.linalg.inv(brought))), to_canvas @ brought, found.over, b.shown),
    )


def _unhidden(work: Prepared, other: Plate, matrix: Matrix) -> Array:
    """What a picture shows, without what lies under the rim of the other, laid over it by `matrix`."""
    rim = np.zeros(other.size, np.uint8)
    for box, value in ((other.content, 1), (inner(other), 0)):
        rim[box.top : box.bottom, box.left : box.right] = value
    size = (work.small.size[1], work.small.size[0])
    hidden = cv2.warpPerspective(rim, matrix, size, flags=cv2.INTER_NEAREST) > 0
    return np.where(hidden, np.float32(0), work.shown)


def _weighed(a: Prepared, b: Prepared, proposal: Alignment, side: int = judge.QUICK) -> Alignment:
    found = weigh(a, b, proposal.matrix, side, evidence=False)
    return replace(proposal, score=-1.0 if found is None else found.score)


def polish(a: Prepared, b: Prepared, proposal: Alignment) -> Alignment:
    """Moved by a fraction of a pixel or a few to the best correlation; kept only where that agrees better."""
    best = _same_frame(a.plate, b.plate, proposal)
    if best is not proposal or not proposal.score:
        best = _weighed(a, b, best)
    if best.score <= _HOPELESS or best.score >= _PERFECT:
        return best
    best = _polished(a, b, best, _POLISH_SIDES[0], _POLISH_STEPS[0])
    if best.score <= _POLISH_FINE or best.score >= _PERFECT:
        return best
    return _polished(a, b, _same_frame(a.plate, b.plate, best), _POLISH_SIDES[1], _POLISH_STEPS[1])


def _polished(a: Prepared, b: Prepared, proposal: Alignment, side: int, steps: int) -> Alignment:
    found = weigh(a, b, proposal.matrix, side, evidence=False)
    if found is None:
        return replace(proposal, score=-1.0)
    before = replace(proposal, score=found.score)
    over = found.over
    x, y = _tone_planes(over, found.judged)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-5)
    homography = proposal.model == "homography"
    start = np.eye(3, dtype=np.float32) if homography else np.eye(2, 3, dtype=np.float32)
    motion = cv2.MOTION_HOMOGRAPHY if homography else cv2.MOTION_AFFINE
    try:
        _, moved = cv2.findTransformECC(x, y, start, motion, criteria, over.mask.astype(np.uint8), 5)
    except cv2.error:  # it does not converge where there is nothing to correlate
        return before
    step = np.vstack([moved, [0, 0, 1]]).astype(np.float64) if moved.shape[0] == 2 else moved.astype(np.float64)
    corners = Box(0, 0, x.shape[1], x.shape[0]).corners()
    if np.hypot(*(project(step, corners) - corners).T).max() > _MAX_POLISH * max(x.shape):
        return before
    # The step maps canvas a to canvas b; b has to be moved back by it.
    to_canvas = over.to_canvas @ (_to_small(a) if side <= _POLISH_SIDES[0] else np.eye(3))
    matrix = np.linalg.inv(to_canvas) @ np.linalg.inv(step) @ to_canvas @ proposal.matrix
    after = _weighed(a, b, replace(proposal, matrix=matrix), side)
    if after.score <= before.score + _POLISH_GAIN:
        return before
    return replace(after, model="similarity" if after.model == "identity" else after.model)


def _tone_planes(over: Overlay, judged: Judged) -> tuple[Array, Array]:
    """One plane of each picture, the colours of the second told as those of the first."""
    x, y = (np.asarray(p, np.float32) / np.float32(255) for p in (over.a, over.b))
    first, told, _, _ = judged.colours.planes(x, y)
    return np.ascontiguousarray(first.mean(2)), np.ascontiguousarray(told.mean(2))


def _same_frame(a: Plate, b: Plate, proposal: Alignment) -> Alignment:
    """A model that moves no corner of the frame visibly is the identity (or the plain mirror)."""
    ours, theirs = (Box(0, 0, p.size[1], p.size[0]) for p in (a, b))
    plain = _between(ours, theirs) @ (mirror(b) if proposal.mirrored else np.eye(3))
    corners = theirs.corners()
    if np.hypot(*(project(plain, corners) - project(proposal.matrix, corners)).T).max() <= _SAME_FRAME:
        return replace(proposal, matrix=plain, model="identity")
    return proposal


def _further(a: Prepared, b: Prepared, first: Alignment) -> Iterator[Alignment]:
    """Parts of a collage: what the alignments so far do not explain, matched again."""
    taken = [first]
    ka, kb = a.keypoints, b.keypoints
    free = ~_covered(b.plate, first, ka.points)
    for _ in range(REGIONS - 1):
        matches = list(_by_keypoints(Keypoints(ka.points[free], ka.vectors[free]), kb))
        found = [f for m in matches for f in _fitted(a.plate, b.plate, m) if f.inliers >= 2 * MIN_INLIERS]
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
        free = free & ~_covered(b.plate, best, ka.points)


def _covered(b: Plate, found: Alignment, points: Matrix) -> np.ndarray:
    """Which points of plate a lie under picture b as laid over it."""
    if not len(points):
        return np.zeros(0, bool)
    shown = project(np.asarray(np.linalg.inv(found.matrix), np.float64), points)
    height, width = b.size
    return np.asarray((shown[:, 0] >= 0) & (shown[:, 0] < width) & (shown[:, 1] >= 0) & (shown[:, 1] < height))
