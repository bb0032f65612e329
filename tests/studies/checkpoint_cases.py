"""A whole examination to the PDF for every family: `python -m tests.studies.checkpoint_cases [KIND …] [--out DIR]`.

Tiny checkpoints with random weights, 19 drawn controls, profile quick, on the CPU. Each line says what the report holds
of the checkpoint, how long it took and what is missing in it; a random network reproduces nothing, and a finding that
it does is a fault. `sd-word` puts a LoRA with the statements of a training program and a textual inversion beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from forensics import examination, folder
from forensics.case import Absent, Pair
from forensics.settings import resolve
from tests.diffusion.families import TEXT, WRITERS
from tests.studies.checkpoint_inputs import FLAT

CONTROLS = 19
SIDE = 64
KINDS = ("sd-word", *WRITERS)


def picture(seed: int) -> Image.Image:
    """Shapes of a kind: as complex as one another, none like another."""
    source = torch.Generator().manual_seed(seed)
    made = Image.new("RGB", (SIDE, SIDE), tuple(torch.randint(0, 256, (3,), generator=source).tolist()))
    pen = ImageDraw.Draw(made)
    for _ in range(12):
        x, y, w, h, *colour = torch.randint(0, 256, (7,), generator=source).tolist()
        box = (x % SIDE, y % SIDE, x % SIDE + 4 + w % 30, y % SIDE + 4 + h % 30)
        (pen.ellipse if x % 2 else pen.rectangle)(box, fill=tuple(colour))
    return made


def controls(root: Path) -> Path:
    """A folder of controls with its table."""
    root.mkdir()
    with (root / "controls.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("file", "ground", "caption"))
        for number in range(CONTROLS):
            picture(100 + number).save(root / f"{number}.png")
            table.writerow((f"{number}.png", "drawn by the study after the network was made", f"shapes {number}"))
    return root


def beside(root: Path) -> dict[str, tuple[str, ...]]:
    """A LoRA that says what it was trained on, and a textual inversion."""
    source = torch.Generator().manual_seed(5)
    said = {
        "ss_datasets": json.dumps(
            [{"subsets": [{"image_dir": "10_hare", "img_count": 25, "num_repeats": 10, "class_tokens": "hare, ink"}]}]
        ),
        "ss_tag_frequency": json.dumps({"10_hare": {"hare": 25, "ink": 21, "hatching": 17, "no background": 9}}),
        "ss_bucket_info": json.dumps({"buckets": {"0": {"resolution": [512, 768], "count": 250}}}),
        "sd_merge_models": json.dumps({"ab" * 32: {"name": "base.safetensors", "sd_merge_recipe": None}}),
        "converted_from_sha256": "cd" * 32,
        "modelspec.title": "Hares in ink",
    }
    pair = {f"lora_unet_{FLAT}.lora_down.weight": (2, 8), f"lora_unet_{FLAT}.lora_up.weight": (8, 2)}
    save_file({n: torch.randn(s, generator=source) for n, s in pair.items()}, root / "hares.safetensors", metadata=said)
    save_file({"emb_params": torch.randn(2, TEXT, generator=source)}, root / "inkhare.safetensors")
    return {"lora": (f"{root / 'hares.safetensors'}:0.8",), "embeddings": (str(root / "inkhare.safetensors"),)}


def run(kind: str, root: Path) -> str:
    """One examination; what came of it as a line."""
    root.mkdir(parents=True, exist_ok=True)
    base = kind.removesuffix("-word")
    write = WRITERS[base]
    picture(1).save(root / "disputed.png")
    flags: dict[str, object] = {
        "checkpoint": str(write(root / "checkpoint")),
        "controls": str(controls(root / "controls")),
        "captions": ("an inkhare of shapes" if kind.endswith("-word") else "shapes",),
        "profile": "quick",
        "device": "cpu",
    }
    began, cpu = time.perf_counter(), time.process_time()
    more = beside(root) if kind.endswith("-word") else {}
    pdf = examination.analyze(root / "disputed.png", root / "case", resolve(flags | more))
    took = f"{time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} s of processor"
    case = folder.load(root / "case")
    assert not isinstance(case.checkpoint, Absent)
    answers = " | ".join(f.answer.split(". ")[0] for f in case.findings if f.pair is Pair.RETENTION)
    absent = "; ".join(a.what for a in case.absences)
    return (
        f"{kind}: {case.checkpoint.family}, {case.checkpoint.prediction}, {took}, {len(case.inversions)} runs, "
        f"{len(case.comparisons)} comparisons with {CONTROLS} controls, {len(case.checkpoint.statements)} statements, "
        f"{pdf.stat().st_size:,} bytes of PDF. Absent: {absent or 'nothing'}. Retention: "
        f"{answers or 'no finding'}"
    )


def main(given: Sequence[str] | None = None) -> None:
    """One line a kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--out", type=Path, help="where the cases are kept")
    arguments = parser.parse_args(given)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        for kind in arguments.kinds:
            print(run(kind, (arguments.out or Path(temporary)) / kind), flush=True)


if __name__ == "__main__":
    main()
