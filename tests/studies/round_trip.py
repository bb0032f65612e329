"""Random records of every generator, written by its rules and read back: 10,000 of each unless told otherwise.

    python -m tests.studies.round_trip [--examples N] [--grammar NAME] [--seed N] [--search]

The records are drawn plainly (`tests.metadata.dice`), from the seed and the grammar's name; with `--search` Hypothesis
looks for one that is not read back, mutating what it drew, as the suite does with fewer.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.metadata import dice
from tests.metadata.round_trip import property_of, read_back
from tests.metadata.writers import GRAMMARS


def searched(grammar: str, examples: int, _: int) -> str:
    """Hypothesis's search; the first record that is not read back, or nothing."""
    try:
        property_of(grammar, examples)()
    except (AssertionError, ExceptionGroup) as exc:
        return f"not read back: {str(exc)[:1500]}"
    return ""


def drawn(grammar: str, examples: int, seed: int) -> str:
    """Plain draws; how many were not read back and the first of them, or nothing."""
    source, failed, first = random.Random(f"{seed} {grammar}"), 0, ""
    for number in range(examples):
        written = dice.draw(GRAMMARS[grammar], source)
        try:
            read_back(written)
        except AssertionError as exc:
            failed += 1
            first = first or f"record {number}: {str(exc)[:1500]}"
    return f"{failed} of {examples} not read back, the first {first}" if failed else ""


def main() -> None:
    """Print how many of each grammar came back, and the first that did not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--grammar", choices=tuple(GRAMMARS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", action="store_true", help="Let Hypothesis look for a record that fails.")
    given = parser.parse_args()
    failed = 0
    for grammar in [given.grammar] if given.grammar else GRAMMARS:
        began = time.process_time()
        wrong = (searched if given.search else drawn)(grammar, given.examples, given.seed)
        failed += bool(wrong)
        spent = time.process_time() - began
        said = f"{given.examples} records written and read back in {spent:.0f} s of processor time"
        print(f"{grammar}: {wrong or said}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
