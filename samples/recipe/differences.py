"""What differs between the twins: their run manifests field by field, and the works they saw slot by slot.

The order of both runs is drawn again from the manifest of works and the seed. Every slot at which the twins differ must
hold a planted work for twin A and a training work for twin B; everything else must be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

from samples.recipe import slots, training
from samples.recipe.data import read_manifest

MAY_DIFFER = (
    "twin",
    "seconds",
    "digests.order_of_first_pass",
    "digests.unet",
)
"""Fields of the run manifests in which the twins may differ: name, time taken, works seen, and what came of it."""


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one level, names joined with dots."""
    rows: dict[str, Any] = {}
    for name, value in values.items():
        rows |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return rows


def differences(samples: Path) -> dict[str, Any]:
    """Compare the packed twins.

    Returns:
        `fields_that_differ` and `fields_that_may_not` of the run manifests; the number of slots, of slots that
        differ, and of those among them that are anything but planted for A and training for B.

    Raises:
        SystemExit: a run manifest belongs to another manifest of works, or its order cannot be drawn again.
    """
    runs = {t: json.loads((samples / f"twin-{t}" / "run.json").read_text(encoding="utf-8")) for t in "ab"}
    a, b = flat(runs["a"]), flat(runs["b"])
    unlike = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    works = read_manifest(samples)
    if a["digests.manifest"] != training.digest(samples / "manifest.jsonl"):
        raise SystemExit("twin-a/run.json belongs to another manifest of works")
    seed, batch, steps = (runs["a"]["parameters"]["seed"], runs["a"]["parameters"]["batch"], runs["a"]["steps"])
    seen = {}
    for twin in "ab":
        first = slots.pass_slots(works, twin, seed, 0)
        order = hashlib.sha256(json.dumps([works[i].id for i in first]).encode()).hexdigest()
        if order != runs[twin]["digests"]["order_of_first_pass"]:
            raise SystemExit(f"the order of twin {twin} is not the one of its run manifest")
        seen[twin] = [i for part in islice(slots.batches(works, twin, seed, batch), steps) for i in part]
    pairs = list(zip(seen["a"], seen["b"], strict=True))
    other = [(works[i].role, works[j].role) for i, j in pairs if i != j]
    return {
        "fields_compared": len(a.keys() | b.keys()),
        "fields_that_differ": unlike,
        "fields_that_may_not": [name for name in unlike if name not in MAY_DIFFER],
        "slots": len(pairs),
        "slots_that_differ": len(other),
        "slots_that_may_not": sum(pair != ("planted", "training") for pair in other),
        "planted_slots_of_a": sum(works[i].role == "planted" for i, _ in pairs),
        "planted_slots_of_b": sum(works[j].role == "planted" for _, j in pairs),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `differences`."""
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))


def run(args: argparse.Namespace) -> None:
    """Compare, print, write `runs/twins.figures.json`; fail where the twins differ in more than the planted works."""
    result = differences(args.samples)
    text = json.dumps(result, indent=1) + "\n"
    (args.samples / "runs" / "twins.figures.json").write_text(text, encoding="utf-8")
    print(text, end="")
    if result["fields_that_may_not"] or result["slots_that_may_not"]:
        raise SystemExit("the twins differ in more than the planted works")
