"""Small plans, logs and folders of pictures for the tests of `forensics outputs`."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from forensics import resources
from forensics.outputs import plan, received
from forensics.outputs.check import Beside, Checked, check
from forensics.outputs.log import read
from forensics.outputs.plan import Plan, PromptClass
from tests.studies import outputs_planted
from tests.studies.outputs_planted import FORMAT, Row, Sown

REFERENCE = resources.samples() / "reference"
ROWS = [json.loads(line) for line in (REFERENCE / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
WORKS = [r for r in ROWS if r["role"] == "planted" and r["repetitions"] == 256][:2]
CONTROLS = [r for r in ROWS if r["role"] == "control"][:2]
DESCRIPTION = """
title = "A small plan"
originals = "works.csv"
controls = "controls"
seed = 3
tries = 10
candidates = 1
[stop]
refusals_in_a_row = 3
[[services]]
name = "Alpha"
version = "1"
[[services]]
name = "Beta"
version = "2"
"""


def described(folder: Path, more: str = "") -> Path:
    """A TOML description in a folder, with the works and controls that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "works.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "id", "caption"])
        writer.writerows([REFERENCE / r["path"], r["id"], r["caption"]] for r in WORKS)
    (folder / "controls").mkdir(exist_ok=True)
    with (folder / "controls" / "controls.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "ground", "caption"])
        for row in CONTROLS:
            (folder / "controls" / f"{row['id']}.webp").write_bytes((REFERENCE / row["path"]).read_bytes())
            writer.writerow([f"{row['id']}.webp", "held out", row["caption"]])
    prompts = [
        ("a-verbatim", "verbatim", "the first work", [WORKS[0]["id"]]),
        ("a-reworded", "reworded", "another word for it", [WORKS[0]["id"]]),
        ("b-verbatim", "verbatim", "the second work", [WORKS[1]["id"]]),
        ("a-image", "image", "like this", [WORKS[0]["id"]]),
        ("any", "generic", "a drawing", []),
        ("c-verbatim", "verbatim", "the control", [f"{CONTROLS[0]['id']}.webp"]),
    ]
    text = DESCRIPTION + "".join(
        f'[[prompts]]\nid = "{name}"\nclass = "{kind}"\ntext = "{words}"\nworks = {json.dumps(works)}\n'
        for name, kind, words, works in prompts
    )
    path = folder / "plan.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


def drawn(folder: Path) -> Plan:
    """The small plan."""
    return plan.draw(described(folder))


def tries(made: Plan, refused: Sequence[int] = ()) -> list[Row]:
    """Clean rows of all tries planned, a minute apart from an hour after the plan on, with the files named."""
    began = dt.datetime.fromisoformat(made.created) + dt.timedelta(hours=1)
    rows = []
    for slot in made.order:
        prompt, given = made.prompt(slot.prompt), slot.number not in refused
        rows.append(
            {
                "number": str(slot.number),
                "time": (began + dt.timedelta(minutes=slot.number)).strftime(FORMAT),
                "service": slot.service,
                "version": slot.version,
                "account": "one",
                "prompt": prompt.text,
                "image_prompt": "work.png" if prompt.prompt_class is PromptClass.IMAGE else "",
                "result": "picture" if given else "refused",
                "file": f"{slot.number:03}.png" if given else "",
                "class": prompt.prompt_class.value,
            }
        )
    return rows


def collected(folder: Path, rows: Sequence[Row]) -> Sown:
    """A folder of small pictures of noise, one for each row that names a file, and its clean log."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row["file"]:
            draw = np.random.default_rng(int(row["number"]))
            Image.fromarray(draw.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / row["file"])
    return outputs_planted.clean(rows, folder)


def checked(sown: Sown, made: Plan | None) -> Checked:
    """The log of a folder, written and held against its files and the plan."""
    path = sown.write()
    logged = read(path, planned=made is not None)
    files = {name: received.read(sown.folder, name)[0] for name in received.names(sown.folder, [path])}
    return check(logged.rows, Beside(files, made, made.created if made else ""))
