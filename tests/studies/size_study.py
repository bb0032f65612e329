"""How memory goes with the size of the training set: `python -m tests.studies.size_study --work DIR`.

The quarrel: Somepalli et al. 2023 found copies from a model trained on 300 works, none from one trained on 3,000, and
both sides cite it. Here the same forty works are planted among 300, 700 and 1,400 others, ten each at 1, 4, 16 and 64
repetitions a pass, and small diffusion models of one architecture are trained on them: three for equally many passes,
so that a work is seen equally often whatever the size of the set, and two more for as many steps as the middle one, so
that a larger set means fewer views of each work. The smaller sets are part of the larger ones.

Measured of every model, with the caption of the work: the share of the bits that it saves beside the shipped twin B,
which saw none of the planted works and none of the controls, at the cut of the protocol; and what regeneration gives.
Both are compared with sixty works that no model saw, of the test half. Fixed beforehand: the sizes, the levels, thirty
passes, areas under the curve with their 95 % intervals, and the share of planted works above every control. Nothing is
chosen afterwards, so there is no calibration half.

Training goes on from its last checkpoint, measuring from its last work, so that the command can be stopped at any time.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from forensics import device, diffusion
from forensics.case import Absent
from forensics.embedders import copies
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.statistics.discrimination import auc
from forensics.statistics.ranks import clopper_pearson
from forensics.validation import journal, ladder_rows
from forensics.validation.ladder_rows import STUDY_GRID, StudyWork, bits
from samples.recipe import data, twin
from tests.studies import ladder_regeneration

SIZES = (300, 700, 1400)
LEVELS = (1, 4, 16, 64)
EACH = 10
"""Planted works of each level."""
CONTROLS = 60
PASSES = 30
BATCH = 64
SEED = 20261129
DECAY = 0.2
"""Share of the steps over which the learning rate falls to zero."""
OUT = samples() / "reference" / "size-study.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One model to train."""

    size: int
    """Training works beside the planted ones."""
    equal: str
    """`passes` or `steps`: what it shares with the others."""
    steps: int

    @property
    def name(self) -> str:
        """For folders and tables."""
        return f"{self.size}-{self.equal}"


def slots(size: int) -> int:
    """Pictures of one pass."""
    return size + EACH * sum(LEVELS)


def runs(sizes: Sequence[int] = SIZES, passes: int = PASSES, batch: int = BATCH) -> tuple[Run, ...]:
    """The models: equal passes for each size, then as many steps as the middle one for the others."""
    equal = [Run(size, "passes", round(passes * slots(size) / batch)) for size in sizes]
    middle = equal[len(equal) // 2]
    return (*equal, *(Run(run.size, "steps", middle.steps) for run in equal if run is not middle))


def chosen(reference: Path, size: int) -> list[data.Work]:
    """The planted works and the training works of one size; the smaller sets are the beginnings of the larger ones."""
    works = data.read_manifest(reference)
    planted = [
        w for level in LEVELS for w in [v for v in works if v.repetitions == level and v.role == "planted"][:EACH]
    ]
    others = sorted((w for w in works if w.role == "training"), key=lambda w: w.id)
    random.Random(SEED).shuffle(others)
    return planted + others[:size]


def prepared(folder: Path, reference: Path, size: int) -> Path:
    """A work folder of the recipe: the shipped parts that every model shares, and the list of its own works."""
    for name, target in (
        ("autoencoder/vae", "vae"),
        ("clip/text_encoder", "text_encoder"),
        ("tokenizer", "tokenizer"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            (folder / name).symlink_to((reference / "shared" / target).resolve())
    own = folder / "samples"
    own.mkdir(exist_ok=True)
    rows = "".join(json.dumps(asdict(work)) + "\n" for work in chosen(reference, size))
    (own / "manifest.jsonl").write_text(rows, encoding="utf-8")
    if not (own / "works").exists():
        (own / "works").symlink_to((reference / "works").resolve())
    return own


def train(run: Run, work: Path, reference: Path, threads: int) -> Path:
    """The trained model as a folder of diffusers; goes on from the last checkpoint."""
    folder = work / run.name
    own = prepared(folder, reference, run.size)
    decay = round(DECAY * run.steps)
    parser = argparse.ArgumentParser()
    twin.add_arguments(parser)
    given = ["--work", str(folder), "--samples", str(own), "--twin", "a", "--steps", str(run.steps)]
    given += ["--batch", str(BATCH), "--decay-start", str(run.steps - decay), "--decay-steps", str(decay)]
    twin.run(parser.parse_args([*given, "--threads", str(threads), "--device", "cpu"]))
    unet, _ = twin.trained_unet(folder, "a")
    made = folder / "model"
    if made.exists():
        shutil.rmtree(made)
    made.mkdir()
    shutil.copyfile(reference / "twin-b" / "model_index.json", made / "model_index.json")
    for name in ("scheduler", "text_encoder", "tokenizer", "vae"):
        (made / name).symlink_to((reference / "shared" / name).resolve())
    unet.half().save_pretrained(made / "unet", safe_serialization=True)
    return made


def compared(reference: Path, each: int = EACH, controls: int = CONTROLS) -> tuple[StudyWork, ...]:
    """The planted works, and works that no model saw: the first of the test half by a fixed order."""
    works = ladder_rows.study_works(reference)
    planted = [
        w for level in LEVELS for w in [v for v in works if v.repetitions == level and v.role == "planted"][:each]
    ]
    unseen = sorted((w for w in works if w.role == "control" and w.half == "test"), key=lambda w: w.id)
    random.Random(SEED).shuffle(unseen)
    return (*planted, *unseen[:controls])


Score = Callable[[StudyWork], float]
"""Higher where the model knows more of the work."""


def figures(works: Sequence[StudyWork], score: Score) -> dict[str, Any]:
    """By level: area against the controls, and the share of planted works above every control."""
    controls = [score(w) for w in works if w.role == "control"]
    found: dict[str, Any] = {}
    for level in LEVELS:
        own = [score(w) for w in works if w.repetitions == level and w.role == "planted"]
        area = auc(own, controls)
        above = sum(value > max(controls) for value in own)
        found[str(level)] = {
            "works": len(own),
            "area": [area.value, area.low, area.high],
            "above_every_control": [above, *clopper_pearson(above, len(own))],
        }
    return found


def measured(model: Path, works: Sequence[StudyWork], reference: Path, out: Path) -> dict[str, Any]:
    """Both measurements of one model. Raises SystemExit where the copy descriptor is not at hand."""
    chosen_device = device.choose("cpu", "fp32")
    here = diffusion.identify(str(model))
    there = diffusion.identify(str(reference / "twin-b"))
    descriptor = copies.open_descriptor(None, chosen_device)
    if isinstance(descriptor, Absent):
        raise SystemExit(f"{descriptor.what}: {descriptor.reason}")
    lengths = [_rows(ladder_rows.collect(c, works, out, chosen_device)) for c in (here, there)]
    sigmas = torch.tensor(next(iter(lengths[0].values()))["sigmas"]).log()
    cut = int((sigmas - torch.tensor(PROFILES["standard"].codelength_cut).log()).abs().argmin())

    def saved(work: StudyWork) -> float:
        own, other = (bits(rows[work.id], "prompted", cut, STUDY_GRID.draws) for rows in lengths)
        return 1 - own / other

    drawn = _rows(ladder_regeneration.collect(here, works, out, chosen_device, descriptor))
    return {
        "saved_against_twin_b": figures(works, saved),
        "best_of_the_seeds_by_copy_descriptor": figures(works, lambda work: max(drawn[work.id]["cosine"])),
    }


def _rows(path: Path) -> Mapping[str, Mapping[str, Any]]:
    return {row["work"]: row for row in journal.rows(path)}


def table(study: Mapping[str, Any]) -> str:
    """The areas of both measurements, as Markdown."""
    lines = ["| training works | equal | steps | measurement | " + " | ".join(f"{n} a pass" for n in LEVELS) + " |"]
    lines.append("| --- " * (4 + len(LEVELS)) + "|")
    for row in study["models"]:
        for name in ("saved_against_twin_b", "best_of_the_seeds_by_copy_descriptor"):
            cells = []
            for level in LEVELS:
                at = row[name][str(level)]
                value, low, high = at["area"]
                cells.append(f"{value:.2f} ({low:.2f} to {high:.2f}); {at['above_every_control'][0]} of {at['works']}")
            start = f"| {row['size']} | {row['equal']} | {row['steps']} | {name.replace('_', ' ')} | "
            lines.append(start + " | ".join(cells) + " |")
    return "\n".join(lines)


PANELS = {
    "saved_against_twin_b": "Bits saved beside a model that saw none",
    "best_of_the_seeds_by_copy_descriptor": "Best of the seeds, by copy descriptor",
}
"""Measurement -> what stands above its panel."""
_WIDE, _HIGH, _LEFT, _TOP, _PLOT = 640, 262, 44, 40, 150
_SHADES = {1: "#0b6fa4", 4: "#3a8f5c", 16: "#b3731a", 64: "#7a4a9e"}


def figure(study: Mapping[str, Any]) -> str:
    """Share of planted works above every control by training works: SVG, one panel a measurement.

    Full lines join models of equal passes, broken ones those of as many steps as the middle one, where they differ.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif" '
        'font-size="11" role="img" aria-label="Share of planted works above every control, by training works">',
        f'<rect width="{_WIDE}" height="{_HIGH}" fill="#fff"/>',
    ]
    for place, (name, title) in enumerate(PANELS.items()):
        parts += _panel(study["models"], name, title, _LEFT + place * _WIDE // 2)
    steps = next(run.steps for run in runs() if run.equal == "steps")
    parts.append(
        f'<text x="{_LEFT}" y="{_HIGH - 22}">Share of ten works above all {study["controls"]} controls, by training '
        "works beside forty planted ones.</text>"
        f'<text x="{_LEFT}" y="{_HIGH - 7}">Full lines: {PASSES} passes each. Broken lines, where they differ: '
        f"{steps} steps each.</text></svg>"
    )
    return "\n".join(parts) + "\n"


def _shares(models: Sequence[Mapping[str, Any]], name: str, level: int) -> list[float]:
    cells = [row[name][str(level)] for row in models]
    return [cell["above_every_control"][0] / cell["works"] for cell in cells]


def _panel(measured: Sequence[Mapping[str, Any]], name: str, title: str, left: int) -> list[str]:
    models = [row for row in measured if row["equal"] == "passes"]
    middle = models[len(models) // 2]
    others = [row for row in measured if row["equal"] == "steps"]
    stepped = sorted([*others, middle], key=lambda row: int(row["size"])) if others else models
    width = _WIDE // 2 - _LEFT - 70
    across = [left + width * i / max(1, len(models) - 1) for i in range(len(models))]
    parts = [f'<text x="{left}" y="20" font-weight="bold">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _PLOT * (1 - share)
        parts.append(f'<path d="M{left} {y:g}H{left + width}" stroke="#ccc"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{share:g}</text>')
    parts += [
        f'<text x="{x:g}" y="{_TOP + _PLOT + 16}" text-anchor="middle">{row["size"]}</text>'
        for x, row in zip(across, models, strict=True)
    ]
    taken: list[float] = []
    for level in LEVELS:
        found, broken = _shares(models, name, level), _shares(stepped, name, level)
        points = [(x, _TOP + _PLOT * (1 - share)) for x, share in zip(across, found, strict=True)]
        if broken != found:
            line = "L".join(f"{x:g} {_TOP + _PLOT * (1 - share):g}" for x, share in zip(across, broken, strict=True))
            parts.append(f'<path d="M{line}" fill="none" stroke="{_SHADES[level]}" stroke-dasharray="4 3"/>')
        line = "L".join(f"{x:g} {y:g}" for x, y in points)
        parts.append(f'<path d="M{line}" fill="none" stroke="{_SHADES[level]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:g}" cy="{y:g}" r="3" fill="{_SHADES[level]}"/>' for x, y in points]
        label = points[-1][1] + 4
        while any(abs(label - other) < 12 for other in taken):
            label += 12
        taken.append(label)
        parts.append(f'<text x="{across[-1] + 8:g}" y="{label:g}" fill="{_SHADES[level]}">{level} a pass</text>')
    return parts


def main(given: Sequence[str] | None = None) -> None:
    """Train what is missing, measure what is missing, write the study, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and raw rows")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--print", action="store_true", dest="only_print", help="the table, from the file")
    parser.add_argument("--figure", type=Path, help="draw the file as SVG")
    asked = parser.parse_args(given)
    if asked.only_print or asked.figure:
        study = json.loads(asked.out.read_bytes())
        if asked.figure:
            asked.figure.write_text(figure(study), encoding="utf-8")
        print(table(study))
        return
    torch.set_num_threads(asked.threads)
    reference, rows = samples() / "reference", []
    works = compared(reference)
    for run in runs():
        model = train(run, asked.work, reference, asked.threads)
        manifest = json.loads((asked.work / run.name / "twin-a" / "run.json").read_bytes())
        found = measured(model, works, reference, asked.work / "rows")
        rows.append({**asdict(run), "passes": manifest["passes"], "seconds": manifest["seconds"], **found})
        study = {"command": "python -m tests.studies.size_study --work DIR", "controls": CONTROLS, "models": rows}
        asked.out.write_text(json.dumps(study, separators=(",", ":")) + "\n", encoding="utf-8")
        print(table(study), file=sys.stderr, flush=True)
    print(table(study))


if __name__ == "__main__":
    main()
