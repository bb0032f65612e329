"""`forensics outputs`: pictures of a service whose weights nobody has, beside works; and the plan written before."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.console import Console
from forensics.cli.sign import secret


class Examining(click.Group):
    """A group where a first word that is no command is the folder of `examine`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["examine", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.commands.get(cmd_name, self.commands["examine"])


@click.group(cls=Examining, short_help="What a service gave in how many tries: plan, examine.")
def outputs() -> None:
    """What a service whose weights nobody has gave in how many tries: pictures, log and plan beside works.

    `forensics outputs DIR --originals WORKS` is short for `forensics outputs examine`. Before the first try,
    `forensics outputs plan` fixes prompts, works, controls, numbers of tries, order and stop rule.
    """


@outputs.command(short_help="Write the plan before the first try: hashed, and signed with a key.")
@click.argument("description", type=options.PATH, metavar="PLAN.TOML")
@click.option(
    "-o",
    "--out",
    type=options.OUT,
    metavar="FILE",
    help="The plan; what belongs to it lies beside it.  [default: plan.json beside PLAN.TOML]",
)
@click.option("--pkcs12", type=options.PATH, metavar="FILE", help="Key file (.p12, .pfx) to sign the plan with.")
@click.option("--passfile", type=options.PATH, metavar="FILE", help="File with the passphrase; asked for otherwise.")
@click.option("--timestamp-url", metavar="URL", help="With --pkcs12: time-stamping authority (RFC 3161) to ask.")
@options.reporting
@click.pass_obj
def plan(
    console: Console,
    description: Path,
    out: Path | None,
    pkcs12: Path | None,
    passfile: Path | None,
    timestamp_url: str | None,
) -> None:
    """Draw the plan that PLAN.TOML describes: works and controls by digest, prompts by class, tries in a drawn order.

    Beside it are written a request for a timestamp, which any authority answers later, an empty log with a row a try,
    and with --pkcs12 a signature. A plan is never written over. The path of the plan is written to standard output.
    """
    from forensics.errors import SettingsError
    from forensics.folder import sign as signing

    if timestamp_url and pkcs12 is None:
        raise SettingsError("--timestamp-url stamps a signature.", hint="Give --pkcs12 as well, or send the request.")
    passphrase = b""
    if pkcs12 is not None:
        signing.Pkcs12(pkcs12).read()
        passphrase = secret(passfile, "Passphrase").encode()
    with console.working():
        from forensics.outputs import plan as plans

        drawn = plans.draw(description)
        target = out or description.with_name(plans.PLAN)
        if pkcs12 is None:
            written = plans.write(drawn, target)
        else:
            stamper = signing.authority(timestamp_url) if timestamp_url else None
            with signing.Pkcs12(pkcs12, passphrase).open() as signer:
                signing.suitable(signer)
                written = plans.write(drawn, target, signer, timestamper=stamper)
    console.note(f"{len(drawn.order)} tries are planned. SHA-256 of the plan: {plans.sha256_of(target)}")
    console.note(f"Beside it: {', '.join(path.name for path in written[1:])}.")
    console.result(target)


@outputs.command(short_help="Check the log, compare every picture with the works, count.")
@click.argument("folder", type=options.FOLDER, metavar="DIR")
@click.option(
    "--originals", required=True, type=options.URI, metavar="WORKS", help="The works: a folder, a table or an index."
)
@click.option("--controls", type=options.FOLDER, metavar="DIR", help="Control works, with controls.csv.")
@click.option("--log", type=options.PATH, metavar="FILE", help="The log.  [default: log.csv or log.jsonl in DIR]")
@click.option("--plan", "plan_file", type=options.PATH, metavar="FILE", help="The plan written before the first try.")
@click.option(
    "--trust",
    type=options.PATH,
    multiple=True,
    metavar="FILE",
    help="Certificate of an issuer that you trust, for the signature and the timestamp of the plan.",
)
@click.option(
    "--candidates",
    type=click.IntRange(min=0),
    metavar="N",
    help="Works that a picture is laid over beside those its prompt aims at.  [default: as the plan states, else 3]",
)
@click.option("-o", "--out", required=True, type=options.OUT, metavar="DIR", help="Folder of the results.")
@click.option("--resume", is_flag=True, help="Go on where a run into the same folder stopped.")
@options.device
@options.paper
@options.reporting
@click.pass_obj
def examine(
    console: Console,
    folder: Path,
    originals: str,
    controls: Path | None,
    log: Path | None,
    plan_file: Path | None,
    trust: tuple[Path, ...],
    candidates: int | None,
    out: Path,
    resume: bool,
    device: str | None,
    precision: str | None,
    paper: str | None,
) -> None:
    """Hold the log of DIR against its pictures and the plan, compare every picture with WORKS, and count.

    DIR holds the pictures as the service gave them, screenshots or web captures (WACZ), and the log, a row a try, the
    refused ones as well. Without --plan the log has to state the class of each prompt and the works it aims at. The
    path of the PDF is written to standard output.
    """
    with console.working():
        from forensics.outputs import document
        from forensics.outputs.outputs import Request, seal
        from forensics.outputs.outputs import outputs as run

        # Paths in full would tell where the examiner keeps things.
        command = "forensics " + shlex.join(Path(a).name if "/" in a else a for a in sys.argv[1:])
        request = Request(
            folder,
            originals,
            command,
            controls,
            log,
            plan_file,
            trust,
            candidates,
            device or "auto",
            precision or "auto",
        )
        found = run(request, out, resume=resume, emit=console.emit)
        pdf = document.write(out, paper=paper or "A4")
        seal(out)
        said = document.answer(found)
    for line in said:
        console.note(line)
    console.result(pdf)
