"""`forensics weights`: the auxiliary networks, pinned by digest."""

from __future__ import annotations

import click

from forensics.cli import options
from forensics.cli.console import Console
from forensics.errors import WeightsError


@click.group(short_help="Auxiliary weights: list, fetch, verify.")
def weights() -> None:
    """Auxiliary weights, such as CLIP and the LPIPS trunk. Nothing is fetched while a case is examined."""


@weights.command("list", short_help="Every file of weights and whether it is here.")
def list_() -> None:
    """List every file of weights: name, state, size, licence and purpose."""
    from forensics import weights as store

    for status in store.listing():
        row = status.weights
        click.echo(f"{row.name}  {status.state}  {row.size_bytes / 1e6:.1f} MB  {row.licence}")
        click.echo(f"    {row.purpose}")


@weights.command(short_help="Bring a file of weights to this machine.")
@click.argument("name")
@options.reporting
@click.pass_obj
def fetch(console: Console, name: str) -> None:
    """Fetch the weights NAME from their official address; other bytes than the pinned ones are refused."""
    from forensics import weights as store

    path = store.fetch(name, console.emit)
    console.result(path)


@weights.command(short_help="Check the digest of every file of weights.")
def verify() -> None:
    """Hash every file of weights that is here. An absent file is listed; a damaged one is an error."""
    from forensics import weights as store

    damaged: list[str] = []
    for status in store.verify():
        click.echo(f"{status.weights.name}  {status.state}")
        if status.state.endswith("damaged"):
            damaged.append(f"{status.weights.name} ({status.path})")
    if damaged:
        raise WeightsError(
            f"Weights differ from their pinned digest: {', '.join(damaged)}.",
            hint="Remove the file and run `forensics weights fetch` with its name, or install the package again.",
        )
