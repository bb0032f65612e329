"""Learned features: the shipped weights are those of the authors, and every way round of a picture is its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from forensics.overlay import learned
from forensics.overlay.learned import Learned, Way, match
from forensics.overlay.plates import plate
from forensics.resources import samples

GOLDEN = Path(__file__).parents[1] / "assets" / "xfeat" / "original.npz"


@cache
def picture(side: int = 256) -> np.ndarray:
    shown = Image.open(samples() / "disputed" / "edited.jpg").convert("RGB")
    return np.asarray(shown.resize((side, side), Image.Resampling.BOX))


def test_the_network_gives_what_the_original_gave() -> None:
    """Stored by the authors' code with its own weights in full precision, on this picture at 128 pixels."""
    stored = np.load(GOLDEN)
    seen = torch.from_numpy(picture(128).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        features, logits, reliability = learned._network().net(seen)
    theirs = torch.from_numpy(stored["features"].astype(np.float32))[None]
    assert float(torch.cosine_similarity(features, theirs, dim=1).min()) > 0.999
    assert np.abs(logits[0].numpy() - stored["logits"]).max() < 0.05
    assert np.abs(reliability[0, 0].numpy() - stored["reliability"]).max() < 0.01


@pytest.mark.parametrize("way", [Way(m, t) for m in (False, True) for t in range(4)])
def test_features_of_a_turned_picture_lead_back_to_the_picture(way: Way) -> None:
    oblong = np.ascontiguousarray(picture()[:192])
    turned = np.rot90(oblong[:, ::-1] if way.mirrored else oblong, way.turns)
    ours, theirs = Learned(plate(np.ascontiguousarray(turned))).of(), Learned(plate(oblong)).of(way)
    pairs = match(ours, theirs)
    assert len(pairs) > 100
    height, width = plate(oblong).size
    there = pairs[:, 2:]
    if way.mirrored:
        there = np.stack([width - 1 - there[:, 0], there[:, 1]], 1)
    for _ in range(way.turns):
        there = np.stack([there[:, 1], width - 1 - there[:, 0]], 1)
        height, width = width, height
    assert np.median(np.hypot(*(pairs[:, :2] - there).T)) < 0.01


def test_the_same_picture_gives_the_same_features() -> None:
    one, two = (Learned(plate(picture())).of() for _ in range(2))
    assert np.array_equal(one.points, two.points)
    assert np.array_equal(one.vectors, two.vectors)


def test_a_plain_picture_has_none_and_matches_nothing() -> None:
    none = Learned(plate(np.full((200, 300, 3), 90, np.uint8))).of()
    assert len(none.points) == 0
    assert match(none, Learned(plate(picture())).of()).shape == (0, 4)
