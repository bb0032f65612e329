"""Pictures of a correspondence for readers: numbered pair, overlay, checkerboard and a map in three words.

Nothing is scaled per image and no colour carries meaning alone: the map says "agrees" by leaving the picture clear,
"undecided" by hatching and "differs" by crossing out, which survives print and colour blindness.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.case import Element
from forensics.similarity.correspondence import Part
from forensics.similarity.plates import Bytes
from forensics.similarity.regions import DIFFER, NOTHING, OUTSIDE, UNDECIDED, Cells

LINES = 30
_HEIGHT = 480
_GAP = 24
_INK = (20, 40, 90)
_SQUARES = 8


def board(a: Bytes, b: Bytes, parts: Sequence[Part], elements: Sequence[Element]) -> Bytes:
    """The two pictures side by side, up to 30 places of elements that agree joined and numbered."""
    del parts
    left, right = (_tall(p) for p in (a, b))
    page = np.full((_HEIGHT, left.shape[1] + _GAP + right.shape[1], 3), 255, np.uint8)
    page[:, : left.shape[1]] = left
    page[:, left.shape[1] + _GAP :] = right
    shown = [e for e in elements if e.state == "agrees"][:LINES]
    for element in shown:
        p, q = (
            (round((r.left + r.right) / 2 * w + x), round((r.top + r.bottom) / 2 * _HEIGHT))
            for r, w, x in (
                (element.disputed, left.shape[1], 0),
                (element.work, right.shape[1], left.shape[1] + _GAP),
            )
        )
        cv2.line(page, p, q, (255, 255, 255), 3, cv2.LINE_AA)
        cv2.line(page, p, q, _INK, 1, cv2.LINE_AA)
        for at in (p, q):
            cv2.circle(page, at, 9, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(page, at, 9, _INK, 1, cv2.LINE_AA)
            text = str(element.number)
            cv2.putText(
                page, text, (at[0] - 4 * len(text), at[1] + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.36, _INK, 1, cv2.LINE_AA
            )
    return page


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
    """The disputed part with its cells in three words; parts that say nothing are faded."""
    height, width = mask.shape
    rows, columns = grid.state.shape
    page = a.astype(np.float32)
    y, x = np.indices((height, width))
    cell = grid.state[np.minimum(y * rows // height, rows - 1), np.minimum(x * columns // width, columns - 1)]
    page[(cell == NOTHING) | (cell == OUTSIDE) | ~mask] = (
        0.4 * page[(cell == NOTHING) | (cell == OUTSIDE) | ~mask] + 150
    )
    rising, falling = (x + y) % 8 < 1, (x - y) % 8 < 1
    page[(cell == UNDECIDED) & rising] = (90, 90, 90)
    page[(cell == DIFFER) & (rising | falling)] = (20, 20, 20)
    return np.clip(page, 0, 255).astype(np.uint8)


def common_map(work: Bytes, mask: NDArray[np.bool_]) -> Bytes:
    """The work with the parts crossed out that several others share; the mask may have another size."""
    height, width = work.shape[:2]
    part = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    y, x = np.indices((height, width))
    step = max(6, max(height, width) // 40)
    thick = max(1, step // 6)
    page = work.astype(np.float32)
    page[part] = 0.5 * page[part] + 110
    page[part & (((x + y) % step < thick) | ((x - y) % step < thick))] = 20
    return np.clip(page, 0, 255).astype(np.uint8)
