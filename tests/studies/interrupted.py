"""Examinations killed at random moments and resumed: do they end in the measurements of the undisturbed run?

    python -m tests.studies.interrupted [--times 20] [--seed 0] [--sample] [--out TABLE.tsv]

A quick examination is run once undisturbed, then again and again, each killed (SIGKILL) at a moment drawn between the
first second and the last and resumed from what lay in its folder; one in four is killed a second time on the way. The
frozen case is compared field by field with the undisturbed one: everything but times, the custody log and the account
of who computed the scores of controls. A finished case that lies beside is compared by its digests before and after.
By default the checkpoint is a tiny one and a run takes seconds; `--sample` takes the embedded one. Drawing the report
takes as long as the rest: one trial in four may be killed there too, and is then drawn and checked by its manifests;
the others are killed before their case is frozen, and end when it is.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forensics.case import CustodyEntry
from forensics.folder import CASE, CUSTODY, bag, custody_lines, entry_digest, read_custody, sha256, verify
from forensics.folder.custody import FIRST, FROZEN
from forensics.resources import samples

PASSED_OVER = ("created", "custody", "seconds", "trace")
"""Fields that are times, or tell of the run itself."""
LONGEST = 600.0


@dataclass(frozen=True)
class Bed:
    """What is examined, and where."""

    folder: Path
    arguments: tuple[str, ...]
    """Of `forensics analyze`, without the case folder."""


@dataclass(frozen=True)
class Trial:
    """One examination that was killed."""

    after: tuple[float, ...]
    """Seconds from the first sign of the folder to each kill."""
    stages: tuple[str, ...]
    """Where it was killed, as the folder says."""
    said: str
    """What `verify` said of it."""
    wrong: tuple[str, ...]
    """What differs in the end; nothing where all is well."""


def picture(number: int, side: int = 64) -> Image.Image:
    """Shapes over a gradient: another picture for every number."""
    rng = random.Random(number)
    ramp = np.linspace(0, 255, side, dtype=np.uint8)
    across, flat = np.tile(ramp, (side, 1)), np.full((side, side), 30 * number % 256, np.uint8)
    base = Image.fromarray(np.stack([across, across.T, flat], -1))
    draw = ImageDraw.Draw(base)
    for _ in range(14):
        x, y = rng.randrange(side), rng.randrange(side)
        size, colour = rng.randrange(8, side // 2), tuple(rng.randrange(256) for _ in range(3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((x, y, x + size, y + size), fill=colour)
    return base


def bed(folder: Path) -> Bed:
    """A tiny checkpoint, another that cannot have seen the work, two controls, a work put forward and its caption."""
    import torch
    from safetensors.torch import load_file, save_file

    from tests.diffusion import tiny

    first = tiny.write_checkpoint(folder / "checkpoint")
    other = Path(shutil.copytree(first, folder / "other"))
    weights = other / "unet" / "diffusion_pytorch_model.safetensors"
    generator = torch.Generator().manual_seed(1)
    moved = {n: t + 0.05 * torch.randn(t.shape, generator=generator) for n, t in load_file(weights).items()}
    save_file(moved, weights, metadata={"format": "pt"})
    controls = folder / "controls"
    controls.mkdir()
    rows = ["file,ground,caption"]
    for number in range(2):
        picture(number).save(controls / f"c{number}.png")
        rows.append(f"c{number}.png,drawn for this trial,shapes number {number}")
    (controls / "controls.csv").write_text("\n".join(rows) + "\n")
    picture(9).save(folder / "work.png")
    picture(9).convert("L").convert("RGB").save(folder / "image.jpg", quality=90)
    return Bed(
        folder,
        (
            str(folder / "image.jpg"),
            *("--checkpoint", str(first), "--control-checkpoint", str(other), "--original", str(folder / "work.png")),
            *("--controls", str(controls), "--caption", "shapes", "--profile", "quick", "--device", "cpu"),
        ),
    )


def sample(folder: Path) -> Bed:
    """The embedded checkpoint with its index and controls."""
    return Bed(folder, (str(samples() / "disputed" / "memorised.png"), "--profile", "quick", "--device", "cpu"))


def started(arguments: Sequence[str], cache: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """The command line in a process of its own, forked from this one, after `prepare` there; its number."""
    child = os.fork()
    if child:
        return child
    os.environ["XDG_CACHE_HOME"] = str(cache)
    nothing = os.open(os.devnull, os.O_RDWR)
    said = os.open(cache.with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number, descriptor in ((0, nothing), (1, said), (2, said)):
        os.dup2(descriptor, number)
    code = 70
    try:
        prepare()
        from forensics.cli import main as command

        command.main(list(arguments), standalone_mode=True)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Its exit code, negative for a signal."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def killed(child: int, folder: Path, after: float) -> bool:
    """Kill a run so many seconds after its folder says what it is; whether it was still running."""
    limit = time.monotonic() + LONGEST
    while not (folder / CASE).exists() and time.monotonic() < limit:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.005)
    deadline = time.monotonic() + after
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    return ended(child) == -signal.SIGKILL


def frozen(child: int, folder: Path) -> int:
    """Wait until the case is frozen and end the run, which would draw the report; its code if it ended by itself."""
    while stage(folder) != FROZEN:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    ended(child)
    return 0


def stage(folder: Path) -> str:
    """Where it stopped, as the folder says."""
    with contextlib.suppress(OSError, ValueError):
        data = json.loads((folder / CASE).read_bytes())
        return str(data["stage"]) if data["type"] == "UnfinishedCase" else FROZEN
    return "unknown"


def results(folder: Path) -> Any:
    """The frozen case without what tells of the run itself."""
    return _plain(json.loads((folder / CASE).read_bytes()))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value if not _of_the_run(v)]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in (*PASSED_OVER, "computed", "stored")}
    return value


def _of_the_run(value: Any) -> bool:
    """A fact on who computed the scores of controls: by whom differs, what they are does not."""
    name = value.get("name", "") if isinstance(value, dict) else ""
    return isinstance(name, str) and name.startswith(("control scores", "stored scores", "control cache"))


def differences(a: Any, b: Any, where: str = "case") -> list[str]:
    """Places where two documents differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [d for key in a for d in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{where}[{i}]")]
    return [] if a == b else [where]


def digest(folder: Path) -> str:
    """Over every file of a folder and its name."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def trial(number: int, ground: Bed, seconds: tuple[float, float], expected: Any, rng: random.Random) -> Trial:
    """One run, killed once or twice and resumed; `seconds` that one takes until its case is frozen, and in all."""
    folder, cache = ground.folder / f"case{number}", ground.folder / f"cache{number}"
    kills = [rng.uniform(0, seconds[number % 4 == 1]) for _ in range(2 if number % 4 == 3 else 1)]
    stages, wrong, said = [], [], ""
    arguments: tuple[str, ...] = ("analyze", *ground.arguments, "--progress", "none", "-o", str(folder))
    for after in kills:
        if killed(started(arguments, cache), folder, after):
            stages.append(stage(folder))
            code = ended(started(("verify", str(folder)), cache))
            said = cache.with_suffix(".said").read_text().split("\n")[0]
            if code != 8 or ("is incomplete" not in said and stages[-1] != FROZEN):
                wrong.append(f"verify ends with {code}: {said}")
        arguments = ("analyze", "--resume", str(folder), "--progress", "none")
    drawn = number % 4 == 1 or FROZEN in stages
    if stages:
        child = started(arguments, cache)
        code = ended(child) if drawn else frozen(child, folder)
        if code:
            wrong.append(f"resuming ends with {code}: {cache.with_suffix('.said').read_text()[-300:]}")
    if not wrong:
        wrong += differences(expected, results(folder))
        if drawn and not verify(folder).count:
            wrong.append("the finished case does not verify")
    shutil.rmtree(cache, ignore_errors=True)
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    return Trial(tuple(kills), tuple(stages), said, tuple(wrong))


def undisturbed(ground: Bed) -> tuple[Path, tuple[float, float]]:
    """A run that nobody stops: its folder, and its seconds from the first sign of the folder to the frozen case and to
    the end."""
    folder, cache = ground.folder / "undisturbed", ground.folder / "cache"
    child = started(("analyze", *ground.arguments, "--progress", "none", "-o", str(folder)), cache)
    while not (folder / CASE).exists():
        time.sleep(0.005)
        if os.waitpid(child, os.WNOHANG)[0]:
            raise RuntimeError(cache.with_suffix(".said").read_text())
    began = time.monotonic()
    while stage(folder) != FROZEN:
        time.sleep(0.02)
        if os.waitpid(child, os.WNOHANG)[0]:
            raise RuntimeError(cache.with_suffix(".said").read_text())
    closed = time.monotonic()
    if code := ended(child):
        raise RuntimeError(f"{code}: {cache.with_suffix('.said').read_text()}")
    return folder, (closed - began, time.monotonic() - began)


def repeated(first: Path, ground: Bed) -> list[str]:
    """`verify --rerun` of the undisturbed case, which must agree, and of one with another number in it, which must not:
    what does not go as it should."""
    cache, wrong = ground.folder / "cache", []
    if code := ended(started(("verify", str(first), "--rerun", "--progress", "none"), cache)):
        wrong.append(f"rerun of a true case ends with {code}: {cache.with_suffix('.said').read_text()[-400:]}")
    other = Path(shutil.copytree(first, ground.folder / "tampered"))
    data = json.loads((other / CASE).read_bytes())
    row = next(m for m in data["measurements"] if m.get("metric") == "ssim")
    row["value"] = round(row["value"] * 0.99, 6)
    number_replaced(other, (json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode())
    code = ended(started(("verify", str(other), "--rerun", "--progress", "none"), cache))
    said = cache.with_suffix(".said").read_text()
    if code != 14 or f"{row['id']} (ssim" not in said:
        wrong.append(f"rerun of a case with another {row['id']} ends with {code}: {said[-400:]}")
    shutil.rmtree(other)
    return wrong


def number_replaced(folder: Path, data: bytes) -> None:
    """What a forger does: another case, its digest in the custody log, documents and manifests made anew."""
    from forensics import documents

    (folder / CASE).write_bytes(data)
    entries: list[CustodyEntry] = []
    for entry in read_custody(folder):
        changed = replace(entry, sha256=sha256(data)) if entry.action == FROZEN else entry
        entries.append(replace(changed, previous=entry_digest(entries[-1]) if entries else FIRST))
    (folder / CUSTODY).write_bytes(custody_lines(tuple(entries)))
    for name in (bag.TAGS, bag.PAYLOAD, "report.pdf", "viewer.html"):
        (folder / name).unlink()
    documents.render(folder)


def prepared() -> None:
    """Libraries loaded once, before the first fork."""
    import torch

    from forensics import documents, examination, planning  # noqa: F401

    torch.set_num_threads(1)


def main() -> int:
    """Print a row a trial; 1 where any went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument(
        "--rerun", action="store_true", help="`verify --rerun` of a true case and of a changed one, too."
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    prepared()
    rows = ["trial\tkilled after s\tat stage\twrong"]
    with tempfile.TemporaryDirectory() as name:
        ground = (sample if given.sample else bed)(Path(name))
        first, seconds = undisturbed(ground)
        rows.append(f"undisturbed\t\t\t{seconds[0]:.1f} s, with the report {seconds[1]:.1f} s")
        print(*rows, sep="\n", flush=True)
        before, expected, rng, lost, faults = digest(first), results(first), random.Random(given.seed), 0, 0
        for number in range(given.times):
            found = trial(number, ground, seconds, expected, rng)
            lost += bool(found.wrong)
            after = ", ".join(f"{s:.2f}" for s in found.after)
            rows.append(
                f"{number}\t{after}\t{', '.join(found.stages) or 'ended first'}\t{'; '.join(found.wrong)[:400]}"
            )
            print(rows[-1], flush=True)
        if given.rerun:
            wrong = repeated(first, ground)
            faults += len(wrong)
            rows += wrong or ["a rerun agrees with a true case and names the number that was changed in another"]
        if digest(first) != before:
            faults += 1
            rows.append("the finished case beside was changed")
    rows.append(f"{given.times - lost} of {given.times} end in the measurements of the undisturbed run")
    print(*rows[given.times + 2 :], sep="\n")
    if given.out:
        given.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return int(lost + faults > 0)


if __name__ == "__main__":
    sys.exit(main())
