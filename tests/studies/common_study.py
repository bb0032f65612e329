"""How often the search for common elements leaves out what is a work's own.

    python -m tests.studies.common_study --works 40 --out rows.jsonl

Works of the embedded index, planted ones of the test half, each disputed as its JPEG of quality 30. Templates are not
among them by design, so that what is left out is left out wrongly, or is an item of a series that shares its parts; the
rows name the items, so that a person can look. The other side, templates put around works, is a case of
`overlay_study`. Rows are kept as they are made: a run that stops goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from forensics import retrieval
from forensics.case import Absent
from forensics.device import choose
from forensics.overlay import outcome
from forensics.overlay.correspondence import pair
from forensics.resources import samples
from forensics.stages import search
from forensics.stages import shared_parts as common
from forensics.stages.correspond import prepared, without
from forensics.stages.works import Work, read
from forensics.validation import journal
from forensics.validation.edits import jpeg


def rows(works: int, out: Path) -> list[dict[str, object]]:
    """One row a work: the word before and after, and what was left out."""
    reference = samples() / "reference"
    manifest = [json.loads(line) for line in (reference / "manifest.jsonl").read_text("utf-8").splitlines()]
    planted = [row for row in manifest if row["role"] == "planted" and row["half"] == "test"]
    chosen = sorted(planted, key=lambda row: hashlib.sha256(f"common/{row['id']}".encode()).hexdigest())[:works]
    done = journal.rows(out)
    known = {row["work"] for row in done}
    device = choose("cpu")
    embedder = search.open_embedder(str(reference / "openclip"), device)
    index = retrieval.open(reference / "index")
    sources = search.Sources(index, embedder, search.copies_of(index, device))
    for entry in chosen:
        if entry["id"] in known:
            continue
        picture = read(reference / entry["path"])
        work, disputed = Work.of("R1", picture), prepared(Work.of("Q1", jpeg(picture)))
        ready = prepared(work)
        before = pair(disputed, ready)
        found = common.seek(ready, search.companions(work.pixels, sources, search.Found(index.info().facts)))
        if isinstance(found, Absent):
            raise SystemExit(found.reason)
        after = without(disputed, ready, found.rest) if found.facts.left_out else before
        row = {
            "work": entry["id"],
            "before": str(outcome.decide(before)),
            "after": str(outcome.decide(after)),
            "left_out": found.facts.left_out,
            "share": found.facts.share,
            "shared_by": list(found.facts.shared_by),
            "duplicates": len([name for name in found.facts.duplicates if name != entry["id"]]),
        }
        done.append(row)
        journal.append(out, row)
    return done


def main() -> None:
    """Make the rows and print their counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", type=int, default=40)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    done = rows(arguments.works, arguments.out)
    left = [row for row in done if row["left_out"]]
    shares = [float(str(row["share"])) for row in left]
    print(f"{len(done)} works; word before: {_counts(done, 'before')}; after: {_counts(done, 'after')}")
    print(f"something left out: {len(left)}, median share {float(np.median(shares)) if shares else 0:.2f}")
    print(f"another rendering in the index, not counted: {sum(bool(row['duplicates']) for row in done)}")


def _counts(done: list[dict[str, object]], key: str) -> str:
    words = [str(row[key]) for row in done]
    return ", ".join(f"{word} {words.count(word)}" for word in sorted(set(words)))


if __name__ == "__main__":
    main()
