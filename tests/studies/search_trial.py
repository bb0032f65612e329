"""What each rung that searches yields and costs, on a few works of each level of repetition and a few controls.

`python -m tests.studies.search_trial --out DIR` runs on the embedded works, calibration half, and prints one
table. It is a trial and says how the rungs behave; with this few works it gives no error rates. The row `where` is the
map of the reproduced region. With `--captions` it measures instead the score gap of every caption of that half, each
level against the controls, beside the text-only baseline of the same captions.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from forensics import diffusion
from forensics.device import choose, session
from forensics.diffusion.base import DiffusionModel
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Attempt, Plan
from forensics.inversion.blind import blind_baseline
from forensics.inversion.gap import DRAWS as GAP_DRAWS
from forensics.inversion.gap import gap_evaluations, score_gaps
from forensics.inversion.where import where, where_evaluations
from forensics.pictures.tensors import to_tensor
from forensics.protocol import PROFILES, Search
from forensics.resources import samples
from forensics.similarity.lpips import Lpips
from forensics.statistics.discrimination import auc
from forensics.validation.journal import Journal
from forensics.validation.works import KnownWork, read

RUNGS = ("regeneration", "hard_prompt", "soft_prompt", "noise", "latent", "where")
SCORES = (
    "plain bits",
    "bits",
    "two-part bits",
    "kl bits",
    "succeeded",
    "bits per value",
    "energy",
    "correlation",
    "area",
    "detail",
    "variation",
    "agreement",
)
"""Scores whose median is printed; a rung has some of them."""


def chosen(works: Sequence[KnownWork], levels: Sequence[int], count: int) -> list[KnownWork]:
    """The first `count` works of each level in the calibration half; level 0 are the controls."""
    calibration = [w for w in works if w.half == "calibration"]
    return [w for level in levels for w in [w for w in calibration if w.repetitions == level][:count]]


def plan_of(rung: str, work: KnownWork, profile: str) -> Plan:
    """The plan of the profile; `noise` and `latent` get no prompt, as in an examination."""
    p = PROFILES[profile]
    prompt = work.caption if rung == "regeneration" else ""
    guidance = 1.0 if rung in ("noise", "latent") else p.guidance
    return Plan(
        prompt, "caption" if prompt else "none", guidance, p.steps, tuple(range(p.seeds)), p.refinements, Search()
    )


def measure(work: KnownWork, rung: str, profile: str, model: DiffusionModel, lpips: Lpips) -> dict[str, Any]:
    """One rung on one work: bits, scores, likeness, cost against the budget."""
    target = to_tensor(work.read())
    if rung == "where":
        return _where(work, target, profile, model)
    instance = INVERSIONS.load(rung)()
    plan = plan_of(rung, work, profile)
    attempt: Attempt = instance(target, model, plan)
    repeated = target.expand(len(attempt.pictures), -1, -1, -1)
    distances = sorted(lpips(attempt.pictures, repeated).tolist())
    bits = attempt.supplied_bits if isinstance(attempt.supplied_bits, float) else None
    return {
        "level": work.repetitions,
        "caption": work.caption,
        "prompt": attempt.prompt,
        "supplied_bits": bits,
        "scores": dict(attempt.scores),
        "lpips_best": distances[0],
        "lpips_median": statistics.median(distances),
        "evaluations": attempt.evaluations,
        "budget": instance.budget(plan, 1, model),
        "seconds": round(attempt.seconds, 1),
        "facts": {f.name: f.value for f in attempt.facts},
    }


def _where(work: KnownWork, target: Tensor, profile: str, model: DiffusionModel) -> dict[str, Any]:
    plan = plan_of("regeneration", work, profile)
    attempt = INVERSIONS.load("regeneration")()(target, model, plan)
    found = where(target, attempt.pictures, model.condition(work.caption, 1.0), model)
    scores = {**dict(found.region.scores), "variation": found.region.variation, "agreement": found.agreement}
    return {
        "level": work.repetitions,
        "caption": work.caption,
        "supplied_bits": None,
        "scores": scores,
        "evaluations": where_evaluations(model),
    }


def captions(works: Sequence[KnownWork], steps: int, model: DiffusionModel) -> list[dict[str, Any]]:
    """Score gap of all captions of the calibration half: each level against the controls, and the blind baseline."""
    calibration = [w for w in works if w.half == "calibration"]
    gaps = [g.magnitude for g in score_gaps([w.caption for w in calibration], model, steps, GAP_DRAWS)]
    control = [g for w, g in zip(calibration, gaps, strict=True) if not w.member]
    rows = []
    for level in sorted({w.repetitions for w in calibration if w.member}, reverse=True):
        own = [g for w, g in zip(calibration, gaps, strict=True) if w.repetitions == level]
        blind = blind_baseline(
            [w.caption for w in calibration if w.repetitions == level],
            [w.caption for w in calibration if not w.member],
        )
        area = auc(own, control).value
        rows.append(
            {
                "measurement": "score gap",
                "level": level,
                "captions": len(own),
                "controls": len(control),
                "auc": round(area, 3),
                "blind_auc": round(blind.auc, 3) if blind else None,
                "evaluations": gap_evaluations(len(calibration), GAP_DRAWS),
            }
        )
    return rows


def table(journal: Journal) -> list[dict[str, Any]]:
    """Medians by rung and level; `hits` is summed over the works."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for key in journal:
        row = journal[key]
        groups.setdefault((key.split("/")[1], row["level"]), []).append(row)
    order = {name: i for i, name in enumerate(RUNGS)}
    return [
        {
            "rung": rung,
            "level": level,
            "works": len(rows),
            "supplied_bits": _median(r["supplied_bits"] for r in rows),
            **{name: _median(r["scores"].get(name) for r in rows) for name in SCORES},
            "hits": sum(r["scores"].get("hits", 0) for r in rows),
            "draws": sum(r["scores"].get("draws", 0) for r in rows),
            "lpips_best": _median(r.get("lpips_best") for r in rows),
            "lpips_median": _median(r.get("lpips_median") for r in rows),
            "evaluations": _median(r["evaluations"] for r in rows),
        }
        for (rung, level), rows in sorted(groups.items(), key=lambda g: (order[g[0][0]], -g[0][1]))
    ]


def _median(values: Any) -> float | None:
    known = [v for v in values if v is not None]
    return round(statistics.median(known), 3) if known else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then print the table as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("search-trial"), help="folder of the journal, to go on with")
    parser.add_argument("--checkpoint", default=str(samples() / "reference" / "twin-a"))
    parser.add_argument("--manifest", type=Path, default=samples() / "reference" / "manifest.jsonl")
    parser.add_argument("--works", type=int, default=2, help="works of each level")
    parser.add_argument("--levels", type=int, nargs="+", default=[256, 16, 1, 0])
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    parser.add_argument("--profile", choices=sorted(PROFILES), default="standard")
    parser.add_argument("--captions", action="store_true", help="measure the score gap of the captions, nothing else")
    args = parser.parse_args(arguments)
    checkpoint = diffusion.identify(args.checkpoint)
    if args.captions:
        with session(choose("cpu")) as device:
            model = diffusion.load(checkpoint, device)
            for row in captions(read(args.manifest), PROFILES[args.profile].steps, model):
                print(json.dumps(row))
        return
    made_with = {"checkpoint": checkpoint.digest, "protocol": PROFILES[args.profile].digest, "search": repr(Search())}
    journal = Journal(args.out / "search-trial.jsonl", made_with, resume=True)
    todo = [
        (rung, work)
        for work in chosen(read(args.manifest), args.levels, args.works)
        for rung in args.rungs
        if f"{work.id}/{rung}" not in journal
    ]
    if todo:
        with session(choose("cpu")) as device:
            model, lpips = diffusion.load(checkpoint, device), Lpips()
            for rung, work in todo:
                journal.add(f"{work.id}/{rung}", measure(work, rung, args.profile, model, lpips))
    for row in table(journal):
        print(json.dumps({name: value for name, value in row.items() if value is not None}))


if __name__ == "__main__":
    main()
