"""`forensics schema`: the published form of `case.json`."""

from __future__ import annotations

import json

import click


@click.command(short_help="Print the JSON Schema of case.json.")
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of case.json to standard output."""
    from forensics.case import SCHEMA, Case
    from forensics.schema import json_schema

    click.echo(json.dumps(json_schema(Case, f"forensics case, schema version {SCHEMA}"), indent=2, ensure_ascii=False))
