"""The pages stay few and drawn whatever a collection holds: many versions, works and deviations, and long names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pypdfium2
from PIL import Image

from forensics import files
from forensics.case import Absent, Fact, Outcome
from forensics.outputs import document, rates, said
from forensics.outputs.check import Deviation, Kind
from forensics.outputs.log import Result
from forensics.outputs.plan import PromptClass
from forensics.outputs.results import FILE, SCHEMA, Judged, NotUsed, Outputs, PlanFacts, Shown, Try
from forensics.report import html
from forensics.schema import canonical
from tests.tools import axe

LONG = "Ä ridiculously-long_name/" * 12
PICTURE = "exhibits/one.png"


def tries() -> tuple[Try, ...]:
    """Nine versions of four services, five classes, fourteen works, two tries each."""
    found = []
    for n in range(9 * 5 * 14 * 2):
        work, rest = n % 14, n // 14
        kind, version = list(PromptClass)[rest % 5], rest // 5 % 9
        hit = n % 3 == 0
        result = Result.PICTURE if n % 7 else Result.REFUSED
        found.append(
            Try(
                line=n + 2,
                number=n + 1,
                time="2026-11-28T12:00:00Z",
                service=f"{LONG}{version % 4}",
                version=f"{version}{LONG}",
                account="",
                seed="",
                prompt=LONG * 3,
                prompt_id="",
                prompt_class=kind,
                image_prompt="",
                works=(f"{work}{LONG}",),
                result=result,
                file=f"{LONG}{n}" if result is Result.PICTURE else "",
                sha256="0" * 64,
                counts=n % 11 > 0,
                why_not="" if n % 11 else "It lies beyond the stop rule.",
                judged=(Judged(f"{work}{LONG}", Outcome.THROUGHOUT, 0.9, 0.9, True),) if hit else (),
                picture=PICTURE if hit else "",
            )
        )
    return tuple(found)


def collection() -> Outputs:
    made = tries()
    controls = frozenset(f"{n}{LONG}" for n in range(7, 14))
    deviations = tuple(Deviation(kind, (n, n + 1), LONG * 2) for kind in Kind for n in range(5))
    pooled = rates.pooled(made, controls)
    return Outputs(
        schema=SCHEMA,
        tool=Fact("forensics", "0"),
        created="2026-11-28T12:00:00Z",
        command=LONG,
        folder=LONG,
        log="log.csv",
        log_sha256="0" * 64,
        unknown_columns=(LONG, LONG),
        plan=PlanFacts(LONG, "0" * 64, "0" * 64, "2026-11-28T12:00:00Z", "By nobody.", "Not signed.", 9, 1, "Never."),
        source=LONG,
        source_digest="0" * 64,
        controls=Fact(LONG, "0" * 64),
        grounds=LONG * 5,
        candidates=3,
        protocol=(Fact("a hit", "so"),),
        word_errors="No rate is known.",
        works=tuple(Shown(f"{n}{LONG}", LONG, "0" * 64, n > 6, PICTURE) for n in range(14)),
        tries=made,
        cells=rates.cells(made, controls),
        pooled=pooled,
        given=rates.given(made, controls),
        off_aim=rates.off_aim(made, controls),
        deviations=deviations,
        explanations=said.explanations(made, pooled, deviations, controls),
        not_used=tuple(NotUsed(f"{n}{LONG}", LONG) for n in range(30)),
        limits=said.LIMITS,
    )


def test_a_large_collection_with_long_names_is_drawn_on_few_pages(tmp_path: Path) -> None:
    found = collection()
    assert not isinstance(found.plan, Absent)
    (tmp_path / "exhibits").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / PICTURE)
    files.write(tmp_path / FILE, canonical(found))
    pages = pypdfium2.PdfDocument(document.write(tmp_path))
    assert len(pages) <= document.PAGES
    text = " ".join(page.get_textpage().get_text_bounded() for page in pages)
    assert f"of {len(found.cells)} rows are shown" in " ".join(text.split())
    assert "3 further versions stand in the table" in " ".join(text.split())
    assert len(found.cells) == 9 * 5 * 14
    for kind in Kind:
        assert kind.value[1:30].split("(")[0].strip() in " ".join(text.split())


def test_the_first_page_names_the_works_that_came_with_words_alone() -> None:
    made = [
        dataclasses.replace(one, service="S", version=str(n % 2), works=("a",) if n < 5 else ("b",), counts=n != 4)
        for n, one in enumerate(tries()[:10])
    ]
    made = [
        dataclasses.replace(
            one,
            prompt_class=PromptClass.IMAGE if n == 2 else PromptClass.VERBATIM,
            image_prompt="x.png" if n == 6 else "",
            judged=(Judged(one.works[0], Outcome.THROUGHOUT, 0.9, 0.9, True),) if n % 2 == 0 else (),
        )
        for n, one in enumerate(made)
    ]
    first = said.answer(rates.given(made, frozenset()), made, Absent("plan", "None.", ""), (), frozenset())
    named = [sentence for sentence in first if sentence.startswith("Works that came so")]
    # Of version 0: a in try 0 (2 had a picture as input, 4 does not count), b in try 8 (6 had one too); of 1 none.
    assert named == ["Works that came so from S, version 0: a in 1 of 1 try; b in 1 of 1 try."]


def test_axe_core_finds_nothing_in_the_table(tmp_path: Path) -> None:
    axe.require()
    found = collection()
    few = dataclasses.replace(found, tries=found.tries[:40], cells=found.cells[:40])
    path = tmp_path / "outputs.html"
    path.write_text(html.render(document.view(few, canonical(few)), "outputs-table.html.j2"), encoding="utf-8")
    with axe.browser() as chromium:
        assert axe.violations(chromium, path) == []
