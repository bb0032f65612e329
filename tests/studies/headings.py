"""What an examination announces: of the four samples at two sizes, and of works that nobody trained on.

    python -m tests.studies.headings --samples                 # the table of headings
    python -m tests.studies.headings --controls 100            # control works as disputed images
    python -m tests.studies.headings --quick 40                # others of them under the profile quick
    python -m tests.studies.headings --print                   # the tables, from the file

The samples are examined at 128 and at 256 pixels under the profiles quick and standard. Control works are drawn by seed
from the test half, each is the disputed image of an examination of its own, under the profile standard without the
rungs that search with the picture in hand; a picture under examination is never among its own controls. Nobody states
a caption, so that the prompt is the caption of the nearest training picture. What is counted was fixed before the first
run: examinations in which the primary measurement of retention is announced, among those in which retention was asked,
with the exact interval; and the same for derivation and origin. Announced is what the level allows after Holm's
correction over the questions asked, by the ranks as stored: beside it stands what each question alone would announce.
The profile quick announces nothing, with 19 controls;
of it the first ranks are counted, p = .05 where nothing ranks above the work, and the examinations that ask retention
of another picture than the disputed one, with what the overlay said of that picture. Each examination is added to the
file when it ends, and a later call goes on from there; rows of another version of the protocol are made anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from forensics import diffusion, examination
from forensics.case import Case, Outcome, Pair
from forensics.controls import works as control_works
from forensics.events import ignore
from forensics.folder import Ledger, stops_on_record
from forensics.pictures import intake
from forensics.protocol import PROFILES, VERSION
from forensics.report import words
from forensics.resources import samples
from forensics.settings import resolve
from forensics.statistics.ranks import clopper_pearson, holm, rank_p

SEED = 20261129
SIDES = (128, 256)
WITHOUT_SEARCH = "standard without search rungs"
SEARCHED = ("hard_prompt", "soft_prompt", "noise", "latent")
OUT = samples() / "reference" / "headings-study.json"
UNDECIDED = "Undecided."
"""Heading of origin where the rank turns when the picture is saved again or resized: it announces nothing."""
NEVER_TRAINED = ("control.png", "manner.png")
"""Of the samples, as their table of truth says."""


def profile() -> str:
    """Name of the profile standard without its rungs that search; enters the table of profiles for this process."""
    standard = PROFILES["standard"]
    rungs = tuple(rung for rung in standard.rungs if rung not in SEARCHED)
    PROFILES[WITHOUT_SEARCH] = dataclasses.replace(standard, profile=WITHOUT_SEARCH, rungs=rungs)
    return WITHOUT_SEARCH


def examined(picture: Image.Image, chosen: str) -> Case:
    """The case of one picture, as a user with nothing but the picture makes it; no document is drawn."""
    with tempfile.TemporaryDirectory() as temporary:
        image, out = Path(temporary) / "disputed.png", Path(temporary) / "case"
        picture.save(image)
        ledger, resolved = Ledger(out), resolve({"profile": chosen})
        with stops_on_record(ledger):
            return examination.examined(image, ledger, resolved, ignore)


def row(case: Case) -> dict[str, Any]:
    """For each pair the heading, the rank and whether it is announced; and of which picture retention was asked."""
    own = case.item(case.disputed).exhibit
    laid = next((c.outcome.value for c in case.correspondences if c.work == case.asked), None)
    found: dict[str, Any] = {"moved": {"asked_of_another": case.asked != own, "overlay": laid}}
    for finding in case.findings:
        primary = next((c for c in case.comparisons if c.primary_for is finding.pair), None)
        heading, _ = words.first_sentence(words.sentence(finding.answer))
        found[finding.pair.value] = {
            "heading": heading,
            "k": primary.k if primary else None,
            "n": primary.n if primary else None,
        }
    return found


def announced(found: Mapping[str, Any], chosen: str, *, alone: bool = False) -> frozenset[Pair]:
    """The pairs that one examination announces, by its ranks.

    Args:
        found: a row of the study.
        chosen: the profile of the examination.
        alone: as if each question had been the only one asked.
    """
    asked = [pair for pair in Pair if found[pair.value]["n"] is not None]
    plain = [rank_p(found[pair.value]["k"], found[pair.value]["n"]) for pair in asked]
    level = PROFILES.get(chosen, PROFILES["standard"])
    return frozenset(
        pair
        for pair, p in zip(asked, plain if alone else holm(plain), strict=True)
        if level.announces(p, found[pair.value]["n"]) and found[pair.value]["heading"] != UNDECIDED
    )


def wanted(controls: int, with_samples: bool, quick: int = 0) -> Iterator[tuple[str, Image.Image, str]]:
    """Key, picture and profile of every examination; those under quick from the other end of what is drawn."""
    if with_samples:
        paths = sorted((samples() / "disputed").glob("*.[pj][np]g"))
        for chosen, path, side in itertools.product(("quick", "standard"), paths, SIDES):
            sized = intake.read(path).picture.resize((side, side), Image.Resampling.LANCZOS)
            yield f"sample|{path.name}|{side}|{chosen}", sized, chosen
    for work in drawn()[:controls]:
        yield f"control|{Path(work.name).stem}|{WITHOUT_SEARCH}", intake.read(work.path).picture, profile()
    for work in drawn()[::-1][:quick]:
        yield f"control|{Path(work.name).stem}|quick", intake.read(work.path).picture, "quick"


def drawn() -> list[control_works.ControlWork]:
    """The control works of the test half, in an order that the seed fixes."""
    reference = samples() / "reference"
    rows = map(json.loads, (reference / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    tested = {r["path"] for r in rows if r["role"] == "control" and r["half"] == "test"}
    found = sorted((w for w in control_works.embedded(reference).works if w.name in tested), key=lambda w: w.name)
    random.Random(SEED).shuffle(found)
    return found


def load(path: Path = OUT) -> dict[str, Any]:
    """The study as stored; empty where there is none of this version of the protocol."""
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_bytes())
        if stored["protocol"] == VERSION:
            return stored
    return {"protocol": VERSION, "seed": SEED, "command": "python -m tests.studies.headings", "examinations": {}}


def save(study: dict[str, Any], path: Path) -> None:
    """The study with what a report says of it, and the checkpoint that was examined."""
    examined_here = diffusion.identify(str(samples() / "reference" / "twin-a"), demonstration=True)
    study |= {"checkpoint": examined_here.digest, "rates": rates(study)}
    path.write_text(json.dumps(study, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


def rates(study: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says of the study, for each profile studied by the name that a user gives it."""
    found = {}
    for chosen, profile in ((WITHOUT_SEARCH, "standard"), ("quick", "quick")):
        if rows := of(study, chosen):
            ranked = {pair: [r for r in rows if r[pair.value]["n"] is not None] for pair in Pair}
            found[profile] = {
                "works": len(rows),
                "controls": max(r[pair.value]["n"] for pair in Pair for r in ranked[pair]),
                "any": _exact(sum(bool(announced(r, chosen)) for r in rows), len(rows)),
                "announced": {
                    p.value: _exact(sum(p in announced(r, chosen) for r in ranked[p]), len(ranked[p])) for p in Pair
                },
                "first": {p.value: _exact(sum(r[p.value]["k"] == 0 for r in ranked[p]), len(ranked[p])) for p in Pair},
            }
    return found


def of(study: Mapping[str, Any], chosen: str) -> list[dict[str, Any]]:
    """The rows of control works under one profile."""
    rows = study["examinations"].items()
    return [row for key, row in rows if key.startswith("control|") and key.endswith(f"|{chosen}")]


def share(study: Mapping[str, Any], pair: Pair, *, alone: bool = False) -> tuple[int, int, float, float]:
    """Announced, ranked, and the exact 95 % interval of the share, among control works; (0, 0, 0, 1) without one."""
    ranked = [r for r in of(study, WITHOUT_SEARCH) if r[pair.value]["n"] is not None]
    return _exact(sum(pair in announced(r, WITHOUT_SEARCH, alone=alone) for r in ranked), len(ranked))


def any_of_three(study: Mapping[str, Any], *, alone: bool = False) -> tuple[int, int, float, float]:
    """Control works of which at least one question is announced, how many, and the exact 95 % interval."""
    rows = of(study, WITHOUT_SEARCH)
    return _exact(sum(bool(announced(r, WITHOUT_SEARCH, alone=alone)) for r in rows), len(rows))


def first(study: Mapping[str, Any], pair: Pair) -> tuple[int, int, float, float]:
    """First ranks among the 19 controls of quick, which is p = .05; ranked, and the exact 95 % interval."""
    ranked = [r[pair.value] for r in of(study, "quick") if r[pair.value]["n"] is not None]
    return _exact(sum(r["k"] == 0 for r in ranked), len(ranked))


def _exact(hits: int, n: int) -> tuple[int, int, float, float]:
    return hits, n, *(clopper_pearson(hits, n) if n else (0.0, 1.0))


def tables(study: Mapping[str, Any]) -> str:
    """Both tables, as Markdown."""
    lines = ["| sample | side | profile | derivation | retention | origin |", "| --- | --- | --- | --- | --- | --- |"]
    for key, found in study["examinations"].items():
        kind, *rest = key.split("|")
        if kind == "sample":
            said = announced(found, rest[-1])
            cells = [_cell(found[pair.value], said=pair in said) for pair in Pair]
            lines.append(f"| {' | '.join(rest)} | {' | '.join(cells)} |")
    level = PROFILES["standard"].rank_level
    lines += ["", f"| question | announced at {level:g} | ranked | share (95 %) | alone |", "| --- " * 5 + "|"]
    for pair in Pair:
        hits, n, low, high = share(study, pair)
        lines.append(f"| {pair.value} | {hits} | {n} | {low:.3f} to {high:.3f} | {share(study, pair, alone=True)[0]} |")
    hits, n, low, high = any_of_three(study)
    alone = any_of_three(study, alone=True)[0]
    lines.append(f"| any of the three | {hits} | {n} | {low:.3f} to {high:.3f} | {alone} |")
    own = [r for r in of(study, WITHOUT_SEARCH) if not r.get("moved", {}).get("asked_of_another")]
    hits, n, low, high = share(
        {"examinations": {f"control|{i}|{WITHOUT_SEARCH}": r for i, r in enumerate(own)}}, Pair.RETENTION
    )
    lines += ["", f"Retention of the disputed image itself: announced {hits} of {n}, {low:.3f} to {high:.3f}."]
    lines += ["", "| question, quick | first of 19 | ranked | share (95 %) |", "| --- | --- | --- | --- |"]
    for pair in Pair:
        hits, n, low, high = first(study, pair)
        lines.append(f"| {pair.value} | {hits} | {n} | {low:.3f} to {high:.3f} |")
    moved = [r["moved"] for r in of(study, "quick") if r["moved"]["asked_of_another"]]
    copies = sum(m["overlay"] in (Outcome.THROUGHOUT, Outcome.PARTLY) for m in moved)
    lines += ["", f"Quick: retention asked of another picture {len(moved)} times, with an overlay {copies} times."]
    return "\n".join(lines)


def _cell(found: Mapping[str, Any], *, said: bool) -> str:
    rank = f" ({found['k']} of {found['n']})" if found["n"] is not None else ""
    return f"{'**announced**: ' if said else ''}{found['heading']}{rank}".replace("|", "/")


def main() -> None:
    """Examine what is missing, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--controls", type=int, default=0, metavar="N")
    parser.add_argument("--quick", type=int, default=0, metavar="N")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no examination after so long")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--print", action="store_true", dest="only_print")
    given = parser.parse_args()
    study, began = load(given.out), time.monotonic()
    if not given.only_print:
        for key, picture, chosen in wanted(given.controls, given.samples, given.quick):
            if key in study["examinations"] or time.monotonic() - began > 60 * given.minutes:
                continue
            study["examinations"][key] = row(examined(picture, chosen))
            save(study, given.out)
            print(f"{key}: {(time.monotonic() - began) / 60:.1f} min", flush=True)
        save(study, given.out)
    print(tables(study))


if __name__ == "__main__":
    main()
