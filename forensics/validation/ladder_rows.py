"""Raw rows of the ladder study: every planted work and control under one checkpoint, resumable.

One JSON line a work. Bits are kept a draw and a level, so that every cut and number of draws is studied afterwards
without running the network again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from forensics import diffusion
from forensics.case import Checkpoint
from forensics.device import Device
from forensics.diffusion.base import DiffusionModel
from forensics.inversion.codelength import MAX_SIGMA, Grid, bits_of, estimates
from forensics.pictures import bounded, codecs
from forensics.pictures.tensors import fit, to_tensor
from forensics.similarity.lpips import Lpips
from forensics.validation import journal

STUDY_GRID = Grid(levels=40, cut=0.1, draws=2)
"""Finer than the protocol's, so that its cut can be chosen among these levels."""


@dataclass(frozen=True, slots=True)
class StudyWork:
    """One row of the manifest that takes part."""

    id: str
    path: Path
    caption: str
    creator: str
    family: str
    role: str
    """`planted`, `control` or `finetune`."""
    repetitions: int
    half: str
    """`calibration`, `test` or `none`."""

    @property
    def picture(self) -> Image.Image:
        """The rendering, upright RGB. Raises ImageError."""
        return bounded.read(self.path).picture


def study_works(reference: Path) -> tuple[StudyWork, ...]:
    """Planted works, controls and works of the fine-tune, in the order of the manifest."""
    rows = map(json.loads, (reference / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    return tuple(
        StudyWork(
            r["id"],
            reference / r["path"],
            r["caption"],
            r["creator"],
            r["family"],
            r["role"],
            r["repetitions"],
            r["half"],
        )
        for r in rows
        if r["role"] != "training"
    )


def collect(checkpoint: Checkpoint, works: Sequence[StudyWork], out: Path, device: Device, say: Any = print) -> Path:
    """Append what is missing to `out`/<checkpoint>.jsonl and return its path.

    A row holds, for the prompted and the plain condition, (draws, levels) of ‖x0 − x̂0‖², and the same of the
    difference of the two estimates, from which codelength and score gap follow at every cut.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{checkpoint.digest[:16]}.jsonl"
    done = {row["work"] for row in journal.rows(path)}
    missing = [w for w in works if w.id not in done]
    if not missing:
        return path
    model = diffusion.load(checkpoint, device)
    began = time.monotonic()
    for number, work in enumerate(missing, 1):
        journal.append(path, row(work.id, work.picture, work.caption, model))
        if number % 20 == 0 or number == len(missing):
            left = (time.monotonic() - began) / number * (len(missing) - number)
            say(f"{checkpoint.name}: {number}/{len(missing)} works, {left / 60:.1f} min left", flush=True)
    return path


def levels(model: DiffusionModel) -> torch.Tensor:
    """(levels + 1,) noise levels of the study under this model."""
    return STUDY_GRID.sigmas(min(MAX_SIGMA, model.noise_range[1]))


@torch.no_grad()
def row(work: str, rendering: Image.Image, caption: str, model: DiffusionModel) -> dict[str, Any]:
    """The row of one picture under one caption."""
    picture, _ = fit(to_tensor(rendering), model.native_px, model.stride)
    before = model.evaluations
    data = model.unit(model.encode(picture), model.times(1)[0]).cpu()
    sigmas = levels(model)
    batch = model.capacity(*picture.shape[-2:])
    shape = (STUDY_GRID.draws, STUDY_GRID.levels)
    errors = {name: torch.empty(shape, dtype=torch.float64) for name in ("prompted", "plain", "gap")}
    pairs = zip(
        estimates(data, model.condition(caption, 1.0), model, sigmas[:-1], STUDY_GRID.draws, batch),
        estimates(data, model.condition("", 1.0), model, sigmas[:-1], STUDY_GRID.draws, batch),
        strict=True,
    )
    for (places, prompted), (_, plain) in pairs:
        for name, difference in (("prompted", prompted - data), ("plain", plain - data), ("gap", prompted - plain)):
            for place, value in zip(places, difference.double().square().flatten(1).sum(1), strict=True):
                errors[name][place] = value
    return {
        "work": work,
        "sigmas": [float(f"{s:.9g}") for s in sigmas],
        **{name: [[float(f"{v:.6g}") for v in draw] for draw in found.tolist()] for name, found in errors.items()},
        "evaluations": model.evaluations - before,
    }


def bits(row: Mapping[str, Any], condition: str, cut: int, draws: int) -> float:
    """Codelength of a row over the first `cut` levels, mean over the first `draws` draws."""
    errors = torch.tensor(row[condition][:draws], dtype=torch.float64)
    sigmas = torch.tensor(row["sigmas"], dtype=torch.float64)
    return float(bits_of(errors, sigmas)[:, :cut].sum(1).mean())


@torch.no_grad()
def collect_pictures(
    works: Sequence[StudyWork], checkpoint: Checkpoint, out: Path, device: Device, say: Any = print
) -> Path:
    """What a picture costs whatever a denoiser knows: codec bits and the error of the autoencoder."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "pictures.jsonl"
    done = {row["work"] for row in journal.rows(path)}
    missing = [w for w in works if w.id not in done]
    if not missing:
        return path
    model, lpips = diffusion.load(checkpoint, device), Lpips()
    for number, work in enumerate(missing, 1):
        picture = work.picture
        pixels = to_tensor(picture)
        fitted, _ = fit(pixels, model.native_px, model.stride)
        state = model.encode(fitted)
        back = model.decode(state).cpu()
        row = {
            "work": work.id,
            "codec": codecs.complexity(picture),
            "autoencoder_mse": float((back - fitted).double().square().mean()),
            "autoencoder_lpips": float(lpips(fitted, back)[0]),
            "latent_energy": float(model.unit(state, model.times(1)[0]).double().square().sum()),
        }
        journal.append(path, row)
        if number % 200 == 0 or number == len(missing):
            say(f"pictures: {number}/{len(missing)}", flush=True)
    return path
