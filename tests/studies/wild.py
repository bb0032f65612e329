"""Files as the world makes them: what is read of each, beside what is right, judged by comparing values.

    python -m tests.studies.wild --cases CASES.tsv

Every row of the table names an input, its public source and the right outcome. Inputs lie in `in/` and `src/` beside
the table. A case passes where every value that the right outcome names was found, or where the file was refused in
words that the right outcome allows; the judgements below are written from the right outcomes, never from what the
program said.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from forensics.errors import ForensicsError
from forensics.pictures import intake
from forensics.pictures.intake import Decoded
from forensics.pictures.metadata import GeneratorMetadata
from forensics.retrieval.building.entries import Entry
from forensics.retrieval.building.sources import open_source
from forensics.retrieval.readers.folder import Folder
from forensics.retrieval.readers.layout import Excluded
from tests.studies import wild_folders

JAPANESE = "草むらの野うさぎ, 水墨画, Hase im Gebüsch"


@dataclass(frozen=True, slots=True)
class Got:
    """What was found, in a line, and why it is not right; empty where it is."""

    said: str
    wrong: str


Check = Callable[[Path], Got]


# One file


def _read(path: Path) -> Decoded | ForensicsError:
    try:
        return intake.read(path)
    except ForensicsError as exc:
        return exc


def _line(found: Decoded | ForensicsError) -> str:
    if isinstance(found, ForensicsError):
        return f"refused: {found.message}"
    records = "; ".join(
        f"{r.software}: prompt={r.prompt!r} negative={r.negative_prompt!r} seed={r.seed} steps={r.steps} "
        f"model={r.model!r}"
        + (f" loras={[x.sentence for x in r.loras]}" if r.loras else "")
        + (f" problems={list(r.problems)}" if r.problems else "")
        for r in found.records
    )
    return f"{records or 'no generator record'} | {' '.join(found.decoding)}"


def file(judge: Callable[[Decoded], str]) -> Check:
    """A file that must be examined; the judge says what is wrong."""

    def check(path: Path) -> Got:
        found = _read(path)
        return Got(_line(found), "refused" if isinstance(found, ForensicsError) else judge(found))

    return check


def refused(*words: str) -> Check:
    """A file that must be refused, in words."""

    def check(path: Path) -> Got:
        found = _read(path)
        if not isinstance(found, ForensicsError):
            return Got(_line(found), "not refused")
        said = f"{found.message} {found.hint}"
        return Got(_line(found), "" if all(word in said for word in words) else "refused for another reason")

    return check


def record(software: str = "", **values: object) -> Check:
    """A first record of this software whose fields have these values."""

    def judge(found: Decoded) -> str:
        if not found.records:
            return "no record"
        return _differs(found.records[0], software, values)

    return file(judge)


def _differs(first: GeneratorMetadata, software: str, values: dict[str, object]) -> str:
    wrong = [] if software in first.software else [f"software {first.software!r}"]
    for name, value in values.items():
        have = tuple(lora.name for lora in first.loras) if name == "loras" else getattr(first, name)
        if have != value:
            wrong.append(f"{name} {have!r}")
    return ", ".join(wrong)


def fact(name: str, value: str, also: Check) -> Check:
    """A further fact of the record, whole, beside what the other check asks."""

    def check(path: Path) -> Got:
        got = also(path)
        found = _read(path)
        values = [f.value for f in found.generator if f.name == name] if isinstance(found, Decoded) else []
        return got if got.wrong or value in values else Got(got.said, f"{name} is {values}")

    return check


def said(*words: str, size: tuple[int, int] | None = None, upright: tuple[int, int] | None = None) -> Check:
    """Sentences of the account of decoding hold these words; sizes as stored and upright."""

    def judge(found: Decoded) -> str:
        text = " ".join(found.decoding)
        missing = [word for word in words if word not in text]
        if size and (found.width, found.height) != size:
            missing.append(f"stored size {found.width} x {found.height}")
        if upright and found.picture.size != upright:
            missing.append(f"upright size {found.picture.size}")
        return ", ".join(missing)

    return file(judge)


def no_record(found: Decoded) -> str:
    """An ordinary picture."""
    return "" if not found.records and not intake.prompt_stated(found.generator) else "taken for a generator's"


def named(software: str, **values: object) -> Callable[[Decoded], str]:
    """A record that names the software and offers no prompt unless one is asked for."""

    def judge(found: Decoded) -> str:
        first = next((r for r in found.records if software in r.software), None)
        return "no record of it" if first is None else _differs(first, software, values)

    return judge


def provenance(*words: str) -> Check:
    """Facts of provenance hold these words."""

    def check(path: Path) -> Got:
        found = _read(path)
        if isinstance(found, ForensicsError):
            return Got(_line(found), "refused")
        text = "; ".join(f"{f.name}: {f.value}" for f in found.provenance)
        return Got(text, ", ".join(word for word in words if word not in text))

    return check


def linear_grey(path: Path) -> Got:
    """A grey ramp with a linear profile: the values must have gone through it."""
    found = _read(path)
    if isinstance(found, ForensicsError):
        return Got(_line(found), "refused")
    with Image.open(path) as image:
        alpha = image.mode == "LA"
        raw = np.asarray(image.getchannel(0) if alpha else image, dtype=np.float64)
    linear = raw / (65535 if raw.max() > 255 else 255)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    have = np.asarray(found.picture, dtype=np.float64)[:, :, 0]
    off = float(np.abs(have - expected).mean()) if not alpha else 0.0
    text = " ".join(found.decoding)
    wrong = (
        ""
        if "profile" in text and "could not" not in text and "No colour profile" not in text
        else "profile not applied"
    )
    return Got(
        f"{text} (mean difference from the linear ramp {off:.2f})", wrong or ("" if off < 2 else f"off by {off:.1f}")
    )


def same_as_original(path: Path, bound: float, *words: str) -> Got:
    """The picture within a mean difference of the original's grey or colours, and words in the account."""
    found = _read(path)
    if isinstance(found, ForensicsError):
        return Got(_line(found), "refused")
    own = np.asarray(found.picture.convert("L"), dtype=np.float64)
    original = np.asarray(intake.read(path.with_name("original.png")).picture.convert("L"), dtype=np.float64)
    off = float(np.abs(own - original).mean()) if own.shape == original.shape else 255.0
    missing = [word for word in words if word not in " ".join(found.decoding)]
    wrong = ", ".join(missing) if missing else "" if off <= bound else f"off by {off:.1f}"
    return Got(f"{' '.join(found.decoding)} (mean difference from the original {off:.2f})", wrong)


# Sources of an index


def entries(wanted: Sequence[tuple[str, ...]], *fields: str, left_out: int = 0) -> Check:
    """The entries of a source with these fields, in order; so many left out, each with a reason."""

    def check(path: Path) -> Got:
        try:
            source = open_source(path)
            found = list(source.entries)
        except ForensicsError as exc:
            return Got(f"refused: {exc.message}", "refused")
        rows = [tuple(str(getattr(e, f)) for f in fields) for e in found if isinstance(e, Entry)]
        gone = [e for e in found if isinstance(e, Excluded)]
        line = f"{rows}; left out {[f'{e.path}: {e.reason}' for e in gone]}; not looked at {list(source.not_looked_at)}"
        wrong = "" if rows == list(wanted) else f"expected {list(wanted)}"
        return Got(line, wrong or ("" if len(gone) == left_out and all(e.reason for e in gone) else "left out wrongly"))

    return check


def one_of(name: str, *, caption: str, creator: str = "") -> Check:
    """One picture of a folder, with its caption."""

    def check(path: Path) -> Got:
        source = open_source(path.parent if path.suffix else path)
        for one in source.entries:
            if isinstance(one, Entry) and one.path == name:
                line = f"caption {one.caption!r}, creator {one.creator!r}, {list(one.remarks)}"
                right = one.caption == caption and (not creator or one.creator == creator)
                return Got(line, "" if right else "another caption")
            if isinstance(one, Excluded) and one.path == name:
                return Got(f"left out: {one.reason}", "left out")
        return Got("not found", "not found")

    return check


def source_refused(*words: str) -> Check:
    """A source that is refused, in words."""

    def check(path: Path) -> Got:
        try:
            list(open_source(path).entries)
        except ForensicsError as exc:
            text = f"{exc.message} {exc.hint}"
            return Got(f"refused: {text}", "" if all(w in text for w in words) else "for another reason")
        return Got("read", "not refused")

    return check


def rows(wanted: Sequence[tuple[str, str, str]] | str) -> Check:
    """Rows of an embeddings folder (id, caption, url); or words of the refusal."""

    def check(path: Path) -> Got:
        try:
            folder = Folder(path)
            found = [(r.training_id, r.caption, r.url) for r in folder.fetch(range(folder.count))]
        except ForensicsError as exc:
            right = isinstance(wanted, str) and wanted in exc.message
            return Got(f"refused: {exc.message}", "" if right else "refused")
        head = found[: len(wanted)] if not isinstance(wanted, str) else found
        return Got(str(found), "" if head == wanted else f"expected {wanted}")

    return check


# The command line


def run(*arguments: str | bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The program, in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command: list[str | bytes] = [sys.executable, "-m", "forensics", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=600)


def _command(name: bytes, *options: str | bytes, right: Callable[[int, str], bool]) -> Check:
    """A comparison of the original under another name with itself."""

    def check(path: Path) -> Got:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            original = (path.parent / "original.png").read_bytes()
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(original)
            (folder / "other.png").write_bytes(original)
            done = run(
                "compare", *options, "--profile", "quick", "--progress", "none", "--", name, "other.png", folder=folder
            )
            text = done.stderr.decode("utf-8", "replace").strip()
            code = done.returncode
            if code == 0:
                case = Path(os.fsdecode(done.stdout.strip())).parent
                checked = run("verify", "--", os.fsencode(case), folder=folder)
                code, text = checked.returncode, f"runs; verify: {checked.stdout.decode('utf-8', 'replace').strip()}"
        return Got(f"exit {code} {text[:300]}", "" if right(code, text) else "not so")

    return check


def _agrees(code: int, text: str) -> bool:
    return code == 0 and text.startswith("runs")


def outcome(*words: str) -> Check:
    """The outcome of a comparison with the original, or its basis, holds one of these words."""

    def check(path: Path) -> Got:
        with tempfile.TemporaryDirectory() as temporary:
            done = run(
                "compare",
                "--json",
                "--profile",
                "quick",
                "--progress",
                "none",
                "-o",
                "case",
                str(path),
                str(path.parent / "original.png"),
                folder=Path(temporary),
            )
        text = (done.stdout or done.stderr).decode("utf-8", "replace")
        lines = (line.strip() for line in text.splitlines())
        found = " ".join(line for line in lines if '"outcome"' in line or '"basis"' in line) or text.strip()[:300]
        right = done.returncode == 0 and any(word in found for word in words)
        return Got(f"exit {done.returncode} {found}", "" if right else f"expected one of {words}")

    return check


_A1111: dict[str, Any] = {"prompt": "a hare in the grass, ink drawing", "seed": 4242}
_COMFY: dict[str, Any] = {
    "prompt": "a hare in the grass",
    "negative_prompt": "blurry, text",
    "seed": 4242,
    "model": "inkwash.safetensors",
}
_DEFAULT_JAPANESE = record("web UI", prompt=JAPANESE, negative_prompt="文字", seed=4242)

CHECKS: dict[str, Check] = {
    "a1111-civitai-resources.jpg": record(**_A1111, negative_prompt="text", steps=30, loras=("Seed: 7, Steps: 3",)),
    "sdnext-pipes.png": record("SD.Next", **_A1111, negative_prompt="text", steps=16, model="inkwash-v2"),
    "a1111-hashes.png": fact(
        "Hashes",
        '{"model": "0123abcd45", "lora:style-of-a-artist": "9f8e7d6c5b"}',
        record("v1.9.4", **_A1111, steps=25, loras=("style-of-a-artist",)),
    ),
    "a1111-template-lines.png": fact(
        "Template",
        "a {hare|fox} in the grass, ink drawing",
        record("v1.9.4", **_A1111, negative_prompt="text, blurry", steps=25, problems=(), rest=""),
    ),
    "xmp-description.webp": record("web UI", **_A1111, negative_prompt="text, blurry"),
    "horde-comma-without-space.jpg": record(**_A1111, negative_prompt="text", steps=50, width=768),
    "a1111-cjk-utf16le-jpg.jpg": _DEFAULT_JAPANESE,
    "a1111-cjk-unicode-but-utf8.jpg": _DEFAULT_JAPANESE,
    "a1111-cjk-no-code-utf8.webp": _DEFAULT_JAPANESE,
    "stabilitymatrix-text-utf8.png": _DEFAULT_JAPANESE,
    "invoke3-sdxl-style.png": fact(
        "positive_style_prompt",
        "ink drawing by A. Artist",
        record("InvokeAI 3.1.1", prompt="a hare in the grass", negative_prompt="text", loras=("artist-style",)),
    ),
    "swarmui.jpg": record("SwarmUI", **_A1111, negative_prompt="text", steps=25, guidance=4.0),
    "swarmui.png": record("SwarmUI", **_A1111, negative_prompt="text", steps=25, guidance=4.0),
    "drawthings-exif.jpg": record("Draw Things", **_A1111, negative_prompt="text", steps=10, width=1152),
    "easydiffusion-none.png": record(
        "Easy Diffusion", prompt="a hare in the grass", seed=4242, model="inkwash-v2", loras=(), vae=""
    ),
    "comfy-zero-out.png": record("ComfyUI", **(_COMFY | {"negative_prompt": ""})),
    "comfy-efficient-typed.png": record("ComfyUI", **_COMFY, width=512, height=768),
    "comfy-efficient-linked.png": record("ComfyUI", **_COMFY),
    "comfy-styler.png": record("ComfyUI", **_COMFY),
    "comfy-promptmanager.png": record("ComfyUI", **_COMFY, problems=()),
    "comfy-concat.png": record("ComfyUI", **(_COMFY | {"prompt": "a hare in the grass, ink drawing"})),
    "comfy-subgraph-executed.png": record("ComfyUI", **_COMFY, problems=()),
    "comfy-text-above-1MB-compressed.png": said("text entry “prompt” is too long", upright=(192, 128)),
    "orientation-1.jpg": said("No rotation is recorded", upright=(192, 128)),
    "orientation-4.jpg": said("EXIF value 4) was applied", upright=(192, 128)),
    "orientation-7.jpg": said("EXIF value 7) was applied", upright=(192, 128), size=(128, 192)),
    "orientation-6.avif": said("EXIF value 6) was applied", upright=(192, 128), size=(128, 192)),
    "orientation-6.webp": said("EXIF value 6) was applied", upright=(192, 128), size=(128, 192)),
    "orientation-6.tif": said("EXIF value 6) was applied", upright=(192, 128), size=(128, 192)),
    "orientation-9.jpg": said("EXIF value 9) is none of the eight", "not applied", upright=(192, 128)),
    "exif-truncated-ifd.jpg": said("EXIF record is damaged", upright=(192, 128)),
    "exif-headless.png": said("EXIF record could not be read", upright=(192, 128)),
    "exif-repr.png": said("EXIF record could not be read", upright=(192, 128)),
    "jpeg-without-end-mark.jpg": lambda p: same_as_original(p, 6, "end mark", "all rows"),
    "png-wrong-crc-in-comment.png": lambda p: same_as_original(p, 0, "checksum of a text"),
    "jpeg-bytes-behind.jpg": lambda p: same_as_original(p, 6, "follow the end mark"),
    "two-pictures.mpo.jpg": said("2 frames", "first was taken"),
    "png-without-iend.png": lambda p: same_as_original(p, 0, "end mark"),
    "grey-linear-8bit.png": linear_grey,
    "grey-alpha-linear.png": linear_grey,
    "grey-linear-16bit.png": linear_grey,
    "cmyk.tif": lambda p: same_as_original(p, 12, "CMYK"),
    "palette-transparent.png": said("laid on white"),
    "rgb-16bit.png": lambda p: same_as_original(p, 2, "16 bits were reduced"),
    "p3.jpg": said("converted", "Display P3"),
    "rgba-prophoto.png": said("ProPhoto", "laid on white"),
    "gamma-linear.png": said("another gamma", "not applied", "of 255 levels"),
    "lab.tif": said("L*a*b*", "to sRGB"),
    "float.tif": lambda p: same_as_original(p, 1, "255 as white"),
    "tiff-thumbnail-first.tif": said("48 × 32", "192 × 128", "the largest", upright=(192, 128)),
    "frames.webp": said("3 frames", "first was taken"),
    "frames.gif": said("3 frames", "first was taken"),
    "layers.psd": refused("not an image in a supported format", "PNG"),
    "wrongly-named-html.jpg": refused("not an image in a supported format", "PNG"),
    "scan.pdf": refused("not an image in a supported format", "PNG"),
    "c2pa-claim-damaged.jpg": provenance("could not be read"),
    "c2pa-pixel-changed.jpg": provenance("Broken", "dataHash"),
    "c2pa-chunk-kept-after-crop.png": provenance("Broken", "dataHash"),
    "c2pa-remote.jpg": provenance("kept elsewhere", "not fetched"),
    "wds-tar-only": entries([(f"caption {n}", f"u{n}") for n in range(3)], "caption", "url"),
    "captions-bom-crlf/bom.jpg": one_of("bom.jpg", caption="a hare in the grass"),
    "captions-bom-crlf/utf16.jpg": one_of("utf16.jpg", caption="ein Hase im Gebüsch"),
    "captions-bom-crlf/bomjson.jpg": one_of("bomjson.jpg", caption="from json"),
    "hf-parquet": entries([("a",), ("b",), ("c",)], "caption"),
    "hf-numbered-parquet": entries([("a",), ("b",)], "caption"),
    "img2dataset-parquet-format": entries(
        [("000000000", "a"), ("000000001", "b"), ("000000002", "c")], "key", "caption"
    ),
    "img2dataset-no-reencode": entries([("caption 0",), ("",)], "caption", left_out=1),
    "wds-dotted-keys": entries([(f"caption {n}",) for n in range(3)], "caption", left_out=3),
    "wds-named-shards": entries([(f"caption {n}",) for n in range(3)], "caption"),
    "captions-kohya": entries([(f"work number {n}, ink",) for n in range(3)], "caption"),
    "captions-gallerydl/123_hare.jpg": one_of("123_hare.jpg", caption="Hare", creator="A. Artist"),
    "tables/spaces.csv": entries([("a hare",)], "caption"),
    "tables/semicolon.csv": entries([("a hare", "A. Artist"), ("a fox", "B. Artist")], "caption", "creator"),
    "tables/backslash.csv": entries([("a hare",)], "caption"),
    "tables/headers.csv": entries([("a hare", "A. Artist")], "caption", "creator"),
    "tables/latin1.csv": source_refused("no UTF-8"),
    "tables/utf16.csv": source_refused("UTF-16"),
    "cr-capitals": rows([("0:0", "one", "http://u/1"), ("0:1", "two", "http://u/2")]),
    "cr-nulls": rows([("a.jpg", "a hare", "u"), ("b.jpg", "", "")]),
    "cr-padded": rows([("0:0", "c", "u"), ("0:1", "c", "u"), ("1:0", "e", "v"), ("1:1", "e", "v")]),
    "cr-rowcount": rows("has 3 rows"),
    "cr-nan": rows("not a unit vector"),
    "251 x + .png (255 bytes), no -o": _command(b"x" * 251 + b".png", right=lambda c, t: c == 2 and "-o" in t),
    "-o out-\\xfc, index info \\xfc (paths that are no UTF-8)": _command(
        b"a.png", "-o", b"out-\xfc", right=lambda c, t: (c == 2 and "no UTF-8" in t) or _agrees(c, t)
    ),
    "emoji, Arabic, Japanese, <b>&amp;, U+202E; output path with spaces": _command(
        "🐇 emoji عربي 日本 <b>&amp; \u202e.png".encode(), "-o", "a b/c d", right=_agrees
    ),
    "a<newline>newline.png": _command(b"a\nnewline.png", right=_agrees),
    "tiny-20x18.png, strip-6000x16.png": outcome("no correspondence"),
    "screenshot.png (the whole work at 120 % within a window)": outcome('"corresponds throughout', "all of the work"),
    "float.tif (same picture, 32-bit float, 0 to 255)": outcome('"corresponds throughout'),
    "recipe-photo.jpg (UserComment 'Apple pie. / Steps: 5, Time: 45 min, Oven: 180')": file(no_record),
    "walk-photo.jpg (UserComment 'Morning walk … Steps: 10432, Distance: 7.2 km, Calories: 412')": file(no_record),
    "midjourney.png": record("Midjourney", prompt="a hare in the grass, ink drawing"),
    "fooocus.jpg": record("Fooocus v2.5.5", prompt="a hare\nink", seed=4242),
    "iptc-ai.jpg": provenance("trainedAlgorithmicMedia", "unsigned"),
}
"""Judgement by name of the case; whole folders and certificates are judged by `wild_folders`."""


def _both(root: Path) -> Got:
    """DALL-E in Software and Firefly in Software, each said beside the generator metadata."""
    parts = [
        file(named("DALL-E", prompt=""))(root / "software-dalle.png"),
        file(named("Firefly"))(root / "software-firefly.jpg"),
    ]
    return Got(" / ".join(p.said for p in parts), ", ".join(p.wrong for p in parts if p.wrong))


def _folder(name: str) -> Got:
    """A case folder that travelled or was signed."""
    if name in wild_folders.TRAVELLED:
        made, right = wild_folders.TRAVELLED[name]
        code, said = made()
    else:
        identity, right = wild_folders.SIGNATURES[name]
        code, said = wild_folders.signed(identity)
    return Got(f"exit {code} {said[:700]}", "" if right(code, said) else "not so")


def locate(root: Path, name: str) -> Path:
    """Where the input of a case lies; the case's name begins with it."""
    first = name.split(" ")[0].split(",")[0]
    for folder in ("in", "src"):
        if (root / folder / first).exists():
            return root / folder / first
    return root / "in" / first


def judge(root: Path, name: str) -> Got | None:
    """The judgement of a case, or None where this study has none for it."""
    if name.startswith("software-dalle.png"):
        return _both(root / "in")
    whole = next((n for n in (*wild_folders.TRAVELLED, *wild_folders.SIGNATURES) if name.startswith(n)), "")
    if whole:
        return _folder(whole)
    check = CHECKS.get(name) or next((c for n, c in CHECKS.items() if n == name.split(" ")[0]), None)
    if check is None:
        return None
    path = locate(root, name)
    if name.startswith("tiny-20x18.png"):
        path = path.with_name("strip-6000x16.png")
    try:
        return check(path)
    except Exception as exc:  # a study goes on: what fails unexpectedly is a failure of the case
        return Got(f"{type(exc).__name__}: {exc}", "unexpected exception")


def main() -> None:
    """Print the table and how many are right; the exit code is 1 where any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True, help="Table of cases; inputs lie beside it.")
    parser.add_argument("--only", default="", help="Names that contain this.")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    with given.cases.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if given.only not in row["name"]:
                continue
            got = judge(given.cases.parent, row["name"])
            word = "not judged here" if got is None else "WRONG" if got.wrong else "right"
            counts[word] += 1
            print(f"{row['kind']} | {row['name']}\n    right: {row['right outcome']}")
            if got is not None:
                print(f"    got:   {got.said}\n    {word}{f': {got.wrong}' if got.wrong else ''}")
            else:
                print(f"    {word}")
    print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
    sys.exit(1 if counts["WRONG"] else 0)


if __name__ == "__main__":
    main()
