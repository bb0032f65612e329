"""The command line: the only part that knows a terminal, and the only importer of click.

One file a command, loaded when it is used; what is heavy is imported inside the command.
"""

from __future__ import annotations

import click

from forensics import __version__
from forensics.cli.group import Commands

main = Commands(
    name="forensics",
    rows={
        "demo": "forensics.cli.demo:demo",
        "init": "forensics.cli.init:init",
        "analyze": "forensics.cli.analyze:analyze",
        "compare": "forensics.cli.compare:compare",
        "report": "forensics.cli.report:report",
        "sign": "forensics.cli.sign:sign",
        "verify": "forensics.cli.verify:verify",
        "validate": "forensics.cli.validate:validate",
        "batch": "forensics.cli.batch:batch",
        "survey": "forensics.cli.survey:survey",
        "outputs": "forensics.cli.outputs:outputs",
        "doctor": "forensics.cli.doctor:doctor",
        "schema": "forensics.cli.schema:schema",
        "index": "forensics.cli.index:index",
        "controls": "forensics.cli.controls:controls",
        "weights": "forensics.cli.weights:weights",
        "defaults": "forensics.cli.defaults:defaults",
    },
    help=(
        "Evidence about whether a generative image model gives back a work.\n\n"
        "Start with `forensics demo`, then `forensics analyze IMAGE`: the path of the report is written to standard "
        "output, everything else to standard error."
    ),
    epilog="Exit codes and shell completion are described in docs/programs.md.",
)
click.version_option(__version__, prog_name="forensics")(main)

__all__ = ["main"]
