"""The log: CSV as spreadsheets write it and JSONL; what cannot be read is refused with its line and what to do."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from forensics.errors import SettingsError
from forensics.outputs import log
from forensics.outputs.log import Result
from forensics.outputs.plan import PromptClass

HEAD = "number,time,service,version,account,prompt,result,file,class,works"
ROW = '1,2026-11-28T14:03:20+02:00,Alpha,1.0,me,"a hare, asleep",picture,one.png,verbatim,hare;fox'


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_a_row_is_read_whatever_wrote_it(tmp_path: Path) -> None:
    (row,) = log.read(written(tmp_path, f"{HEAD}\n{ROW}\n"), planned=False).rows
    assert row.time == dt.datetime(2026, 11, 28, 12, 3, 20, tzinfo=dt.UTC)
    assert (row.line, row.number, row.offset, row.works) == (2, 1, True, ("hare", "fox"))
    assert (row.result, row.prompt_class, row.prompt) == (Result.PICTURE, PromptClass.VERBATIM, "a hare, asleep")
    semicolons = (
        f"\ufeff{HEAD.replace(',', ';')}\r\n" + '1;2026-11-28T12:03:20Z;Alpha;1.0;me;"a; b";REFUSED;;;\r\n;;;;;;;;;\r\n'
    )
    (other,) = log.read(written(tmp_path, semicolons, "b.csv"), planned=True).rows
    assert (other.result, other.prompt, other.file) == (Result.REFUSED, "a; b", "")
    line = {"number": 1, "time": "2026-11-28T14:03:20+02:00", "service": "Alpha", "version": "1.0", "account": "me"}
    line |= {"prompt": "a hare, asleep", "result": "picture", "file": "one.png", "class": "verbatim"}
    line |= {"works": ["hare", "fox"], "seed": None}
    (third,) = log.read(written(tmp_path, f"\n{json.dumps(line)}\n", "c.jsonl"), planned=False).rows
    assert third.said == row.said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no row"),
        (HEAD, "holds no row"),
        (f"{HEAD.replace('account,', '')}\n{ROW.replace('me,', '')}\n", "no column 'account'"),
        (f"{HEAD}\n{ROW},more\n", "number of fields in line 2"),
        (f"{HEAD}\n{ROW.replace('1,2026', 'one,2026')}\n", "line 2: 'one' is no number"),
        (f"{HEAD}\n{ROW.replace('1,2026', '-1,2026')}\n", "line 2: '-1' is no number"),
        (f"{HEAD}\n{ROW.replace('1,2026', '9' * 5000 + ',2026')}\n", "line 2: '9+' is no number"),
        (f"{HEAD}\n{ROW.replace('2026-11-28T14:03:20+02:00', 'yesterday')}\n", "line 2: 'yesterday' is no time"),
        (
            f"{HEAD}\n{ROW.replace('2026-11-28T14', '0001-01-01T00')}\n",
            "line 2: '0001-01-01T00:03:20.02:00' is no time",
        ),
        (f"{HEAD}\n{ROW.replace('picture', 'nice')}\n", "line 2: the result is 'nice'"),
        (f"{HEAD}\n{ROW.replace('verbatim', 'verbal')}\n", "line 2: the class of the prompt is 'verbal'"),
        (f"{HEAD}\n{ROW.replace('Alpha', '')}\n", "line 2: no service"),
        (f"{HEAD}\n{ROW.replace('a hare, asleep', '')}\n", "line 2: no prompt"),
        (f"{HEAD},file\n{ROW},x\n", "gives a column twice"),
        (f'{HEAD}\n1,"2026\n', "is no table"),
    ],
)
def test_a_log_that_cannot_be_read_is_refused_with_its_line_and_a_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        log.read(written(tmp_path, text), planned=False)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_json_that_is_none_bytes_that_are_no_text_and_no_log_at_all(tmp_path: Path) -> None:
    for name, data, said in (
        ("a.jsonl", b"{\n", "line 1"),
        ("b.jsonl", b"[1]\n", "no object in line 1"),
        ("c.csv", b"\xff\xfe", "not UTF-8"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SettingsError, match=said):
            log.read(tmp_path / name, planned=True)
    with pytest.raises(SettingsError, match=r"holds no log\.csv"):
        log.find(tmp_path)


def test_without_a_plan_the_log_has_to_say_class_and_aim(tmp_path: Path) -> None:
    bare = f"{HEAD.removesuffix(',class,works')}\n{ROW.removesuffix(',verbatim,hare;fox')}\n"
    path = written(tmp_path, bare)
    assert log.read(path, planned=True).rows[0].prompt_class is None
    with pytest.raises(SettingsError, match=r"no column 'class'\. Without a plan"):
        log.read(path, planned=False)
