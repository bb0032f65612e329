"""Time and memory of a report with many large pictures: 40 exhibits of 2,000 pixels in at most 20 s and 1 GB.

    python -m tests.benchmarks.report make FOLDER [--exhibits 40] [--side 2000] [--grain 4]
    /usr/bin/time -v python -m tests.benchmarks.report render FOLDER

`make` writes a case folder whose exhibits are drawn pictures with a grain of noise, which compress about as badly as
photographs do; `render` is what `forensics report` does with it: hash and decode every exhibit, lay out, write the
PDF/A with its attachments. It prints seconds, peak memory and size as one line of JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import time
from pathlib import Path

from forensics import folder as case_folder
from forensics import report, schema
from forensics.case import Case
from tests.report import cases
from tests.report.pictures import scene

SHAPES = ((1.0, 1.0), (1.0, 0.75), (0.67, 1.0), (1.0, 0.56))
"""Width and height as shares of the longer side, in turn."""


def make(folder: Path, exhibits: int, side: int, grain: int) -> Case:
    """The full case of the tests, with works put forward up to the number of exhibits asked for."""
    case = cases.full(folder)
    b = cases.Builder(folder)
    items, works = list(case.items), []
    for number in range(exhibits):
        across, down = SHAPES[number % len(SHAPES)]
        tag = f"R{number + 2}"
        picture = scene(500 + number, round(side * across), round(side * down), grain=grain)
        works.append(b.put(tag, picture, f"Work {number + 2} as put forward", "received"))
        items.append(b.item(tag, "original", f"work-{number + 2}.png", 500 + number))
        b.measure("Q1", tag, 0.3, 0.6, 0.5)
    grown = dataclasses.replace(
        case,
        items=tuple(items),
        exhibits=(*case.exhibits, *b.exhibits),
        measurements=(
            *case.measurements,
            *(dataclasses.replace(m, id=f"B{n}") for n, m in enumerate(b.measurements)),
        ),
    )
    (folder / "data/case.json").write_bytes(schema.canonical(grown))
    return grown


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "render"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exhibits", type=int, default=40)
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--grain", type=int, default=4)
    given = parser.parse_args()
    if given.what == "make":
        case = make(given.folder, given.exhibits, given.side, given.grain)
        size = sum(path.stat().st_size for path in (given.folder / "data/exhibits").iterdir())
        print(json.dumps({"exhibits": len(case.exhibits), "bytes": size}))
        return
    case = case_folder.load(given.folder)
    start, busy = time.perf_counter(), time.process_time()
    data = report.render(case, given.folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    found = {
        "exhibits": len(case.exhibits),
        "pages": report.pages(data),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu seconds": round(time.process_time() - busy, 1),
        "peak MB": round(peak),
        "bytes": len(data),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
