"""What the files of the checkpoint say of their origin, put among the evidence whole and read into tables."""

from __future__ import annotations

from dataclasses import replace

from forensics.case import Statement
from forensics.diffusion.checkpoint import resolve
from forensics.diffusion.statements import statements
from forensics.folder import Ledger
from forensics.folder.layout import EXHIBITS, sha256
from forensics.stages.context import Models

CONVERTED = "says of itself that it was converted from a pickle file of this digest"
"""Action of the custody log; the item is the file that says it, the digest that of the pickle."""


def stated(models: Models, ledger: Ledger) -> Models:
    """The models with the statements of the checkpoint's files, each stored as an exhibit.

    Raises:
        CheckpointError: a file changed since it was hashed.
        CaseError: the exhibit cannot be stored.
    """
    made = []
    for said in statements(models.checkpoint, resolve(models.checkpoint.location)):
        exhibit = ledger.put_file(f"{EXHIBITS}/{sha256(said.whole)}.json", said.whole)
        if said.converted_from:
            ledger.log(CONVERTED, said.file.path, said.converted_from)
        made.append(Statement(said.file.path, exhibit, said.entries, said.converted_from, said.tables))
    return replace(models, checkpoint=replace(models.checkpoint, statements=tuple(made)))
