"""Interruption: what stops an examination leaves a folder that says so, and from which it goes on."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` from any working directory

from forensics.case import Given, Inversion, PromptKind
from forensics.controls.cache import Cache
from forensics.errors import CaseError, VerificationError
from forensics.folder import (
    Ledger,
    journal,
    load,
    progress,
    read_custody,
    save,
    save_report,
    settled,
    stops_on_record,
    verify,
)
from forensics.folder.bag import TAGS
from forensics.folder.journal import JOURNAL
from forensics.folder.layout import CASE, CUSTODY, REPORT
from forensics.settings import resolve
from forensics.stages.asked import asked_again, asked_for
from forensics.stages.kept import Kept
from forensics.stages.ladder import Rung
from tests.cli.support import run
from tests.test_casefile import ASSETS, names, small_case

INVERSION = Inversion(
    id="L1",
    method="regeneration",
    title="A rung",
    version="1",
    supplied="",
    supplied_bits=1.5,
    prompt="Ärger",
    prompt_source="",
    prompt_kind=PromptKind.CLAIMED,
    guidance=1.0,
    steps=1,
    seeds=(3,),
    evaluations=1,
    seconds=0.1,
    outputs=(),
    best=None,
    median=None,
    trace=(),
    facts=(),
    given=Given.WORDS,
    hits=None,
    made_px=(8, 8),
)
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
        # A shell that runs a suite in the background or under nohup has it ignore some of them; children inherit that.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
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
    assert asked_again(tmp_path / "case") == (image.absolute(), resolved, None)


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


def kept(folder: Path, identity: tuple[str, ...] = ("disputed=1", "protocol=2"), *, resume: bool = False) -> Kept:
    """What a run keeps; the stopped run before it is over."""
    ledger = Ledger(folder, resume=resume)
    found = Kept.of(ledger, Cache(None), identity)
    ledger.done()
    return found


def drawn(found: Kept, calls: list[str]) -> Rung:
    """A stage that enters an exhibit and gives words, numbers and tensors."""

    def compute() -> Rung:
        calls.append("computed")
        assert found.ledger is not None
        picture = Image.effect_noise((8, 8), 50).convert("RGB")
        exhibit = found.ledger.put(picture, "A1", "A picture", "test@1")
        inversion = replace(INVERSION, outputs=(exhibit.id,), seconds=float("inf"))
        tensors = (torch.rand(1, 3, 4, 4).permute(0, 2, 3, 1), torch.zeros(0))
        return Rung(inversion, tensors, ({"lpips": (0.1, 1e-300)},), (0,), (("x", 0.5),))

    return found.stage("invert", Rung, compute)


def test_finished_stage_is_taken_from_before_with_its_exhibits(tmp_path: Path) -> None:
    calls: list[str] = []
    first = drawn(kept(tmp_path / "case"), calls)
    second = kept(tmp_path / "case", resume=True)
    again = drawn(second, calls)
    assert calls == ["computed"]
    assert again.inversion == first.inversion
    assert (again.controls, again.places, again.scores) == (first.controls, first.places, first.scores)
    assert all(torch.equal(a, b) for a, b in zip(again.outputs, first.outputs, strict=True))
    assert second.ledger is not None
    assert [e.id for e in second.ledger.exhibits] == ["A1"]
    assert list(read_custody(tmp_path / "case"))[-1].action == "stage taken from before the stop"


@pytest.mark.parametrize("damage", ["cut", "changed", "exhibit gone", "another name", "pickle"])
def test_stage_that_is_not_what_was_kept_is_done_again(tmp_path: Path, damage: str) -> None:
    calls: list[str] = []
    drawn(kept(tmp_path / "case"), calls)
    path = tmp_path / "case" / "unfinished" / "invert.kept"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    elif damage == "changed":
        path.write_bytes(path.read_bytes().replace(b"1e-300", b"2e-300"))
    elif damage == "exhibit gone":
        next((tmp_path / "case" / "data" / "exhibits").iterdir()).unlink()
    elif damage == "another name":
        path.rename(path.with_name("search.kept"))
    else:
        path.write_bytes(pickle.dumps(calls))
    drawn(kept(tmp_path / "case", resume=True), calls)
    assert calls == ["computed", "computed"]


def test_another_identity_is_refused_and_named(tmp_path: Path) -> None:
    drawn(kept(tmp_path / "case"), [])
    before = (tmp_path / "case" / "unfinished" / "invert.kept").read_bytes()
    ledger = Ledger(tmp_path / "case", resume=True)
    with pytest.raises(CaseError, match=r"cannot go on: .*\(protocol\)"):
        ledger.agree(("disputed=1", "protocol=3"))
    ledger.done()
    assert (tmp_path / "case" / "unfinished" / "invert.kept").read_bytes() == before
    drawn(kept(tmp_path / "case", resume=True), ["not computed"])


def test_what_stages_gave_is_gone_when_the_case_is_frozen(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "invert.kept").write_bytes(b"left where the program was killed after the freeze")
    with pytest.raises(VerificationError, match="left by a program"):
        verify(folder)
    save_report(folder, OTHER)
    verify(folder)
    assert not (folder / "unfinished").exists()


def test_report_of_an_unfinished_case_leaves_what_stages_gave(tmp_path: Path) -> None:
    drawn(kept(tmp_path / "case"), [])
    assert run("report", tmp_path / "case").exit_code == CaseError.exit_code
    assert (tmp_path / "case" / "unfinished" / "invert.kept").is_file()


def test_link_in_the_place_of_what_stages_gave_removes_nothing_elsewhere(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"stays")
    (folder / "unfinished").symlink_to(tmp_path / "elsewhere")
    journal.recover(folder)
    assert (tmp_path / "elsewhere" / "x").read_bytes() == b"stays"


@pytest.mark.parametrize("at", ["before the log", "between log and case", "after the case", "damaged in between"])
def test_freezing_stopped_at_any_moment_is_finished_or_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    place = {"before the log": (Ledger, "log"), "after the case": (progress, "remove")}.get(at, (journal, "settle"))
    ledger = Ledger(tmp_path / "case")
    item, _ = ledger.receive(ASSETS / "plain.png", "Q1", "disputed")
    case = replace(load(small_case(tmp_path / "model")), items=(item,), exhibits=ledger.exhibits)
    case = replace(case, protocol=ledger.put_file("protocol.json", b"{}"), custody=ledger.custody)
    with monkeypatch.context() as patch:
        patch.setattr(*place, stop)
        with pytest.raises(KeyboardInterrupt):
            ledger.close(case)
    ledger.done()
    if at == "damaged in between":
        (tmp_path / "case" / "data" / "case.json.part").write_bytes(b"{}")
        with pytest.raises(CaseError, match="no such case is there"):
            settled(tmp_path / "case")
        return
    assert settled(tmp_path / "case") == (at != "before the log")
    if at != "before the log":
        assert load(tmp_path / "case") == case
        save_report(tmp_path / "case", OTHER)
        verify(tmp_path / "case")


def test_run_that_fails_before_anything_is_received_leaves_no_folder(tmp_path: Path) -> None:
    small_case(tmp_path / "case")
    before = (tmp_path / "case" / CASE).read_bytes()
    for folder in (tmp_path / "new" / "case", tmp_path / "case"):
        ledger = Ledger(folder, force=True)
        with pytest.raises(ValueError, match="no checkpoint"), stops_on_record(ledger):
            raise ValueError("no checkpoint")
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "case" / CASE).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


@pytest.mark.slow
def test_examinations_killed_at_random_moments_end_in_the_same_measurements() -> None:
    """Three kills of a tiny examination, its rerun, and the rerun of one that was tampered with."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "tests.studies.interrupted", "--times", "3", "--seed", "5", "--rerun"]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "3 of 3 end in the measurements of the undisturbed run" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="permissions are made to hold for the administrator on Linux alone")
@pytest.mark.parametrize("step", ["log", "stage", "file", "picture", "kept", "receive", "close", "resume"])
def test_folder_that_became_read_only_says_so_and_loses_nothing(tmp_path: Path, step: str) -> None:
    from tests.studies.machines import sealed, without_override

    picture = Image.new("RGB", (32, 32), "red")
    folder = tmp_path / "case"
    case = load(small_case(tmp_path / "other"))
    ledger = Ledger(folder, asked=asked_for(ASSETS / "plain.png", resolve({})))
    ledger.receive(ASSETS / "plain.png", "Q1", "disputed")
    ledger.agree(("a=1",))
    ledger.keep("search", "identity", b"result")
    steps: dict[str, Callable[[], object]] = {
        "log": lambda: ledger.log("something", "x", ""),
        "stage": lambda: ledger.stage("another"),
        "file": lambda: ledger.put_file("data.json", b"{}"),
        "picture": lambda: ledger.put(picture, "I1", "An inversion", "test"),
        "kept": lambda: ledger.keep("ladder", "identity", b"more"),
        "receive": lambda: ledger.receive(ASSETS / "grey_16_bit.png", "R1", "original"),
        "close": lambda: ledger.close(case),
        "resume": lambda: Ledger(folder, resume=True),
    }
    if step == "resume":
        ledger.stopped(KeyboardInterrupt())
        ledger.done()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sealed(folder)
    try:
        with without_override(), pytest.raises(CaseError) as caught:
            steps[step]()
        with without_override():
            ledger.stopped(caught.value)
    finally:
        sealed(folder, open_again=True)
        ledger.done()
    assert str(folder) in caught.value.message
    assert caught.value.hint
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with pytest.raises(VerificationError, match="incomplete"):
        verify(folder)
    again = Ledger(folder, resume=True)
    assert again.kept("search", "identity") is not None
    again.done()
