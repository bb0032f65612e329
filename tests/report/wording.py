"""The wording rules of the report as a lint: words that overstate, decide a legal question, or blame.

`violations(text, quoted)` returns one line for each phrase that our own text must not contain. Text that comes from
the material (captions, file names, metadata, prompts) is exempt and passed in as `quoted`; `quotations(case)` collects
it. Usable on any rendered report: `violations(pdf_text, quotations(case))`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from forensics.case import Case, Style

AVOID: dict[str, str] = {
    r"infring\w*": "a legal conclusion",
    r"plagiari\w*": "an accusation",
    r"stolen|steal\w*|theft": "an accusation",
    r"copied|copying": "say: corresponds",
    r"substantially similar": "the court's question, never a finding",
    r"substantial similarity": "the court's question, never a finding",
    r"substantial part": "a legal conclusion",
    r"derivative work\w*": "a legal conclusion",
    r"fair use|fair dealing": "a legal conclusion",
    r"guilty|guilt|liable|liability": "a legal conclusion",
    r"prove[sdn]?|proof|proving": "measurements support; they do not establish",
    r"match(?:es|ed|ing)?": "say what corresponds, and by which measure",
    r"identical\w*": "only of bytes or pixels with equal digests",
    r"(?:stored|contained|compressed|saved) (?:with)?in the (?:model|checkpoint|weights)": "a theory of the law",
    r"compressed cop(?:y|ies)": "a theory of the law",
    r"memori[sz]\w*": "use the defined terms",
    r"source images?": "assumes derivation",
    r"certain|certainty|certainly|undoubtedly|conclusive\w*": "no method reaches it",
    r"100\s?(?:%|percent|per cent)": "no method reaches it",
    r"zero error\w*|error-free": "no method reaches it",
    r"daubert[- ]compliant|court-ready|court-proof|admissib\w+": "for the court",
    r"\bAI (?:says|finds|found|determined|concludes)": "a person or a measurement says",
    r"verdict\w*": "for the court",
    r"(?:overall|composite|combined|total) (?:similarity )?(?:score|rating)": "measures are not combined",
    r"red flag|green light|traffic light|red/amber/green": "no verdict by colour",
    r"\d+(?:\.\d+)?\s?% (?:confiden\w+|likely|probability|sure)": "no probability of a proposition",
    r"obviously|clearly|blatant\w*|striking\w*": "an adjective outside the table of words",
}
"""Pattern (whole words, any case) -> why it is avoided."""

ALLOWED: tuple[str, ...] = (
    r"Whether works are substantially similar, or a right is infringed, is for the court",
    r"(?:Assessment for the )?question of substantial similarity",
    r"there is no overall score",
    r"(?:byte|pixel)-identical|identical (?:bytes|pixels)",
    r"copyright, memorization, and generative AI",
    r"inversion-based measure of memorization for diffusion models",
    r"explaining, and mitigating memorization in diffusion models",
    r"copying in fact",
    r"features for lightweight image matching",
)
"""The documented exceptions: the fixed sentence, the name of the section, hash equality, a denial, cited titles, the
name of a legal question in a jurisdiction pack."""


def violations(text: str, quoted: Iterable[str] = ()) -> list[str]:
    """Every avoided phrase in `text`, with its surroundings, after taking out what is quoted from the material."""
    flat = _flat(text)
    for passage in sorted({_flat(q) for q in quoted if len(q.strip()) > 2}, key=len, reverse=True):
        # Whole words alone: a creator called "mode" is no part of "models".
        flat = re.sub(rf"(?<!\w){re.escape(passage)}(?!\w)", " ", flat)
    for pattern in ALLOWED:
        flat = re.sub(pattern, " ", flat, flags=re.IGNORECASE)
    found = []
    for pattern, reason in AVOID.items():
        for hit in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", flat, flags=re.IGNORECASE):
            around = flat[max(0, hit.start() - 40) : hit.end() + 40].strip()
            found.append(f"{hit.group()!r} ({reason}): … {around} …")
    return found


def quotations(case: Case) -> tuple[str, ...]:
    """Everything in a case that comes from the material or from a person, and is printed as it stands."""
    said: list[str] = [*case.matter.questions, case.matter.title, case.matter.court, case.matter.claimant]
    said += [case.matter.respondent, case.matter.instructed_by, case.matter.examiner, case.matter.reference]
    said += [case.matter.instructions, case.matter.provenance]
    said += [getattr(case.matter.person, f.name) for f in dataclasses.fields(case.matter.person)]
    for item in case.items:
        said += [item.file_name, *(f.value for f in (*item.metadata, *item.generator, *item.provenance))]
        said += [f.name for f in (*item.metadata, *item.generator, *item.provenance)]
    for check in case.checks:
        said += [check.tool, check.version, check.by, check.on, check.where, check.result, check.file_name]
    for n in case.neighbours:
        said += [n.training_id, n.caption, n.creator]
    if isinstance(case.style, Style):
        said += [c.creator for m in case.style.measures for c in m.creators]
    for comparison in case.comparisons:
        said += [s.control for s in comparison.controls]
    said += [v.prompt for v in case.inversions]
    said += [s.value for s in case.settings]
    said += [c.item for c in case.custody]  # names of folders and files, as the person called them
    return tuple(said)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00ad", "").replace("’", "'"))
