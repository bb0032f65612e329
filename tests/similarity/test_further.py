"""A further source of proposals is weighed like the others: a true one is taken, a false one changes nothing."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from forensics.overlay.align import Matches
from forensics.overlay.correspondence import Pairing, Prepared, pair, prepare
from forensics.overlay.outcome import decide
from forensics.overlay.overlay import project

SIZE = (240, 180)
TURN = np.vstack([cv2.getRotationMatrix2D((120, 90), 140, 0.7), [0, 0, 1]])


@cache
def faint() -> tuple[Prepared, Prepared]:
    """Soft blobs, and the same turned and smaller: too soft for keypoints, too much turned for a search."""
    noise = np.random.default_rng(4).uniform(0, 255, (5, 6, 3)).astype(np.float32)
    soft = np.clip(cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
    turned = cv2.warpAffine(soft, TURN[:2], SIZE, flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    return prepare(soft), prepare(turned)


def places(a: Prepared, b: Prepared) -> np.ndarray:
    """Places of the blobs and of the turned ones, on the plates of the two pictures as they are compared."""
    x, y = np.meshgrid(np.arange(20, 230, 10.0), np.arange(20, 170, 10.0))
    soft = np.stack([x.ravel(), y.ravel()], 1)
    first, second = (
        (at + 0.5) * work.plate.scale - 0.5 for at, work in zip((soft, project(TURN, soft)), faint(), strict=True)
    )
    return np.concatenate([first, second] if a is faint()[0] else [second, first], 1)


def laid(*, true: bool, counted: bool = False) -> Pairing:
    """The two laid over each other with a source that gives true places, or true ones exchanged at random."""

    def further(a: Prepared, b: Prepared) -> list[Matches]:
        found = places(a, b)
        if not true:
            found[:, 2:] = np.random.default_rng(1).permutation(found[:, 2:])
        return [Matches("further", False, found, 6.0, counted)]

    return pair(*faint(), further=further)


def test_a_true_proposal_is_taken_where_the_others_find_less() -> None:
    alone, found = pair(*faint()).parts[0], laid(true=True).parts[0]
    assert found.proposed == "further"
    assert found.judged.share > alone.judged.share
    assert found.area_b > alone.area_b + 0.3
    assert np.allclose(found.matrix, np.linalg.inv(TURN), atol=[[0.02, 0.02, 2], [0.02, 0.02, 2], [1e-3, 1e-3, 1e-9]])


def test_places_that_only_propose_count_for_nothing() -> None:
    proposing, counted = laid(true=True), laid(true=True, counted=True)
    assert counted.parts[0].inliers >= proposing.parts[0].inliers + 50
    assert proposing.parts[0].judged.share == counted.parts[0].judged.share


def test_a_false_proposal_changes_neither_word_nor_alignment() -> None:
    alone, found = pair(*faint()), laid(true=False)
    assert decide(found) == decide(alone)
    assert [p.proposed for p in found.parts] == [p.proposed for p in alone.parts]
