"""Every kind of error planted into a log is found, a clean log has none, and what counts follows the rule."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import shutil
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from forensics.outputs import received
from forensics.outputs.check import Beside, Kind, check, longest_rising
from forensics.outputs.log import Result
from forensics.outputs.log import Row as LogRow
from forensics.outputs.plan import Plan, PromptClass
from forensics.outputs.received import Received, Stated
from tests.outputs import collections
from tests.studies import outputs_planted
from tests.test_wacz import TIME, URL, package

START = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return collections.drawn(tmp_path_factory.mktemp("plan"))


def test_a_clean_log_has_no_deviation_and_every_try_counts(small: Plan, tmp_path: Path) -> None:
    sown = collections.collected(tmp_path, collections.tries(small, refused=(5, 9)))
    found = collections.checked(sown, small)
    assert found.deviations == ()
    assert len(found.tries) == 120
    assert all(one.counts for one in found.tries)
    assert sum(bool(one.file) for one in found.tries) == 118


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_error_that_was_planted_is_found_and_nothing_else(small: Plan, tmp_path: Path, seed: int) -> None:
    sown = collections.collected(tmp_path, collections.tries(small, refused=(5, 9)))
    outputs_planted.sow(sown, small.created, seed)
    found = collections.checked(sown, small)
    assert sown.missed(found.deviations) == []
    assert sown.false(found.deviations) == []
    assert sum(d.kind is Kind.ORDER for d in found.deviations) == 1
    # The kinds that no log with a plan of this form can show have tests of their own below.
    alone = {Kind.CHANGED, Kind.WORKS, Kind.CREDENTIALS}
    assert {d.kind for d in found.deviations} == set(Kind) - alone
    assert len(found.tries) == len(sown.rows)
    reasons = {one.why_not for one in found.tries}
    assert reasons >= {
        "It is logged twice.",
        "Its prompt is not in the plan.",
        "Its service is not in the plan.",
        "It was made before the plan.",
        "It lies beyond the stop rule.",
    }


@pytest.mark.parametrize("numbered", [True, False])
def test_a_try_that_is_missing_puts_no_other_out_of_order(small: Plan, tmp_path: Path, numbered: bool) -> None:
    rows = collections.tries(small)
    left = [r for n, r in enumerate(rows) if n not in (4, 30, 31)]
    for number, one in enumerate(left, 1):
        one["number"] = one["number"] if numbered else str(number)
    found = collections.checked(collections.collected(tmp_path, left), small)
    assert {d.kind for d in found.deviations} == ({Kind.GAP, Kind.NOT_TRIED} if numbered else {Kind.NOT_TRIED})
    backwards = [{**r, "number": str(n)} for n, r in enumerate(reversed(collections.tries(small)), 1)]
    kinds = [d.kind for d in collections.checked(collections.collected(tmp_path / "b", backwards), small).deviations]
    assert kinds.count(Kind.ORDER) > 60
    assert Kind.BEYOND not in kinds


def row(line: int, **fields: object) -> LogRow:
    plain: dict[str, object] = {
        "line": line,
        "number": line,
        "time": START + dt.timedelta(minutes=line),
        "offset": True,
        "service": "Alpha",
        "version": "1",
        "account": "one",
        "prompt": "a hare",
        "result": Result.REFUSED,
        "file": "",
        "prompt_class": PromptClass.VERBATIM,
    }
    return LogRow(**{**plain, **fields})  # type: ignore[arg-type]


def kinds(rows: list[LogRow], beside: Beside | None = None) -> list[Kind]:
    return [d.kind for d in check(rows, beside or Beside({})).deviations]


def test_a_version_that_changes_mid_way_is_said_without_a_plan_as_well() -> None:
    rows = [row(1), row(2, version="2"), row(3, service="Beta", version="9"), row(4, version="2")]
    assert kinds(rows) == [Kind.CHANGED]


def test_works_that_are_not_those_of_the_plan_are_named(small: Plan) -> None:
    found = check([row(1)], Beside({}, small, small.created, ("w1",)))
    assert [d.said for d in found.deviations if d.kind is Kind.WORKS] == ["w1"]


def test_a_picture_supplied_decides_the_class() -> None:
    found = check([row(1, image_prompt="work.png")], Beside({}))
    assert found.tries[0].prompt_class is PromptClass.IMAGE
    assert [d.kind for d in found.deviations] == [Kind.IMAGE_SUPPLIED]


def test_refusals_in_a_row_end_a_prompt_and_the_places_left_are_no_deviation(small: Plan, tmp_path: Path) -> None:
    rows = collections.tries(small)
    of = [r for r in rows if (r["service"], r["prompt"]) == ("Beta", "the control")]
    for one in of:
        one |= {"result": "refused", "file": ""}
    ended = [r for r in rows if r not in of[3:]]
    for number, one in enumerate(ended, 1):
        one["number"] = str(number)
    sown = collections.collected(tmp_path / "a", ended)
    found = collections.checked(sown, small)
    assert found.deviations == ()
    extra = {**of[3], "number": str(len(ended) + 1), "time": rows[-1]["time"]}
    more = collections.collected(tmp_path / "b", [*ended, extra])
    assert [d.kind for d in collections.checked(more, small).deviations] == [Kind.BEYOND]


def test_what_was_made_after_the_end_of_the_plan_does_not_count(tmp_path: Path) -> None:
    from forensics.outputs import plan

    path = collections.described(tmp_path)
    path.write_text(path.read_text().replace("[stop]", '[stop]\nnot_after = "2026-01-01T00:00:00+01:00"'))
    made = plan.draw(path)
    assert made.stop.not_after == "2025-12-31T23:00:00Z"
    found = check([row(1, prompt="the first work")], Beside({}, made, "2025-01-01T00:00:00Z"))
    assert found.tries[0].why_not == "It lies beyond the stop rule."


def file(name: str, *stated: Stated, **fields: str) -> Received:
    plain = {"pixels": hashlib.sha256(name.encode()).hexdigest(), "credentials": "", "prompt": "", "seed": ""}
    digest = hashlib.sha256(f"file {name}".encode()).hexdigest()
    return Received(name, digest, stated=stated, problem="", **{**plain, **fields})


def at(hours: float, *, zone: bool = True, weak: bool = False) -> Stated:
    return Stated("EXIF DateTime", START + dt.timedelta(hours=hours), zone, weak)


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        (at(0), []),
        (at(-0.2), [Kind.EARLIER]),
        (at(0.2), [Kind.LATER]),
        (at(-12, zone=False), []),
        (at(14, zone=False), []),
        (at(-12.5, zone=False), [Kind.EARLIER]),
        (at(14.5, zone=False), [Kind.LATER]),
        (at(-1, weak=True), [Kind.WEAK_EARLIER]),
        (at(500, weak=True), []),
    ],
)
def test_times_of_files_are_held_against_the_log_as_far_as_they_say_something(
    stated: Stated, found: list[Kind]
) -> None:
    logged = row(1, result=Result.PICTURE, file="a.png", time=START)
    assert kinds([logged], Beside({"a.png": file("a.png", stated)})) == found


def test_one_file_is_the_picture_of_one_try() -> None:
    rows = [row(n, result=Result.PICTURE, file=name, seed=str(n)) for n, name in enumerate(("a", "a", "b", "c"), 1)]
    one = file("a")
    same = Received("b", one.sha256, one.pixels, (), "", "", "", "")
    shows = Received("c", "other", one.pixels, (), "", "", "", "")
    found = check(rows, Beside({"a": one, "b": same, "c": shows}))
    assert [d.kind for d in found.deviations] == [Kind.NAMED_TWICE, Kind.FILE_TWICE, Kind.PIXELS_TWICE]
    # The same pixels in another file can be what a service gives for the same words and seed: they count.
    assert [t.file for t in found.tries] == ["a", "", "", "c"]
    assert all(t.counts for t in found.tries)


def test_two_refusals_of_one_moment_are_two_tries_and_one_row_given_twice_is_one() -> None:
    moment = row(1).time
    assert kinds([row(1), row(2, time=moment)]) == []
    assert kinds([row(1), row(2, number=1, time=moment)]) == [Kind.ROW_TWICE]


def test_what_files_state_is_read_from_exif_png_and_captures(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 32), "white")
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2026:11:28 10:11:12"
    image.save(tmp_path / "a.jpg", exif=exif)
    stated = received.read(tmp_path, "a.jpg")[0].stated
    assert (stated[0].source, stated[0].moment.hour, stated[0].zone) == ("EXIF DateTime", 10, False)
    assert stated[-1].weak
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:11:28 10:11:12"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+02:00"
    image.save(tmp_path / "b.jpg", exif=exif)
    first = received.read(tmp_path, "b.jpg")[0].stated[0]
    assert (first.source, first.moment.hour, first.zone) == ("EXIF DateTimeOriginal", 8, True)
    exif[ExifTags.Base.DateTime] = "0000:00:00 00:00:00"
    del exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
    image.save(tmp_path / "c.jpg", exif=exif)
    assert [s.weak for s in received.read(tmp_path, "c.jpg")[0].stated] == [True]
    (tmp_path / "d.png").write_bytes(b"no picture")
    assert received.read(tmp_path, "d.png")[0].problem
    assert received.names(tmp_path, [tmp_path / "a.jpg"]) == ["b.jpg", "c.jpg", "d.png"]


def test_a_capture_states_its_time_and_what_of_it_does_not_hold(tmp_path: Path) -> None:
    pytest.importorskip("warcio")
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(buffer, "PNG")
    (tmp_path / "a.wacz").write_bytes(package({URL: buffer.getvalue()}))
    (tmp_path / "b.wacz").write_bytes(package({URL: buffer.getvalue()}, wrong=True))
    whole, broken = (received.read(tmp_path, f"{name}.wacz", URL)[0] for name in "ab")
    assert whole.stated[0].source.startswith("web capture")
    assert whole.stated[0].moment == dt.datetime.fromisoformat(TIME)
    assert whole.credentials == ""
    assert broken.credentials
    logged = row(1, result=Result.PICTURE, file="b.wacz", url=URL, time=dt.datetime.fromisoformat(TIME))
    found = kinds([logged], Beside({logged.picture: broken}))
    assert Kind.CREDENTIALS in found


def test_credentials_that_do_not_hold_are_said(tmp_path: Path) -> None:
    logged = row(1, result=Result.PICTURE, file="a.png")
    broken = file("a.png", credentials="C2PA validation: Broken: the file is not as it was signed.")
    assert kinds([logged], Beside({"a.png": broken})) == [Kind.CREDENTIALS]


def test_the_fewest_tries_are_called_out_of_order() -> None:
    assert longest_rising([]) == set()
    assert longest_rising([1, 2, 3]) == {0, 1, 2}
    assert longest_rising([9, 1, 2, 3]) == {1, 2, 3}
    for numbers in ([3, 1, 2, 5, 4], [5, 4, 3, 2, 1], [2, 7, 3, 4, 1, 8, 5]):
        kept = [numbers[n] for n in sorted(longest_rising(numbers))]
        assert kept == sorted(kept)
        lengths = [1] * len(numbers)  # by the definition, slowly
        for j in range(len(numbers)):
            lengths[j] += max([lengths[i] for i in range(j) if numbers[i] < numbers[j]], default=0)
        assert len(kept) == max(lengths)


def test_files_of_a_log_that_lead_out_of_the_folder_are_not_opened(tmp_path: Path, small: Plan) -> None:
    inside = tmp_path / "in"
    sown = collections.collected(inside, collections.tries(small)[:4])
    shutil.copy(inside / sown.rows[0]["file"], tmp_path / "out.png")
    sown.rows[0]["file"] = "../out.png"
    found = collections.checked(sown, None)
    assert Kind.NO_FILE in [d.kind for d in found.deviations]
    assert found.tries[0].file == ""
