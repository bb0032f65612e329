"""What a survey finds of works whose repetitions are known: power by level, the rate of false discoveries, the set.

    python -m tests.studies.survey_study FOLDER [--each 20] [--unseen 120] [--controls 120]
        [--interrupted 3] [--ray 3] [--part 2] [--out RESULT.json]

Twin A is surveyed beside twin B and other controls, by the program as a user starts it: EACH planted works of every
number of repetitions with as many never trained on, then UNSEEN works never trained on. `--interrupted N` surveys PART
works of every number of repetitions once more, beside the first 19 controls, and kills the program (SIGKILL) N times on
the way; `--ray N` has N workers of a local Ray cluster do the same. Both begin with an empty store of control scores.
Every number that they measured is compared with that of the undisturbed survey, draw by draw, and what they found with
each other. Then works and controls are drawn anew 200 times from what was measured.

Works are of the test half, controls of the calibration half; of the works repeated 256 times either half has twelve, so
the rest of those are of the calibration half. No threshold of a survey was chosen on any of them. What is done in
FOLDER stays done: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forensics import resources
from forensics.case import Absent, Statistic
from forensics.statistics.discrimination import share
from forensics.survey import assess, document
from forensics.survey.bench import ELSEWHERE, PLAIN, PROMPTED
from forensics.survey.results import Survey
from forensics.survey.survey import JOURNAL
from forensics.validation import journal

LEVELS = (0, 1, 4, 16, 64, 256)
RESAMPLES = 200
S = Statistic.SAVED_AGAINST_CONTROL
REFERENCE = resources.samples() / "reference"
UNSEEN_AMONG = (20, 60, 120)
"""Works never trained on in the lists drawn anew."""
SEEN_AMONG = 50
PART_CONTROLS = 19
"""Controls of the surveys done again: the fewest that a survey takes. What they measure is compared, not announced."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is surveyed."""

    folder: Path
    each: int
    unseen: int
    controls: int
    part: int


@dataclass(frozen=True, slots=True)
class Of:
    """What one survey is of: a table and a folder of the study."""

    works: str
    controls: str = "controls"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one survey."""

    minutes: float
    """By the clock, over all its starts."""
    processor_minutes: float | None
    """None where the work was done by processes that are not children of this one."""
    peak_mib: float | None
    starts: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """Lists drawn anew from what was measured."""

    unseen: int
    seen: int
    controls: int
    rate: float
    """Mean share of works never trained on among those set apart."""
    error: float
    """Its standard error over the draws."""
    any: float
    """Share of the lists that set any work apart."""
    apart: float
    """Works set apart in a list, on average."""


def prepare(asked: Asked) -> None:
    """Write the tables of works and the folders of controls."""
    rows = [json.loads(line) for line in (REFERENCE / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]

    def of(role: str, level: int, half: str) -> list[dict[str, Any]]:
        return [r for r in rows if (r["role"], r["repetitions"], r["half"]) == (role, level, half)]

    never, beside = of("control", 0, "test"), of("control", 0, "calibration")[: asked.controls]
    works = {level: [*of("planted", level, "test"), *of("planted", level, "calibration")] for level in LEVELS[1:]}
    works = {0: never} | works
    asked.folder.mkdir(parents=True, exist_ok=True)
    _table(asked.folder / "levels.csv", [r for group in works.values() for r in group[: asked.each]])
    _table(asked.folder / "part.csv", [r for group in works.values() for r in group[: min(asked.part, asked.each)]])
    _table(asked.folder / "unseen.csv", never[asked.each : asked.each + asked.unseen])
    _controls(asked.folder / "controls", beside)
    _controls(asked.folder / "part-controls", beside[:PART_CONTROLS])


def _controls(place: Path, rows: Sequence[dict[str, Any]]) -> None:
    place.mkdir(exist_ok=True)
    with (place / "controls.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "ground", "caption"])
        for row in rows:
            shutil.copyfile(REFERENCE / row["path"], place / Path(row["path"]).name)
            writer.writerow([Path(row["path"]).name, "held out by the manifest", row["caption"]])


def _table(path: Path, works: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "id", "caption", "repetitions"])
        writer.writerows([REFERENCE / r["path"], r["id"], r["caption"], r["repetitions"]] for r in works)


def surveyed(asked: Asked, of: Of, name: str, store: str, *, kills: int = 0, ray: int = 0) -> tuple[Survey, Cost]:
    """One survey by the program in a process of its own; what it found and what it cost.

    Args:
        of: works and controls.
        name: of the folder of the survey.
        store: of control scores, a folder of the study; those of another survey in it are used again.
        kills: how often the process is killed, when as large a share of the measurements is written.
        ray: workers of a local cluster; 0 takes none.
    """
    out, noted = asked.folder / name, asked.folder / f"{name}-cost.json"
    if not noted.exists():
        twins = [str(REFERENCE / f"twin-{twin}") for twin in "ab"]
        words = [sys.executable, "-m", "forensics", "survey", str(asked.folder / of.works), "--checkpoint", twins[0]]
        words += ["--control-checkpoint", twins[1], "--controls", str(asked.folder / of.controls)]
        words += ["--device", "cpu", "--progress", "none", "-o", str(out)]
        words += ["--ray", "local", "--workers", str(ray)] if ray else []
        environment = os.environ | {"XDG_CACHE_HOME": str(asked.folder / store)}
        total = _lines(asked.folder / of.works) + _lines(asked.folder / of.controls / "controls.csv")
        starts = [_start(words, environment, out, total * 4 * n // (kills + 1)) for n in range(1, kills + 1)]
        starts.append(_start(words, environment, out, None))
        cost = Cost(
            round(sum(s[0] for s in starts) / 60, 1),
            None if ray else round(sum(s[1] for s in starts) / 60, 1),
            None if ray else round(max(s[2] for s in starts)),
            len(starts),
        )
        noted.write_text(json.dumps(asdict(cost)), encoding="utf-8")
    return document.load(out)[0], Cost(**json.loads(noted.read_text(encoding="utf-8")))


def _lines(path: Path) -> int:
    with path.open(encoding="utf-8") as stream:
        return sum(1 for _ in csv.reader(stream)) - 1


def _start(words: list[str], environment: dict[str, str], out: Path, end: int | None) -> tuple[float, float, float]:
    """Run the program, to its end or until it has written so many measurements; seconds, processor seconds, MiB."""
    began = time.monotonic()
    more = ["--resume"] if out.exists() else []
    program = subprocess.Popen([*words, *more], env=environment, stdout=subprocess.DEVNULL)
    if end is not None:
        while program.poll() is None and _written(out) < end:
            time.sleep(0.2)
        program.send_signal(signal.SIGKILL)
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode != (0 if end is None else -signal.SIGKILL):
        raise RuntimeError(f"the survey ended with {program.returncode}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _written(out: Path) -> int:
    path = out / JOURNAL
    return path.read_bytes().count(b"\n") if path.exists() else 0


def differing(first: Survey, second: Survey) -> list[str]:
    """Fields in which two surveys of the same works differ, but for when, how and whence they were computed."""
    one, other = (asdict(replace(s, created="", command="", scores=())) for s in (first, second))
    return [name for name in one if one[name] != other[name]]


def measured(folder: Path) -> dict[str, Any]:
    """Everything measured in a folder, draw by draw; pictures by the digests under which they are stored."""
    rows = journal.rows(folder / JOURNAL)
    return {row["key"]: row["values"] for row in rows if row.get("key", "created") != "created"}


def values(out: Path, found: Survey) -> list[float]:
    """The primary statistic of every control, from what was measured."""
    taken: dict[str, dict[str, Any]] = {}
    for row in journal.rows(out / JOURNAL):
        kind, _, work = str(row.get("key", "")).partition("|")
        if kind in (PROMPTED, PLAIN, ELSEWHERE):
            taken.setdefault(work, {})[kind] = row["values"]
    own = {w.sha256 for w in found.works}
    bits = {name: {k: float(np.mean(v["bits"])) for k, v in t.items()} for name, t in taken.items()}
    return [1 - t[PROMPTED] / t[ELSEWHERE] for name, t in bits.items() if name.partition("|")[0] not in own]


def redrawn(unseen: NDArray[np.float64], seen: NDArray[np.float64], controls: int, null: int, trained: int) -> Drawn:
    """Lists of works never trained on and works trained on, ranked among controls drawn from what is left.

    Args:
        unseen, seen: (n,) primary statistic of everything never trained on, controls among it, and of works trained on.
        controls, null, trained: how many of each a list takes. No value serves twice in a list.
    """
    draw, shares, counts = np.random.default_rng(0), [], []
    for _ in range(RESAMPLES):
        mixed = draw.permutation(unseen)
        among = assess.Among([{S: float(v)} for v in mixed[null : null + controls]], S)
        listed = [*mixed[:null], *draw.permutation(seen)[:trained]]
        flagged = np.array(assess.benjamini_hochberg([among.rank(S, float(v)).p for v in listed])) <= assess.LEVEL
        shares.append(flagged[:null].sum() / max(1, flagged.sum()))
        counts.append(int(flagged.sum()))
    rate, error = float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(RESAMPLES))
    some = float(np.mean(np.array(counts) > 0))
    return Drawn(null, trained, controls, round(rate, 4), round(error, 4), some, round(float(np.mean(counts)), 1))


def _set(found: Survey) -> dict[str, Any]:
    blind = {t.inputs.split(" (")[0]: round(t.auc.value, 3) for t in found.blind_matched}
    test = found.set_test
    if isinstance(test, Absent):
        return {"blind": blind, "absent": test.reason}
    area = [round(v, 3) for v in (test.auc.value, test.auc.low, test.auc.high)]
    return {"blind": blind, "pairs": test.pairs, "tested": test.tested, "area": area, "p": float(f"{test.p:.3g}")}


def _power(found: Survey) -> list[dict[str, Any]]:
    return [
        {
            "repetitions": g.repeats,
            "apart": g.flagged.k,
            "of": g.flagged.n,
            "interval": [round(g.flagged.low, 3), round(g.flagged.high, 3)],
            "median_p": round(g.median_p, 4),
        }
        for g in found.by_repeats
    ]


def study(asked: Asked, kills: int, ray: int) -> dict[str, Any]:
    """Everything, as it is written and printed."""
    prepare(asked)
    levels, cost = surveyed(asked, Of("levels.csv"), "levels", "scores")
    never, cost_never = surveyed(asked, Of("unseen.csv"), "unseen", "scores")
    unseen = np.array(
        [
            *(w.primary.value for w in levels.works if not w.stated),
            *(w.primary.value for w in never.works),
            *values(asked.folder / "levels", levels),
        ]
    )
    seen = np.array([w.primary.value for w in levels.works if w.stated])
    count = levels.controls.used
    trained = min(SEEN_AMONG, len(seen) // 2)
    wanted = [(n, t) for n in UNSEEN_AMONG for t in (trained, 0) if n + count <= len(unseen)]
    apart = share(len(never.flagged), len(never.works))
    made: dict[str, Any] = {
        "command": f"--each {asked.each} --unseen {asked.unseen} --controls {asked.controls}",
        "protocol": levels.protocol_digest,
        "profile": levels.protocol.value,
        "level": levels.level,
        "controls": count,
        "levels": {"works": len(levels.works), "power": _power(levels), "set": _set(levels), "cost": asdict(cost)},
        "unseen": {
            "works": len(never.works),
            "apart": [apart.k, apart.n, round(apart.low, 3), round(apart.high, 3)],
            "set": _set(never),
            "cost": asdict(cost_never),
        },
        "redrawn": [asdict(redrawn(unseen, seen, count, n, t)) for n, t in wanted],
        "draws": RESAMPLES,
    }
    return made | _again(asked, kills, ray)


def _again(asked: Asked, kills: int, ray: int) -> dict[str, Any]:
    """A part of the survey killed and gone on with, and by workers of a cluster, beside the undisturbed one."""
    made: dict[str, Any] = {}
    whole, found = measured(asked.folder / "levels"), []
    for name, given in (("interrupted", {"kills": kills}), ("ray", {"ray": ray})):
        if any(given.values()):
            one, spent = surveyed(asked, Of("part.csv", "part-controls"), name, f"scores-{name}", **given)
            numbers = measured(asked.folder / name)
            found.append(one)
            made[name] = given | {
                "works": len(one.works),
                "controls": one.controls.used,
                "measurements": len(numbers),
                # One that the undisturbed survey lacks is counted as well.
                "differing": sum(whole.get(key) != numbers[key] for key in numbers),
                "cost": asdict(spent),
            }
    if len(found) == 2:
        made["fields_differing"] = differing(*found)
    return made


def show(made: dict[str, Any]) -> None:
    """The figures in lines."""
    for row in made["levels"]["power"]:
        low, high = row["interval"]
        print(f"{row['repetitions']} times a pass: {row['apart']} of {row['of']} set apart ({low:.2f} to {high:.2f})")
    print(f"never trained on, alone: {made['unseen']['apart'][0]} of {made['unseen']['apart'][1]} set apart")
    for row in made["redrawn"]:
        print(
            f"{row['unseen']} never trained on and {row['seen']} trained on, {made['draws']} draws: false discoveries "
            f"{row['rate']:.3f} ± {row['error']:.3f}, nominal {made['level']}; {row['apart']:.1f} set apart a draw, "
            f"any in {row['any']:.1%} of draws"
        )
    for name in ("levels", "unseen"):
        print(f"{name}, the set: {made[name]['set']}; cost {made[name]['cost']}")
    for name in ("interrupted", "ray", "fields_differing"):
        if name in made:
            print(f"{name}: {made[name]}")


def main() -> int:
    """Run the study, print its figures and write them; 1 where a survey differs from the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--unseen", type=int, default=120)
    parser.add_argument("--controls", type=int, default=120)
    parser.add_argument("--interrupted", type=int, default=0, metavar="KILLS")
    parser.add_argument("--ray", type=int, default=0, metavar="WORKERS")
    parser.add_argument("--part", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    asked = Asked(given.folder.absolute(), given.each, given.unseen, given.controls, given.part)
    made = study(asked, given.interrupted, given.ray)
    show(made)
    if given.out:
        given.out.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")
    differ = sum(made[name]["differing"] for name in ("interrupted", "ray") if name in made)
    return 1 if differ or made.get("fields_differing") else 0


if __name__ == "__main__":
    sys.exit(main())
