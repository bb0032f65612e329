"""The works of known status of the fine-tune, as `forensics validate` reads them.

Its twelve works are members; the other works of their creator are controls of the test half, because they are what a
fine-tune is accused of most easily and wrongly; ordinary controls of either half are those that the twins have. The
works of the creator alternate between the halves by id.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from forensics.resources import samples

CONTROLS = 100
"""Ordinary controls of each half, in the order of the manifest: as many as a p of 0.01 needs."""


def rows(manifest: list[dict[str, Any]], passes: int) -> list[dict[str, Any]]:
    """Lines of the new manifest. A pass is here the whole tuning, which shows each work `passes` times."""
    found = []
    tuned = sorted((r for r in manifest if r["role"] == "finetune"), key=lambda r: str(r["id"]))
    for number, row in enumerate(tuned):
        half = ("calibration", "test")[number % 2]
        found.append({**_kept(row), "role": "member", "repetitions": passes, "half": half})
    others = [r for r in manifest if r["role"] == "control" and r["half"] == "none"]
    found += [{**_kept(row), "role": "control", "half": "test"} for row in others]
    for half in ("calibration", "test"):
        ordinary = [r for r in manifest if r["role"] == "control" and r["half"] == half][:CONTROLS]
        found += [{**_kept(row), "role": "control", "half": half} for row in ordinary]
    return found


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "path", "caption", "creator", "family")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--out", type=Path, default=samples() / "reference" / "finetune-works.jsonl")


def run(args: argparse.Namespace) -> None:
    """Write the manifest."""
    reference = samples() / "reference"
    manifest = [json.loads(line) for line in (reference / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    passes = json.loads((reference / "finetune" / "run.json").read_text(encoding="utf-8"))["passes"]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows(manifest, passes)]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{args.out}: {len(lines)} works")
