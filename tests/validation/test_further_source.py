"""The trial of a further source: what its rule makes of rows, and that its networks speak in places of the pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forensics.overlay.correspondence import prepare
from tests.studies import further_source as trial
from tests.validation.test_overlay_study import WHOLE
from tests.validation.test_overlay_study import row as measured

NOTHING: dict[str, float] = {}
COPY, ARRANGED = WHOLE, {"coarse": 0.9}


def row(number: int, group: str = trial.REDRAWN, **ways: dict[str, float]) -> trial.Row:
    """A row whose words follow from what was seen in each way; what is not given is as without the source."""
    seen = {way: ways.get(way, ways["without"]) for way in trial.WAYS}
    made = {way: measured("calibration", group, **changed) for way, changed in seen.items()}
    for some in made.values():
        some["parts"][0]["proposed"] = "frame"
    seconds = {"seconds without": 0.5, "seconds": 2.0}
    return {"key": f"{group}/{number}", "group": group, "pair": ["a", "b"], **made, **seconds}


def risen(copies: int, fallen: int = 0) -> list[trial.Row]:
    return [
        *(row(n, without=NOTHING, proposing=ARRANGED) for n in range(copies)),
        *(row(100 + n, without=COPY, proposing=ARRANGED) for n in range(fallen)),
        *(row(200 + n, without=COPY) for n in range(20)),
    ]


STRANGERS = [row(n, "unrelated", without=NOTHING) for n in range(30)]


def test_a_way_is_adopted_where_words_rise_beyond_chance_and_no_stranger_gets_one() -> None:
    # Six of six are .0156 by a sign test of one side; five of five are .031.
    found = trial.tables([*risen(6), *STRANGERS])
    assert found["adopted"] == "proposing"
    assert found["rule"]["proposing"]["net"] == 6
    assert found["rule"]["counted"]["net"] == 0
    assert trial.tables([*risen(5), *STRANGERS])["adopted"] == "neither way"
    assert trial.tables([*risen(6, fallen=3), *STRANGERS])["adopted"] == "neither way"


@pytest.mark.parametrize("word", [ARRANGED, COPY])
def test_one_stranger_with_a_higher_word_forbids_it(word: dict[str, float]) -> None:
    one = row(99, "unrelated", without=NOTHING, proposing=word)
    assert trial.tables([*risen(12), *STRANGERS, one])["adopted"] == "neither way"


def test_the_way_that_lets_more_rise_is_taken_and_of_equals_the_one_that_only_proposes() -> None:
    both = [row(n, without=NOTHING, proposing=ARRANGED, counted=COPY) for n in range(8)]
    assert trial.tables([*both, *STRANGERS])["adopted"] == "proposing"
    more = [row(50 + n, without=NOTHING, counted=ARRANGED) for n in range(3)]
    assert trial.tables([*both, *more, *STRANGERS])["adopted"] == "counted"


@pytest.fixture(scope="module")
def untrained() -> trial.Glued:
    """The networks as they are made, with weights drawn by chance."""
    from kornia.feature import ALIKED, LightGlue

    torch.manual_seed(3)
    return trial.Glued(ALIKED("aliked-n16").state_dict(), LightGlue(None, input_dim=128).state_dict())


def test_a_mirrored_picture_has_its_places_mirrored(untrained: trial.Glued, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SIDE", 96)
    pixels = np.random.default_rng(2).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    work, other = prepare(pixels), prepare(np.ascontiguousarray(pixels[:, ::-1]))
    seen = untrained._features(work.plate, mirrored=True)
    theirs = untrained._features(other.plate, mirrored=False)
    assert 0 < seen["keypoints"].shape[1] <= trial.FEATURES
    assert torch.allclose(seen["keypoints"], theirs["keypoints"], atol=1e-3)
    every = np.arange(seen["keypoints"].shape[1])
    back = trial._on_plate(seen, every, work.plate, mirrored=True)
    there = trial._on_plate(theirs, every, other.plate, mirrored=False)
    assert np.allclose(back[:, 0], work.plate.size[1] - 1 - there[:, 0], atol=1e-2)
    assert np.allclose(back[:, 1], there[:, 1], atol=1e-2)
    assert (back > -1).all()
    assert (back < np.array(work.plate.size[::-1])).all()


def test_matches_are_pairs_of_places_both_ways_round(untrained: trial.Glued, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SIDE", 96)
    monkeypatch.setattr(untrained._matcher.conf, "filter_threshold", 0.0)
    work = prepare(np.random.default_rng(2).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    found = untrained.matches(work, work)
    assert [m.mirrored for m in found] == [False, True]
    assert len(found[0].points) > 0
    for some in found:
        assert some.points.shape[1] == 4
        assert (some.points > -1).all()
        assert (some.points < np.tile(work.plate.size[::-1], 2)).all()


def test_weights_that_do_not_fit_are_refused() -> None:
    from kornia.feature import ALIKED, LightGlue

    matcher = LightGlue(None, input_dim=128).state_dict()
    with pytest.raises(RuntimeError, match="do not fit"):
        trial.Glued(dict(list(ALIKED("aliked-n16").state_dict().items())[1:]), matcher)


def test_layers_are_named_as_kornia_names_them() -> None:
    assert trial._renamed("self_attn.3.Wqkv.weight") == "transformers.3.self_attn.Wqkv.weight"
    assert trial._renamed("cross_attn.0.to_qk.bias") == "transformers.0.cross_attn.to_qk.bias"
    assert trial._renamed("log_assignment.1.matchability.bias") == "log_assignment.1.matchability.bias"
