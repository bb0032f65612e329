"""What an examination measured of the embedded controls, taken into the scores that ship.

Examine the sample with an empty cache (`XDG_CACHE_HOME=DIR make demo`), then name that cache. What ships already stays
as it is: only what the examination had to compute is added. Who computed it and when is left out, so that the file is
a function of its entries; every examination computes some of them again.

`--vectors` instead describes the controls that examinations with the seed 0 draw, by the copy descriptor.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from forensics.controls import cache, works
from forensics.controls.cache import Made
from forensics.device import choose
from forensics.embedders import remembered
from forensics.embedders.copies import Embedded
from forensics.pictures.tensors import digest, to_tensor
from forensics.resources import samples
from forensics.stages.works import read
from samples.recipe.pack import write_digests

DRAWN = 210
"""The pool of the `standard` profile, and some for those that show what one before them shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, nargs="?", help="a cache of control scores, its folder controls")
    parser.add_argument("--vectors", action="store_true", help="describe the controls that the seed 0 draws")
    parser.add_argument("--out", type=Path, default=samples() / "reference" / "control-scores.jsonl.gz")


def describe(reference: Path) -> None:
    """Write the vectors of the controls that are drawn first, as one thread of a processor makes them."""
    torch.set_num_threads(1)
    folder = reference / "copydescriptor"
    model = Embedded(folder, choose("cpu", "fp32"))
    drawn = works.embedded(reference).shuffled(0, frozenset())[:DRAWN]
    pictures = [to_tensor(read(work.path)) for work in drawn]
    remembered.write(folder / "controls.safetensors", model.digest, {digest(p): model.embed(p) for p in pictures})
    write_digests(reference)
    print(f"{folder / 'controls.safetensors'}: {len(drawn)} vectors")


def run(args: argparse.Namespace) -> None:
    """Write the file anew."""
    if args.vectors:
        describe(samples() / "reference")
    if args.folder is None:
        return
    shipped = cache.read_pack(args.out) if args.out.is_file() else []
    known = {entry.key for entry in shipped}
    made = [entry for entry in cache.entries(args.folder) if entry.key not in known]
    plain = [replace(entry, made=Made(entry.made.program), pack="", imported="") for entry in made]
    print(f"{args.out}: {cache.pack([*shipped, *plain], args.out)} entries, {len(plain)} of them new")
