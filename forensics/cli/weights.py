"""`forensics weights`: the auxiliary networks, pinned by digest."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.console import Console, loading
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
@click.argument("name", required=False)
@click.option(
    "--recommended", is_flag=True, help="All that an examination uses where they are here, and none of which ships."
)
@click.option("--yes", is_flag=True, help="With --recommended: do not ask.")
@click.option(
    "--from", "file", type=options.PATH, metavar="FILE", help="Take NAME from a file fetched elsewhere; no network."
)
@options.reporting
@click.pass_obj
def fetch(console: Console, name: str | None, recommended: bool, yes: bool, file: Path | None) -> None:
    """Fetch the weights NAME from their official address; other bytes than the pinned ones are refused.

    What its authors publish in a wheel is brought by pip from the index that pip is set to, and never installed: the
    weights are taken out and kept as a safetensors file.

    With --recommended every file that does not ship with the program is named first, with its size, its licence and
    what it is for; a person at a terminal is asked. What was fetched is used from then on without being named, and
    every report names it.
    """
    from forensics import weights as store

    if recommended == (name is not None):
        known = ", ".join(status.weights.name for status in store.recommended())
        raise WeightsError("Name one file of weights, or pass --recommended.", hint=f"To be fetched are: {known}.")
    if file is not None:
        if name is None:
            raise WeightsError("--from takes one file.", hint="Name the weights that it holds.")
        console.result(store.take(name, file))
        return
    if name is not None:
        console.result(store.fetch(name, console.emit))
        return
    wanted = [status.weights for status in store.recommended() if status.state != "cached"]
    for row in wanted:
        console.note(
            f"{row.name}: {row.size_bytes / 1e6:.1f} MB, licence {row.licence}.\n    {row.purpose}\n    {row.origin}"
        )
    if not wanted:
        console.note("All recommended weights are here already.")
        return
    total = sum(row.transferred_bytes for row in wanted) / 1e6
    console.note(f"{len(wanted)} files, {total:.1f} MB together over the network, into {store.cache_dir()}.")
    if console.attended and not yes and not click.confirm("Fetch them?", err=True):
        raise WeightsError("Nothing was fetched.", hint="Pass --yes to fetch without being asked.")
    for row in wanted:
        path = store.fetch(row.name, console.emit)
        console.note(f"{row.name}: {path}")
    console.result(store.cache_dir())


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


@weights.command(short_help="Make a .safetensors file of a .ckpt, .pt or .bin file.")
@click.argument("file", type=options.PATH)
@click.option("-o", "--out", type=options.PATH, metavar="FILE", help="What is written.  [default: beside it]")
@options.reporting
@click.pass_obj
def convert(console: Console, file: Path, out: Path | None) -> None:
    """Write the tensors of the pickle FILE to a .safetensors file; no code in it is run.

    The digests of both files go to standard error and into the metadata of what is written, so that a report made with
    it names the file that was received.
    """
    with loading():
        from forensics.diffusion import pickles
    done = pickles.convert(file, out if out is not None else file.with_suffix(".safetensors"))
    console.note(f"{done.source.path}: SHA-256 {done.source.sha256}, {done.source.size_bytes} bytes, read and not run.")
    console.note(f"{done.made.path}: SHA-256 {done.made.sha256}, {done.tensors} tensors.")
    if done.left_out:
        console.note(f"Left out, as they are no tensors: {', '.join(done.left_out[:20])}.")
    console.result(out if out is not None else file.with_suffix(".safetensors"))
