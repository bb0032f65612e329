"""The viewer, in a real browser: it asks for nothing, keeps its policy, and does what its buttons say."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from forensics import documents, languages, resources
from forensics.case import Case, Outcome
from forensics.errors import VerificationError
from forensics.report import derived
from forensics.report.translation import catalogue, material, script
from forensics.report.translation import page as page_of
from forensics.report.viewer import pairs, viewer
from tests.report import golden
from tests.report.cases import CASES
from tests.report.pages import words
from tests.report.wording import quotations, violations
from tests.test_casefile import small_case
from tests.tools import axe

OTHERS = [name for name in languages.names() if name != languages.ENGLISH]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path]:
    folder = tmp_path_factory.mktemp("viewer")
    built = CASES["full"](folder)
    path = folder / "viewer.html"
    path.write_bytes(viewer(built, folder))
    return built, path


def browser() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium: the viewer is not opened in a browser")
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = browser()
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


def opened(chromium: Any, path: Path) -> Any:
    made = chromium.new_page(viewport={"width": 1400, "height": 900})
    made.requests, made.complaints = [], []
    made.on("request", lambda r: made.requests.append(r.url))
    made.on("console", lambda m: made.complaints.append(m.text))
    made.on("pageerror", lambda e: made.complaints.append(str(e)))
    made.goto(path.as_uri())
    until(made, "document.querySelector('img.a').naturalWidth > 0 && stage.dataset.mode")
    return made


@pytest.fixture(scope="module")
def page(case: tuple[Case, Path], chromium: Any) -> Any:
    return opened(chromium, case[1])


def until(page: Any, condition: str) -> None:
    """Wait for a condition. The driver's own waiting evaluates text inside the page, which the policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(condition)


def test_same_case_same_bytes(case: tuple[Case, Path]) -> None:
    assert viewer(case[0], case[1].parent) == case[1].read_bytes()


def test_wording(case: tuple[Case, Path]) -> None:
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", case[1].read_text(encoding="utf-8"), flags=re.DOTALL)
    assert violations(words(html), quotations(case[0])) == []


def test_pairs_make_sense(case: tuple[Case, Path]) -> None:
    """Every work, every output and the nearest control, each with its outcome; no drawing about a pair is a pair."""
    shown = pairs(case[0])
    works = {n.exhibit for n in case[0].neighbours if n.exhibit} | {i.exhibit for i in case[0].items[1:]}
    outputs = {t for v in case[0].inversions for t in v.outputs}
    assert {p.b for p in shown if p.group != "Nearest control"} == works | outputs
    drawings = {t for c in case[0].correspondences for t in c.figures} | {t for v in case[0].inversions for t in v.maps}
    assert not drawings & {tag for p in shown for tag in (p.a, p.b)}
    graded = {a.work for a in case[0].assessments}
    assert all(p.said for p in shown if p.b in outputs | graded)
    laid = {c.work for c in case[0].correspondences if c.regions}
    assert {p.b for p in shown if p.matrix and p.group == "Works"} == laid & works


def test_it_asks_for_nothing_and_breaks_no_rule(page: Any, case: tuple[Case, Path]) -> None:
    addresses = [u for u in page.requests if not u.startswith("data:")]
    assert addresses == [case[1].as_uri()]
    assert page.complaints == []


def test_what_is_injected_does_not_run_and_does_not_load(page: Any) -> None:
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')")
    page.evaluate("const s = document.createElement('script'); s.textContent = 'window.ran=1'; document.body.append(s)")
    outcome = page.evaluate("fetch('https://example.org/').then(() => 'loaded', () => 'blocked')")
    assert outcome == "blocked"
    assert page.evaluate("window.ran") is None
    page.complaints.clear()


def test_one_to_one_is_one_to_one_and_both_move_together(page: Any, case: tuple[Case, Path]) -> None:
    page.keyboard.press("s")
    page.keyboard.press("4")
    exhibit = case[0].exhibit("Q1")
    assert page.evaluate("document.querySelector('img.a').getBoundingClientRect().width") == 4 * exhibit.width
    page.evaluate("document.querySelector('#left .pane').scrollTop = 40")
    until(page, "document.querySelector('#right .pane').scrollTop === 40")
    page.click("button[data-zoom='1']")
    assert page.evaluate("document.querySelector('img.a').getBoundingClientRect().width") == exhibit.width


def test_slider_blink_and_difference(page: Any) -> None:
    page.keyboard.press("o")
    page.evaluate("boundary.value = 30; boundary.dispatchEvent(new Event('input'))")
    assert "30%" in page.evaluate("document.querySelector('.lid').style.clipPath")
    page.keyboard.press("b")
    before = page.evaluate("document.querySelector('.lid').style.visibility")
    page.keyboard.press("x")
    assert page.evaluate("document.querySelector('.lid').style.visibility") != before
    page.keyboard.press("d")
    page.evaluate("gain.value = 16; gain.dispatchEvent(new Event('input'))")
    assert page.evaluate("document.querySelector('#left .stack').style.filter") == "brightness(16)"
    assert page.evaluate("getComputedStyle(document.querySelector('.lid')).mixBlendMode") == "difference"


def test_difference_of_a_picture_with_itself_is_black(page: Any, tmp_path: Path) -> None:
    page.keyboard.press("d")
    page.evaluate("over.src = a.src; over.decode()")
    page.wait_for_timeout(200)
    page.locator("#left .stack").screenshot(path=str(tmp_path / "black.png"))
    from PIL import Image

    with Image.open(tmp_path / "black.png") as shot:
        box = (4, 4, shot.width - 24, shot.height - 24)
        assert max(high for _, high in shot.convert("RGB").crop(box).getextrema()) <= 1
    page.evaluate("choose(0)")


def test_arrows_walk_through_the_pairs(page: Any, case: tuple[Case, Path]) -> None:
    page.evaluate("choose(0)")
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelectorAll('#pairs button')[1].getAttribute('aria-current') === 'true'")
    page.keyboard.press("ArrowUp")
    until(page, "document.querySelectorAll('#pairs button')[0].getAttribute('aria-current') === 'true'")
    assert page.locator("#pairs button").count() == len(pairs(case[0]))


def test_embedded_files_are_hashed_again_and_a_change_is_found(page: Any, case: tuple[Case, Path]) -> None:
    total = len({tag for p in pairs(case[0]) for tag in (p.a, p.b)})
    page.click("#hash")
    until(page, f"hashed.textContent.startsWith('{total} of {total}')")
    page.evaluate("data.exhibits.Q1.bytes = data.exhibits.R1.bytes")
    page.click("#hash")
    until(page, f"hashed.textContent.startsWith('{total - 1} of {total}')")
    assert "DIFFERS" in page.locator("#digests tbody tr").first.inner_text()


def test_laid_over_as_measured_the_edited_sample_differs_less(chromium: Any, tmp_path: Path) -> None:
    """The disputed image of the stored case is a cropped, recoloured rendering: frame on frame little agrees."""
    case, folder = golden.stored("compare")
    path = tmp_path / "viewer.html"
    path.write_bytes(viewer(case, folder))
    made = opened(chromium, path)
    made.keyboard.press("d")
    made.evaluate("gain.value = 1; gain.dispatchEvent(new Event('input'))")
    found = []
    for _ in range(2):
        made.wait_for_timeout(200)
        with Image.open(io.BytesIO(made.locator("#left .stack").screenshot())) as picture:
            across, down = picture.width // 5, picture.height // 5
            middle = picture.convert("L").crop((across, down, 4 * across, 4 * down))
            found.append(ImageStat.Stat(middle).mean[0])
        made.keyboard.press("a")
    made.close()
    laid, frames = found
    assert laid < 0.8 * frames


def test_axe_core_finds_nothing_in_any_view(chromium: Any, case: tuple[Case, Path]) -> None:
    axe.require()
    assert axe.violations(chromium, case[1]) == []


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(language: str, case: tuple[Case, Path]) -> None:
    stored = {name: golden.stored(name) for name in golden.EXAMINED}
    for built, folder in (*stored.values(), (case[0], case[1].parent)):
        own, found = material.verbatim(built), catalogue.load(language)
        english = viewer(built, folder).decode()
        assert page_of.translated(english, found, own, material.forms(built)).left == ()
        data = json.loads(re.search(r'id="data">(.*?)</script>', english, re.DOTALL)[1])  # type: ignore[index]
        titles = [e["title"] for e in data["exhibits"].values()] if built is not case[0] else []  # its own are made up
        said = [p[key] for p in data["pairs"] for key in ("group", "said", "values")]
        translator = catalogue.Translator(found, own)
        assert [left for text in (*titles, *said) for left in translator.say(text).left] == []
        translated = viewer(built, folder, language=language).decode()
        assert translated.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
        assert not [text for text in said if text and " " in text and f'"{text}"' in translated]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("word", list(Outcome))
def test_every_outcome_of_the_nearest_control_has_its_words(
    language: str, word: Outcome, case: tuple[Case, Path]
) -> None:
    assert case[0].control_correspondence is not None
    laid = replace(case[0].control_correspondence, outcome=word)
    (shown,) = (p for p in pairs(replace(case[0], control_correspondence=laid)) if p.group == "Nearest control")
    assert catalogue.Translator(catalogue.load(language)).say(shown.said).left == ()


def test_every_sentence_of_the_script_is_known() -> None:
    text = (resources.templates() / "viewer" / "viewer.js").read_text(encoding="utf-8")
    assert all(literal in text for literal in script.SPOKEN)
    prose = re.compile(r"(^|[ }])[a-z]{2,} ([a-z]{2,}|\$)")
    literals = re.findall(r'"[^"\n]*"|`[^`]*`', text)
    code = {'"use strict"'}
    unknown = [one for one in literals if one not in code and prose.search(one[1:-1]) and "#" not in one]
    assert [one for one in unknown if one not in script.SPOKEN] == []
    assert unknown, "the detector finds sentences"


def test_a_translated_sentence_ends_its_literal_and_no_earlier() -> None:
    entries = [catalogue.entry("Start", "`;${stop()};</script>\\", script.CONTEXT)]
    made, left = script.translated('one("#run").textContent = "Start";', catalogue.Catalogue("de", entries))
    assert made == 'one("#run").textContent = `\\`;\\${stop()};\\u003c/script>\\\\`;'
    assert left == ()


@pytest.mark.parametrize("language", OTHERS)
def test_it_works_alike_in_every_language(chromium: Any, case: tuple[Case, Path], language: str) -> None:
    path = case[1].with_name(f"viewer-{language}.html")
    path.write_bytes(viewer(case[0], case[1].parent, language=language))
    made = opened(chromium, path)
    assert made.complaints == []
    assert [u for u in made.requests if not u.startswith("data:")] == [path.as_uri()]
    assert made.get_attribute("html", "lang") == language
    total = len({tag for p in pairs(case[0]) for tag in (p.a, p.b)})
    made.click("#hash")
    until(made, f"hashed.textContent.startsWith('{total} ')")
    shown = " ".join(made.inner_text("body").split())
    assert "embedded files" not in shown
    assert " and " not in re.sub("„[^“]*“", "", made.inner_text("#pairs"))
    made.keyboard.press("b")
    made.click("#run")
    assert made.inner_text("#run") not in ("Start", "Stop")
    made.close()


@pytest.mark.parametrize("language", OTHERS)
def test_axe_core_finds_nothing_in_another_language(chromium: Any, case: tuple[Case, Path], language: str) -> None:
    axe.require()
    path = case[1].with_name(f"viewer-{language}.html")
    path.write_bytes(viewer(case[0], case[1].parent, language=language))
    assert axe.violations(chromium, path, ("light",)) == []


def test_the_language_that_a_page_declares_is_read_at_its_beginning() -> None:
    assert derived.language_of_page(b'<!DOCTYPE html>\n<html lang="de">', "viewer.html") == "de"
    for page in (b'<html lang="xx">', b"<html>", b"<!--" + b" " * 200 + b'--><html lang="de">', b""):
        with pytest.raises(VerificationError):
            derived.language_of_page(page, "viewer.html")


def test_a_viewer_in_another_language_verifies(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    documents.write(folder, ("pdf", "html"), drawing=documents.Drawing("de"))
    assert b'<html lang="de">' in (folder / "viewer.html").read_bytes()
    assert any("2 of 2 documents are, byte for byte" in said for said in documents.verify(folder))


def test_axe_core_finds_what_is_wrong(chromium: Any, case: tuple[Case, Path], tmp_path: Path) -> None:
    axe.require()
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(re.sub(r"<html lang=.en.", "<html", case[1].read_text(encoding="utf-8")), encoding="utf-8")
    assert any("html-has-lang" in found for found in axe.violations(chromium, spoilt, ("light",)))
