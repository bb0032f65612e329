"""A section and a command added by one file and one row each: what every rung of the ladder took."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from forensics.case import Case


@dataclass(frozen=True, slots=True)
class Taken:
    """What the rungs took, as strings."""

    rows: tuple[tuple[str, str, str], ...]
    """Rung, evaluations of the network, seconds."""


def section(case: Case) -> Taken | None:
    """One row a rung; None where none was run."""
    rows = tuple((v.title, f"{v.evaluations:,}", f"{v.seconds:.2f} s") for v in case.inversions)
    return Taken(rows) if rows else None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def cost(folder: Path) -> None:
    """What every rung of the ladder took in a case FOLDER."""
    from forensics.folder import load

    taken = section(load(folder))
    for row in taken.rows if taken else ():
        click.echo("\t".join(row))
