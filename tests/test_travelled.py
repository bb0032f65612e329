"""Cases that passed through other systems: what was added is named, and the listed files are judged without it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` from any working directory

from forensics.errors import AddedError, CaseError, ExitCode, VerificationError
from forensics.folder import load, save_report, verify
from forensics.folder.bag import TAGS
from forensics.folder.layout import CASE, CUSTODY, MANIFEST, REPORT
from forensics.folder.strangers import line_ends, maker
from tests.cli.support import run
from tests.test_casefile import flip, small_case

ADDED = {
    ".DS_Store": "macOS",
    "data/.DS_Store": "macOS",
    "data/exhibits/._1f.png": "macOS",
    "__MACOSX/data/x": "macOS",
    ".Spotlight-V100/Store/x": "macOS",
    "Thumbs.db": "Windows",
    "data/exhibits/Thumbs.db": "Windows",
    "desktop.ini": "Windows",
    "report.pdf:Zone.Identifier": "Windows",
    "$RECYCLE.BIN/x": "Windows",
    "found.000/FILE0000.CHK": "Windows",
    ".LSOverride": "macOS",
    "Network Trash Folder/x": "macOS",
    ".com.apple.timemachine.donotpresent": "macOS",
    ".tmp.drivedownload/1": "Google",
    ".report.pdf.icloud": "iCloud",
    "report 2.pdf": "iCloud",
    "data/~WRL0001.tmp": "office",
    ".case.json.swp": "office",
    "#case.json#": "office",
    ".directory": "Linux",
    ".nfs000000001": "Linux",
    "@eaDir/report.pdf/x": "network storage",
    "report (A's conflicted copy 2026-01-02).pdf": "Dropbox",
    ".dropbox": "Dropbox",
    "report.sync-conflict-20260102-101112-ABCDEFG.pdf": "Syncthing",
    ".stfolder/x": "Syncthing",
    "custody_conflict-20260102-101112.jsonl": "Nextcloud",
    "report (conflict 2026-01-02 by A).pdf": "Nextcloud",
    ".~lock.report.pdf#": "office",
    "~$report.docx": "office",
    "report-DESKTOP-AB12.pdf": "OneDrive",
    "report (1).pdf": "copies",
    "report - Copy.pdf": "copies",
    "report copy.pdf": "copies",
    "report(1).pdf": "copies",
    "report [conflicted].pdf": "copies",  # pCloud
    "report (Copie en conflit de Marie 2026-11-29).pdf": "Dropbox",
    "report (Konfliktkopie von PC 2026-11-29).pdf": "Dropbox",
    "report (SFConflict a@example.org 2026-11-29-12-00-00).pdf": "Seafile",
    "report_nas_Nov-29-1200-2026_Conflict.pdf": "Synology",
    ".sync/ID": "Resilio",
    "report.pdf.!sync": "Resilio",
    ".nomedia": "Android",
    ".thumbnails/1.jpg": "Android",
    "~syncthing~report.pdf.tmp": "Syncthing",
    ".849C9593-D756-4E56-8D6E-42412F2A707B": "OneDrive",
    "RECYCLER/x": "Windows",
    ".picasa.ini": "shows pictures",
}
PLAIN = (
    "note.txt",
    "data/added.txt",
    "report2.pdf",
    "data/exhibits/x.png",
    "evil.DS_Store",
    "thumbs.db.exe",
    "x/y.txt",
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_case(tmp_path_factory.mktemp("case") / "pristine")


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "case"))


def add(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"what a system writes")


@pytest.mark.parametrize("name", ADDED)
def test_each_added_file_is_named_with_its_maker_and_has_an_exit_code(folder: Path, name: str) -> None:
    add(folder, name)
    with pytest.raises(AddedError, match=r"All .* files of the case agree") as caught:
        verify(folder)
    assert name in caught.value.message
    assert ADDED[name] in caught.value.message
    assert caught.value.exit_code == ExitCode.ADDED
    assert verify(folder, ignore_added=True).added == (name,)


@pytest.mark.parametrize("name", PLAIN)
def test_other_added_files_are_no_such(folder: Path, name: str) -> None:
    assert not maker(name)
    add(folder, name)
    with pytest.raises(VerificationError, match="is not in the manifest") as caught:
        verify(folder, ignore_added=True)
    assert caught.value.exit_code == ExitCode.VERIFICATION


def test_added_file_hides_no_change(folder: Path) -> None:
    add(folder, ".DS_Store")
    flip(folder / "data" / "protocol.json", 5)
    with pytest.raises(VerificationError, match=r"protocol\.json differs"):
        verify(folder, ignore_added=True)


def test_report_passes_over_added_files_where_asked_and_lists_none(folder: Path) -> None:
    add(folder, "data/.DS_Store")
    with pytest.raises(CaseError, match="as macOS makes"):
        save_report(folder, b"%PDF-1.7\nanother\n")
    (folder / REPORT).unlink()
    assert run("report", folder, "--ignore-system-files").exit_code == 0
    assert b".DS_Store" not in (folder / MANIFEST).read_bytes()
    done = run("verify", folder)
    assert done.exit_code == ExitCode.ADDED, done.stderr
    done = run("verify", folder, "--ignore-system-files")
    assert done.exit_code == 0
    assert "Passed over, because systems add such files: data/.DS_Store (as macOS makes)" in done.stdout


@pytest.mark.parametrize("name", [CASE, CUSTODY, "data/protocol.json", "bagit.txt", "bag-info.txt", MANIFEST, TAGS])
def test_changed_line_ends_are_named_as_that(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(VerificationError, match=r"line ends") as caught:
        verify(folder)
    assert name in caught.value.message


def test_mark_at_the_beginning_is_named(folder: Path) -> None:
    path = folder / "data" / "protocol.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(VerificationError, match="a byte order mark"):
        verify(folder)


def test_line_ends_hide_no_other_change() -> None:
    import hashlib

    stated = hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert line_ends(b"one\r\ntwo\r\n", stated) == "CR LF instead of LF"
    assert not line_ends(b"one\r\ntwp\r\n", stated)
    assert not line_ends(b"\x89PNG\r\n\0", stated)


def test_case_itself_is_not_taken_for_a_stranger(pristine: Path) -> None:
    from forensics.folder.bag import files

    assert [name for name in files(pristine) if maker(name)] == []
    assert load(pristine).id == "test"
