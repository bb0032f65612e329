"""The score gap against a direct computation, and the text-only baseline on sets where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forensics.device import noise
from forensics.diffusion.sd import StableDiffusion
from forensics.inversion.blind import FEATURES, blind_baseline, features, outlying, similar
from forensics.inversion.gap import gap_evaluations, score_gaps


@pytest.mark.parametrize("kind", ["epsilon", "v", "v-zero-snr"])
def test_gap_against_one_pair_of_passes(models: dict[str, StableDiffusion], kind: str) -> None:
    model = models[kind]
    captions = ["a cat", "", "dogs"] * 12  # more than one batch
    before = model.evaluations
    found = score_gaps(captions, model, 5, 2)
    assert model.evaluations - before == gap_evaluations(len(captions), 2)
    assert [g.caption for g in found] == captions
    assert found[1].magnitude == pytest.approx(0, abs=1e-5)
    expected = []
    with torch.no_grad():
        for k in range(2):
            state = model.start(noise((4, 8, 8), 0, "score gap", k)[None], 5)
            with_, without = (model.velocity(state, model.times(5)[-1], model.condition(c, 1.0)) for c in ("a cat", ""))
            expected.append(float((with_ - without).norm()))
    assert found[0].magnitude == pytest.approx(np.mean(expected), rel=1e-3)
    assert found[0].spread == pytest.approx(np.std(expected, ddof=1), rel=1e-2)
    assert found[0].magnitude == pytest.approx(found[3].magnitude, rel=1e-4)


def test_gap_of_an_epsilon_model_is_that_of_its_network(models: dict[str, StableDiffusion]) -> None:
    """Wen et al.: the difference of the two predictions of the noise, from the network itself."""
    model = models["epsilon"]
    time, draw = model.times(5)[-1], noise((4, 8, 8), 0, "score gap", 0)[None]
    clock = model.schedule.timestep(time).expand(1)
    with torch.no_grad():
        eps = [
            model.unet(draw, clock, encoder_hidden_states=model.condition(c, 1.0).positive).sample for c in ("a", "")
        ]
    assert score_gaps(["a"], model, 5, 1)[0].magnitude == pytest.approx(float((eps[0] - eps[1]).norm()), rel=1e-3)
    with pytest.raises(ValueError, match="draw"):
        score_gaps(["a"], model, 5, 0)


NOUNS = [
    f"{a}{b}" for a in ("ox", "elm", "jar", "fog", "hut", "gem") for b in ("let", "wood", "line", "stone", "field")
]


def words(seed: int, count: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(NOUNS, 4, replace=False)) for _ in range(count)]


def test_style_that_gives_the_set_away_is_found() -> None:
    found = blind_baseline([f"{w.title()}, No. {i}" for i, w in enumerate(words(1, 60))], words(2, 60))
    assert found is not None
    assert found.auc > 0.99
    assert "AUC of 1.000" in found.sentence


def test_captions_of_one_kind_are_not_told_apart() -> None:
    aucs = [b.auc for n in range(6) if (b := blind_baseline(words(n, 60), words(n + 50, 60))) is not None]
    assert len(aucs) == 6
    assert 0.4 < float(np.mean(aucs)) < 0.6


def test_near_duplicates_do_not_cross_folds() -> None:
    """Sixty copies of five captions are five captions: too few groups to say anything about two sets of them."""
    groups = similar(["a red bird on a tree", "a red bird on the tree", "blue car", "the blue car", "nothing else"])
    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4]
    assert blind_baseline(["red bird"] * 30 + ["blue car"] * 30, words(3, 60)) is None


def test_a_caption_of_another_style_lies_farthest_out() -> None:
    found = outlying([*words(4, 40), "IMG_2041.JPG (final), v2.1!"])
    assert max(found) == found[-1]
    with pytest.raises(ValueError, match="two captions"):
        outlying(["one"])


def test_captions_of_one_style_are_ranked_evenly() -> None:
    """Each of 40 captions in turn is the one examined: its rank does not depend on its place in the list."""
    captions = words(5, 40)
    forward, backward = outlying(captions), outlying(captions[::-1])[::-1]
    assert forward == pytest.approx(backward)


def test_features_by_hand() -> None:
    found = dict(zip(FEATURES, features(["Ab, 1é."])[0], strict=True))
    assert found["characters"] == 7
    assert found["words"] == 2
    assert found["characters a word"] == 3
    for name in ("digits", "capitals", "commas", "full stops", "characters outside ASCII"):
        assert found[name] == pytest.approx(1 / 7)
    assert found["other marks"] == 0
    assert features([]).shape == (0, 9)
    assert np.isfinite(features([""])).all()
