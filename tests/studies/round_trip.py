"""Random records of every generator, written by its rules and read back: 10,000 of each unless told otherwise.

python -m tests.studies.round_trip [--examples N] [--grammar NAME]
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.metadata.round_trip import property_of
from tests.metadata.writers import GRAMMARS


def main() -> None:
    """Print how many of each grammar came back, and the first that did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--grammar", choices=tuple(GRAMMARS))
    given = parser.parse_args()
    failed = 0
    for grammar in [given.grammar] if given.grammar else GRAMMARS:
        began = time.monotonic()
        try:
            property_of(grammar, given.examples)()
        except (AssertionError, ExceptionGroup) as exc:
            failed += 1
            print(f"{grammar}: not read back: {str(exc)[:1500]}")
        else:
            print(f"{grammar}: {given.examples} records written and read back in {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
