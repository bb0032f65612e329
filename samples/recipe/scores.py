"""What an examination measured of the embedded controls, taken into the scores that ship.

Examine the sample with an empty cache (`XDG_CACHE_HOME=DIR make demo`), then name that cache. What ships already stays
as it is: only what the examination had to compute is added. Who computed it and when is left out, so that the file is
a function of its entries; every examination computes some of them again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from forensics.controls import cache
from forensics.controls.cache import Made
from forensics.resources import samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, help="a cache of control scores: forensics/controls below its home")
    parser.add_argument("--out", type=Path, default=samples() / "reference" / "control-scores.jsonl.gz")


def run(args: argparse.Namespace) -> None:
    """Write the file anew."""
    shipped = cache.read_pack(args.out) if args.out.is_file() else []
    known = {entry.key for entry in shipped}
    made = [entry for entry in cache.entries(args.folder) if entry.key not in known]
    plain = [replace(entry, made=Made(entry.made.program), pack="", imported="") for entry in made]
    print(f"{args.out}: {cache.pack([*shipped, *plain], args.out)} entries, {len(plain)} of them new")
