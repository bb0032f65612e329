"""The embedded training index, made again: `python -m tests.studies.embedded`.

All works that the reference checkpoint was trained on, the planted ones included, embedded with the small open_clip
model and the copy descriptor beside it. The manifest of the works is a table like any other: this only fixes the
choices, so that the shipped index can be reproduced: same rows, same digest of the rows. SOURCE_DATE_EPOCH fixes the
recorded time.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from forensics import device
from forensics.case import Absent
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.retrieval.building.build import Built, Options, build

ROLES = frozenset({"training", "planted"})
"""Values of the column `role` that name what the reference checkpoint was trained on."""
NAME = "Training works of the reference checkpoint"
COVERAGE = (
    "Every work that the embedded reference checkpoint was trained on, in the rendering shipped with it; "
    "the control works are not in it."
)


def build_embedded(reference: Path, *, built: str = "", with_copies: bool = True) -> Built:
    """Build `reference/index` from `reference/manifest.jsonl` and `reference/openclip`.

    The manifest's digests are of the works as their collection distributes them; the shipped renderings have their own,
    and the index records both.

    Args:
        reference: folder of the reference models.
        built: UTC time to record.
        with_copies: also store the vectors of the copy descriptor beside the models, where there is one.

    Raises:
        IndexError_: the index exists, or the works are not there.
        WeightsError: the embedding model is not there.
    """
    cpu = device.choose("cpu")
    embedder = Embedder.open(str(reference / "openclip"), cpu)
    folder = reference / "copydescriptor"
    descriptor = open_descriptor(str(folder), cpu) if with_copies and folder.is_dir() else None
    return build(
        reference / "manifest.jsonl",
        reference / "index",
        embedder,
        Options(
            descriptor=None if isinstance(descriptor, Absent) else descriptor,
            name=NAME,
            coverage=COVERAGE,
            built=built,
            where={"role": ROLES},
            digests="origin",
        ),
    )


def main() -> None:
    """Build it where the samples lie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, default=Path("samples/reference"), help="folder of the reference")
    parser.add_argument("--replace", action="store_true", help="remove the index that is there first")
    arguments = parser.parse_args()
    if arguments.replace:
        shutil.rmtree(arguments.reference / "index", ignore_errors=True)
    made = build_embedded(arguments.reference)
    snapshot = made.snapshot
    print(
        f"{made.location}: {snapshot.count} works, {snapshot.excluded} excluded, columns "
        f"{', '.join(c.name for c in snapshot.columns)}, digest of the rows {snapshot.rows_digest}"
    )


if __name__ == "__main__":
    main()
