"""One byte of a case folder changed, thousands of times: is each change found, and the file named?

    python -m tests.studies.flips [--times 2000] [--seed 0]

A byte is drawn at random, first among the files and then in the file, so that small files are tried as often as large
ones; it is changed to another value drawn at random, the folder is verified in whole, and the byte is put back.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forensics.errors import VerificationError
from forensics.folder import verify
from tests.test_casefile import small_case


@dataclass(frozen=True)
class Flip:
    """One changed byte."""

    name: str
    place: int
    before: int
    after: int
    said: str
    """What `verify` said; empty where it found nothing."""

    @property
    def named(self) -> bool:
        """Whether the file, or the one that vouches for it, is named."""
        return self.name in self.said or "manifest" in self.said or "custody" in self.said


def flips(folder: Path, times: int, rng: random.Random) -> Iterator[Flip]:
    """Changes, each undone before the next."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    for number in range(times):
        name = names[number % len(names)]
        path = folder / name
        data = path.read_bytes()
        place = rng.randrange(len(data))
        after = (data[place] + rng.randrange(1, 256)) % 256
        path.write_bytes(data[:place] + bytes([after]) + data[place + 1 :])
        said = ""
        try:
            verify(folder)
        except VerificationError as exc:
            said = exc.message
        finally:
            path.write_bytes(data)
        yield Flip(name, place, data[place], after, said)


def main() -> int:
    """Print how many were found, by file; 1 where any was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found, named, tried = Counter[str](), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as work:
        folder = small_case(Path(work) / "case")
        for one in flips(folder, given.times, random.Random(given.seed)):
            tried[one.name] += 1
            found[one.name] += bool(one.said)
            named[one.name] += one.named
            if not one.said or not one.named:
                print(one)
        verify(folder)
    print("file\tflips\tfound\tnamed")
    for name in tried:
        print(f"{name}\t{tried[name]}\t{found[name]}\t{named[name]}")
    print(f"{found.total()} of {tried.total()} found, {named.total()} named")
    return int(found.total() != tried.total())


if __name__ == "__main__":
    sys.exit(main())
