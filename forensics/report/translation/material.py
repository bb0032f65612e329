"""What of a case is no sentence of ours: names, captions, questions put by a party. No catalogue translates it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forensics import jurisdictions
from forensics.case import Absent, Case
from forensics.report import words

ENGLISH_LAW = frozenset({"uk", "us", "us-observer"})
"""Packs whose forms are statutory words in English."""


def verbatim(case: Case) -> frozenset[str]:
    """Every text of the material that the report can print, as received and as the report writes it."""
    return frozenset(written for text in _texts(case) for written in _written(text))


def forms(case: Case) -> frozenset[str]:
    """The forms of an English-speaking jurisdiction: whoever signs one signs the words of its law."""
    if case.matter.jurisdiction not in ENGLISH_LAW:
        return frozenset()
    pack = jurisdictions.load(case.matter.jurisdiction)
    return frozenset(text for form in pack.forms for text in (form.title, form.source, *form.text, *form.fields))


def _written(text: str) -> Iterator[str]:
    if not text.strip():
        return
    for form in (text, words.public(text), words.sentence(text), words.cut(text, 60)):
        yield " ".join(form.split(" ")).strip()


def _texts(case: Case) -> Iterator[str]:
    m, p = case.matter, case.matter.person
    yield from (m.reference, m.title, m.court, m.claimant, m.respondent, m.instructed_by, m.examiner)
    yield from (m.provenance, m.instructions, *m.questions)
    stated = (p.qualifications, p.publications, p.testimony, p.compensation, p.conflicts, p.operator, p.supervision)
    yield from stated
    for pair in ((p.publications, p.testimony), (p.compensation, p.conflicts), (p.operator, p.supervision)):
        yield " ".join(words.sentence(part) for part in pair if part)
    for item in case.items:
        yield item.file_name
        for fact in (*item.generator, *item.metadata, *item.provenance):
            yield from (fact.name, fact.value)
    for n in case.neighbours:
        yield from (n.training_id, n.caption, n.creator, n.licence, n.url)
    yield from (c.actor for c in case.custody)
    yield from (m.reference for m in case.metrics)
    if not isinstance(case.style, Absent):
        yield from (row.creator for measure in case.style.measures for row in measure.creators)
    yield from (v.prompt or "" for v in case.inversions)
    yield from (v.checkpoint or "" for v in case.inversions)
    yield from _models(case)


def _models(case: Case) -> Iterator[Any]:
    c = case.checkpoint
    if not isinstance(c, Absent):
        yield from (c.name, c.location, c.family, c.layout, c.base, *c.lora, *c.embeddings)
    if not isinstance(case.index, Absent):
        yield from (case.index.name, case.index.embedder, case.index.coverage, case.index.source)
    for reconstruction in getattr(case.origin, "reconstructions", ()) if not _absent(case) else ():
        yield reconstruction.autoencoder


def _absent(case: Case) -> bool:
    return isinstance(getattr(case.origin, "reconstructions", Absent("", "")), Absent)
