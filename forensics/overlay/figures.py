"""Pictures of a correspondence for readers: numbered pair, overlay, checkerboard and a map in three words.

Nothing is scaled per image and no colour carries meaning alone: the map says "agrees" by leaving the picture clear,
"undecided" by hatching and "differs" by crossing out, which survives print and colour blindness.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.case import Element, Place
from forensics.overlay.plates import Bytes
from forensics.overlay.regions import DIFFER, NOTHING, OUTSIDE, UNDECIDED, Cells

LINES = 12
"""Places joined at most: those that the table lists. More lines hide one another."""
_HEIGHT = 640
_GAP, _DROP = 48, 64
"""Pixels between the two pictures, and by which the second is set lower: lines of one row then do not run into one."""
_MARK = 14
_INK, _EDGE = (20, 40, 90), (150, 150, 150)
_SQUARES = 8
_MAP = 512
"""Long side of the map in three words; its lines are drawn at this size, so that print shows them."""


def board(a: Bytes, b: Bytes, elements: Sequence[Element]) -> Bytes:
    """The two pictures side by side, places of elements that agree joined and numbered; without elements, the pair."""
    left, right = (_tall(p) for p in (a, b))
    start = left.shape[1] + _GAP
    page = np.full((_HEIGHT + _DROP, start + right.shape[1], 3), 255, np.uint8)
    page[:_HEIGHT, : left.shape[1]] = left
    page[_DROP:, start:] = right
    for corner, shown in (((0, 0), left), ((start, _DROP), right)):  # a white ground has no edge of its own
        far = corner[0] + shown.shape[1] - 1, corner[1] + _HEIGHT - 1
        cv2.rectangle(page, corner, far, _EDGE, 1)
    joined = []
    for element in [e for e in elements if e.state == "agrees"][:LINES]:
        ends = (
            _centre(element.disputed, left.shape[1], (0, 0)),
            _centre(element.work, right.shape[1], (start, _DROP)),
        )
        joined.append((str(element.number), ends))
    for _, (p, q) in joined:
        cv2.line(page, p, q, (255, 255, 255), 4, cv2.LINE_AA)
        cv2.line(page, p, q, _INK, 1, cv2.LINE_AA)
    for number, ends in joined:
        for at in ends:
            cv2.circle(page, at, _MARK, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(page, at, _MARK, _INK, 2, cv2.LINE_AA)
            (width, height), _ = cv2.getTextSize(number, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
            place = (at[0] - width // 2, at[1] + height // 2)
            cv2.putText(page, number, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return page


def _centre(place: Place, width: int, corner: tuple[int, int]) -> tuple[int, int]:
    x, y = (place.left + place.right) / 2 * width, (place.top + place.bottom) / 2 * _HEIGHT
    return round(x + corner[0]), round(y + corner[1])


def _tall(picture: Bytes) -> Bytes:
    width = max(1, round(picture.shape[1] * _HEIGHT / picture.shape[0]))
    smaller = picture.shape[0] > _HEIGHT
    return np.asarray(
        cv2.resize(picture, (width, _HEIGHT), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC), np.uint8
    )


def overlay(a: Bytes, b: Bytes) -> Bytes:
    """Half of each, on the canvas of the overlap."""
    return np.asarray((a.astype(np.uint16) + b) // 2, np.uint8)


def checkerboard(a: Bytes, b: Bytes) -> Bytes:
    """Squares of the one and the other in turn: lines that go on across the squares correspond."""
    y, x = np.indices(a.shape[:2])
    side = max(1, max(a.shape[:2]) // _SQUARES)
    return np.where(((x // side + y // side) % 2 == 0)[..., None], a, b)


def words_map(a: Bytes, grid: Cells, mask: NDArray[np.bool_]) -> Bytes:
    """The disputed part with its cells in three words; parts that say nothing, or were left out, are faded.

    Every line is dark with a light one beside it, so that it shows on dark and on light ground.
    """
    scale = _MAP / max(mask.shape)
    width, height = round(mask.shape[1] * scale), round(mask.shape[0] * scale)
    inside = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    page = cv2.resize(a, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    rows, columns = grid.state.shape
    y, x = np.indices((height, width))
    cell = grid.state[np.minimum(y * rows // height, rows - 1), np.minimum(x * columns // width, columns - 1)]
    silent = (cell == NOTHING) | (cell == OUTSIDE) | ~inside
    page[silent] = 0.4 * page[silent] + 150
    rising, falling = (x + y) % 16, (x - y) % 16
    hatched, crossed = inside & (cell == UNDECIDED), inside & (cell == DIFFER)
    page[(hatched & (rising // 2 == 1)) | (crossed & ((rising // 2 == 1) | (falling // 2 == 1)))] = 255
    page[(hatched & (rising < 2)) | (crossed & ((rising < 2) | (falling < 2)))] = 20
    return np.clip(page, 0, 255).astype(np.uint8)


def common_map(work: Bytes, mask: NDArray[np.bool_]) -> Bytes:
    """The work with the parts crossed out that several others share; the mask may have another size."""
    scale = _MAP / max(work.shape[:2])
    size = round(work.shape[1] * scale), round(work.shape[0] * scale)
    part = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    page = cv2.resize(work, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC).astype(np.float32)
    y, x = np.indices(part.shape)
    rising, falling = (x + y) % 16, (x - y) % 16
    page[part] = 0.6 * page[part] + 90
    page[part & ((rising // 2 == 1) | (falling // 2 == 1))] = 255
    page[part & ((rising < 2) | (falling < 2))] = 20
    return np.clip(page, 0, 255).astype(np.uint8)
