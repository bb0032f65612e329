"""Does the origin test tell a checkpoint's own pictures from works it did not make?

    python -m tests.studies.origin_study

Twin A makes pictures from captions of control works; the control works are the other group. Both groups are also put
through what happens to pictures on the way to a file under examination, and the same latents are decoded by two other
autoencoders made here: the checkpoint's own with a decoder trained further, and a small one trained from nothing. The
primary statistic is the one with the greatest area under the curve on the calibration half, pictures as they are; the
table that is printed and committed is of the test half. The halves share no work, no caption and no seed.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from forensics import __version__, diffusion
from forensics.case import Better
from forensics.device import choose, session
from forensics.origin.reconstruction import LAYER, Autoencoder, Losses, losses
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.resources import samples
from forensics.similarity.lpips import Lpips
from forensics.statistics.discrimination import auc, share, tpr_at_fpr
from forensics.statistics.ranks import extreme, rank_p
from forensics.validation.ladder_rows import StudyWork, study_works
from forensics.validation.strangers import (
    GUIDANCE,
    SEED,
    STEPS,
    Other,
    decoder_trained_further,
    latents,
    pictures,
    small_autoencoder,
)

STATISTICS: dict[str, Callable[[Losses], float]] = {
    "ratio of first to second reconstruction loss": lambda row: row.ratio,
    "first reconstruction loss": lambda row: row.first,
    "LPIPS of the first reconstruction, second feature map": lambda row: row.layer,
}
"""Low values speak for a picture of the checkpoint's own."""
Treatment = Callable[[Image.Image], Image.Image]


def _saved(kind: str, quality: int) -> Treatment:
    def treat(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, kind, quality=quality)
        return Image.open(buffer).convert("RGB")

    return treat


def _scaled(factor: float) -> Treatment:
    def treat(picture: Image.Image) -> Image.Image:
        small = picture.resize(
            (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
        )
        return small.resize(picture.size, Image.Resampling.LANCZOS)

    return treat


def _shifted(picture: Image.Image) -> Image.Image:
    return picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 3, 0, 1, 3), fillcolor="white")


TREATMENTS: dict[str, Treatment] = {
    "as it is": lambda picture: picture,
    "JPEG, quality 90": _saved("JPEG", 90),
    "JPEG, quality 75": _saved("JPEG", 75),
    "WebP, quality 80": _saved("WEBP", 80),
    "reduced to 3/4 and enlarged again": _scaled(0.75),
    "moved by 3 pixels, off the grid": _shifted,
}


def half(
    name: str, works: Sequence[StudyWork], model: Any, others: Sequence[Other], lpips: Lpips, made: int, shown: int
) -> dict[str, Any]:
    """Every statistic of every group of one half, raw."""

    def layer(a: Tensor, b: Tensor) -> Tensor:
        return lpips.layer(a, b, LAYER)

    def rows(group: Sequence[Image.Image], autoencoder: Autoencoder) -> dict[str, list[float]]:
        found = losses([to_tensor(picture) for picture in group], autoencoder, layer)
        return {title: [statistic(row) for row in found] for title, statistic in STATISTICS.items()}

    mine = [w for w in works if w.half == name and w.role == "control"]
    captions, controls = [w.caption for w in mine[:made]], [w.picture for w in mine[made : made + shown]]
    seed = SEED if name == "calibration" else SEED + 1_000
    state = latents(model, captions, seed)
    own = pictures(state, model)
    result: dict[str, Any] = {"made": len(own), "controls": len(controls), "groups": {}}
    for title, treat in TREATMENTS.items():
        result["groups"][title] = {
            "made": rows([treat(p) for p in own], model),
            "controls": rows([treat(p) for p in controls], model),
        }
        print(f"{name}: {title}", flush=True)
    result["strangers"] = {}
    for other in others:
        with torch.no_grad():
            # A decoder of the same latents takes them as they are; another autoencoder repeats the finished picture.
            direct = other.scaling == float(model.vae.config.scaling_factor)
            scaled = model.unit(state, model.times(STEPS)[0])
            theirs = pictures(scaled, other) if direct else [to_picture(_again(p, other)) for p in own]
        result["strangers"][other.name] = {
            "their pictures under the checkpoint": rows(theirs, model),
            "their pictures under their own": rows(theirs, other),
            "the checkpoint's pictures under theirs": rows(own, other),
            "controls under theirs": rows(controls, other),
        }
        print(f"{name}: {other.name}", flush=True)
    return result


def _again(picture: Image.Image, other: Other) -> Tensor:
    return other.decode(other.encode(to_tensor(picture)))


def table(raw: dict[str, Any]) -> dict[str, Any]:
    """Areas under the curve, shares flagged and intervals of one half, from its raw values."""
    clean = raw["groups"]["as it is"]["controls"]
    found: dict[str, Any] = {"made": raw["made"], "controls": raw["controls"], "treatments": {}, "strangers": {}}
    for title, group in raw["groups"].items():
        found["treatments"][title] = {
            name: _row(group["made"][name], group["controls"][name], clean[name]) for name in STATISTICS
        }
    own = raw["groups"]["as it is"]["made"]
    for title, groups in raw["strangers"].items():
        found["strangers"][title] = {
            name: {
                "auc of the checkpoint's pictures against theirs, under the checkpoint": _rate(
                    auc(_low(own[name]), _low(groups["their pictures under the checkpoint"][name]))
                ),
                "theirs flagged as the checkpoint's": _rate(
                    _flagged(groups["their pictures under the checkpoint"][name], clean[name])
                ),
                "auc of their pictures against controls, under theirs": _rate(
                    auc(
                        _low(groups["their pictures under their own"][name]),
                        _low(groups["controls under theirs"][name]),
                    )
                ),
                "the checkpoint's flagged as theirs": _rate(
                    _flagged(
                        groups["the checkpoint's pictures under theirs"][name], groups["controls under theirs"][name]
                    )
                ),
            }
            for name in STATISTICS
        }
    return found


def _row(made: Sequence[float], controls: Sequence[float], clean: Sequence[float]) -> dict[str, Any]:
    same = controls == clean
    loo = [_p(v, [*controls[:i], *controls[i + 1 :]]) <= 0.05 for i, v in enumerate(controls)] if same else []
    false = sum(loo) if same else sum(_p(v, clean) <= 0.05 for v in controls)
    return {
        "auc": _rate(auc(_low(made), _low(controls))),
        "tpr_at_fpr05": _rate(tpr_at_fpr(_low(made), _low(controls), 0.05)),
        "share_p05_against_controls_as_they_are": _rate(_flagged(made, clean)),
        "false_flags_p05": _rate(share(false, len(controls))),
    }


def _flagged(values: Sequence[float], controls: Sequence[float]) -> Any:
    return share(sum(_p(v, controls) <= 0.05 for v in values), len(values))


def _p(value: float, controls: Sequence[float]) -> float:
    return rank_p(extreme(value, controls, Better.LOWER), len(controls))


def _low(values: Sequence[float]) -> list[float]:
    return [-v for v in values]


def _rate(rate: Any) -> dict[str, float]:
    shown = {"value": rate.value, "low": rate.low, "high": rate.high}
    if rate.n:
        shown |= {"k": rate.k, "n": rate.n}
    return {name: round(value, 4) for name, value in shown.items()}


def main() -> None:
    """Run the study and write its record."""
    parser = argparse.ArgumentParser(description="Error rates of the origin test on the embedded checkpoint.")
    parser.add_argument("--out", type=Path, default=samples() / "reference" / "origin-study.json")
    parser.add_argument("--made", type=int, default=10, help="pictures generated in each half")
    parser.add_argument(
        "--controls", type=int, default=20, help="control works in each half, apart from those whose captions are used"
    )
    parser.add_argument("--steps", type=int, default=60, help="training steps of each other autoencoder")
    parser.add_argument("--raw", type=Path, help="also write every single value here")
    args = parser.parse_args()
    began = time.monotonic()
    device = choose("cpu")
    reference = samples() / "reference"
    checkpoint = diffusion.identify(str(reference / "twin-a"))
    with session(device):
        model = diffusion.load(checkpoint, device)
        works = study_works(reference)
        rows = map(json.loads, (reference / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
        seen = [reference / r["path"] for r in rows if r["role"] == "training"][:400]
        training = torch.cat([to_tensor(Image.open(path).convert("RGB")) for path in seen])
        others = [build(model, training, args.steps, 7) for build in (decoder_trained_further, small_autoencoder)]
        lpips = Lpips()
        raw = {n: half(n, works, model, others, lpips, args.made, args.controls) for n in ("calibration", "test")}
    calibration, test = table(raw["calibration"]), table(raw["test"])
    clean = calibration["treatments"]["as it is"]
    chosen = max(STATISTICS, key=lambda name: clean[name]["auc"]["value"])  # ties go to the first
    record = {
        "command": "python -m tests.studies.origin_study",
        "forensics": __version__,
        "checkpoint": checkpoint.digest,
        "manifest": _sha256(reference / "manifest.jsonl"),
        "generation": {"steps": STEPS, "guidance": GUIDANCE, "prompts": "captions of control works of the same half"},
        "primary_chosen_on_calibration": chosen,
        "calibration": calibration,
        "test": test,
        "seconds": round(time.monotonic() - began),
    }
    args.out.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")
    if args.raw:
        args.raw.write_text(json.dumps(raw), encoding="utf-8")
    print(f"\nprimary, chosen on the calibration half: {chosen}\ntest half, {args.made} made, {args.controls} controls")
    for title, group in test["treatments"].items():
        cells = "  ".join(
            f"AUC {row['auc']['value']:.3f} [{row['auc']['low']:.3f}, {row['auc']['high']:.3f}] "
            f"flagged {row['share_p05_against_controls_as_they_are']['value']:.2f} "
            f"false {row['false_flags_p05']['value']:.2f} |"
            for row in group.values()
        )
        print(f"{title:36} {cells}")
    print(json.dumps(test["strangers"], indent=1))


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
