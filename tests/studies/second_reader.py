"""A second reader of generators' records beside ours: `sd-parsers`, and where the two disagree.

    python -m tests.studies.second_reader [FILE ...]      # needs the extra: pip install 'forensics[second-reader]'

Without files: the inputs of `wild_more` and those under `tests/assets/wild/in`. A line a file with the fields in which
both state something and differ, what one of them alone states, and whether it reads a record at all.

Ours is not replaced by it. It reads five programs and takes any text with a line `Steps: …` for a record; it follows
the graphs of ComfyUI without a table of nodes; it says nothing of marks, of what no rule covers or of the encoding.
So it is a witness: where it reads another prompt or seed than ours, one of the two is wrong, and this names the file.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_parsers import ParserManager

from forensics.errors import ForensicsError
from forensics.pictures import intake
from tests.studies import wild_more

ASSETS = Path(__file__).parents[1] / "assets" / "wild" / "in"
_MANAGER = ParserManager()
Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """What two readers state of one file."""

    name: str
    ours: Fields | None
    """None where no record was read."""
    theirs: Fields | None

    @property
    def said(self) -> str:
        """The relation in words."""
        if self.ours is None and self.theirs is None:
            return "neither reads a record"
        if self.theirs is None:
            return "ours alone reads a record"
        if self.ours is None:
            return f"the second reader alone takes it for a record: {dict(self.theirs)}"
        differing = [
            f"{name}: ours {self.ours[name]!r}, second {self.theirs[name]!r}"
            for name in self.ours
            if self.theirs.get(name) and _plain(self.ours[name]) != _plain(self.theirs[name])
        ]
        return "differ in " + "; ".join(differing) if differing else "agree"

    @property
    def kind(self) -> str:
        """For counting."""
        return self.said.split(":")[0].partition(" in ")[0]


def _plain(text: str) -> str:
    """Without what both may write otherwise: spaces, and commas between texts of several encoders."""
    return "".join(text.replace(",", " ").split()).lower()


def compare(data: bytes, name: str) -> Compared:
    """Both readers on one file."""
    return Compared(name, _ours(data, name), _theirs(data))


def _ours(data: bytes, name: str) -> Fields | None:
    try:
        records = intake.decode(data, name).records
    except ForensicsError:
        return None
    full = [record for record in records if record.prompt or record.negative_prompt or record.seed is not None]
    if not full:
        return None
    first = full[0]
    return {
        "prompt": first.prompt,
        "negative prompt": first.negative_prompt,
        "seed": "" if first.seed is None else str(first.seed),
        "model": Path(first.model).stem,
    }


def _theirs(data: bytes) -> Fields | None:
    try:
        found = _MANAGER.parse(io.BytesIO(data))
    except Exception:  # a file that another reader cannot open at all is one it reads nothing of
        return None
    if found is None:
        return None
    samplers = list(found.samplers)
    seed: Any = samplers[0].parameters.get("seed", "") if samplers else ""
    models = sorted(Path(str(model.name or "")).stem for model in found.models)
    return {
        "prompt": found.full_prompt,
        "negative prompt": found.full_negative_prompt,
        "seed": str(seed),
        "model": models[0] if models else "",
    }


def inputs() -> Iterator[tuple[str, bytes]]:
    """Files of the studies."""
    for own in wild_more.CASES:
        yield f"{own.kind}: {own.name}", own.data
    for path in sorted(ASSETS.iterdir()):
        yield path.name, path.read_bytes()


def main() -> None:
    """Print every file on which the two differ, then how many of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args()
    chosen = [(str(path), path.read_bytes()) for path in given.files] or list(inputs())
    counts: Counter[str] = Counter()
    for name, data in chosen:
        found = compare(data, name)
        counts[found.kind] += 1
        if found.kind not in ("agree", "neither reads a record"):
            print(f"{name}\n    {found.said[:700]}")
    print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    sys.exit(0)


if __name__ == "__main__":
    main()
