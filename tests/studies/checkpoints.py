"""Checkpoints as they lie on disk: `python -m tests.studies.checkpoints [--out FILE] [--summary FILE]`.

Families × layouts × variants × kinds of LoRA, tiny, with random weights, made on the fly. Every input carries what a
user expects of it, written before it was tried: taken, with what the report must say of it; or refused, with the words
that name it and a remedy that works. What is taken is loaded, and its network evaluated once, where the weights are
there. Right means: as expected. Silently wrong means: taken where a refusal was expected, or taken without saying what
had to be said. A crash is any other exception than a `CheckpointError`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from forensics import diffusion
from forensics.case import Checkpoint
from forensics.device import choose, noise
from forensics.diffusion.families import family
from forensics.errors import CheckpointError
from tests.studies.checkpoint_inputs import Bench, Given, Trial, trials

RIGHT, SILENT, OTHER, CRASH = "right", "silently wrong", "refused otherwise", "crash"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    group: str
    name: str
    expected: str
    got: str
    verdict: str


def run(chosen: Sequence[Trial] | None = None) -> list[Row]:
    """Try every input; each gets a folder of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root) / "bases")
        for number, trial in enumerate(chosen if chosen is not None else tuple(trials())):
            place = Path(root) / str(number)
            place.mkdir()
            rows.append(_try(trial, bench, place))
    return rows


def _try(trial: Trial, bench: Bench, place: Path) -> Row:
    given = trial.make(bench, place)
    expected = f"refused: {trial.refused}; {trial.remedy}" if trial.refused else f"taken{_told(trial)}"
    try:
        found = diffusion.identify(given.location, wishes=given.wishes)
        evaluated = _evaluate(found, given)
    except CheckpointError as exc:
        fits = bool(trial.refused) and trial.refused in exc.message and trial.remedy in exc.hint
        said = f"{exc.message} {exc.hint}".replace(str(place), "…").replace(str(bench.root), "…")
        return Row(trial.group, trial.name, expected, f"refused: {said}", RIGHT if fits else OTHER)
    except Exception as exc:
        return Row(trial.group, trial.name, expected, f"{type(exc).__name__}: {str(exc)[:200]}", CRASH)
    missing = [name for name, words in trial.said.items() if words not in _of(found, name)]
    got = f"taken{evaluated}" + (f", but does not say: {', '.join(missing)}" if missing else "")
    return Row(trial.group, trial.name, expected, got, SILENT if missing or trial.refused else RIGHT)


def _told(trial: Trial) -> str:
    return f", {', '.join(f'{k}: {v}' for k, v in trial.said.items())}" if trial.said else ""


def _of(found: Checkpoint, name: str) -> str:
    # The field `prediction` and the fact of that name agree; the fact says more.
    if name in ("family", "native_px"):
        return str(getattr(found, name))
    if name == "prediction":
        return found.prediction
    return " ".join(fact.value for fact in found.facts if fact.name == name)


@torch.no_grad()
def _evaluate(found: Checkpoint, given: Given) -> str:
    if not given.loads:
        return ", by its header"
    model = diffusion.load(found, choose("cpu"))
    state = model.start(noise(model.latent_shape(32, 32), 1)[None], 4)
    words = "a b" if family(found.family).reads_words else ""
    velocity = model.velocity(state, model.times(4)[2], model.condition(words, 2.0))
    if not bool(velocity.isfinite().all()):
        raise FloatingPointError("the network gives values that are not finite")
    return f", evaluated as {found.family}"


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts by group and verdict, and every row that is not right."""
    groups: dict[str, Counter[str]] = {}
    for row in rows:
        groups.setdefault(row.group, Counter())[row.verdict] += 1
    return {
        "inputs": len(rows),
        "right": sum(row.verdict == RIGHT for row in rows),
        "groups": {group: dict(counts) for group, counts in groups.items()},
        "not right": [asdict(row) for row in rows if row.verdict != RIGHT],
    }


def main() -> None:
    """The table to a file or standard output, the summary beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="every row, as JSON lines")
    parser.add_argument("--summary", type=Path, help="the counts, as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = run()
    if arguments.out:
        arguments.out.write_text("".join(json.dumps(asdict(r), ensure_ascii=False) + "\n" for r in rows), "utf-8")
    text = json.dumps(summary(rows), indent=2, ensure_ascii=False) + "\n"
    if arguments.summary:
        arguments.summary.write_text(text, "utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
