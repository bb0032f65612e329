"""Hostile inputs, made on the fly, one command line each: what was said, how long it took, how much memory it took.

    python -m tests.studies.hostile [--only WORD] [--out TABLE.tsv]

An input is held where the program ends with a code of its own and a message, within 30 seconds and 2 GB; or where it is
accepted because nothing is wrong with what is used of it. A traceback, exit code 1, a signal or a limit is a fault. The
seconds are the processor's: on a machine that others use too the clock says nothing of an input. It is shown beside,
and what has not ended after 150 seconds by the clock is a fault, whatever it waited for.
Every command runs in a process of its own, forked from one in which the libraries are loaded already.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forensics.controls import cache as control_cache
from forensics.folder import bag, timestamp
from forensics.folder.custody import custody_lines, read_custody
from forensics.folder.layout import BESIDE, CASE, CUSTODY, MANIFEST, REPORT, REQUEST, sha256
from forensics.resources import samples
from tests.test_casefile import small_case

SECONDS, CLOCK, BYTES = 30, 150, 2 << 30
GOOD = samples() / "disputed" / "control.png"
TWIN = samples() / "reference" / "twin-a"


@dataclass(frozen=True)
class Input:
    """One command line."""

    name: str
    arguments: tuple[str, ...]
    codes: tuple[int, ...]
    """Exit codes that are right."""
    prepare: Callable[[], None] = lambda: None
    """What is done in the process before, for instance a limit set."""


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    name: str
    code: int
    said: str
    seconds: float
    """Of the processor."""
    clock: float
    """Seconds by the clock."""
    memory: int
    held: bool


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"", more: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    )


def encoded(kind: str, size: tuple[int, int] = (64, 64), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def scans() -> bytes:
    """A progressive JPEG of 81 megapixels whose last scan is repeated twenty thousand times: each is short, for the
    picture is plain, and costs a decoder a walk over all of it."""
    out = io.BytesIO()
    Image.new("L", (9000, 9000), 128).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * 20_000 + b"\xff\xd9"


def directories() -> bytes:
    """A TIFF with three hundred thousand directories, each pointing at the next."""
    entry = struct.pack("<HHII", 256, 3, 1, 64)
    block = 2 + 12 + 4
    parts = [b"II*\0" + struct.pack("<I", 8)]
    for number in range(300_000):
        parts.append(struct.pack("<H", 1) + entry + struct.pack("<I", 8 + block * (number + 1)))
    return b"".join(parts)


def frames() -> bytes:
    """A GIF of two million frames, each of one pixel."""
    head = b"GIF89a" + struct.pack("<HH", 64, 64) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02D\x01\0"
    return head + frame * 2_000_000 + b";"


def pictures(work: Path) -> Iterator[Input]:
    files: dict[str, bytes] = {
        "empty.png": b"",
        "text.png": b"not a picture",
        "nul.png": bytes(1000),
        "bomb.png": png(60_000, 60_000),
        "wide.png": png(2**31 - 1, 1),
        "zero.png": png(0, 0),
        "tiny.png": png(4, 4, body=bytes(52)),
        "deep.png": png(9_900, 9_900, depth=16, colour=6, body=bytes(79_210_000)),
        "cut.png": encoded("PNG")[:200],
        "cut.jpg": encoded("JPEG")[:200],
        "cut.webp": encoded("WEBP")[:100],
        "cut.gif": encoded("GIF")[:100],
        "cut.tif": encoded("TIFF")[:500],
        "cut.bmp": encoded("BMP")[:60],
        "crc.png": encoded("PNG").replace(b"IDAT", b"IDAS", 1),
        "profile.png": png(
            64, 64, body=bytes(64 * 193), more=chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50 << 20)))
        ),
        "words.png": png(64, 64, body=bytes(64 * 193), more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20)))),
        "many.png": png(64, 64, body=bytes(64 * 193), more=chunk(b"tEXt", b"parameters\0x") * 200_000),
        "scans.jpg": scans(),
        "directories.tif": directories(),
        "frames.gif": frames(),
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "script.png": b"%!PS\n(/etc/passwd) (r) file",
        "pickle.png": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "entities.png": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'bb'>]><a>&b;</a>",
        "heic.png": b"\0\0\0\x18ftypheic" + bytes(99),
        "exif.jpg": encoded("JPEG").replace(b"JFIF", b"Exif", 1),
        "huffman.jpg": encoded("JPEG").replace(b"\xff\xc4", b"\xff\xc9", 1),
    }
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        data = bytearray(encoded(kind))
        for number, place in enumerate((8, len(data) // 3, len(data) // 2)):
            broken = bytearray(data)
            broken[place : place + 16] = bytes(range(240, 256))
            files[f"noise{number}.{kind.lower()}"] = bytes(broken[: len(broken) // (1 + number)])
    for name in list(files):
        (work / name).write_bytes(files.pop(name))  # not kept: what runs is forked from here, and its memory is counted
        # Damage beside the pixels may be accepted; the case then says so.
        yield Input(f"image {name}", ("compare", str(work / name), str(GOOD), "-o", str(work / f"c-{name}")), (0, 3))
        shutil.rmtree(work / f"c-{name}", ignore_errors=True)
    os.mkfifo(work / "pipe.png")
    (work / "folder.png").mkdir()
    (work / "loop.png").symlink_to("loop.png")
    with (work / "huge.png").open("wb") as stream:
        stream.truncate(6 << 30)
    for name in ("pipe.png", "folder.png", "loop.png", "huge.png", "none.png", "n" * 300 + ".png"):
        yield Input(f"image {name[:20]}", ("compare", str(work / name), str(GOOD), "-o", out(work, name)), (3,))
    for name in ("/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem"):
        yield Input(f"image {name}", ("compare", name, str(GOOD), "-o", out(work, name)), (2, 3))


def checkpoints(work: Path) -> Iterator[Input]:
    changes: dict[str, tuple[str, dict[str, Any]]] = {}
    bad: dict[str, list[Any]] = {
        "unet/config.json": [
            {"layers_per_block": 10**9},
            {"layers_per_block": 0},
            {"attention_head_dim": 0},
            {"norm_num_groups": 0},
            {"block_out_channels": "many"},
            {"block_out_channels": []},
            {"block_out_channels": [10**9]},
            {"sample_size": 2**40},
            {"sample_size": -1},
            {"cross_attention_dim": 0},
            {"in_channels": -4},
            {"layers_per_block": None},
            {"norm_eps": "x"},
            {"act_fn": "__import__"},
            {"auto_map": {"AutoModel": "x.y"}},
            {"quantization_config": {"quant_method": "gptq"}},
        ],
        "vae/config.json": [
            {"scaling_factor": 0},
            {"scaling_factor": "x"},
            {"scaling_factor": -1.0},
            {"scaling_factor": True},
            {"latent_channels": 0},
            {"block_out_channels": [0]},
            {"layers_per_block": 10**9},
            {"latents_mean": ["x"]},
        ],
        "text_encoder/config.json": [
            {"num_attention_heads": 0},
            {"num_hidden_layers": 10**9},
            {"vocab_size": 10**12},
            {"hidden_act": "a.b"},
            {"_attn_implementation": "kernels-community/flash-attn"},
            {"attn_implementation": "flash"},
            {"max_position_embeddings": -1},
            {"hidden_size": "wide"},
            {"trust_remote_code": True},
            {"layer_norm_eps": 10**6},
        ],
        "scheduler/scheduler_config.json": [
            {"num_train_timesteps": 0},
            {"num_train_timesteps": -5},
            {"num_train_timesteps": 10**12},
            {"beta_end": 2.0},
            {"beta_end": "x"},
            {"beta_start": -1},
            {"beta_schedule": "unknown"},
            {"trained_betas": ["x"]},
            {"trained_betas": [2.0]},
            {"beta_schedule": None},
            {"steps_offset": -1},
        ],
    }
    for place, values in bad.items():
        for value in values:
            changes[f"{place} {json.dumps(value)[:60]}"] = (place, value)
    for number, (name, (place, value)) in enumerate(changes.items()):
        root = linked(work / f"k{number}")
        config = json.loads((root / place).read_text()) | value
        replaced(root / place, json.dumps(config).encode())
        yield analysed(work, name, root)
    texts = {
        "deep": b"[" * 200_000,
        "NaN": b'{"sample_size": NaN}',
        "Infinity": b'{"scaling_factor": Infinity}',
        "1e400": b'{"scaling_factor": 1e400}',
        "10^400": b'{"sample_size": ' + b"1" * 401 + b"}",
        "list": b"[]",
        "twice": b'{"sample_size": 64, "sample_size": 32}',
        "empty": b"",
        "latin": b'{"a": "\xe9"}',
        "text": b'"x"',
        "half": b'{"a": "\\ud800"}',
        "digits": b'{"a": ' + b"9" * 5000 + b"}",
    }
    for number, (name, data) in enumerate(texts.items()):
        for place in ("unet/config.json", "scheduler/scheduler_config.json", "model_index.json"):
            root = linked(work / f"t{number}{place[0]}")
            replaced(root / place, data)
            yield analysed(work, f"{place} {name}", root)
    special = {"zero": "/dev/zero", "pipe": "", "loop": "config.json"}
    for name, target in special.items():
        root = linked(work / f"s-{name}")
        (root / "vae" / "config.json").unlink()
        if target:
            (root / "vae" / "config.json").symlink_to(target)
        else:
            os.mkfifo(root / "vae" / "config.json")
        yield analysed(work, f"vae/config.json {name}", root)
    for name, header in headers().items():
        path = work / f"{name}.safetensors"
        path.write_bytes(header)
        yield analysed(work, f"file {name}", path)
        arguments = ("analyze", str(GOOD), "--lora", str(path), "--profile", "quick", "-o", out(work, f"lora {name}"))
        yield Input(f"lora {name}", arguments, (4,))
    (work / "code.ckpt").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    yield analysed(work, "pickle", work / "code.ckpt")
    shutil.copy(work / "code.ckpt", work / "renamed.safetensors")
    yield analysed(work, "pickle renamed", work / "renamed.safetensors")


def headers() -> dict[str, bytes]:
    def made(text: bytes, length: int | None = None, data: bytes = b"") -> bytes:
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    many = "{" + ",".join(f'"t{n}":{json.dumps(tensor)}' for n in range(1_500_000)) + "}"
    return {
        "short": b"abc",
        "long": made(b"{}", 2**60),
        "deep": made(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "infinity": made(b'{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,4]}}', data=bytes(4)),
        "big": made(b'{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}', data=bytes(4)),
        "negative": made(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', data=bytes(4)),
        "float": made(b'{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}', data=bytes(4)),
        "offsets": made(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[]}}', data=bytes(4)),
        "text": made(b'{"a":{"dtype":"F32","shape":"x","data_offsets":[0,4]}}', data=bytes(4)),
        "twice": made(
            json.dumps({"a": tensor})[:-1].encode() + b"," + json.dumps({"a": tensor})[1:].encode(), data=bytes(4)
        ),
        "list": made(b"[1]"),
        "none": made(b"null"),
        "many": made(many.encode(), data=bytes(4)),
        "metadata": made(b'{"__metadata__":[1],"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', data=bytes(4)),
        "lora": made(
            json.dumps(
                {
                    "__metadata__": {"lora_adapter_metadata": "[" * 50_000},
                    "unet.a.lora_A.weight": tensor,
                    "unet.a.lora_B.weight": tensor,
                }
            ).encode(),
            data=bytes(4),
        ),
        "half": made(b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', data=bytes(4)),
    }


def linked(root: Path) -> Path:
    """A copy of a checkpoint in which big files are links to the first."""
    for folder, _, names in os.walk(TWIN, followlinks=True):  # parts that two checkpoints share are linked folders
        place = root / Path(folder).relative_to(TWIN)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(folder) / name
            if path.suffix == ".json":
                shutil.copy(path, place / name)
            else:
                (place / name).symlink_to(path.resolve())
    return root


def replaced(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def out(work: Path, name: str) -> str:
    """A case folder of its own for each input: one that was killed must not decide about the next."""
    return str(work / f"case-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}")


def analysed(work: Path, name: str, checkpoint: Path) -> Input:
    arguments = ("analyze", str(GOOD), "--checkpoint", str(checkpoint), "--profile", "quick", "-o", out(work, name))
    return Input(f"checkpoint {name}", arguments, (4,))


def cases(work: Path) -> Iterator[Input]:
    sound = small_case(work / "sound")
    number = 0

    def copy() -> Path:
        nonlocal number
        number += 1
        return Path(shutil.copytree(sound, work / f"case{number}"))

    def rehash(folder: Path) -> None:
        names = [name for name in bag.files(folder) if name not in BESIDE]
        made = bag.manifests(folder, names, {}, bag.described(folder))
        for name, data in {**made, REQUEST: timestamp.request(sha256(made[bag.TAGS]))}.items():
            (folder / name).write_bytes(data)

    lines = (sound / MANIFEST).read_bytes()
    digest = "0" * 64
    manifests: dict[str, bytes] = {
        "dot": f"{digest}  .\n".encode(),
        "spaces": b"   .\n",
        "long": f"{digest}  data/{'x' * 5000}\n".encode(),
        "up": f"{digest}  data/../../etc/passwd\n".encode(),
        "absolute": f"{digest}  /etc/passwd\n".encode(),
        "nul": f"{digest}  data/a\0b\n".encode(),
        "latin": f"{digest}  data/\xe9\n".encode("latin-1"),
        "twice": lines + lines,
        "crlf": lines.replace(b"\n", b"\r\n"),
        "empty": b"",
        "binary": bytes(range(256)),
        "newline": f"{digest}  data/a\x85b\n".encode(),
        "slashes": f"{digest}  data//case.json\n".encode(),
        "deep": f"{digest}  data/{'a/' * 3000}b\n".encode(),
        "bom": b"\xef\xbb\xbf" + lines,
    }
    for name, data in manifests.items():
        for file in (MANIFEST, bag.TAGS):
            folder = copy()
            (folder / file).write_bytes(data)
            yield Input(f"case {file[:3]} manifest {name}", ("verify", str(folder)), (8,))
    entry = json.loads((sound / CUSTODY).read_text().split("\n")[0])
    custodies: dict[str, bytes] = {
        "surrogate": json.dumps({**entry, "actor": "\ud800"}).encode() + b"\n",
        "list": json.dumps({**entry, "item": [1]}, sort_keys=True).encode() + b"\n",
        "number": json.dumps({**entry, "seq": 1e400}, sort_keys=True).encode() + b"\n",
        "truth": json.dumps({**entry, "seq": True}, sort_keys=True).encode() + b"\n",
        "deep": b"[" * 200_000 + b"\n",
        "other": b"{}\n",
        "null": b"null\n",
        "empty": b"",
        "binary": bytes(range(256)),
        "more": json.dumps({**entry, "more": 1}, sort_keys=True).encode() + b"\n",
    }
    for name, data in custodies.items():
        folder = copy()
        (folder / CUSTODY).write_bytes(data)
        rehash(folder)
        yield Input(f"case custody {name}", ("verify", str(folder)), (8,))
        yield Input(f"case custody {name}, report", ("report", str(folder)), (8,))
    whole = json.loads((sound / CASE).read_bytes())
    documents: dict[str, bytes] = {
        "deep": b"[" * 200_000,
        "deep value": json.dumps(whole).encode()[:-1] + b', "x": ' + b"[" * 100_000,
        "empty": b"",
        "items": json.dumps({**whole, "items": 5}).encode(),
        "item": json.dumps({**whole, "items": [[]]}).encode(),
        "schema": json.dumps({**whole, "schema": "1"}).encode(),
        "digits": b'{"schema": ' + b"9" * 5000 + b"}",
        "nan": b'{"schema": NaN}',
        "null": b"null",
        "number": b"1",
        "latin": b'{"schema": "\xe9"}',
        "surrogate": json.dumps({**whole, "id": "\ud800"}).encode(),
        "twice": b'{"schema": 1, "schema": 1}',
        "path": json.dumps({**whole, "protocol": {**whole["protocol"], "path": "../../../etc/passwd"}}).encode(),
        "name": json.dumps({**whole, "protocol": {**whole["protocol"], "path": "x" * 5000}}).encode(),
        "nul": json.dumps({**whole, "protocol": {**whole["protocol"], "path": "a\0b"}}).encode(),
        "unfinished": json.dumps({"type": "UnfinishedCase", "stage": ["x"], "began": 5}).encode(),
    }
    for name, data in documents.items():
        folder = copy()
        (folder / CASE).write_bytes(data)
        entries = [
            dataclasses.replace(e, sha256=sha256(data)) if e.action == "case frozen" else e
            for e in read_custody(folder)
        ]
        (folder / CUSTODY).write_bytes(custody_lines(tuple(entries)))
        rehash(folder)
        yield Input(f"case document {name}", ("verify", str(folder)), (8, 9))
        yield Input(f"case document {name}, report", ("report", str(folder)), (8, 9))
    yield from contents(copy, rehash)


def contents(copy: Callable[[], Path], rehash: Callable[[Path], None]) -> Iterator[Input]:
    def with_(name: str, change: Callable[[Path], object], codes: tuple[int, ...] = (8,)) -> Input:
        folder = copy()
        change(folder)
        return Input(f"case with {name}", ("verify", str(folder)), codes)

    def exhibit(folder: Path) -> Path:
        return next((folder / "data" / "exhibits").iterdir())

    def relinked(path: Path) -> None:
        path.rename(path.parent.parent.parent / "aside")
        path.symlink_to(path.parent.parent.parent / "aside")

    yield with_("a link", lambda f: relinked(exhibit(f)))
    yield with_("a pipe", lambda f: os.mkfifo(f / "pipe"))

    def piped(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    def endless(path: Path) -> None:
        path.unlink()
        path.symlink_to("/dev/zero")

    yield with_("a pipe as custody", lambda f: piped(f / CUSTODY))
    yield with_("a pipe as manifest", lambda f: piped(f / MANIFEST))
    yield with_("an endless case", lambda f: endless(f / CASE))
    yield with_("an empty folder", lambda f: (f / "empty").mkdir())
    yield with_("a dangling link", lambda f: (f / "link").symlink_to("nowhere"))
    yield with_("links in a circle", lambda f: (f / "loop").symlink_to("."))
    yield with_("a name that is no text", lambda f: Path(os.fsdecode(os.fsencode(f) + b"/\xff\xfe")).write_bytes(b"x"))
    yield with_("a journal", lambda f: (f / "changes.journal").write_bytes(b"x"))
    yield with_("a part", lambda f: (f / f"{REPORT}.part").write_bytes(b"x"))
    yield with_("a seal that is none", lambda f: (f / "tagmanifest-sha256.txt.p7s").write_bytes(b"x" * 100))
    yield with_("a reply that is none", lambda f: (f / "tagmanifest-sha256.txt.tsr").write_bytes(b"x" * 100))
    yield with_("a PDF that is none", lambda f: None)
    yield with_("system files", lambda f: (f / ".DS_Store").write_bytes(b"x"), (8, 13))
    yield Input("case that is none", ("verify", "/etc"), (8,))
    yield Input("case that is nowhere", ("verify", "/nowhere"), (2, 8))


def settings(work: Path) -> Iterator[Input]:
    texts: dict[str, bytes] = {
        "deep": b"a = " + b"[" * 100_000,
        "digits": b"[analysis]\nseed = " + b"9" * 5000,
        "latin": b'[matter]\ntitle = "\xe9"',
        "parts": b"[" + b".".join([b"a"] * 100_000) + b"]\n",
        "dotted": b".".join([b"a"] * 100_000) + b" = 1\n",
        "unknown": b"[other]\n",
        "kind": b"[analysis]\nseed = 'x'\n",
        "nul": b'[analysis]\ncheckpoint = "a\\u0000b"\n',
        "long": b'[analysis]\ncheckpoint = "' + b"x" * 5000 + b'"\n',
        "nan": b"[analysis]\nmax_pixels = nan\n",
        "big": b"[analysis]\nmax_pixels = 99999999999999\n",
        "negative": b"[analysis]\nmax_seconds = -1\n",
        "list": b"[analysis]\noriginals = 5\n",
        "table": b"analysis = 5\n",
        "binary": bytes(range(256)),
    }
    for name, data in texts.items():
        (work / f"{name}.toml").write_bytes(data)
        arguments = ("analyze", str(GOOD), "--case", str(work / f"{name}.toml"), "-o", out(work, name))
        yield Input(f"case file {name}", arguments, (2, 4))
    os.mkfifo(work / "pipe.toml")
    for name in (str(work / "pipe.toml"), "/dev/zero", str(work), "/nowhere"):
        yield Input(f"case file {name[-9:]}", ("analyze", str(GOOD), "--case", name, "-o", out(work, name)), (2,))
    for name, place in (("long", "x" * 300), ("file", str(GOOD)), ("inside", "/proc/x"), ("deep", "a/" * 3000 + "b")):
        yield Input(f"output {name}", ("compare", str(GOOD), str(GOOD), "-o", place), (2, 9))
    yield Input(
        "epoch",
        ("compare", str(GOOD), str(GOOD), "-o", str(work / "e")),
        (2,),
        lambda: os.environ.update(SOURCE_DATE_EPOCH="tomorrow"),
    )


def controls(work: Path) -> Iterator[Input]:
    entry = {"name": "a", "key": {}, "values": {}, "sha256": ""}
    bodies: dict[str, str] = {
        "deep": "[" * 200_000,
        "number": json.dumps({**entry, "key": {"checkpoint": 5}}),
        "list": "[]",
        "null": "null",
        "nan": '{"values": NaN}',
        "big": '{"values": ' + "1" * 401 + "}",
        "surrogate": '{"name": "\\ud800"}',
        "empty": "",
    }
    for name, body in bodies.items():
        whole = body + "\n"
        head = {"format": control_cache.FORMAT, "entries": 1, "sha256": hashlib.sha256(whole.encode()).hexdigest()}
        (work / f"{name}.jsonl").write_text(json.dumps(head) + "\n" + whole)
        yield Input(f"scores {name}", ("controls", "import", str(work / f"{name}.jsonl")), (10,))
    (work / "head.jsonl").write_bytes(b"[" * 100_000 + b"\n")
    os.mkfifo(work / "pipe.jsonl")
    for name in (str(work / "head.jsonl"), str(work / "pipe.jsonl"), "/dev/zero", "/nowhere", str(work)):
        yield Input(f"scores {name[-10:]}", ("controls", "import", name), (10,))
    tables: dict[str, bytes] = {
        "none": b"",
        "columns": b"a,b\n1,2\n",
        "ground": b"file,ground\nx.png,\n",
        "up": b"file,ground\n../x.png,y\n",
        "long": b"file,ground\n" + b"x" * 5000 + b",y\n",
        "nul": b"file,ground\na\0b,y\n",
        "latin": b"file,ground\n\xe9,y\n",
        "field": b"file,ground\n" + b"x" * 200_000 + b",y\n",
        "gone": b"file,ground\nx.png,y\n",
    }
    for name, data in tables.items():
        folder = work / f"controls-{name}"
        folder.mkdir()
        (folder / "controls.csv").write_bytes(data)
        arguments = (
            "analyze",
            str(GOOD),
            "--controls",
            str(folder),
            "--profile",
            "quick",
            "-o",
            str(work / f"o-{name}"),
        )
        yield Input(f"controls {name}", arguments, (10,))


def indexes(work: Path) -> Iterator[Input]:
    source = samples() / "reference" / "index"
    snapshots = [p.relative_to(source) for p in source.rglob("*.json")]
    texts: dict[str, Callable[[Any], bytes]] = {
        "deep": lambda data: b"[" * 200_000,
        "empty": lambda data: b"",
        "list": lambda data: b"[]",
        "count": lambda data: json.dumps({**data, "count": "many"}).encode(),
        "files": lambda data: json.dumps({**data, "files": [5]}).encode(),
        "up": lambda data: json.dumps({**data, "files": [{"path": "../x", "sha256": "", "size_bytes": 1}]}).encode(),
        "schema": lambda data: json.dumps({**data, "schema": []}).encode(),
        "null": lambda data: b"null",
    }
    for number, (name, change) in enumerate(texts.items()):
        folder = Path(shutil.copytree(source, work / f"i{number}"))
        for place in snapshots:
            (folder / place).write_bytes(change(json.loads((source / place).read_bytes())))
        for command in ("info", "verify"):
            yield Input(f"index {command} {name}", ("index", command, str(folder)), (5,))
    for command in ("info", "verify"):
        for name in ("/nowhere", "/etc", "/dev/zero"):
            yield Input(f"index {command} {name}", ("index", command, name), (2, 5))


OWN = (2, 3, 4, 5, 6, 8, 9, 10)
"""Exit codes of an error that names what was given."""


def entrances(work: Path) -> Iterator[Input]:
    """Every option that takes a path, with things that are no file of that kind: none may be taken in silence."""
    (work / "folder").mkdir()
    (work / "circle").symlink_to("circle")
    (work / "dangling").symlink_to("nowhere")
    (work / "empty").write_bytes(b"")
    (work / "noise").write_bytes(bytes(range(256)) * 9)
    os.mkfifo(work / "pipe")
    odd = ("circle", "dangling", "empty", "noise", "pipe", "none", "n" * 300, "a/" * 3000 + "b", "empty/below")
    places = [*(str(work / name) for name in odd), "/dev/zero", str(work / os.fsdecode(b"no-\xfc\xff"))]
    given = ("analyze", str(GOOD), "--profile", "quick")
    before: dict[str, tuple[str, ...]] = {
        "analyze": ("analyze", "--profile", "quick"),
        **{
            option: (*given, option)
            for option in (
                *("--original", "--case", "--checkpoint", "--control-checkpoint", "--lora", "--base", "--autoencoder"),
                *("--controls", "--index", "--validation", "--clip"),
            )
        },
        "compare with": ("compare", str(GOOD)),
        "verify": ("verify",),
        "verify --trust": ("verify", str(small_case(work / "sound")), "--trust"),
        "report": ("report",),
        "sign --pkcs12": ("sign", str(work / "sound"), "--pkcs12"),
        "resume": ("analyze", "--resume"),
        "controls check": ("controls", "check"),
        "controls build": ("controls", "build"),
        "controls import": ("controls", "import"),
        "index build": ("index", "build", "-o", str(work / "index")),
        "index info": ("index", "info"),
        "outputs plan": ("outputs", "plan"),
        **{
            option: ("outputs", str(GOOD.parent), "--originals", str(GOOD.parent), "-o", str(work / "outputs"), option)
            for option in ("--log", "--plan")
        },
        "validate --manifest": ("validate", "--checkpoint", str(TWIN), "-o", str(work / "record"), "--manifest"),
    }
    for name, arguments in before.items():
        for place in (*places, str(work / "folder")):
            if (name, place.rsplit("/", 1)[-1]) in (("--case", "empty"), ("--base", "folder")):
                continue  # a case file may set nothing; without a single file nothing is asked of a base
            shown = place.rsplit("/", 1)[-1][:12].encode("utf-8", "backslashreplace").decode()
            own = ("-o", out(work, name + place)) if name in before and arguments[0] in ("analyze", "compare") else ()
            if name == "resume":
                own = ()
            yield Input(f"{name} {shown}", (*arguments, place, *own), OWN)


KINDS = {
    "entrances": entrances,
    "pictures": pictures,
    "checkpoints": checkpoints,
    "cases": cases,
    "settings": settings,
    "controls": controls,
    "indexes": indexes,
}


def tried(one: Input, work: Path) -> Outcome:
    """Run one command line in a process of its own."""
    out = work / "output"
    began = time.monotonic()
    own = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    child = os.fork()
    if child == 0:
        _run(one, out)
    limit = began + CLOCK
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > limit:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    clock, seconds = time.monotonic() - began, used.ru_utime + used.ru_stime
    text = out.read_text(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    said = next((line for line in text.splitlines() if line.startswith("Error")), text.strip()[-120:]).strip()
    memory = max(0, used.ru_maxrss * 1024 - own)
    sound = code in one.codes and "Traceback" not in text and seconds <= SECONDS and memory <= BYTES
    return Outcome(one.name, code, said, seconds, clock, memory, sound)


def _run(one: Input, out: Path) -> None:
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    one.prepare()
    from forensics.cli import main as command

    code = 70
    try:
        command.main(list(one.arguments), standalone_mode=True)  # leaves by SystemExit, whatever comes of it
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> int:
    """Print the table; the number of faults, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Kinds or names that contain this word.")
    parser.add_argument("--out", type=Path, help="Write the table here as well.")
    given = parser.parse_args()
    import torch

    from forensics import examination  # noqa: F401  (loaded once, before the first fork)

    torch.set_num_threads(1)
    rows = ["input\tcode\tseconds\tclock\tMB beyond the libraries\theld\tsaid"]
    faults = count = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        for kind, inputs in KINDS.items():
            if given.only in KINDS and kind != given.only:
                continue
            work = Path(folder) / kind
            work.mkdir()
            for one in inputs(work):
                if given.only not in KINDS and given.only not in one.name:
                    continue
                found = tried(one, Path(folder))
                count += 1
                faults += not found.held
                rows.append(
                    f"{found.name}\t{found.code}\t{found.seconds:.1f}\t{found.clock:.0f}\t{found.memory >> 20}\t"
                    f"{'yes' if found.held else 'NO'}\t{found.said[:160]}"
                )
                print(rows[-1], flush=True)
    rows.append(f"{count} inputs, {faults} faults")
    print(rows[-1])
    if given.out:
        given.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
