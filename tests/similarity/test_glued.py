"""The further source: places in pixels of the pictures, nothing of what is left out, and a word that only rises."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from forensics import weights
from forensics.case import Outcome
from forensics.errors import WeightsError
from forensics.overlay import glued
from forensics.overlay.align import Matches
from forensics.overlay.correspondence import Prepared, pair, prepare
from forensics.overlay.glued import Glued, raised
from forensics.overlay.outcome import decide
from forensics.overlay.pair_cache import LightTable
from forensics.pictures.tensors import to_tensor
from tests.similarity.test_further import faint, places


@pytest.fixture(scope="module")
def untrained() -> Glued:
    """The networks as they are made, with weights drawn by chance."""
    from kornia.feature import ALIKED, LightGlue

    torch.manual_seed(3)
    return Glued(ALIKED("aliked-n16").state_dict(), LightGlue(None, input_dim=128).state_dict(), side=96)


def test_a_mirrored_picture_has_its_places_mirrored(untrained: Glued) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    work, other = prepare(pixels), prepare(np.ascontiguousarray(pixels[:, ::-1]))
    seen = untrained._features(work.plate, mirrored=True)
    theirs = untrained._features(other.plate, mirrored=False)
    assert 0 < seen["keypoints"].shape[1] <= Glued.features
    assert torch.allclose(seen["keypoints"], theirs["keypoints"], atol=1e-3)
    back = glued._on_plate(seen, work.plate, mirrored=True)
    there = glued._on_plate(theirs, other.plate, mirrored=False)
    assert np.allclose(back[:, 0], work.plate.size[1] - 1 - there[:, 0], atol=1e-2)
    assert np.allclose(back[:, 1], there[:, 1], atol=1e-2)
    assert (back > -1).all()
    assert (back < np.array(work.plate.size[::-1])).all()


def test_matches_are_pairs_of_places_both_ways_round(untrained: Glued, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained._matcher.conf, "filter_threshold", 0.0)
    work = prepare(np.random.default_rng(2).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    found = untrained(work, work)
    assert [m.mirrored for m in found] == [False, True]
    assert len(found[0].points) > 0
    for some in found:
        assert some.points.shape[1] == 4
        assert (some.points > -1).all()
        assert (some.points < np.tile(work.plate.size[::-1], 2)).all()


def test_weights_that_do_not_fit_are_refused() -> None:
    from kornia.feature import ALIKED, LightGlue

    matcher = LightGlue(None, input_dim=128).state_dict()
    with pytest.raises(WeightsError, match="do not fit"):
        Glued(dict(list(ALIKED("aliked-n16").state_dict().items())[1:]), matcher)


def test_layers_are_named_as_kornia_names_them() -> None:
    assert glued._renamed("self_attn.3.Wqkv.weight") == "transformers.3.self_attn.Wqkv.weight"
    assert glued._renamed("cross_attn.0.to_qk.bias") == "transformers.0.cross_attn.to_qk.bias"
    assert glued._renamed("log_assignment.1.matchability.bias") == "log_assignment.1.matchability.bias"


def test_what_is_left_out_has_no_places(untrained: Glued, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained._matcher.conf, "filter_threshold", 0.0)
    pixels = np.random.default_rng(2).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    left = np.zeros((48, 64), bool)
    left[:, :32] = True
    whole, rest = prepare(pixels), prepare(pixels, left)
    middle = whole.plate.size[1] / 2
    assert any((m.points[:, 0] < middle - 1).any() for m in untrained(whole, whole))
    for mine, theirs, column in ((rest, whole, 0), (whole, rest, 2)):
        found = untrained(mine, theirs)
        assert sum(len(m.points) for m in found) > 0
        assert all((m.points[:, column] >= middle - 1).all() for m in found)


class Asked:
    """A source that gives the true places of the blobs, or those exchanged at random, and counts how often."""

    def __init__(self, *, true: bool) -> None:
        self.true, self.times = true, 0

    def __call__(self, a: Prepared, b: Prepared) -> Sequence[Matches]:
        self.times += 1
        found = places(a, b)
        if not self.true:
            found[:, 2:] = np.random.default_rng(1).permutation(found[:, 2:])
        return [Matches("learned", False, found, 6.0)]


def test_a_higher_word_is_taken_and_what_it_was_is_kept() -> None:
    alone, source = pair(*faint()), Asked(true=True)
    found = raised(alone, *faint(), source)
    assert (decide(alone), decide(found)) == (Outcome.NONE, Outcome.THROUGHOUT)
    assert found.otherwise is Outcome.NONE
    assert source.times == 1


def test_no_higher_word_changes_nothing() -> None:
    alone, source = pair(*faint()), Asked(true=False)
    assert raised(alone, *faint(), source) is alone
    assert source.times == 1
    assert raised(alone, *faint(), None) is alone


def test_a_pair_that_has_a_copy_word_is_not_asked_about() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    work = prepare(cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC))
    alone, source = pair(work, work), Asked(true=False)
    assert decide(alone) is Outcome.THROUGHOUT
    assert raised(alone, work, work, source) is alone
    plain = prepare(np.full((64, 64, 3), 200, np.uint8))
    assert raised(pair(plain, plain), plain, plain, source).otherwise is None
    assert source.times == 0


@pytest.mark.parametrize("word", list(Outcome))
def test_the_source_is_asked_where_there_is_no_copy_word_and_nowhere_else(
    word: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of a study that have a copy word, or are too plain, keep it whatever the source would find."""
    alone, source = pair(*faint()), Asked(true=True)
    monkeypatch.setattr(glued, "decide", lambda found: word if found is alone else Outcome.THROUGHOUT)
    found = raised(alone, *faint(), source)
    asked = word in (Outcome.NONE, Outcome.ARRANGEMENT)
    assert (found is not alone) is asked
    assert source.times == int(asked)


def test_a_table_with_the_source_leaves_the_plain_one_as_it_is() -> None:
    """The aligned distance is laid on the plain one, for the disputed image and for its controls."""
    pictures = [to_tensor(Image.fromarray(p.plate.rgb)) for p in faint()]
    plain = LightTable()
    laid = plain.prepared(*pictures)

    def source(a: Prepared, b: Prepared) -> list[Matches]:
        found = places(*faint())
        return [Matches("learned", False, found if a is laid[0] else found[:, [2, 3, 0, 1]], 6.0)]

    table = LightTable(plain, source)
    assert all(one is other for one, other in zip(laid, table.prepared(*pictures), strict=True))
    with table.laid_ahead(*pictures):
        found, before = table.pair(*laid), plain.pair(*laid)
    assert found.otherwise is decide(before) is Outcome.NONE
    assert decide(found) is Outcome.THROUGHOUT
    alone = pair(*laid)
    assert [(p.score, p.inliers, p.proposed) for p in before.parts] == [
        (p.score, p.inliers, p.proposed) for p in alone.parts
    ]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Glued:
    """With the real weights, where the user of this machine has fetched them."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("FORENSICS_FETCHED", str(Path.home() / ".cache")))
    if weights.find(weights.TABLE[Glued.row].file) is None:
        pytest.skip("the weights of ALIKED with LightGlue were not fetched")
    return Glued.open()


def test_the_real_weights_find_a_work_bent_and_flattened(fetched: Glued) -> None:
    from skimage import data

    work = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[0:256, 0:256].astype(np.float32)
    across, down = 6 * np.sin(y / 40), 6 * np.cos(x / 50)
    bent = cv2.bilateralFilter(cv2.remap(work, x + across, y + down, cv2.INTER_LINEAR), 9, 80, 9)
    a, b = prepare(bent), prepare(work)
    found = fetched(a, b)[0].points / (384 / 256)
    assert len(found) > 150
    at = np.clip(np.rint(found[:, :2]).astype(int), 0, 255)
    meant = found[:, :2] + np.stack([across[at[:, 1], at[:, 0]], down[at[:, 1], at[:, 0]]], 1)
    assert np.median(np.hypot(*(found[:, 2:] - meant).T)) < 2
    strange = prepare(cv2.resize(data.coffee(), (256, 256), interpolation=cv2.INTER_AREA))
    assert 3 * max(len(m.points) for m in fetched(a, strange)) < len(found)
