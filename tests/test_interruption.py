"""Interruption: what stops an examination leaves a folder that says so, and from which it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` from any working directory

from forensics.errors import CaseError, VerificationError
from forensics.folder import Ledger, journal, load, read_custody, save, save_report, stops_on_record, verify
from forensics.folder.bag import TAGS
from forensics.folder.journal import JOURNAL
from forensics.folder.layout import CASE, CUSTODY, REPORT
from forensics.settings import resolve
from forensics.stages.asked import asked_again, asked_for
from tests.cli.support import run
from tests.test_casefile import ASSETS, names, small_case

OTHER = b"%PDF-1.7\nanother report\n"


def test_case_is_there_from_the_first_second_and_says_that_it_is_incomplete(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "case")
    ledger.stage("inversion")
    with pytest.raises(VerificationError, match=r"is incomplete: .* stopped at the stage 'inversion'"):
        verify(ledger.folder)
    with pytest.raises(CaseError, match="is incomplete"):
        load(ledger.folder)
    assert run("verify", ledger.folder).exit_code == VerificationError.exit_code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_requests_to_end_leave_a_line_in_the_custody_log(tmp_path: Path, number: int) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from forensics.cli.console import Console\n"
        "from forensics.folder import Ledger, stops_on_record\n"
        "with Console().working():\n"
        "    ledger = Ledger(Path(sys.argv[1]))\n"
        "    with stops_on_record(ledger):\n"
        "        print('ready', file=sys.stderr, flush=True)\n"
        "        time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "case")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    process.wait(30)
    assert list(read_custody(tmp_path / "case"))[-1].action == "examination stopped: KeyboardInterrupt"


def test_two_runs_into_one_folder_do_no_harm(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "case")
    with pytest.raises(CaseError, match="Another run is writing"):
        Ledger(tmp_path / "case", force=True)
    first.log("goes on", "", "")
    first.done()
    Ledger(tmp_path / "case", force=True).done()
    assert [e.action for e in read_custody(tmp_path / "case.kept-1")][-1] == "goes on"


def test_folder_is_not_written_while_another_program_writes_it(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    with journal.locked(folder), pytest.raises(CaseError, match="Another run is writing"):
        save_report(folder, OTHER)
    save_report(folder, OTHER)
    verify(folder)


def stopped(at: int) -> Callable[..., None]:
    """`Path.replace` that fails at its n-th call, as a program does that is killed there."""
    count = 0
    genuine = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == at:
            raise KeyboardInterrupt
        return genuine(self, target)

    return replace  # type: ignore[return-value]


@pytest.mark.parametrize("at", range(1, 8))
def test_change_stopped_at_any_move_is_finished_or_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    folder = small_case(tmp_path / "case")
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped(at))
        try:
            save(folder, {REPORT: OTHER, "viewer.html": b"<p>"}, "report rendered")
        except KeyboardInterrupt:
            with pytest.raises(VerificationError, match=r"interrupted|left by a program"):
                verify(folder)
    journal.recover(folder)
    verify(folder)
    after = {name: (folder / name).read_bytes() for name in names(folder)}
    assert after == before or after[REPORT] == OTHER
    save_report(folder, OTHER)
    verify(folder)


def test_full_disk_changes_nothing_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_case(tmp_path / "case")
    before = {name: (folder / name).read_bytes() for name in names(folder)}

    def full(path: Path, data: bytes) -> None:
        if path.name.startswith(CUSTODY):
            path.write_bytes(data[:10])
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_flushed", full)
        with pytest.raises(CaseError, match="No space left on device"):
            save_report(folder, OTHER)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    verify(folder)


@pytest.mark.parametrize("name", [f"{REPORT}.part", f"{TAGS}.part", "data/exhibits/x.png.part"])
def test_leftover_of_an_interrupted_write_blocks_nothing(tmp_path: Path, name: str) -> None:
    folder = small_case(tmp_path / "case")
    (folder / name).write_bytes(b"half")
    with pytest.raises(VerificationError, match="was left by a program that was interrupted"):
        verify(folder)
    save_report(folder, OTHER)
    verify(folder)
    assert not (folder / name).exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "\0",
        "changes of a case folder, all written; to be moved into place\n" + "-" * 64 + "  ../victim\n",
        "changes of a case folder, all written; to be moved into place\n" + "-" * 64 + "  link/victim\n",
    ],
)
def test_forged_journal_moves_and_removes_nothing_elsewhere(tmp_path: Path, text: str) -> None:
    folder = small_case(tmp_path / "case")
    (tmp_path / "victim").write_bytes(b"stays")
    (folder / "link").symlink_to(tmp_path)
    (folder / JOURNAL).write_text(text)
    journal.recover(folder)
    assert (tmp_path / "victim").read_bytes() == b"stays"
    assert not (folder / JOURNAL).exists()


def test_custody_chain_goes_on_where_a_stopped_run_left_it(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "case")
    first.receive(ASSETS / "plain.png", "Q1", "disputed")
    with pytest.raises(RuntimeError), stops_on_record(first):
        raise RuntimeError
    with (tmp_path / "case" / CUSTODY).open("ab") as log:
        log.write(b'{"action": "half a li')
    second = Ledger(tmp_path / "case", resume=True)
    actions = [e.action for e in read_custody(second.folder)]
    assert actions[-2:] == ["examination stopped: RuntimeError", "examination resumed"]
    assert [e.seq for e in second.custody] == list(range(1, len(actions) + 1))


def test_what_was_asked_for_is_asked_again(tmp_path: Path) -> None:
    image = ASSETS / "plain.png"
    resolved = resolve({"profile": "quick", "captions": ("a", "b"), "seed": 7})
    ledger = Ledger(tmp_path / "case", asked=asked_for(image, resolved))
    ledger.receive(image, "Q1", "disputed")
    ledger.done()
    assert asked_again(tmp_path / "case") == (image.absolute(), resolved)


def test_another_image_is_not_gone_on_with(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes((ASSETS / "plain.png").read_bytes())
    ledger = Ledger(tmp_path / "case", asked=asked_for(image, resolve({})))
    ledger.receive(image, "Q1", "disputed")
    image.write_bytes((ASSETS / "alpha.png").read_bytes())
    with pytest.raises(CaseError, match="is not the file that the stopped examination received"):
        asked_again(tmp_path / "case")


def test_examination_that_ended_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    before = (folder / CASE).read_bytes()
    assert run("analyze", "--resume", folder).exit_code == CaseError.exit_code
    assert (folder / CASE).read_bytes() == before
    assert run("analyze", "--resume", tmp_path).exit_code == CaseError.exit_code
    assert run("analyze").exit_code == 2
