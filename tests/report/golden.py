"""The golden HTML of the report, rendered from real cases that are stored whole under `tests/assets/cases`.

Pictures that two of them share lie once in the folder `exhibits` beside them, under their digests; the case itself, the
long list of constants in its protocol and the goldens lie compressed (`zless`, or `git config diff.gzip.textconv
"gzip -dc"` to see their differences).

`python -m tests.report.golden` renders the stored cases, prints what differs and writes the goldens anew. After a
change of what a case holds, `python -m tests.report.golden --examine` makes the cases themselves anew first, by the
very commands in `EXAMINED` on the samples. Read the difference before committing it.
"""

from __future__ import annotations

import atexit
import difflib
import functools
import gzip
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from forensics import examination, report, schema
from forensics import folder as case_folder
from forensics.case import Case
from forensics.report import words
from forensics.resources import samples
from forensics.settings import resolve

GOLDENS = Path(__file__).resolve().parents[1] / "golden"
STORED = Path(__file__).resolve().parents[1] / "assets" / "cases"
EDITED, ORIGINAL = samples() / "disputed" / "edited.jpg", samples() / "originals" / "edited-original.png"


def _small(picture: Path, folder: Path) -> Path:
    """The picture at half its sides, so that the stored case stays small."""
    with Image.open(picture) as whole:
        half = whole.convert("RGB").resize((whole.width // 2, whole.height // 2), Image.Resampling.LANCZOS)
    half.save(target := folder / f"{picture.stem}.png")
    return target


def _analyze(out: Path) -> None:
    """Everything at hand: checkpoint, control checkpoint, index, controls, a work put forward."""
    with tempfile.TemporaryDirectory() as folder:
        disputed, original = _small(EDITED, Path(folder)), _small(ORIGINAL, Path(folder))
        flags = {"profile": "quick", "originals": (str(original),)}
        examination.analyze(disputed, out, resolve(flags, samples() / "case.toml"))


def _bare(out: Path) -> None:
    """A checkpoint that is not the embedded one and nothing beside it."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "checkpoint-of-a-user"
        shutil.copytree(samples() / "reference" / "twin-a", own, symlinks=False)
        flags = {"profile": "quick", "checkpoint": str(own)}
        examination.analyze(samples() / "disputed" / "manner.png", out, resolve(flags))


def _compare(out: Path) -> None:
    """Two pictures, no checkpoint at all."""
    with tempfile.TemporaryDirectory() as folder:
        disputed, original = _small(EDITED, Path(folder)), _small(ORIGINAL, Path(folder))
        examination.compare(disputed, (original,), out, resolve({}))


EXAMINED: dict[str, Callable[[Path], None]] = {"analyze": _analyze, "bare": _bare, "compare": _compare}
"""Name of a stored case -> how it was made."""
_KEPT = (case_folder.CASE, "data/protocol.json", "data/validation.json")
"""What of a case folder the report is drawn from, besides its pictures."""
_COMPRESSED = (case_folder.CASE, "data/protocol.json")
_PICTURES = "data/exhibits"


def path(name: str) -> Path:
    """Where the golden of a case lies."""
    return GOLDENS / f"report-{name}.html.gz"


def kept(name: str) -> str:
    """The golden of a case."""
    return gzip.decompress(path(name).read_bytes()).decode("utf-8")


def difference(name: str) -> str:
    """What the report makes of a stored case today, beside its golden: lines, as `diff -u` prints them."""
    before = kept(name) if path(name).is_file() else ""
    return "".join(difflib.unified_diff(before.splitlines(True), html(name).splitlines(True), "golden", "today", n=1))


@functools.cache
def stored(name: str) -> tuple[Case, Path]:
    """A stored case and a folder that holds it whole."""
    folder = Path(tempfile.mkdtemp(prefix=f"stored-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(STORED / name, folder, dirs_exist_ok=True)
    for part in folder.rglob("*.gz"):
        part.with_suffix("").write_bytes(gzip.decompress(part.read_bytes()))
        part.unlink()
    case = case_folder.load(folder)
    (folder / _PICTURES).mkdir(parents=True, exist_ok=True)
    for exhibit in case.exhibits:
        shutil.copyfile(STORED / "exhibits" / Path(exhibit.path).name, folder / "data" / exhibit.path)
    return case, folder


def stable(html: str, case: Case) -> str:
    """The HTML without the digest of the case, which every new field of `Case` changes."""
    return html.replace(words.groups(hashlib.sha256(schema.canonical(case)).hexdigest()), "(digest of the case)")


def html(name: str) -> str:
    """What the report makes of a stored case today."""
    case, folder = stored(name)
    return stable(report.render_html(case, folder), case)


def examine(name: str) -> None:
    """Make the stored case anew, on this machine, from the samples."""
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "case"
        EXAMINED[name](made)
        keep(made, STORED / name)


def keep(made: Path, to: Path) -> None:
    """Store of a case folder what the report is drawn from."""
    shutil.rmtree(to, ignore_errors=True)
    for part in _KEPT:
        if (made / part).is_file():
            (to / part).parent.mkdir(parents=True, exist_ok=True)
            if part in _COMPRESSED:
                (to / f"{part}.gz").write_bytes(gzip.compress((made / part).read_bytes(), mtime=0))
            else:
                shutil.copyfile(made / part, to / part)
    shutil.copytree(made / _PICTURES, STORED / "exhibits", dirs_exist_ok=True)


def sweep() -> None:
    """Remove pictures that no stored case names any more."""
    cases = [stored(name)[0] for name in EXAMINED]
    named = {Path(e.path).name for case in cases for e in case.exhibits}
    for path in (STORED / "exhibits").iterdir():
        if path.name not in named:
            path.unlink()


def main() -> None:
    """Render every stored case and overwrite its golden."""
    GOLDENS.mkdir(exist_ok=True)
    for name in EXAMINED:
        if "--examine" in sys.argv[1:]:
            examine(name)
        print(difference(name) or f"{path(name).name}: nothing differs")
        path(name).write_bytes(gzip.compress(html(name).encode("utf-8"), mtime=0))
    sweep()


if __name__ == "__main__":
    main()
