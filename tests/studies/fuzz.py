"""Every entrance through which foreign bytes come in, fed with damaged ones, thousands of times.

    python -m tests.studies.fuzz [--seconds 600] [--each N] [--only WORD] [--seed 0] [--out TABLE.tsv]    (`make fuzz`)

Each entrance has sound inputs; hypothesis draws which of them are damaged and how: bytes changed, cut, repeated,
spliced with another, numbers made huge, and, where it is JSON, values exchanged for those of other kinds. Allowed is a
result or the error that the entrance promises; anything else is a fault and is shown with its input. Bounded by time,
by executions, or both; the same seed draws the same inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forensics import foreign, packed
from forensics import settings as forensics_settings
from forensics.case import Exhibit, Fact
from forensics.controls import cache as control_cache
from forensics.controls import works as control_works
from forensics.diffusion import configs, headers
from forensics.errors import ForensicsError
from forensics.folder import CASE, CUSTODY, bag, check_signature, load, read_custody, unfinished
from forensics.folder.custody import check_chain
from forensics.folder.layout import MANIFEST
from forensics.outputs import log as collection_log
from forensics.outputs import plan as collection_plan
from forensics.pictures import intake, metadata, wacz
from forensics.resources import samples
from forensics.retrieval.building import side_files, snapshot
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.places import Place
from forensics.retrieval.readers import layout
from forensics.schema import canonical
from tests.metadata import files as made_files
from tests.signing import keys
from tests.test_casefile import small_case
from tests.test_wacz import package

BATCH = 10
"""Draws in one run of hypothesis: between runs the clock is looked at."""
EACH = 25
"""Executions of one draw: drawing takes longer than most readers."""
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    2**70,
    1e308,
    -0.0,
    "",
    "\0",
    "x" * 300,
    [],
    {},
    [[]],
    {"a": 1},
    "9" * 50,
)
BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"9" * 40,
    b"-1",
    b"\xed\xa0\x80",
    b"NaN",
    b"Infinity",
    b"[" * 40,
    b'"',
    b",",
    b"\n",
    b"\r",
)


@dataclass(frozen=True)
class Entrance:
    """One place where foreign bytes come in."""

    name: str
    seeds: tuple[bytes, ...]
    enter: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = (ForensicsError,)
    """Errors that it promises."""


@dataclass(frozen=True)
class Found:
    """What became of one entrance."""

    name: str
    runs: int
    seconds: float
    fault: str = ""


def damaged(seeds: tuple[bytes, ...], rng: random.Random) -> bytes:
    """One sound input with up to five damages."""
    data = rng.choice(seeds)
    for _ in range(rng.randrange(1, 6)):
        kind, place, value = rng.randrange(12), rng.randrange(1 << 16), rng.randrange(256)
        data = _tree(data, place, value) if kind >= 8 else _bytes(data, kind, place, value, seeds)
    return data


def _bytes(data: bytes, kind: int, place: int, value: int, seeds: tuple[bytes, ...]) -> bytes:
    at = place * 2654435761 % (len(data) + 1)
    if kind == 0:
        return data[:at] + bytes([value]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ (1 << value % 8)]) + data[at + 1 :] if at < len(data) else data
    if kind == 2:
        return data[:at]
    if kind == 3:
        return data[:at] + data[at + value + 1 :]
    if kind == 4:
        return data[:at] + BYTES[value % len(BYTES)] + data[at:]
    if kind == 5:
        return data[:at] + data[at : at + value] * 3 + data[at:]
    if kind == 6:
        other = seeds[value % len(seeds)]
        return data[:at] + other[place % (len(other) + 1) :]
    return data[:at] + (2**32 - 1 - value % 3).to_bytes(4, "big" if value % 2 else "little") + data[at + 4 :]


def _tree(data: bytes, place: int, value: int) -> bytes:
    """One value of a JSON document exchanged, taken out or moved; other bytes as they are."""
    try:
        tree = json.loads(data)
        nodes = list(_nodes(tree))
    except (ValueError, RecursionError):
        return _bytes(data, value % 8, place, value, (data,))
    if not nodes:
        return data
    holder, key = nodes[place % len(nodes)]
    if value % 5 == 0 and isinstance(holder, dict):
        del holder[key]
    elif value % 5 == 1:
        other, name = nodes[value * 31 % len(nodes)]
        with_other = json.loads(json.dumps(other[name]))
        holder[key] = with_other
    else:
        holder[key] = ODD[value % len(ODD)]
    return json.dumps(tree).encode()


def _nodes(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    pending = [tree]
    while pending:
        one = pending.pop()
        if isinstance(one, dict | list):
            keys_ = list(one) if isinstance(one, dict) else range(len(one))
            found += [(one, key) for key in keys_]
            pending += [one[key] for key in keys_]
    return found


def entrances(work: Path) -> list[Entrance]:
    """All of them, with their sound inputs; files are written below `work`."""
    return [
        *_pictures(),
        *_checkpoints(work),
        *_cases(work),
        *_signatures(work),
        *_tables(work),
        *_indexes(work),
    ]


def _pictures() -> list[Entrance]:
    picture = made_files.picture(32)

    def saved(kind: str, **options: Any) -> bytes:
        out = io.BytesIO()
        picture.save(out, kind, **options)
        return out.getvalue()

    webui = "a hare, <lora:x:0.5>\nNegative prompt: b\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
    graph, drawn = json.dumps(made_files.graph()), json.dumps(made_files.workflow())
    words = ("parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream", "Comment", "Description")
    texts = tuple(
        t.encode() for t in (webui, graph, drawn, '{"prompt": "x", "seed": 1}', '"a hare" -s 50 -S 1 -W 64', "{}")
    )
    small = Image.new("RGB", (8, 8))

    def entries(data: bytes) -> object:
        key, text = words[len(data) % len(words)], data.decode("utf-8", "replace")
        return metadata.generators({key: text, "Software": "NovelAI", "Source": text[:40], "xmp": text}, small)

    files = (
        *(saved(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")),
        saved("JPEG", progressive=True),
        made_files.png(parameters=webui),
        made_files.itxt(parameters=webui),
        made_files.user_comment(webui),
        made_files.exif({306: "2026:01:02 03:04:05"}),
        made_files.xmp("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
        made_files.comfy_webp(made_files.graph(), made_files.workflow()),
        made_files.stealth(webui, alpha=True, compressed=True, side=64),
    )
    captures = (
        package({"https://a.example/x.png": saved("PNG")}),
        package({"https://a.example/x.png": saved("PNG")}, signed="anonymous"),
    )
    return [
        Entrance("metadata readers", texts, entries),
        Entrance("picture intake", files, lambda data: intake.decode(data, "x")),
        Entrance("dates of pictures", files, lambda data: control_works.made_on(io.BytesIO(data)), ()),
        Entrance("web captures", captures, lambda data: wacz.read(data, "x.wacz")),
    ]


def _checkpoints(work: Path) -> list[Entrance]:
    path = work / "x.safetensors"
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    tree = json.dumps({"__metadata__": {"a": "b"}, "one": tensor, "two": {**tensor, "data_offsets": [16, 32]}}).encode()

    def header(data: bytes) -> object:
        path.write_bytes(len(data).to_bytes(8, "little") + data + bytes(32))
        return headers.read_header(path)

    def whole(data: bytes) -> object:
        path.write_bytes(data)
        return headers.read_header(path)

    twin = samples() / "reference" / "twin-a"
    named = sorted(twin.glob("*/*config.json"))
    config = work / "config.json"

    def checked(data: bytes) -> None:
        config.write_bytes(data)
        configs.checked(headers.read_json(config), "unet/config.json")

    sound = len(tree).to_bytes(8, "little") + tree + bytes(32)
    toml = (forensics_settings.template().encode(), b'[matter]\ntitle = "x"\n[analysis]\nseed = 1\ncaptions = ["a"]\n')
    case_file = work / "case.toml"

    def stated(data: bytes) -> object:
        case_file.write_bytes(data)
        return forensics_settings.resolve({}, case_file)

    return [
        Entrance("safetensors headers", (tree,), header),
        Entrance("safetensors files", (sound,), whole),
        Entrance("configurations of networks", tuple(p.read_bytes() for p in named), checked),
        Entrance("case files", toml, stated),
    ]


def _cases(work: Path) -> list[Entrance]:
    folder = small_case(work / "case")
    sound, log, manifest = ((folder / name).read_bytes() for name in (CASE, CUSTODY, MANIFEST))
    mark = unfinished.mark("analyze", "2026-01-01T00:00:00Z", "invert", {"settings": {}, "rows": []})

    def case(data: bytes) -> object:
        (folder / CASE).write_bytes(data)
        try:
            return load(folder)
        finally:
            (folder / CASE).write_bytes(sound)

    def begun(data: bytes) -> object:
        from forensics.stages.asked import asked_again

        (folder / CASE).write_bytes(data)
        try:
            return asked_again(folder)
        finally:
            (folder / CASE).write_bytes(sound)

    def custody(data: bytes) -> None:
        (folder / CUSTODY).write_bytes(data)
        entries = list(read_custody(folder, torn=len(data) % 2 == 0))
        check_chain(entries)

    def listed(data: bytes) -> object:
        (folder / MANIFEST).write_bytes(data)
        return bag.read(folder, MANIFEST)

    exhibit = load(folder).exhibits[0]
    kind = tuple[Exhibit, tuple[float, ...], bytes]
    whole = packed.pack((exhibit, (1.0, float("inf")), b"xyz"))
    length, _, rest = whole.partition(b"\n")
    kept, arrays = rest[: int(length)], rest[int(length) :]

    def result(data: bytes) -> object:
        """A tree under its right length, every seventh time with damaged arrays, every eleventh whole."""
        if len(data) % 11 == 0:
            return packed.unpack(kind, data)
        body = arrays if len(data) % 7 else arrays[: len(data) % len(arrays)]
        return packed.unpack(kind, b"%d\n" % len(data) + data + body)

    return [
        Entrance("case reader", (sound, _rich(work)), case),
        Entrance("marks of stopped examinations", (mark,), begun),
        Entrance("custody logs", (log,), custody),
        Entrance("manifests", (manifest,), listed),
        Entrance("kept results of stages", (kept, kept, whole), result, (foreign.Unreadable,)),
    ]


def _rich(work: Path) -> bytes:
    """A real case with every kind of result in it."""
    stored = sorted((Path(__file__).resolve().parents[1] / "assets" / "cases").rglob("case.json*"))
    for path in stored:
        data = path.read_bytes()
        if path.suffix == ".json" and len(data) < 60_000:
            return data
    return (work / "case" / CASE).read_bytes()


def _signatures(work: Path) -> list[Entrance]:
    from asn1crypto.tsp import TimeStampReq
    from cryptography.hazmat.primitives.asymmetric import ec

    from forensics.folder import sign, timestamp
    from forensics.folder.sign import Pkcs12

    private = ec.generate_private_key(ec.SECP256R1())
    cert = keys.certificate(private, "Examiner")
    content = b"a manifest"
    with Pkcs12(keys.pkcs12(work / "id.p12", private, cert), keys.WORD.encode()).open() as signer:
        plain = sign.seal(content, signer)
        stamped = sign.seal(content, signer, timestamper=keys.stamper())
    root = work / "root.pem"

    def issuer(data: bytes) -> object:
        root.write_bytes(data)
        return check_signature.roots((root,))

    pem = keys.pem(work / "id.pem", cert).read_bytes()
    asked = TimeStampReq.load(timestamp.request("0" * 64))
    reply = keys.stamper().request_tsa_response(asked).dump()
    return [
        Entrance("signatures", (plain, stamped), lambda data: check_signature.seal(data, content)),
        Entrance("timestamps", (reply, reply, stamped), lambda data: check_signature.reply(data, "0" * 64, "x.tsr")),
        Entrance("certificates", (pem,), issuer),
    ]


def _tables(work: Path) -> list[Entrance]:
    controls = work / "controls"
    controls.mkdir()
    Image.new("RGB", (8, 8)).save(controls / "a.png")
    rows = b"file,ground,caption,date\na.png,drawn after the model,a hare,2026-01-02\n"

    def table(data: bytes) -> object:
        (controls / control_works.TABLE).write_bytes(data)
        return control_works.load(controls)

    key = control_cache.Key("m", "1", "4", "0" * 64, "1" * 64, "p", (("a", "b"),), "cpu fp32")
    pack = work / "pack.jsonl"
    control_cache.pack([control_cache.Entry(key, {"x": (1.0, 2.0)}, control_cache.Made("p", "a", "m", "u"))], pack)
    sound = pack.read_bytes()
    line = sound.split(b"\n")[1]

    def scores(data: bytes) -> object:
        pack.write_bytes(data)
        return control_cache.read_pack(pack)

    def kept(data: bytes) -> object:
        return control_cache._read(foreign.text(data))

    folder = work / "words"
    folder.mkdir()
    names = ("metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.parquet", "a.txt", "a.json")
    words = (
        b'{"file_name": "a.png", "text": "a hare"}\n{"file_name": "b.png", "text": "b"}\n',
        b"file_name,text\na.png,a hare\n",
        "a häre".encode("utf-16"),
        b'{"caption": "x", "tags": ["a", "b"], "id": 4}',
    )

    def captions(data: bytes) -> object:
        name = names[len(data) % len(names)]
        (folder / name).write_bytes(data)
        try:
            return side_files.Side.of(Place(folder), [name]).of_picture("a.png")
        finally:
            (folder / name).unlink()

    return [
        Entrance("controls tables", (rows,), table),
        Entrance("packs of scores", (sound,), scores),
        Entrance("entries of scores", (line,), kept, (ValueError,)),
        Entrance("captions", words, captions, (ValueError, OSError)),
        *_collections(work),
    ]


def _collections(work: Path) -> list[Entrance]:
    log, plan = work / "log.csv", work / "plan.json"
    columns = ",".join((*collection_log.REQUIRED, *collection_log.ALONE))
    row = '1,2026-11-28T14:03:20+02:00,Alpha,1,me,"a hare",picture,a.png,verbatim,a;b'
    line = dict(zip(columns.split(","), row.replace('"', "").split(","), strict=True))
    tables = (f"{columns}\n{row}\n".encode(), f"{columns}\n{row}\n".replace(",", ";").encode())

    def table(data: bytes) -> object:
        log.write_bytes(data)
        return collection_log.read(log, planned=False)

    def objects(data: bytes) -> object:
        log.with_suffix(".jsonl").write_bytes(data)
        return collection_log.read(log.with_suffix(".jsonl"), planned=False)

    def planned(data: bytes) -> object:
        plan.write_bytes(data)
        return collection_plan.load(plan)

    services = (collection_plan.Service("Alpha", "1"),)
    prompts = (collection_plan.Prompt("p", collection_plan.PromptClass.VERBATIM, "a hare", (), 1),)
    slots = (collection_plan.Slot(1, "Alpha", "1", "p"),)
    facts = (collection_plan.SCHEMA, Fact("forensics", "0"), "2026-11-28T12:00:00Z", "a plan", 0, 3)
    made = collection_plan.Plan(*facts, (), (), services, prompts, collection_plan.Stop(0, ""), slots, "")
    sound = canonical(dataclasses.replace(made, digest=collection_plan.digest(made)))
    return [
        Entrance("logs of collections", tables, table),
        Entrance("logs of collections in JSONL", (json.dumps(line).encode(),), objects),
        Entrance("plans of collections", (sound,), planned),
    ]


def _indexes(work: Path) -> list[Entrance]:
    index = Path(shutil.copytree(samples() / "reference" / "index", work / "index"))
    place = next(index.rglob(f"{snapshot.SNAPSHOTS}/*.json"))
    sound = place.read_bytes()
    foreign_index = work / "foreign"
    foreign_index.mkdir()
    shards = {"vectors": "v_0.npy", "metadata": "m_0.parquet", "count": 2}
    names = {f.name for f in dataclasses.fields(layout.Manifest)}
    manifest = json.dumps(
        {
            "schema": layout.SCHEMA,
            "shards": [shards],
            "files": [],
            "excluded": [],
            **dict.fromkeys(names - {"shards", "files", "excluded"}, "x"),
        }
    )

    def read_snapshot(data: bytes) -> object:
        place.write_bytes(data)
        return snapshot.read(Files(str(index)))

    def read_manifest(data: bytes) -> object:
        (foreign_index / layout.MANIFEST).write_bytes(data)
        return layout.read_manifest(foreign_index)

    return [
        Entrance("snapshots of indexes", (sound,), read_snapshot),
        Entrance("manifests of indexes", (manifest.encode(),), read_manifest),
    ]


def tried(entrance: Entrance, runs: int, seconds: float, number: int) -> Found:
    """So many executions, or as many as the time allows."""
    began, done, batch, last = time.monotonic(), 0, 0, b""

    def enter(drawn: int) -> None:
        nonlocal done, last
        rng = random.Random(drawn)
        for _ in range(EACH):
            last, done = damaged(entrance.seeds, rng), done + 1
            with contextlib.suppress(*entrance.allowed):
                entrance.enter(last)

    while done < runs and time.monotonic() - began < seconds:
        once = settings(
            max_examples=min(BATCH, -(-(runs - done) // EACH)),
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        try:
            seeded(number * 100_003 + batch)(once(given(st.integers(0, 2**64 - 1))(enter)))()
        except Exception as exc:
            where = traceback.extract_tb(exc.__traceback__)[-1]
            said = f"{type(exc).__name__}: {exc} ({Path(where.filename).name}:{where.lineno}) for {last[:200]!r}"
            return Found(entrance.name, done, time.monotonic() - began, said)
        batch += 1
    return Found(entrance.name, done, time.monotonic() - began)


def main() -> int:
    """Print a row an entrance; 1 where any has a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="For all entrances together.")
    parser.add_argument("--each", type=int, default=9_500, help="Executions of each entrance; of the case reader 9/4.")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    intake.MAX_PIXELS = 4_000_000  # as the worker that decodes has bounds of its own
    rows, total, faults = ["entrance\texecutions\tseconds\tfault"], 0, 0
    print(rows[0], flush=True)
    with tempfile.TemporaryDirectory() as name:
        chosen = [e for e in entrances(Path(name)) if asked.only in e.name]
        ends = time.monotonic() + asked.seconds
        for left, one in zip(range(len(chosen), 0, -1), chosen, strict=True):
            runs = asked.each * 9 // 4 if one.name == "case reader" else asked.each
            found = tried(one, runs, max(1.0, (ends - time.monotonic()) / left), asked.seed)
            total, faults = total + found.runs, faults + bool(found.fault)
            rows.append(f"{found.name}\t{found.runs}\t{found.seconds:.0f}\t{found.fault[:600]}")
            print(rows[-1], flush=True)
    rows.append(f"{total:,} executions, {faults} entrances with a fault")
    print(rows[-1])
    if asked.out:
        asked.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
