"""What a survey finds of works whose repetitions are known: power by level, the rate of false discoveries, the set.

`python -m tests.studies.survey_study FOLDER [--each N] [--controls N]` surveys N planted works of each number of
repetitions and N never trained on under twin A, beside twin B and other controls, in FOLDER (it goes on where it was
stopped), then draws works and controls anew 200 times from what was measured. Works are those of the test half,
controls of the calibration half: no threshold was chosen on either.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forensics import resources
from forensics.case import Absent, Statistic
from forensics.survey import assess, document
from forensics.survey.bench import ELSEWHERE, PLAIN, PROMPTED
from forensics.survey.results import Survey
from forensics.survey.survey import JOURNAL, Request, seal, survey
from forensics.validation import journal

LEVELS = (0, 1, 4, 16, 64, 256)
RESAMPLES = 200
S = Statistic.SAVED_AGAINST_CONTROL


def prepare(folder: Path, each: int, count: int) -> Request:
    """Write the table of works and the folder of controls; the survey of them."""
    reference = resources.samples() / "reference"
    rows = [json.loads(line) for line in (reference / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    works: list[dict[str, Any]] = []
    for level in LEVELS:
        role = "planted" if level else "control"
        works += [r for r in rows if (r["role"], r["repetitions"], r["half"]) == (role, level, "test")][:each]
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "works.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "id", "caption", "repetitions"])
        writer.writerows([reference / r["path"], r["id"], r["caption"], r["repetitions"]] for r in works)
    place = folder / "controls"
    place.mkdir(exist_ok=True)
    with (place / "controls.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "ground", "caption"])
        for row in [r for r in rows if (r["role"], r["half"]) == ("control", "calibration")][:count]:
            shutil.copyfile(reference / row["path"], place / Path(row["path"]).name)
            writer.writerow([Path(row["path"]).name, "held out by the manifest", row["caption"]])
    twins = [str(reference / f"twin-{twin}") for twin in "ab"]
    return Request(str(table), twins[0], "python -m tests.studies.survey_study", twins[1], place)


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


def false_discoveries(found: Survey, controls: Sequence[float]) -> tuple[float, float, float]:
    """Mean share of never-trained works among those set apart, its standard error, and the mean number set apart."""
    draw, shares, counts = np.random.default_rng(0), [], []
    null = [w.primary.value for w in found.works if not w.stated]
    seen = [w.primary.value for w in found.works if w.stated]
    unseen = np.array([*null, *controls])
    for _ in range(RESAMPLES):
        # Every never-trained work may stand on either side: the two are exchangeable, and no value serves twice.
        mixed = draw.permutation(unseen)
        some = draw.permutation(seen)[: max(1, len(seen) // 2)]
        among = assess.Among([{S: float(v)} for v in mixed[len(null) :]], S)
        ranks = [among.rank(S, float(v)).p for v in [*mixed[: len(null)], *some]]
        flagged = np.array(assess.benjamini_hochberg(ranks)) <= assess.LEVEL
        shares.append(flagged[: len(null)].sum() / max(1, flagged.sum()))
        counts.append(int(flagged.sum()))
    return float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(RESAMPLES)), float(np.mean(counts))


def main() -> None:
    """Run the study and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--controls", type=int, default=120)
    given = parser.parse_args()
    request, out = prepare(given.folder, given.each, given.controls), given.folder / "survey"
    found = survey(request, out, resume=out.exists())
    print(document.write(out), flush=True)
    seal(out)
    for group in found.by_repeats:
        power = group.flagged
        print(f"{group.repeats} times a pass: {power.k} of {power.n} set apart ({power.low:.2f} to {power.high:.2f})")
    rate, error, count = false_discoveries(found, values(out, found))
    print(f"false discoveries over {RESAMPLES} draws: {rate:.3f} ± {error:.3f}; nominal {found.level}")
    print(f"set apart a draw, on average: {count:.1f}")
    test = found.set_test
    print(test.reason if isinstance(test, Absent) else f"the set: area {test.auc.value:.2f}, p = {test.p:.2g}")


if __name__ == "__main__":
    main()
