"""Time and memory of `forensics compare` on two large pictures: at most 10 s and 2 GB for 2,000 pixels on two cores.

    python -m tests.benchmarks.compare FOLDER [--side 2000] [--grain 8]

Draws a picture with grain, which compresses about as badly as a photograph does, and a disputed one after it: cropped,
brightened, at another size, saved as JPEG. Then runs the command as a user does, start of the interpreter included, and
prints its seconds, the seconds of its processors and its peak memory as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageEnhance

from tests.report.pictures import scene


def make(folder: Path, side: int, grain: int) -> tuple[Path, Path]:
    """The disputed image and the original it was made from, both `side` pixels a side."""
    folder.mkdir(parents=True, exist_ok=True)
    disputed, original = folder / "disputed.jpg", folder / "original.png"
    picture = scene(5, side, side, grain=grain)
    picture.save(original)
    margin = side // 20
    part = picture.crop((margin, margin, side, side)).resize((side, side), Image.Resampling.LANCZOS)
    ImageEnhance.Brightness(part).enhance(1.1).save(disputed, quality=85)
    return disputed, original


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--grain", type=int, default=8)
    given = parser.parse_args()
    disputed, original = make(given.folder, given.side, given.grain)
    case = given.folder / "case"
    command = [sys.executable, "-m", "forensics", "compare", str(disputed), str(original), "--quiet", "--force"]
    start = time.perf_counter()
    subprocess.run([*command, "-o", str(case)], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = json.loads((case / "data" / "case.json").read_bytes())["correspondences"][0]
    found = {
        "pixels": [given.side, given.side],
        "outcome": row["outcome"],
        "seconds": round(wall, 1),
        "cpu seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak MB": round(used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)),
        "bytes of the report": (case / "report.pdf").stat().st_size,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
