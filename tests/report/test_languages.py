"""A report in another language: no English left in its opinion, numbers and dates by locale, verified as drawn."""

from __future__ import annotations

import dataclasses
import html as markup
import re
import shutil
from pathlib import Path

import pikepdf
import pytest

from forensics import documents, jurisdictions, languages, report
from forensics.case import Absent, Case, Matter, Outcome
from forensics.errors import VerificationError
from forensics.origin.gate import Candidates, gate
from forensics.overlay.glued import Glued
from forensics.protocol import PROFILES
from forensics.report import derived, drawn, html, pdf, stored_pictures
from forensics.report.translation import catalogue, material, page
from forensics.report.view import view
from forensics.stages import overlay_words, word_rates
from tests.report import golden, pages
from tests.report.cases import CASES
from tests.studies import message_catalogue
from tests.test_casefile import small_case
from tests.tools import verapdf

OTHERS = [name for name in languages.names() if name != languages.ENGLISH]
ENGLISH = re.compile(
    r"\b(the|of|and|with|which|were|are|not|to|by|for|from|that|this|its?|has|have|than|none|each|given|does|or|as|at|"
    r"be|been|is|on|would|could|no|their|these|those|between|under)\b"
)
"""Words that stand in most English sentences and in none of the catalogues."""


def cases(folder: Path) -> dict[str, tuple[Case, Path]]:
    """Those that are stored, and one whose pictures are all at hand."""
    made = {name: golden.stored(name) for name in golden.EXAMINED}
    return made | {"whole": (CASES["compare"](folder), folder)}


def spoken(text: str) -> list[str]:
    """Texts of the document and of what is said of its pictures, without what is marked as English or is no prose:
    titles of publications, settings as they are typed, digests, commands."""
    bare = re.sub(r"<(style|head|code).*?</\1>", "", text, flags=re.DOTALL)
    bare = re.sub(r'<span lang="en">.*?</span>', "", bare, flags=re.DOTALL)
    bare = re.sub(r'<div class="refs" lang="en">.*?</div>', "", bare, flags=re.DOTALL)
    bare = re.sub(r'<h2 id="settings">.*?</div>', "", bare, flags=re.DOTALL)
    parts = re.split(r"<[^>]+>", re.sub(r'alt="([^"]*)"', r">\1<", bare))
    return [markup.unescape(part).strip() for part in parts if part.strip()]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Case, Path]]:
    return cases(tmp_path_factory.mktemp("languages"))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("detail", [None, 0, 1, 2, 3])
def test_every_sentence_of_a_real_case_has_an_entry(
    language: str, detail: int | None, everything: dict[str, tuple[Case, Path]]
) -> None:
    for name in golden.EXAMINED:
        case, _ = everything[name]
        template = "report.html.j2" if detail is None else "letter.html.j2"
        english = html.render(view(case), template, detail=detail or 0)
        made = page.translated(english, catalogue.load(language), material.verbatim(case), material.forms(case))
        assert made.left == (), name


@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left_in_the_document(language: str, everything: dict[str, tuple[Case, Path]]) -> None:
    for name in golden.EXAMINED:
        case, folder = everything[name]
        given = sorted(material.verbatim(case), key=len, reverse=True)
        for text in spoken(report.render_html(case, folder, language=language)):
            bare = re.sub("„[^“]*“", "", text)
            for passage in given:
                bare = bare.replace(passage, "") if len(passage) > 3 else bare
            bare = re.sub(r"\S*[-./_]\S*", "", bare)  # names of systems and files
            assert not ENGLISH.search(bare), text


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_said_of_the_further_source_has_entries(language: str) -> None:
    rates = word_rates.with_source(word_rates.rates(), Glued.title)
    rests = overlay_words.rests(Outcome.PARTLY, Outcome.NONE, Glued.title, aligned=True)
    absent = Absent("regeneration by the stated recipe", "The file states no generation parameters.")
    candidates = Candidates(("N1",), (), {"N1": ("mirrored",)}, {"N1": Outcome.NONE}, Glued.title)
    moved = gate((), absent, PROFILES["quick"], candidates, "Q1").sentence
    said = (rates.said, f"the word without {Glued.title}, on whose alignments it rests", Glued.role, rests, moved)
    found = [catalogue.Translator(catalogue.load(language)).say(text) for text in said]
    assert [one.left for one in found] == [()] * len(said)
    assert not any(ENGLISH.search(re.sub(r"[„(][^“)]*[“)]", "", one.text)) for one in found)


def test_the_detector_finds_english(everything: dict[str, tuple[Case, Path]]) -> None:
    case, folder = everything["compare"]
    assert sum(bool(ENGLISH.search(text)) for text in spoken(report.render_html(case, folder))) > 50


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_of_the_source_and_of_the_templates_has_an_entry(language: str) -> None:
    assert message_catalogue.lacking(language) == []
    known = {" ".join(text.split()) for _, text in message_catalogue.sentences()}
    gone = [part for part in message_catalogue.PARTS if " ".join(part.split()) not in known and " " in part]
    assert not gone, "parts that the source no longer holds"


@pytest.mark.parametrize("language", OTHERS)
def test_entries_are_whole_and_none_stands_twice(language: str) -> None:
    entries = catalogue.load(language).entries
    keys = [(e.context, e.source) for e in entries]
    assert len(keys) == len(set(keys))
    for e in entries:
        assert not re.search(r"[{}]", re.sub(r"\{\w+(:\w+|\?)?\}", "", e.source + e.target)), e.source
        assert e.source.count("“") == e.source.count("”"), e.source
        assert e.target.count("„") == e.target.count("“"), e.target
        ends = {text[-1] for text in (e.source, e.target)} & set(".?!")
        assert " " not in e.source or not ends or e.source[-1] == e.target[-1] or e.source[-1] == "}", e.source


@pytest.mark.parametrize("language", OTHERS)
def test_no_two_entries_fit_one_sentence_equally_well(language: str, everything: dict[str, tuple[Case, Path]]) -> None:
    """With equal letters of their own the order of the file would decide what is printed."""
    found = catalogue.load(language)
    for name in golden.EXAMINED:
        collected = message_catalogue.Collected(language)
        page.collect(html.render(view(everything[name][0])), collected)
        for text in collected.asked:
            fits = [e for e in found.fitting(text) if not e.context and e.pattern and e.pattern.fullmatch(text)]
            best = [e.source for e in fits if e.letters == max(f.letters for f in fits)]
            assert len(best) < 2, (text, best)


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("0.05", "0,05"),
        ("12\u202f345.5", "12\u202f345,5"),
        ("−0.349", "−0,349"),
        ("-0.0416", "−0,0416"),
        ("0.967 (0.944–0.973)", "0,967 (0,944–0,973)"),
        ("1.0e-05", "1,0\u202f·\u202f10⁻⁵"),
        ("2e-05", "2\u202f·\u202f10⁻⁵"),
        ("1.5e+06", "1,5\u202f·\u202f10⁶"),
        ("12345e67 123e4567", "12345e67 123e4567"),
        ("near-copies 8 of 8; q 1.0e-05", "Beinahe-Kopien 8 von 8; q 1,0\u202f·\u202f10⁻⁵"),
        ("1 of 9 control works score as low (p = 3e-06; 95 % interval for that share 1e-07 to 0.1).",
         "1 von 9 Kontrollwerken hat einen ebenso niedrigen Wert (p = 3\u202f·\u202f10⁻⁶; 95-%-Intervall für diesen "
         "Anteil 1\u202f·\u202f10⁻⁷ bis 0,1)."),
        ("1 of codelength, drawn with seed 0; largest relative difference 2e-05",
         "1 von „codelength“, gezogen mit Startwert 0; größte relative Differenz 2\u202f·\u202f10⁻⁵"),
        ("13.5 kB (13\u202f516 bytes)", "13,5 kB (13\u202f516 Byte)"),
        ("Jakob [address left out]", "Jakob [Adresse ausgelassen]"),
        ("“Autoencoder round trip” and “Regeneration from the prompt”: 8 seeds of one prompt were drawn in each; other "
         "prompts were not tested.",
         "„Durchgang durch den Autoencoder“ und „Regenerierung aus dem Prompt“: Gezogen wurden jeweils 8 Startwerte "
         "eines Prompts; andere Prompts wurden nicht geprüft."),
        ("No correspondence was measured between the disputed image and a picture of the training index, N2.",
         "Zwischen dem streitgegenständlichen Bild und dem Bild N2 des Trainingsindex wurde keine Übereinstimmung "
         "gemessen."),
        ("3 November 2026, 09:12:44 UTC", "3. November 2026, 09:12:44 UTC"),
        ("29 March 2026", "29. März 2026"),
        ("forensics 0.1.0", "forensics 0.1.0"),
        ("CPR PD 35, 3.2(6)", "CPR PD 35, 3.2(6)"),
        ("97%", "97\u202f%"),
        ("R1, N2 and N3", "R1, N2 und N3"),
        ("1 work put forward and 3 pictures found in the training index", None),
        ("in 1 of 1 try (at least 3\u202f%)", "in 1 von 1 Versuch (mindestens 3\u202f%)"),
        ("in 0 of 3 tries (at most 71\u202f%)", "in 0 von 3 Versuchen (höchstens 71\u202f%)"),
        ("The disputed image corresponds in part to the work put forward, R1: 40\u202f% of the one, all of the other.",
         "Das streitgegenständliche Bild stimmt teilweise mit dem vorgelegten Werk R1 überein: das eine zu 40\u202f%, "
         "das andere ganz."),
        ("Title: 1 of 19 controls are at least as extreme (p = 0.10).", None),
    ],
)  # fmt: skip
def test_german_is_written_as_germans_write_it(english: str, german: str | None) -> None:
    said = catalogue.Translator(catalogue.load("de"), {"Title", "Jakob [address left out]"}).say(english)
    if german is None:
        assert (not said.left and "1 von 19 Kontrollwerken ist" in said.text) or "1 vorgelegtes Werk und 3" in said.text
    else:
        assert said.text == german


def test_what_has_no_entry_stays_english_is_marked_and_counted() -> None:
    text = '<html lang="en"><body><p id="notice"></p><p>The result lies inside the range of the controls.</p>'
    made = page.translated(f"{text}<p>Nobody wrote this sentence.</p></body></html>", catalogue.load("de"), ())
    assert made.left == ("Nobody wrote this sentence.",)
    assert '<span lang="en">Nobody wrote this sentence.</span>' in made.html
    assert "1 Satz hat im Satzverzeichnis" in made.html
    assert '<html lang="de">' in made.html


@pytest.mark.parametrize("around", ["{}", '<div class="record-part">{}</div>'])
def test_private_letters_of_the_material_are_taken_for_no_elements(around: str) -> None:
    said = '<p>Of \ue000 and &#xE001; <a class="sec" href="#answers"></a> nobody \uf8ff wrote.</p>'
    text = f'<html lang="en"><body><p id="notice"></p>{around.format(said)}</body></html>'
    made = page.translated(text, catalogue.load("de"), ())
    assert said[3:-4] in made.html
    assert len(made.left) == 1
    quoted = "\uf001 “one” and “two”"
    assert catalogue.Translator(catalogue.load("de")).say(quoted).text.count("one") == 1


def test_letters_of_the_material_stand_as_they_are() -> None:
    words = "the disputed image"
    translator = catalogue.Translator(catalogue.load("de"), {words, "a bull, 3.5"})
    assert translator.say(words).text == words
    given = (
        "Given the words “a bull, 3.5”, no words, the checkpoint gave a near-copy of R1 in 0 of 8 tries (at most 3 %)."
    )
    said = translator.say(given)
    assert "„a bull, 3.5“" in said.text
    assert said.left == ()


def test_what_a_file_quotes_is_never_read_as_a_sentence_of_ours() -> None:
    prompt = "no words, the disputed image. Not known. " * 500
    translator = catalogue.Translator(catalogue.load("de"))
    said = translator.say(f"The file states a prompt: “{prompt}”. Metadata can be forged.")
    assert said.text == f"Die Datei gibt einen Prompt an: „{prompt}“. Metadaten lassen sich fälschen."
    assert said.left == ()


def test_a_sentence_is_never_swallowed_by_a_place() -> None:
    """Two sentences are two entries, whatever could be read into the last place of the first."""
    translator = catalogue.Translator(catalogue.load("de"))
    one = "No likelihood ratio: no validation record exists for this checkpoint and this version of the protocol."
    assert translator.say(f"{one} It cannot be said here.").left == ("It cannot be said here",)
    assert translator.say(f"{one} {one}").left == ()


def test_forms_of_an_english_law_stay_in_its_words(tmp_path: Path) -> None:
    case = CASES["bare"](tmp_path)
    case = dataclasses.replace(case, matter=Matter(jurisdiction="uk"))
    text = report.render_html(case, tmp_path, language="de")
    form = next(iter(sorted(material.forms(case), key=len, reverse=True)))
    assert f'<span lang="en">{markup.escape(form, quote=False)}</span>' in text
    assert "England und Wales, Stand" in text


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("pack", jurisdictions.names())
def test_every_jurisdiction_has_its_words(language: str, pack: str, everything: dict[str, tuple[Case, Path]]) -> None:
    case, _ = everything["compare"]
    case = dataclasses.replace(case, matter=dataclasses.replace(case.matter, jurisdiction=pack))
    english = html.render(view(case, "Ada Lovelace"))
    made = page.translated(english, catalogue.load(language), material.verbatim(case), material.forms(case))
    assert made.left == ()


def test_no_german_sentence_names_a_right_but_where_the_law_is_named() -> None:
    """Copyright has names for what can be done with a work; a measurement knows none of them."""
    said = re.compile(r"(?i)vervielfältig|reproduzi|bearbeitet|wiedergabe|umgestalt|entstell|verbreit")
    of_the_law = {"Whether a reproduction in the sense of the directive lies in the parameters of a model.",
                  "Reproduction by the model"}  # fmt: skip
    entries = [e for e in catalogue.load("de").entries if e.source not in of_the_law]
    assert [e.target for e in entries if said.search(e.target)] == []


def test_no_german_sentence_says_more_than_a_measurement_can() -> None:
    said = re.compile(r"(?i)plagi|gestohlen|diebstahl|beweist|bewiesen|zweifelsfrei|identisch|komprimiert|auswendig"
                      r"|memoris|schuld|mit sicherheit|rechtswidrig|enthalten im modell")  # fmt: skip
    assert [e.target for e in catalogue.load("de").entries if said.search(e.target)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_record_is_translated_and_publications_alone_are_marked_as_english(
    language: str, everything: dict[str, tuple[Case, Path]]
) -> None:
    case, folder = everything["analyze"]
    text = report.render_html(case, folder, language=language)
    assert re.findall(r'<(\w+)[^>]* lang="en">', text) == ["div"]
    assert '<div class="refs" lang="en">' in text
    assert '<p id="notice">' in text
    record = text.split("record-part", 1)[1]
    assert re.search(r"<h1[^>]*>Methode</h1>", record)
    assert "<i>k</i> mindestens ebenso extrem" in record
    assert re.search(r'<span class="nowrap">Kanal\.<span class="note">SHA-256 ist', record)


@pytest.mark.parametrize("where", ["<p>{}</p>", '<table><tr><td class="hash">00</td><td>{}</td></tr></table>',
                                   '<img alt="{}">', '<dl class="list"><dt>Name</dt><dd class="verbatim">{}</dd></dl>',
                                   '<svg><title>{}</title></svg>'])  # fmt: skip
def test_a_sentence_of_the_record_without_an_entry_is_counted(where: str) -> None:
    said = "Nobody wrote this sentence."
    text = f'<html lang="en"><body><p id="notice"></p><div class="record-part">{where.format(said)}</div></body></html>'
    made = page.translated(text, catalogue.load("de"), ())
    assert made.left == (said,)
    assert "1 Satz hat im Satzverzeichnis" in made.html


def test_what_stands_as_it_is_in_the_record_is_not_counted() -> None:
    kept = (
        '<div class="refs"><p>A. Nobody (2020). A title of nobody. <i>Nowhere 2020</i>.</p></div>'
        '<h2 id="settings">Einstellungen</h2><dl class="list"><dt>max_pixels</dt><dd>given as typed</dd></dl>'
        '<p id="tab-meta-Q1">Bild</p><dl class="list"><dt>Software</dt><dd>the disputed image 3.5</dd></dl>'
        '<table><tr><td class="hash">abcdefab cdefabcd</td></tr></table>'
    )
    made = page.translated(f'<html lang="en"><div class="record-part">{kept}</div></html>', catalogue.load("de"), ())
    assert made.left == ("Einstellungen", "Bild")
    assert "given as typed" in made.html
    assert "the disputed image 3.5" in made.html
    assert '<div class="refs" lang="en"><p>A. Nobody (2020). A title of nobody. <i>Nowhere 2020</i>.' in made.html


def test_labels_of_the_program_are_translated_beside_what_a_file_states() -> None:
    translator = catalogue.Translator(catalogue.load("de"), {"C2PA trust", "the disputed image"})
    assert translator.labelled("C2PA trust") == "C2PA-Vertrauen"
    assert translator.labelled("the disputed image") == "the disputed image"
    said = translator.labelled("The certificate leads to an issuer on the disputed image.")
    assert said == "Das Zertifikat führt zu einem Aussteller auf the disputed image."


def test_a_german_report_of_a_sealed_case_verifies_and_the_case_stays(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    before = (folder / "data/case.json").read_bytes()
    documents.write(folder, ("pdf",), drawing=documents.Drawing("de"), summary=True)
    assert (folder / "data/case.json").read_bytes() == before
    assert any("2 of 2 documents are, byte for byte" in said for said in documents.verify(folder))
    for name in ("report.pdf", "summary.pdf"):
        data = (folder / name).read_bytes()
        assert derived.language_of(data, name) == "de"
        with pikepdf.open(folder / name) as document:
            assert "Gutachten" in str(document.docinfo["/Title"])


def test_no_german_page_is_left_half_empty(everything: dict[str, tuple[Case, Path]], tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is not installed")
    case, folder = everything["analyze"]
    shown = stored_pictures.read(case, folder)
    text = report.render_html(case, folder, language="de")
    made = pdf.write(text, shown | drawn.pictures(case, shown), created=case.created, language="de")
    assert pages.half_empty(made, tmp_path, "Inhalt", "Angaben, die nur eine Person machen kann") == {}
    opinion = next(n for n, t in enumerate(pages.page_texts(made)) if re.search(r"^Inhalt$", t, re.MULTILINE))
    assert opinion <= 12


@pytest.mark.parametrize("language", OTHERS)
def test_archival_and_accessible_in_every_language(
    language: str, everything: dict[str, tuple[Case, Path]], tmp_path: Path
) -> None:
    verapdf.require()
    case, folder = everything["whole"]
    path = tmp_path / "report.pdf"
    path.write_bytes(report.render(case, folder, language=language))
    assert verapdf.failures([path]) == {(path.name, profile): [] for profile in verapdf.PROFILES}


def test_a_document_in_an_unknown_language_is_named(tmp_path: Path) -> None:
    data = pdf.write('<html lang="xx"><title>x</title><link rel="stylesheet" href="report.css"><p>x', {},
                     created="2026-11-22T09:12:44Z")  # fmt: skip
    with pytest.raises(VerificationError, match="xx"):
        derived.language_of(data, "report.pdf")
