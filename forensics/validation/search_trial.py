"""What each rung that searches yields and costs, on a few works of each level of repetition and a few controls.

`python -m forensics.validation.search_trial --out DIR` runs on the embedded works, calibration half, and prints one
table. It is a trial and says how the rungs behave; with this few works it gives no error rates.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forensics import diffusion
from forensics.device import choose, session
from forensics.diffusion.base import DiffusionModel
from forensics.images import to_tensor
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Attempt, Plan, Search
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.similarity.lpips import Lpips
from forensics.validation.journal import Journal
from forensics.validation.works import KnownWork, read

RUNGS = ("regeneration", "hard_prompt", "soft_prompt", "noise", "latent")


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
            **{name: _median(r["scores"].get(name) for r in rows) for name in ("plain bits", "bits", "two-part bits")},
            "hits": sum(r["scores"].get("hits", 0) for r in rows),
            "draws": sum(r["scores"].get("draws", 0) for r in rows),
            "lpips_best": _median(r["lpips_best"] for r in rows),
            "lpips_median": _median(r["lpips_median"] for r in rows),
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
    parser.add_argument("--out", type=Path, required=True, help="folder of the journal; a second run goes on")
    parser.add_argument("--checkpoint", default=str(samples() / "reference" / "twin-a"))
    parser.add_argument("--manifest", type=Path, default=samples() / "reference" / "manifest.jsonl")
    parser.add_argument("--works", type=int, default=2, help="works of each level")
    parser.add_argument("--levels", type=int, nargs="+", default=[256, 16, 1, 0])
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    parser.add_argument("--profile", choices=sorted(PROFILES), default="standard")
    args = parser.parse_args(arguments)
    checkpoint = diffusion.identify(args.checkpoint)
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
        print(json.dumps(row))


if __name__ == "__main__":
    main()
