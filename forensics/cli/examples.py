"""An example of every command that asks for something: shown by --help, and where what it asks for is missing."""

from __future__ import annotations

import click

EXAMPLES: dict[str, tuple[str, ...]] = {
    "analyze": (
        "forensics analyze disputed.png",
        "forensics analyze disputed.png --checkpoint models/generator --original work.png --controls later-works",
    ),
    "compare": ("forensics compare theirs.png mine.png -o first-look",),
    "report": ("forensics report first-look", "forensics report first-look --format docx"),
    "sign": ("forensics sign first-look --pkcs12 examiner.p12",),
    "verify": ("forensics verify first-look", "forensics verify first-look --rerun"),
    "validate": ("forensics validate --checkpoint models/generator --manifest works.jsonl -o record",),
    "batch": ("forensics batch cases.toml", "forensics batch cases.toml --ray local --workers 2 --resume"),
    "survey": ("forensics survey works --checkpoint models/generator --controls later-works -o survey",),
    "outputs examine": ("forensics outputs examine collected --originals works --controls later-works -o result",),
    "outputs plan": ("forensics outputs plan plan.toml -o plan.json",),
    "index approximate": ("forensics index approximate indexes/training --tag fast",),
    "index build": ("forensics index build pictures -o indexes/training --clip ViT-B-32/openai",),
    "index export": ("forensics index export indexes/training -o embeddings",),
    "index import": ("forensics index import embeddings -o indexes/training",),
    "index info": ("forensics index info indexes/training",),
    "index recall": ("forensics index recall indexes/training",),
    "index search": ("forensics index search indexes/training disputed.png",),
    "index verify": ("forensics index verify indexes/training",),
    "controls build": ('forensics controls build later-works --ground "made after the publication of the checkpoint"',),
    "controls check": ("forensics controls check later-works --image disputed.png",),
    "controls export": ("forensics controls export scores.jsonl",),
    "controls import": ("forensics controls import scores.jsonl",),
    "weights convert": ("forensics weights convert model.ckpt",),
    "weights fetch": ("forensics weights fetch --recommended",),
    "defaults set": (
        "forensics defaults set --checkpoint models/generator --index indexes/training --controls later-works",
    ),
    "defaults remove": ("forensics defaults remove --checkpoint models/generator",),
}
"""Command, as it is typed after `forensics` -> lines that can be typed, with names put in the place of one's own."""


def of(context: click.Context | None) -> tuple[str, ...]:
    """Examples of the command that is being read; none where there are none."""
    words = []
    while context is not None and context.parent is not None:
        words.append(context.info_name or "")
        context = context.parent
    return EXAMPLES.get(" ".join(reversed(words)), ())


def shown(lines: tuple[str, ...]) -> str:
    """As `--help` and a message show them, a line each."""
    return "\n".join((f"{'Example' if len(lines) == 1 else 'Examples'}:", *(f"  {line}" for line in lines)))


def put_into(command: click.Command, path: str) -> None:
    """Make `--help` of a command, and of those below it, end with their examples."""
    if lines := EXAMPLES.get(path):
        command.epilog = f"\b\n{shown(lines)}"
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            put_into(below, f"{path} {name}")
