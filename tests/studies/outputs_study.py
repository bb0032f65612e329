"""What `forensics outputs` finds of two services whose pictures and errors are known: `FOLDER` as argument.

    python -m tests.studies.outputs_study FOLDER [--steps 8] [--candidates 0] [--out RESULT.json]

lets twin A and twin B give 200 pictures each as if they were two services, by a plan, with eight refusals each; plants
an error of every kind into the log and its files; runs `forensics outputs`; and says which errors were found, and how
the hit rates stand to the truth. The truth of a try is that its picture is a near-copy of a work it aims at: LPIPS,
both at 128 pixels, no more than 0.15. Beside those works each picture is laid over CANDIDATES more, which it does not
aim at. Pictures and comparisons are kept in FOLDER, so that it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from forensics import diffusion, resources
from forensics.case import Outcome
from forensics.device import choose, noise, session
from forensics.diffusion.base import DiffusionModel
from forensics.inversion.regeneration import generate
from forensics.inversion.solvers import euler, last
from forensics.outputs import document, plan
from forensics.outputs.outputs import Request, outputs, seal
from forensics.outputs.plan import Plan, PromptClass, Slot
from forensics.outputs.results import Cell, Outputs, Try
from forensics.pictures import bounded
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.similarity.lpips import Lpips
from tests.studies import outputs_planted
from tests.studies.outputs_planted import FORMAT, Row, Sown

NEAR = 0.15
"""LPIPS up to which a picture is a near-copy: stated with the task, not chosen here."""
SERVICES = {"Alpha": "twin-a", "Beta": "twin-b"}
REFUSED, GUIDANCE, STRENGTH = 8, 3.0, 0.5
REFERENCE = resources.samples() / "reference"
GENERIC = ("clip art, drawing", "an animal, simple drawing", "a sign with letters", "a tool, black and white")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The works and controls asked for."""

    works: list[dict[str, Any]]
    controls: list[dict[str, Any]]


def chosen() -> Chosen:
    """Eight planted works of the test half, two of each number of repetitions, and eight controls."""
    rows = [json.loads(line) for line in (REFERENCE / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    works = []
    for level in (256, 64, 16, 4):
        works += [r for r in rows if (r["role"], r["repetitions"], r["half"]) == ("planted", level, "test")][:2]
    return Chosen(works, [r for r in rows if (r["role"], r["half"]) == ("control", "test")][:8])


def prepare(folder: Path, candidates: int) -> Plan:
    """Works, controls and the plan, once."""
    if (folder / "plan.json").exists():
        return plan.load(folder / "plan.json").plan
    found = chosen()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "works.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "id", "caption"])
        writer.writerows([REFERENCE / r["path"], r["id"], r["caption"]] for r in found.works)
    (folder / "controls").mkdir(exist_ok=True)
    with (folder / "controls" / "controls.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "ground", "caption"])
        for row in found.controls:
            shutil.copyfile(REFERENCE / row["path"], folder / "controls" / Path(row["path"]).name)
            writer.writerow([Path(row["path"]).name, "held out by the manifest", row["caption"]])
    (folder / "plan.toml").write_text(described(found, candidates), encoding="utf-8")
    drawn = plan.draw(folder / "plan.toml")
    plan.write(drawn, folder / "plan.json")
    return drawn


def described(found: Chosen, candidates: int) -> str:
    """The plan as TOML: 208 tries on each service."""
    parts = ['title = "Two services, one of which was trained on the works"', 'originals = "works.csv"']
    parts += ['controls = "controls"', "seed = 7", f"candidates = {candidates}"]
    parts += [f'[[services]]\nname = "{name}"\nversion = "1.0"' for name in SERVICES]

    def prompt(name: str, kind: PromptClass, text: str, tries: int, *works: str) -> None:
        parts.append(
            f"[[prompts]]\nid = {json.dumps(name)}\nclass = {json.dumps(kind.value)}\ntext = {json.dumps(text)}\n"
            f"works = {json.dumps(works)}\ntries = {tries}"
        )

    for number, row in enumerate(found.works):
        name, caption = row["id"], row["caption"]
        prompt(f"{name}-verbatim", PromptClass.VERBATIM, caption, 11, name)
        prompt(f"{name}-reworded", PromptClass.REWORDED, ", ".join(reversed(caption.split(", "))) + ", art", 5, name)
        if number < 4:
            prompt(f"{name}-artist", PromptClass.ARTIST, f"drawing by {row['creator']}, {number}", 3, name)
        if number < 2:
            prompt(f"{name}-image", PromptClass.IMAGE, f"like this, {number}", 4, name)
    for number, text in enumerate(GENERIC):
        prompt(f"generic-{number}", PromptClass.GENERIC, text, 5)
    for row in found.controls:
        prompt(f"{row['id']}-control", PromptClass.VERBATIM, row["caption"], 5, Path(row["path"]).name)
    return "\n".join(parts) + "\n"


def refused(planned: Plan) -> set[int]:
    """Numbers of the tries that the services refuse, drawn once."""
    draw = np.random.default_rng(11)
    found: set[int] = set()
    for service in SERVICES:
        own = [s.number for s in planned.order if s.service == service][3:-3]
        found |= {int(n) for n in draw.choice(own, REFUSED, replace=False)}
    return found


def sources(planned: Plan) -> dict[str, Tensor]:
    """Work or control -> (1, 3, 128, 128), as the twins were shown it."""
    found = chosen()
    named = {r["id"]: r for r in found.works} | {Path(r["path"]).name: r for r in found.controls}
    return {
        name: to_tensor(bounded.decode((REFERENCE / row["path"]).read_bytes(), name).picture)
        for name, row in named.items()
    }


@torch.no_grad()
def draw(folder: Path, planned: Plan, steps: int) -> None:
    """Every picture that the services give, unless it is there: a PNG under the number of its try."""
    place, device, no = folder / "given", choose("cpu", "fp32"), refused(planned)
    place.mkdir(exist_ok=True)
    works = sources(planned)
    with session(device):
        for service, twin in SERVICES.items():
            todo = [
                s
                for s in planned.order
                if s.service == service and s.number not in no and not (place / f"{s.number:04}.png").exists()
            ]
            if not todo:
                continue
            model = diffusion.load(diffusion.identify(str(REFERENCE / twin)), device)
            by_prompt: dict[str, list[Slot]] = {}
            for slot in todo:
                by_prompt.setdefault(slot.prompt, []).append(slot)
            for name, slots in by_prompt.items():
                prompt = planned.prompt(name)
                template = works[prompt.works[0]] if prompt.prompt_class is PromptClass.IMAGE else None
                made = drawn(model, prompt.text, [s.number for s in slots], steps, template)
                for slot, picture in zip(slots, made, strict=True):
                    to_picture(picture[None]).save(place / f"{slot.number:04}.png")


def drawn(model: DiffusionModel, words: str, seeds: Sequence[int], steps: int, template: Tensor | None) -> Tensor:
    """(n, 3, 128, 128) pictures of words; from a picture as input, with noise of half the way, where there is one."""
    shape = model.latent_shape(128, 128)
    draws = torch.cat([noise((1, *shape), seed) for seed in seeds])
    one = model.condition(words, GUIDANCE)
    condition = one.select(torch.zeros(len(seeds), dtype=torch.long))
    if template is None:
        return generate(draws, model, condition, steps)
    times = model.times(steps).flip(0)[round(steps * (1 - STRENGTH)) :]
    state = model.diffuse(model.encode(template).expand_as(draws), draws, times[0])
    end = last(euler(lambda s, at: model.velocity(s, at, condition), state, times), lambda p: None)
    return model.decode(end.state).cpu()


def logged(folder: Path, planned: Plan) -> Sown:
    """The clean log of both services, a try a minute from an hour after the plan on, in a folder made anew."""
    place, no = folder / "collected", refused(planned)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    began = dt.datetime.fromisoformat(planned.created) + dt.timedelta(hours=1)
    rows: list[Row] = []
    for slot in planned.order:
        prompt, name = planned.prompt(slot.prompt), f"{slot.number:04}.png"
        given = slot.number not in no
        if given:
            shutil.copyfile(folder / "given" / name, place / name)
        rows.append(
            {
                "number": str(slot.number),
                "time": (began + dt.timedelta(minutes=slot.number)).strftime(FORMAT),
                "service": slot.service,
                "version": slot.version,
                "account": "study",
                "prompt": prompt.text,
                "image_prompt": "work.png" if prompt.prompt_class is PromptClass.IMAGE else "",
                "seed": str(slot.number),
                "result": "picture" if given else "refused",
                "file": name if given else "",
                "class": prompt.prompt_class.value,
            }
        )
    return outputs_planted.clean(rows, place)


def truth(folder: Path, found: Outputs, planned: Plan) -> dict[int, set[str]]:
    """Line of each try with a picture -> works and controls of which it is a near-copy.

    Asked of the works it aims at and of all that it was laid over; where it aims at none, of every work put forward.
    """
    lpips, works = Lpips(), sources(planned)
    near: dict[int, set[str]] = {}
    for one in found.tries:
        if one.file:
            shown = to_tensor(Image.open(folder / "collected" / one.file).convert("RGB"))
            asked = {*(one.works or [w.id for w in found.works if not w.control]), *(j.work for j in one.judged)}
            near[one.line] = {w for w in asked if float(lpips.full_size(shown, works[w])[0]) <= NEAR}
    return near


def _tries(found: Outputs, cell: Cell) -> Iterator[Try]:
    wanted = cell.service, cell.version, cell.prompt_class
    for one in found.tries:
        if one.counts and (one.service, one.version, one.prompt_class) == wanted and cell.work in (one.works or ("",)):
            yield one


def report(found: Outputs, near: dict[int, set[str]]) -> dict[str, Any]:
    """How hits and rates stand to the truth."""
    pairs = {aimed: {(a, b): 0 for a in (True, False) for b in (True, False)} for aimed in (True, False)}
    counting = [one for one in found.tries if one.counts and one.file]
    for one in counting:
        for judged in one.judged:
            pairs[judged.aimed][judged.work in near[one.line], judged.hit] += 1
    whole = [one.line for one in counting for j in one.judged if j.aimed and j.outcome is Outcome.THROUGHOUT]
    outside, held, equal = [], 0, 0
    for cell in found.cells:
        of = list(_tries(found, cell))
        k = sum(bool(near.get(t.line) if not cell.work else cell.work in near.get(t.line, ())) for t in of)
        if len(of) != cell.rate.n:
            raise AssertionError(f"{cell.service} {cell.prompt_class} {cell.work}: {len(of)} tries, not {cell.rate.n}")
        equal += k == cell.rate.k
        inside = cell.rate.low <= k / len(of) <= cell.rate.high
        held += inside
        if not inside:
            outside.append([cell.service, cell.prompt_class.value, cell.work, cell.rate.k, cell.rate.n, k])
    return {
        "tries": len(found.tries),
        "candidates": found.candidates,
        # Near-copies that are hits and that are none, other pictures that are hits and that are none.
        "aimed_at": [pairs[True][key] for key in ((True, True), (True, False), (False, True), (False, False))],
        "beside": [pairs[False][key] for key in ((True, True), (True, False), (False, True), (False, False))],
        "throughout": [len(whole), sum(bool(near[line]) for line in whole)],
        "cells": [len(found.cells), held, equal],
        "outside": outside,
        "pooled": [
            [
                *(row.service, row.version, row.prompt_class.value, row.works.k, row.works.n),
                *(row.works_throughout, row.controls.k, row.controls.n),
            ]
            for row in found.pooled
        ],
        "off_aim": [[one.work, one.control, len(one.lines), one.tries] for one in found.off_aim],
    }


def show(made: dict[str, Any]) -> None:
    """The figures in lines."""
    for name in ("aimed_at", "beside"):
        a, b, c, d = made[name]
        print(f"works {name.replace('_', ' ')}: near-copies that are hits {a}, that are none {b};", end=" ")
        print(f"hits that are no near-copies {c}; neither {d}")
    print(f"hits throughout: {made['throughout'][0]}, near-copies among them: {made['throughout'][1]}")
    count, held, equal = made["cells"]
    print(f"cells: {count}; share of the truth within the interval: {held}; equal to it: {equal}")
    for service, kind, work, k, n, near in made["outside"]:
        print(f"  outside: {service}, {kind}, {work}: {k} of {n}, truth {near}")
    for service, version, kind, k, n, whole, control, controls in made["pooled"]:
        print(f"{service} {version}, {kind}: works {k} of {n}, {whole} throughout; controls {control} of {controls}")
    for work, control, k, n in made["off_aim"]:
        print(f"not aimed at: {'control ' if control else ''}{work} in {k} of {n}")


def main() -> None:
    """Run the study and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    planned = prepare(given.folder, given.candidates)
    draw(given.folder, planned, given.steps)
    print(f"pictures: {time.process_time() - began:.0f} s of processor time", flush=True)
    sown = outputs_planted.sow(logged(given.folder, planned), planned.created)
    sown.write()
    out = given.folder / "outputs"
    request = Request(
        given.folder / "collected",
        str(given.folder / "works.csv"),
        "python -m tests.studies.outputs_study",
        given.folder / "controls",
        plan=given.folder / "plan.json",
        device="cpu",
    )
    found = outputs(request, out, resume=out.exists())
    print(document.write(out))
    seal(out)
    seconds = time.process_time() - began
    print(f"in all: {seconds:.0f} s of processor time, those of the decoder apart", flush=True)
    missed, false = sown.missed(found.deviations), sown.false(found.deviations)
    kinds = {one.kind for one in sown.expected}
    print(f"planted: {len(sown.expected)} of {len(kinds)} kinds; missed: {len(missed)}; not planted: {len(false)}")
    for one in (*missed, *false):
        print(f"  {one}")
    made = {"planted": [len(sown.expected), len(kinds), len(missed), len(false)]}
    made |= report(found, truth(given.folder, found, planned))
    show(made)
    if given.out:
        given.out.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
