"""`forensics schema`: the published form of `case.json`, and of the records that other commands write."""

from __future__ import annotations

import json

import click

RECORDS = {
    "case": "forensics.case:Case",
    "survey": "forensics.survey.results:Survey",
    "outputs": "forensics.outputs.results:Outputs",
    "plan": "forensics.outputs.plan:Plan",
}
"""What is called by a name -> its type, beside which stands the version of its schema."""


@click.command(short_help="Print the JSON Schema of case.json.")
@click.option(
    "--of",
    "record",
    type=click.Choice(tuple(RECORDS)),
    default="case",
    show_default=True,
    help="case.json, survey.json, outputs.json, or the plan.json of `forensics outputs plan`.",
)
def schema(record: str) -> None:
    """Print the JSON Schema (draft 2020-12) of case.json, or of another record, to standard output."""
    from forensics.registry import loaded
    from forensics.schema import json_schema

    row = RECORDS[record]
    version = loaded(f"{row.partition(':')[0]}:SCHEMA")
    title = f"forensics {record}, schema version {version}"
    click.echo(json.dumps(json_schema(loaded(row), title), indent=2, ensure_ascii=False))
