"""How often retention is asked of the right picture: altered copies of indexed works, and works that no index has.

`python -m tests.studies.alteration_study --out FILE` takes the works of the test half that the robustness of the
retention ratio is measured on, puts each through the same changes, searches the embedded index as an examination does,
lays every picture over what was found and notes of which picture retention would be asked. Works that the index does
not hold are put through the same: to ask another picture than the disputed one is then an error. The origin of the
picture, which is decided first, is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from forensics import retrieval
from forensics.case import Absent
from forensics.device import choose, session
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import WeightsError
from forensics.events import ignore
from forensics.origin.gate import Candidates, gate
from forensics.overlay import alteration, correspondence, outcome
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.retrieval import encoders, picture_of
from forensics.stages.correspond import lay_over
from forensics.stages.works import Work
from forensics.statistics.ranks import clopper_pearson
from forensics.validation import edits, works
from forensics.validation.material import changed

CHANGES: dict[str, edits.Edit] = {"as it is": lambda picture: picture, **edits.ROBUSTNESS}
ASKED = ("the work", "the disputed picture", "another picture")
_NO_RECIPE = Absent("regeneration by the stated recipe", "Not part of this study.")


def study(reference: Path, count: int | None = None, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Run it.

    Args:
        reference: folder of the reference models, their index and manifest.
        count: works of each kind; all that the robustness is measured on by default.
        say: told of every change that is done.

    Raises:
        IndexError_: the index is missing or was made with other models.
        WeightsError: a model is missing.
    """
    cpu = choose("cpu", "fp32")
    descriptor = open_descriptor(str(reference / "copydescriptor"), cpu)
    if isinstance(descriptor, Absent):
        raise WeightsError(descriptor.reason, hint=descriptor.remedy)
    index = retrieval.open(reference / "index")
    models = [encoders.clip(Embedder.open(str(reference / "openclip"), cpu)), encoders.copies(descriptor)]
    held = {row.training_id for row in index.fetch(range(index.info().facts.count))}
    known = changed(works.read(reference / "manifest.jsonl"))
    groups = {
        "works in the index": [w for w in known if w.member and w.id in held][:count],
        "works not in the index": [w for w in known if not w.member and w.id not in held][:count],
    }
    rows = []
    with session(cpu):
        for name, edit in CHANGES.items():
            for group, members in groups.items():
                asked = [_asked(w, edit, index, models) for w in members]
                rows.append({"change": name, "group": group, **_figures(asked)})
            say(name)
    return {
        "study": "of which picture retention is asked, origin left out",
        "command": "python -m tests.studies.alteration_study",
        "versions": [correspondence.VERSION, outcome.VERSION, alteration.VERSION],
        "neighbours": PROFILES["standard"].neighbours,
        "index": index.info().rows_digest,
        "bounds": "95 %, Clopper and Pearson 1934",
        "rows": rows,
    }


def _asked(
    work: works.KnownWork, edit: edits.Edit, index: retrieval.TrainingIndex, models: Sequence[encoders.Encoder]
) -> str:
    disputed = Work.of("Q1", edit(work.read()))
    hits = retrieval.search(index, models, [disputed.pixels], PROFILES["standard"].neighbours)[0]
    shown = [(hit.row.training_id, picture) for hit in hits if (picture := picture_of(hit.row)) is not None]
    found = [Work.of(name, picture) for name, picture in shown]
    copies = lay_over(disputed, found, ignore).copies(disputed, found)
    candidates = Candidates(tuple(w.id for w in found), copies=copies)
    target = gate((), _NO_RECIPE, PROFILES["standard"], candidates, disputed.id).target
    return "the disputed picture" if target == disputed.id else "the work" if target == work.id else "another picture"


def _figures(asked: Sequence[str]) -> dict[str, Any]:
    counts = {name: asked.count(name) for name in ASKED}
    intervals = {name: [round(v, 4) for v in clopper_pearson(k, len(asked))] for name, k in counts.items()}
    return {"n": len(asked), "asked": counts, "intervals": intervals}


def main() -> None:
    """Run it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=samples() / "reference", help="folder of the reference")
    parser.add_argument("--out", type=Path, help="write the study as JSON")
    arguments = parser.parse_args()
    made = study(arguments.reference, say=lambda name: print(f"done: {name}", flush=True))
    for row in made["rows"]:
        shown = ", ".join(f"{name} {k}" for name, k in row["asked"].items())
        print(f"{row['change']:<26} {row['group']:<24} {row['n']:>3}  {shown}")
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
