"""The kinds of pictures that a checkpoint made, by what was an input: they never share a heading."""

from __future__ import annotations

from forensics.case import Given, Inversion

GIVEN: dict[Given, str] = {
    Given.WORDS: "no: words and a seed alone",
    Given.SEARCH: "yes: a search looked at it",
    Given.PICTURE: "yes: the whole of it",
}
"""Whether the picture was an input to a rung."""
MADE: tuple[tuple[str, str], ...] = (
    ("words", "From words"),
    ("searched", "From words searched for with the picture in hand"),
    ("vectors", "From vectors or noise searched for with the picture in hand, which are no text"),
    ("picture", "From the picture itself"),
)
"""The kinds of generated pictures, never shown under one heading."""


def kind_of(v: Inversion) -> str:
    """Under which of the headings a run's pictures stand: a key of `MADE`."""
    if v.given is Given.PICTURE:
        return "picture"
    if v.given is Given.WORDS:
        return "words"
    return "searched" if v.prompt else "vectors"
