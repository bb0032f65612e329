"""The embedded training index, made again: `python -m forensics.retrieval.embedded`.

All works that the reference checkpoint was trained on, the planted ones included, embedded with the small open_clip
model beside it. The manifest of the works is a table like any other: this only fixes the choices, so that the shipped
index can be reproduced. SOURCE_DATE_EPOCH fixes the recorded time.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from forensics import device
from forensics.embedding import Embedder
from forensics.retrieval.build import Built, build

ROLES = frozenset({"training", "planted"})
"""Values of the column `role` that name what the reference checkpoint was trained on."""
NAME = "Training works of the reference checkpoint"
COVERAGE = (
    "Every work that the embedded reference checkpoint was trained on, in the rendering shipped with it; "
    "the control works are not in it."
)


def build_embedded(reference: Path, *, built: str = "") -> Built:
    """Build `reference/index` from `reference/manifest.jsonl` and `reference/openclip`.

    The manifest's digests are of the works as their collection distributes them; the shipped renderings have their own,
    and the index records both.

    Raises:
        IndexError_: the index exists, or the works are not there.
        WeightsError: the embedding model is not there.
    """
    embedder = Embedder.open(str(reference / "openclip"), device.choose("cpu"))
    return build(
        reference / "manifest.jsonl",
        reference / "index",
        embedder,
        name=NAME,
        coverage=COVERAGE,
        built=built,
        where={"role": ROLES},
        digests="origin",
    )


def main() -> None:
    """Build it where the samples lie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, default=Path("samples/reference"), help="folder of the reference")
    parser.add_argument("--replace", action="store_true", help="remove the index that is there first")
    arguments = parser.parse_args()
    if arguments.replace:
        shutil.rmtree(arguments.reference / "index", ignore_errors=True)
    manifest = build_embedded(arguments.reference).manifest
    print(f"{arguments.reference / 'index'}: {manifest.count} works, {len(manifest.excluded)} excluded")


if __name__ == "__main__":
    main()
