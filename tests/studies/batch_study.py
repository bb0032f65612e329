"""Twelve cases singly, by `forensics batch`, and by three workers of a local Ray cluster of which one is killed.

    python -m tests.studies.batch_study FOLDER [--cases 12] [--tiny] [--ways single batch ray] [--out RESULT.json]

The cases are the disputed samples of the package and control works of the twins, under `quick`, each by a program of
its own as a user starts it. Every way begins with an empty store of control scores. Every measured value and identifier
is compared with that of the single run; minutes by the clock, processor minutes where the programs are this one's own
children, and their ratios are printed. `--tiny` takes a tiny checkpoint of random weights: it shows that nothing is
lost and nothing differs, and its times say little, for most of them are drawing reports.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensics import resources
from forensics.folder import CASE, verify
from forensics.path_names import folder_stem
from tests.studies.interrupted import bed, picture
from tests.studies.same_case import differences, values

WAYS = ("single", "batch", "ray")
WORKERS = 3
SCORES = ("/controls/scores", "/controls/computed", "/controls/stored")
"""Account of which scores of controls were computed now, and by whom those that were stored: no measurement."""


@dataclass(frozen=True)
class Ground:
    """What is examined."""

    cases: Path
    """The file of the batch."""
    images: tuple[Path, ...]
    options: tuple[str, ...]
    """Of a single run."""


def prepare(folder: Path, count: int, *, tiny: bool) -> Ground:
    """Write the file of so many cases."""
    folder.mkdir(parents=True, exist_ok=True)
    head, options = "", ["--profile", "quick", "--device", "cpu"]
    if tiny:
        bed(folder / "bed")
        images = [folder / "bed" / f"q{number}.png" for number in range(count)]
        for number, image in enumerate(images):
            picture(40 + number).save(image)
        for flag, name in (("checkpoint", "checkpoint"), ("control-checkpoint", "other"), ("controls", "controls")):
            place = folder / "bed" / name
            head += f"{flag} = {json.dumps(str(place))}\n"
            options += [f"--{flag}", str(place)]
        head += 'caption = "shapes"\n'
        options += ["--caption", "shapes"]
    else:
        base = resources.samples()
        images = sorted(p for p in (base / "disputed").iterdir() if p.suffix in (".png", ".jpg"))
        rows = [json.loads(x) for x in (base / "reference" / "manifest.jsonl").read_text("utf-8").splitlines()]
        images += [base / "reference" / row["path"] for row in rows if row["role"] == "control"]
        images = images[:count]
    text = f'[defaults]\nprofile = "quick"\ndevice = "cpu"\n{head}'
    text += "".join(f"\n[[case]]\nimage = {json.dumps(str(image))}\n" for image in images)
    (folder / "cases.toml").write_text(text, encoding="utf-8")
    return Ground(folder / "cases.toml", tuple(images), tuple(options))


def kill_worker(kept: Path, over: threading.Event) -> int | None:
    """Kill the process that examines the case to which this file belongs, once the file is there.

    Args:
        kept: what a finished stage of the case gave.
        over: set when it is no longer to be waited for.

    Returns:
        The number of the process; None where there was none.
    """
    folder = kept.parent.parent
    while not kept.exists():
        if over.wait(0.02):
            return None
    for held in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            same = os.path.realpath(held) == str(folder)
        except OSError:
            continue
        if same:  # it holds the lock of the case folder
            os.kill(int(held.parts[2]), signal.SIGKILL)
            return int(held.parts[2])
    return None


def singly(ground: Ground, out: Path, environment: dict[str, str]) -> list[Path]:
    """Each case by `forensics analyze`; the case folders."""
    folders = []
    for image in ground.images:
        folders.append(out / f"{folder_stem(image)}-case")
        _run(["analyze", str(image), *ground.options, "--yes", "-o", str(folders[-1])], environment)
    return folders


def together(ground: Ground, out: Path, environment: dict[str, str]) -> list[Path]:
    """All by `forensics batch`, in one process."""
    _run(["batch", str(ground.cases), "-o", str(out)], environment)
    return [out / f"{folder_stem(image)}-case" for image in ground.images]


def on_ray(ground: Ground, out: Path, environment: dict[str, str]) -> list[Path]:
    """All by three workers of a local cluster, the one with the first case killed after its search."""
    folders = [out / f"{folder_stem(image)}-case" for image in ground.images]
    over, killed = threading.Event(), []
    kept = folders[0].resolve() / "unfinished" / "search.kept"
    watch = threading.Thread(target=lambda: killed.append(kill_worker(kept, over)))
    watch.start()
    try:
        words = ["batch", str(ground.cases), "-o", str(out), "--ray", "local", "--workers", str(WORKERS)]
        _run(words, environment)
    finally:
        over.set()
        watch.join()
    lost = [row["lost"] for row in json.loads((out / "batch.json").read_text("utf-8"))["rows"]]
    print(f"worker {killed[0]} was killed; workers lost by case: {lost}")
    return folders


def _run(words: list[str], environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "forensics", *words, "--progress", "none"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Run the ways asked for, compare and print; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    ground = prepare(asked.folder.absolute(), asked.cases, tiny=asked.tiny)
    how: dict[str, Callable[[Ground, Path, dict[str, str]], list[Path]]] = {
        "single": singly,
        "batch": together,
        "ray": on_ray,
    }
    found: dict[str, list[dict[str, Any]]] = {}
    result: dict[str, Any] = {"cases": len(ground.images), "tiny": asked.tiny, "processors": os.cpu_count()}
    for way in asked.ways:
        out = asked.folder.absolute() / way
        environment = {**os.environ, "XDG_CACHE_HOME": str(asked.folder.absolute() / f"cache-{way}")}
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        folders = how[way](ground, out, environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        row = {"minutes": (time.monotonic() - began) / 60}
        if way != "ray":  # workers are children of the cluster, not of this program
            row["processor_minutes"] = spent / 60
        result[way] = {name: round(value, 2) for name, value in row.items()}
        for place in folders:
            verify(place)
        found[way] = [json.loads((place / CASE).read_text("utf-8")) for place in folders]
        print(way, result[way], flush=True)
    unlike = 0
    for way in asked.ways[1:]:
        compared = 0
        for image, one, other in zip(ground.images, found[asked.ways[0]], found[way], strict=True):
            rows = [d for d in differences(one, other) if not d[0].startswith(SCORES)]
            rows += [("id", one["id"], other["id"])] * (one["id"] != other["id"])
            compared += values(one)
            unlike += len(rows)
            for path, a, b in rows:
                print(f"{way}, {image.name}: {path}: {a!r} and {b!r}")
        first = result[asked.ways[0]]
        ratios = {n: round(value / first[n], 2) for n, value in result[way].items() if n in first}
        result[way] |= {"values_compared": compared, "ratios": ratios}
        print(f"{way} beside {asked.ways[0]}: {compared} values compared; ratios {ratios}")
    result["differ"] = unlike
    print(f"{unlike} values differ")
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(unlike > 0)


if __name__ == "__main__":
    sys.exit(main())
