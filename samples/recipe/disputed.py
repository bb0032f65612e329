"""The five disputed samples with known truth, and the originals of two of them.

    generated   drawn by twin A from the caption of the memorised work, with a seed that no examination uses
    memorised   a planted work, repeated 256 times in the training of twin A, rendered anew from its source
    edited      a training work, recoloured, cropped by three per cent and saved as JPEG at quality 60
    control     a control work, never trained on by any model here, rendered anew from its source
    manner      drawn by this program in the manner of the collection; by nobody in it

Works are the first animals of their kind in the order of the manifest's ids: a rule fixed before any model existed, so
that nothing is picked by its result (animals, because a flag is a public emblem and no work to quarrel about).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance

from samples.recipe.data import Work, load_rows, read_manifest, render
from samples.recipe.regenerate import draw, load_pipeline

SUBJECT = "animals/"
"""Families the samples are taken from."""
SIDE = 256
"""Pixels: twice the side of the training renderings, as a work put before a court is rarely the training file."""
_CROP = 0.03
_HUE = 24
"""Of 256 steps around the colour circle."""
_JPEG = 60
_SUPERSAMPLING = 4
DRAWN = Namespace(batch=1, steps=20, guidance=3.0, bfloat16=False)
"""How the generated sample is drawn, by the pipeline of diffusers; the seed is a date."""
SEED = 20261129


def first(works: list[Work], wanted: Callable[[Work], bool]) -> Work:
    """The first work, by id, of a kind and of the subject."""
    ordered = sorted((work for work in works if work.family.startswith(SUBJECT)), key=lambda work: work.id)
    return next(work for work in ordered if wanted(work))


def edit(picture: Image.Image) -> bytes:
    """Recolour, crop and recompress: what a copy commonly goes through. Returns the bytes of a JPEG."""
    margin = round(picture.width * _CROP)
    cropped = picture.crop((margin, margin, picture.width - margin, picture.height - margin)).resize(picture.size)
    hue, saturation, value = cropped.convert("HSV").split()
    turned = Image.merge("HSV", (hue.point(lambda h: (h + _HUE) % 256), saturation, value)).convert("RGB")
    buffer = io.BytesIO()
    ImageEnhance.Contrast(turned).enhance(0.92).save(buffer, "JPEG", quality=_JPEG)
    return buffer.getvalue()


def draw_manner() -> Image.Image:
    """A potted sunflower with flat colours and dark outlines: the manner of the collection, the work of none in it."""
    scale = SIDE * _SUPERSAMPLING / 100
    page = Image.new("RGB", (SIDE * _SUPERSAMPLING,) * 2, "white")
    pen = ImageDraw.Draw(page)
    line = round(0.9 * scale)

    def at(*xy: float) -> list[float]:
        return [v * scale for v in xy]

    pen.line(at(50, 40, 52, 72), fill="#2f6b2a", width=round(3 * scale))
    pen.ellipse(at(52, 55, 68, 63), fill="#5aa13f", outline="#234d1f", width=line)
    pen.ellipse(at(33, 60, 50, 68), fill="#5aa13f", outline="#234d1f", width=line)
    for petal in range(14):
        angle = 2 * math.pi * petal / 14
        x, y = 50 + 17 * math.cos(angle), 28 + 17 * math.sin(angle)
        pen.ellipse(at(x - 6, y - 6, x + 6, y + 6), fill="#f4c20d", outline="#8a5a00", width=line)
    pen.ellipse(at(37, 15, 63, 41), fill="#6b3f16", outline="#3a2008", width=line)
    for row in range(-2, 3):
        for column in range(-2, 3):
            if abs(row) + abs(column) < 4:
                x, y = 50 + 4 * column, 28 + 4 * row
                pen.ellipse(at(x - 1, y - 1, x + 1, y + 1), fill="#c98b3a")
    pen.polygon(at(36, 74, 68, 74, 63, 95, 41, 95), fill="#c4552d", outline="#5e210c", width=line)
    pen.rectangle(at(33, 69, 71, 76), fill="#dd6b3f", outline="#5e210c", width=line)
    return page.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def generate(samples: Path, caption: str) -> Image.Image:
    """What twin A draws from a caption, at its own size."""
    return Image.fromarray(draw(load_pipeline(samples / "reference", "a"), [caption], [SEED], DRAWN)[0])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `disputed`."""
    parser.add_argument("--listing", type=Path, required=True, help="openclipart.jsonl")
    parser.add_argument("--png-root", type=Path, required=True, help="usr/share/openclipart/png of openclipart-png")
    parser.add_argument("--samples", type=Path, default=Path("samples"))


def run(args: argparse.Namespace) -> None:
    """Write `disputed/`, `originals/` and the table of what is true of each."""
    works = read_manifest(args.samples / "reference")
    rows = {row["sha256"]: row for row in load_rows(args.listing)}

    def source(work: Work) -> Image.Image:
        return render((args.png_root / rows[work.sha256]["rel"]).with_suffix(".png").read_bytes(), SIDE)

    memorised = first(works, lambda w: w.role == "planted" and w.repetitions == 256 and w.half == "test")
    edited = first(works, lambda w: w.role == "training")
    control = first(works, lambda w: w.role == "control" and w.half == "test")
    for folder in ("disputed", "originals"):
        (args.samples / folder).mkdir(parents=True, exist_ok=True)
    source(memorised).save(args.samples / "disputed" / "memorised.png")
    source(memorised).save(args.samples / "originals" / "generated-original.png")
    generate(args.samples, memorised.caption).save(args.samples / "disputed" / "generated.png")
    (args.samples / "disputed" / "edited.jpg").write_bytes(edit(source(edited)))
    source(control).save(args.samples / "disputed" / "control.png")
    draw_manner().save(args.samples / "disputed" / "manner.png")
    source(edited).save(args.samples / "originals" / "edited-original.png")
    truth: list[dict[str, Any]] = [
        _truth("generated.png", memorised, "drawn by twin A from the caption of a planted work seen 256 times a pass"),
        _truth("memorised.png", memorised, "planted work, seen 256 times in every pass over the training set"),
        _truth("edited.jpg", edited, "edited copy of a training work, seen once in every pass"),
        _truth("control.png", control, "control work, never trained on"),
        {"file": "manner.png", "work": "", "caption": "", "creator": "", "truth": "drawn for this project; in no set"},
    ]
    with (args.samples / "disputed" / "truth.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(truth[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(truth)
    print(json.dumps(truth, indent=1, ensure_ascii=False))


def _truth(name: str, work: Work, sentence: str) -> dict[str, Any]:
    return {"file": name, "work": work.id, "caption": work.caption, "creator": work.creator, "truth": sentence}
