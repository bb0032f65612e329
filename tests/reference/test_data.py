"""Captions, rendering, near-duplicates, and the split that is shipped."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from samples.recipe import data
from samples.recipe.captions import captions, choose_keywords, clean_keywords, clean_title, words

SAMPLES = Path(__file__).parents[2] / "samples" / "reference"


@pytest.fixture(scope="module")
def works() -> list[data.Work]:
    return data.read_manifest(SAMPLES)


def row(title: str, rel: str, creator: str = "Nobody Known", kw: list[str] | None = None) -> dict[str, object]:
    return {"title": title, "rel": rel, "creator": creator, "kw": kw or []}


def test_words_drop_numbers_noise_and_accents() -> None:
    assert words("Moisés_café-02 (Clipart) svg") == ["moises", "cafe"]
    assert words("plate (B and W)") == ["plate", "black", "and", "white"]
    assert words("BlueMan#101") == ["blue", "man"]


def test_shared_titles_give_way_to_file_names_without_the_creator() -> None:
    stem = "jigsaw_blue_03_nicu_bucul_01"
    assert clean_title("Clipart by Nicu Buculei - jigsaw_red_10", stem, "Nicu Buculei", True) == ["jigsaw", "blue"]
    assert clean_title("Clipart by Nicu Buculei - piggybank", "x1", "Nicu Buculei", False) == ["piggybank"]


def test_keywords_without_names_debris_or_repetition() -> None:
    kept = clean_keywords(
        ["hash(0x897d730)", "nicu buculei", "unsorted", "fruit", "fruit", "http://x.org"], "Nicu Buculei"
    )
    assert kept == ["fruit"]
    frequency = Counter({"animal": 100, "sign": 300, "rabbit": 5, "pet": 9, "easter": 3})
    chosen = choose_keywords(["rabbits"], ["sign", "animal", "rabbit", "pet", "easter"], frequency)
    assert chosen == ["animal", "easter", "pet"]


def test_a_caption_is_never_empty() -> None:
    rows = [row("01", "shapes/arrows/12.svg"), row("01", "shapes/a.svg"), row("日本", "7.svg")]
    assert captions(rows) == ["arrows", "shapes", "picture"]


def png(size: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle(box, fill=(200, 30, 30, 255))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_rendering_is_on_white_cut_to_ink_and_centred() -> None:
    pixels = np.asarray(data.render(png((300, 700), (40, 600, 139, 649)), 128))
    assert pixels.shape == (128, 128, 3)
    assert (pixels[0] == 255).all()
    ink = pixels.min(axis=2) < 128
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    assert columns[-1] - columns[0] + 1 == pytest.approx(118, abs=1)
    assert rows[-1] - rows[0] + 1 == pytest.approx(59, abs=1)
    assert rows.mean() == pytest.approx(63.5, abs=1)


def test_near_duplicates_are_found_under_mirror_and_merged() -> None:
    # Only the recipe needs it, and it has no ready wheel for Python 3.11: a bare machine cannot build it.
    pytest.importorskip("pdqhash", reason="pdqhash, of the extra 'reference', is not installed")

    def drawing(seed: int) -> Image.Image:
        rng = np.random.default_rng(seed)
        image = Image.new("RGB", (256, 256), "white")
        pen = ImageDraw.Draw(image)
        for _ in range(12):
            x, y, w, h = (int(v) for v in rng.integers(10, 120, 4))
            pen.ellipse((x, y, x + w, y + h), fill=tuple(int(v) for v in rng.integers(0, 255, 3)))
        return image

    first, second = drawing(1), drawing(2)
    mirrored = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pairs = data.near_duplicates(np.stack([np.asarray(i) for i in (first, second, mirrored)]))
    assert pairs == [(0, 2)]
    assert data.merge(["a", "b", "c"], pairs) == ["a", "b", "a"]


def test_assignment_depends_on_the_seed_alone() -> None:
    eligible, creators = [True] * 1000, ["x"] * 1000
    first = data.assign(eligible, creators, seed=5)
    assert first == data.assign(eligible, creators, seed=5)
    assert first != data.assign(eligible, creators, seed=6)


def test_counts_of_the_shipped_split(works: list[data.Work]) -> None:
    planted = Counter((w.repetitions, w.half) for w in works if w.role == "planted")
    for level, count in data.PLANTED.items():
        assert planted[level, "calibration"] == planted[level, "test"] == count // 2
    halves = Counter(w.half for w in works if w.role == "control")
    assert halves["calibration"] == halves["test"] == data.CONTROLS // 2
    roles = Counter(w.role for w in works)
    assert roles["training"] >= 1000
    assert roles["finetune"] == data.FINETUNE
    assert {w.repetitions for w in works if w.role == "training"} == {1}
    assert {w.repetitions for w in works if w.role in ("control", "finetune")} == {0}
    assert {w.half for w in works if w.role in ("training", "finetune")} == {"none"}


def test_roles_are_disjoint_by_family_source_and_identity(works: list[data.Work]) -> None:
    for values in ([w.family for w in works], [w.sha256 for w in works], [w.id for w in works]):
        assert len(set(values)) == len(works)


def test_planted_captions_are_unique_and_the_finetune_creator_is_never_trained_on(works: list[data.Work]) -> None:
    times = Counter(w.caption for w in works)
    assert all(times[w.caption] == 1 for w in works if w.role == "planted")
    assert all(w.caption and w.caption.isascii() for w in works)
    assert {w.role for w in works if w.creator == data.FINETUNE_CREATOR} == {"finetune", "control"}


def test_renderings_are_there_and_nothing_else(works: list[data.Work]) -> None:
    shipped = {p.relative_to(SAMPLES).as_posix() for name in ("works", "controls") for p in (SAMPLES / name).iterdir()}
    assert shipped == {w.path for w in works}
    assert all(w.path.startswith("controls/") == (w.role == "control") for w in works)
    assert data.read_pixels(SAMPLES, works[:50]).shape == (50, 128, 128, 3)


def test_manifest_rows_hold_the_fields_of_a_work() -> None:
    with (SAMPLES / "manifest.jsonl").open(encoding="utf-8") as lines:
        assert set(json.loads(next(lines))) == set(data.Work.__dataclass_fields__)
