"""The steps of `tests.benchmarks.gpu`, each run in a process of its own.

Every figure is written to the step's file as soon as it is known, so that a step that fails, hangs or is stopped at its
limit keeps what it found.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import platform
import shutil
import statistics
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PIECE_MIB = 15
"""Size of the pieces in which the state of the training is written."""
NOT_CUDA = "not measured: it needs a CUDA device"


@dataclass(frozen=True, slots=True)
class Task:
    """What a step is told."""

    device: str
    tiny: bool
    out: Path
    """Folder of what is kept."""
    scratch: Path
    """Folder of what is not."""
    ends: float
    """`time.monotonic()` at which the step is stopped; monotonic clocks of one machine agree between processes."""
    twin: str
    resume: Path | None
    """Folder with the pieces of an earlier training."""

    @property
    def left_s(self) -> float:
        """Seconds until the step is stopped."""
        return self.ends - time.monotonic()


class Record:
    """Figures of one step, on the disk after every change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.figures: dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        """Set one figure."""
        self.figures[name] = value
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.figures, ensure_ascii=False), encoding="utf-8")
        partial.replace(self._path)

    def attempt(self, name: str, call: Callable[[], Any]) -> Any:
        """Set one figure to what the call returns, or to why it failed; the step goes on."""
        try:
            value = call()
        except Exception as exc:  # whatever it is, the other figures are wanted
            value = {"failed": f"{type(exc).__name__}: {exc}"[:500]}
        self.put(name, value)
        return value


def machine(task: Task, record: Record) -> None:
    """What it runs on, and the two ceilings: matrix products and copies of memory."""
    import torch

    from tests.benchmarks.timing import matrix_peak, seconds

    device = torch.device(task.device)
    packages = (
        "torch",
        "diffusers",
        "transformers",
        "open_clip_torch",
        "lpips",
        "numpy",
        "pillow",
        "pylance",
        "weasyprint",
        "opencv-python-headless",
        "scikit-image",
    )
    record.put("python", sys.version.split()[0])
    record.put("system", platform.platform())
    record.put("cores", os.cpu_count())
    record.put("packages", {name: _version(name) for name in packages})
    record.put("cuda", torch.version.cuda or "none")
    record.put("device", torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU")
    side = 256 if task.tiny else 8192 if device.type == "cuda" else 2048
    precisions = {"fp32": torch.float32, "bf16": torch.bfloat16}
    for name, dtype in precisions.items():
        record.attempt(
            f"matrix product {name}, side {side}, TFLOP/s",
            lambda dtype=dtype: _short(matrix_peak(device, dtype, side) / 1e12),
        )
    count = 2**20 if task.tiny else 2**31 if device.type == "cuda" else 2**27
    source = torch.randn(count // 4, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    best = statistics.median(seconds(lambda: target.copy_(source), device) for _ in range(5))
    record.put("copy inside the device, read and written, GB/s", _short(2 * count / best / 1e9))
    if device.type == "cuda":
        host = torch.empty(2**26, dtype=torch.uint8)
        pinned = host.pin_memory()
        for name, memory in (("plain", host), ("pinned", pinned)):
            took = statistics.median(seconds(lambda m=memory: m.to(device), device) for _ in range(5))
            record.put(f"copy to the card from {name} memory, GB/s", _short(2**26 / took / 1e9))


def gpu_tests(task: Task, record: Record) -> None:
    """The tests that hold the results of a card equal to those of a CPU. Without a card, the same tests on a CPU."""
    import pytest

    report = task.scratch / "tests.xml"
    chosen = ["-m", "gpu"] if task.device.startswith("cuda") else []
    code = pytest.main(
        [
            str(ROOT / "tests" / "gpu"),
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(ROOT),
            "-c",
            str(ROOT / "pyproject.toml"),
            f"--junitxml={report}",
            *chosen,
        ]
    )
    suite = next(ET.parse(report).getroot().iter("testsuite"))
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    for name, value in counts.items():
        record.put(name, value)
    cases = {case.get("name", ""): case for case in suite.iter("testcase")}
    record.put("seconds of each", {name: float(case.get("time", "0")) for name, case in cases.items()})
    wrong = {
        name: case for name, case in cases.items() if case.find("failure") is not None or case.find("error") is not None
    }
    record.put("failed", {n: _first(c)[:600] for n, c in wrong.items()})
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) or counts["tests"] == counts["skipped"]:
        raise RuntimeError(f"pytest ended with {int(code)}: {counts}")


def shape(name: str) -> Callable[[Task, Record], None]:
    """The step that times one published shape."""

    def step(task: Task, record: Record) -> None:
        """Evaluations a second at the best batch, beside a bare loop over single pictures; peak memory."""
        import torch

        from tests.benchmarks.networks import SHAPES
        from tests.benchmarks.timing import peak_of

        chosen, device = SHAPES[name], torch.device(task.device)
        dtype = torch.bfloat16
        record.put("shape", chosen.name + (", tiny" if task.tiny else ""))
        record.put("precision", "bf16")
        memory: dict[str, Any] = {}
        with peak_of(device, memory):
            bare = chosen.bare(device, dtype, task.tiny)
            _time(bare, chosen, task, record)
        record.put("memory", memory)

    return step


def _time(bare: Any, chosen: Any, task: Task, record: Record) -> None:
    """Through the project's interface and bare: which batch is best, what it gains, what the interface costs."""
    import torch

    from tests.benchmarks.timing import turn_about

    device = torch.device(task.device)
    dtype = torch.bfloat16
    record.put("parameters", bare.parameters)
    one = bare.inputs(1)
    _share(record, lambda: bare.forward(one), 1, device)
    try:
        model = chosen.model(bare, device, dtype, task.tiny)
        condition = model.condition("a lighthouse at dusk", 1.0)
        cells = model.latent_shape(model.native_px, model.native_px)
        record.put("run through", "the project's velocity interface, beside the bare network of diffusers")
    except Exception as exc:  # the network alone is still worth timing
        model = None
        record.put("run through", f"the bare network of diffusers alone: {type(exc).__name__}: {exc}"[:400])

    def make(batch: int) -> Callable[[], Any]:
        if model is None:
            inputs = bare.inputs(batch)
            return lambda: bare.forward(inputs)
        state = torch.randn(batch, *cells, device=device)
        times = model.at_noise_level(torch.logspace(1, -1, batch, dtype=torch.float64))

        def call() -> Any:
            with torch.no_grad():
                return model.velocity(state, times, condition)

        return call

    best = _best_batch(make, chosen.largest, task, record)
    whole, same = make(best), bare.inputs(best)

    def loop() -> None:
        for _ in range(best):
            bare.forward(one)

    slice_s = max(5.0, task.left_s * 0.25)
    found = turn_about(whole, loop, device, within_s=slice_s)
    record.put("a batch beside a bare loop over single pictures", {"batch": best} | found)
    _peak_share(record, best, found["ours s"]["median"], device)
    found = turn_about(whole, lambda: bare.forward(same), device, within_s=slice_s)
    record.put("a batch beside the bare network with the same batch", {"batch": best} | found)
    single = make(1)
    found = turn_about(single, lambda: bare.forward(one), device, within_s=slice_s)
    record.put("one picture beside the bare network", found)
    if model is not None:
        record.put("batch that the project would choose", model.capacity(model.native_px, model.native_px))
    record.attempt("plain memory layout at the best batch", lambda: _plain_layout(bare.network, whole, device))
    record.attempt("CUDA graph, one picture", lambda: _graph(bare, one, device))


def _plain_layout(network: Any, call: Callable[[], Any], device: Any) -> Any:
    """Channels last beside the plain layout, one after the other."""
    import torch

    from tests.benchmarks.timing import seconds, spread

    last = [seconds(call, device) for _ in range(3)]
    network.to(memory_format=torch.contiguous_format)
    call()
    plain = [seconds(call, device) for _ in range(3)]
    network.to(memory_format=torch.channels_last)
    return {"channels last s": spread(last), "plain s": spread(plain)}


def _graph(bare: Any, inputs: dict[str, Any], device: Any) -> Any:
    """One evaluation replayed as a CUDA graph beside the same evaluation launched kernel by kernel."""
    import torch

    from tests.benchmarks.timing import seconds, spread

    if device.type != "cuda":
        return NOT_CUDA
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):
            bare.forward(inputs)
    torch.cuda.current_stream(device).wait_stream(side)
    began = time.perf_counter()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        bare.forward(inputs)
    captured = time.perf_counter() - began
    replayed = [seconds(graph.replay, device) for _ in range(9)]
    plain = [seconds(lambda: bare.forward(inputs), device) for _ in range(9)]
    return {"capture s": _short(captured), "replay s": spread(replayed), "plain s": spread(plain)}


def _share(record: Record, call: Callable[[], Any], batch: int, device: Any) -> None:
    """Arithmetic of one evaluation, and the ceiling to hold it against, measured in this very process."""
    import torch

    from tests.benchmarks.timing import matrix_peak, operations

    record.attempt("GFLOP of one evaluation", lambda: _short(operations(call) / batch / 1e9))
    side = 8192 if device.type == "cuda" else 256
    record.attempt("matrix product bf16, TFLOP/s", lambda: _short(matrix_peak(device, torch.bfloat16, side) / 1e12))


def _peak_share(record: Record, batch: int, seconds_each: float, device: Any) -> None:
    work, peak = record.figures["GFLOP of one evaluation"], record.figures["matrix product bf16, TFLOP/s"]
    record.put("evaluations/s at the best batch", _short(batch / seconds_each))
    if isinstance(work, float) and isinstance(peak, float):
        share = work * batch / seconds_each / 1e3 / peak
        record.put("share of the matrix product's pace", _short(share))


def _best_batch(make: Callable[[int], Callable[[], Any]], largest: int, task: Task, record: Record) -> int:
    """Doubles the batch until memory, time (a third of what the step has) or the gain (3 %) runs out."""
    import torch

    from tests.benchmarks.timing import seconds

    device = torch.device(task.device)
    until = time.monotonic() + task.left_s / 3
    rates: dict[str, Any] = {}
    best, fastest, batch = 1, 0.0, 1
    while batch <= (4 if task.tiny else largest) and time.monotonic() < until:
        try:
            call = make(batch)
            call()
            rate = batch / min(seconds(call, device) for _ in range(3))
        except torch.cuda.OutOfMemoryError:
            rates[str(batch)] = "out of memory"
            record.put("evaluations/s by batch", rates)
            torch.cuda.empty_cache()
            break
        rates[str(batch)] = _short(rate)
        record.put("evaluations/s by batch", rates)
        if rate > fastest:
            gained = rate > 1.03 * fastest
            best, fastest = batch, rate
        else:
            gained = False
        if not gained and batch > 4:
            break
        batch *= 2
    return best


def codelength(task: Task, record: Record) -> None:
    """All levels and draws at once beside the code sent level by level, one row at a time; both totals."""
    import torch

    from forensics.inversion.codelength import Grid, codelengths
    from forensics.protocol import PROFILES
    from tests.benchmarks.baselines import sequential_codelength
    from tests.benchmarks.networks import sd_bare, sd_model
    from tests.benchmarks.timing import peak_of, turn_about

    device, standard = torch.device(task.device), PROFILES["standard"]
    model = sd_model(sd_bare(device, torch.bfloat16, task.tiny), device, torch.bfloat16, task.tiny)
    levels = 6 if task.tiny else standard.codelength_levels
    grid = Grid(levels, standard.codelength_cut, standard.codelength_draws)
    target = torch.rand(1, 3, model.native_px, model.native_px, generator=torch.Generator().manual_seed(1))
    condition = model.condition("", 1.0)
    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"] = codelengths([target], [condition], model, grid)[0]

    def theirs() -> None:
        found["theirs"] = sequential_codelength(target, condition, model, grid)

    memory: dict[str, Any] = {}
    with peak_of(device, memory):
        record.put(
            "all levels at once beside the sequential sum",
            turn_about(ours, theirs, device, within_s=task.left_s * 0.6),
        )
    record.put("memory", memory)
    record.put("grid", f"{levels} levels, {grid.draws} draws, down to noise over signal {grid.cut}")
    record.put("evaluations", {"ours": found["ours"].evaluations, "theirs": found["theirs"].evaluations})
    mine, other = found["ours"].totals.tolist(), list(found["theirs"].totals)
    record.put("bits of each draw", {"ours": mine, "theirs": other})
    record.put("means differ by", _short(abs(statistics.mean(mine) / statistics.mean(other) - 1)))


def examination(task: Task, record: Record) -> None:
    """A whole `standard` examination of the embedded checkpoint with 99 controls, nothing stored from before.

    The index of the demonstration needs pylance. Where that is missing, the same checkpoint is examined as a folder of
    its own, with the same controls, captions and control checkpoint, and without an index.
    """
    import torch

    from forensics import examination as examining
    from forensics.errors import ForensicsError
    from forensics.events import Event
    from forensics.settings import resolve
    from tests.benchmarks.timing import peak_of

    image, flags = _tiny_case(task) if task.tiny else _demonstration(task)
    record.put("profile", flags.get("profile", "standard"))
    record.put("index", "searched" if "controls" not in flags else "not searched: it needs pylance, or is not given")
    stages: dict[str, list[float]] = {}
    last: list[Any] = ["", time.perf_counter()]
    said = [0.0]

    def emit(event: Event) -> None:
        now = time.perf_counter()
        stages.setdefault(last[0] or "start", [0.0])[0] += now - last[1]
        if event.stage != last[0] or now - said[0] > 1:
            said[0] = now
            record.put("seconds by stage", {name: _short(spent[0]) for name, spent in stages.items()})
            record.put("reached", f"{event.stage} {event.done}/{event.total} {event.note}"[:120])
        last[:] = [event.stage, now]
        if event.stage == "budget" and event.done:
            record.put("budget", event.note)

    folder = task.scratch / "case"
    memory: dict[str, Any] = {}
    began = time.perf_counter()
    with peak_of(torch.device(task.device), memory):
        try:
            examining.analyze(image, folder, resolve(flags), force=True, emit=emit)
            record.put("report", "rendered")
        except (ForensicsError, ImportError, OSError) as exc:
            # The case is closed before the report is laid out: on a bare machine the libraries of the PDF are missing.
            if not (folder / "data" / "case.json").is_file():
                raise
            record.put("report", f"not rendered: {type(exc).__name__}: {exc}"[:300])
    record.put("seconds", _short(time.perf_counter() - began))
    record.put("memory", memory)
    case = json.loads((folder / "data" / "case.json").read_bytes())
    record.put("evaluations for the picture asked of", sum(row["evaluations"] for row in case["inversions"]))
    record.put("controls", case["controls"].get("used", 0))
    record.put("control scores", [f["value"] for f in case["environment"] if f["name"] == "control scores"])
    record.put("comparisons", {c["title"]: {"k": c["k"], "n": c["n"], "p": c["p"]} for c in case["comparisons"]})


def _demonstration(task: Task) -> tuple[Path, dict[str, Any]]:
    """The disputed image of `make demo` and its settings."""
    samples = ROOT / "samples"
    image = samples / "disputed" / "memorised.png"
    flags: dict[str, Any] = {"device": task.device}
    if util.find_spec("lance") is not None:
        return image, flags
    reference = samples / "reference"
    checkpoint, controls = task.scratch / "twin-a", task.scratch / "controls"
    shutil.copytree(reference / "twin-a", checkpoint, ignore=shutil.ignore_patterns("run.json"))
    rows = [json.loads(line) for line in (reference / "manifest.jsonl").read_text("utf-8").splitlines()]
    kept = [row for row in rows if row["role"] == "control" and row["half"] != "none"]
    _controls(controls, [(reference / row["path"], row["caption"]) for row in kept])
    planted = max((row for row in rows if row["role"] == "planted"), key=lambda row: row["repetitions"])
    # A tree that was cut to travel may be without the control checkpoint's network.
    twin_b = reference / "twin-b"
    if (twin_b / "unet" / "diffusion_pytorch_model.safetensors").is_file():
        flags |= {"control_checkpoint": str(twin_b)}
    return image, flags | {
        "checkpoint": str(checkpoint),
        "controls": str(controls),
        "captions": (planted["caption"],),
        "clip": str(reference / "openclip"),
    }


def _tiny_case(task: Task) -> tuple[Path, dict[str, Any]]:
    """A tiny checkpoint, a few drawn controls with captions, and a profile that asks for little of everything."""
    from forensics.protocol import PROFILES
    from tests.diffusion import tiny
    from tests.report.pictures import scene

    PROFILES["tiny"] = dataclasses.replace(
        PROFILES["standard"],
        profile="tiny",
        controls=4,
        control_pool=8,
        search_controls=1,
        seeds=1,
        steps=3,
        codelength_levels=6,
        codelength_shown=3,
        rungs=("autoencoder", "ode", "regeneration"),
    )

    image = task.scratch / "disputed.png"
    scene(1, 32, 32).save(image)
    drawn = task.scratch / "drawn"
    drawn.mkdir()
    rows = []
    for seed in range(100, 112):
        scene(seed, 32, 32).save(drawn / f"{seed}.png")
        rows.append((drawn / f"{seed}.png", "hills"))
    _controls(task.scratch / "controls", rows)
    return image, {
        "checkpoint": str(tiny.write_checkpoint(task.scratch / "checkpoint")),
        "controls": str(task.scratch / "controls"),
        "captions": ("hills",),
        "profile": "tiny",
        "device": task.device,
    }


def _controls(folder: Path, rows: Sequence[tuple[Path, str]]) -> None:
    """A folder of controls as `forensics.controls` reads it."""
    folder.mkdir()
    with (folder / "controls.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "ground", "caption"))
        for path, caption in rows:
            shutil.copy(path, folder)
            writer.writerow((path.name, "Held out of the training of this checkpoint.", caption))


def training(task: Task, record: Record) -> None:
    """As much training of one twin as the time allows, by the recipe of the reference models; it can be resumed.

    Autoencoder, text encoder and tokenizer are those that ship. The state is written in pieces, and a folder of such
    pieces, given with `--resume`, is where a later run goes on.
    """
    from samples.recipe.__main__ import main as recipe

    work, samples = task.scratch / "training", ROOT / "samples" / "reference"
    for name, source in {
        "autoencoder/vae": "shared/vae",
        "clip/text_encoder": "shared/text_encoder",
        "tokenizer": "shared/tokenizer",
    }.items():
        shutil.copytree(samples / source, work / name)
    folder = work / f"twin-{task.twin}"
    folder.mkdir()
    state = folder / "last.pt"
    if task.resume is not None:
        join(sorted(task.resume.glob(f"twin-{task.twin}.state.*")), state)
    first = _steps(folder)
    few = {"--steps": str(first + 2), "--batch": "4", "--samples": str(_few_works(task, samples))} if task.tiny else {}
    # Twenty seconds are kept for writing the state; a run that is ended keeps its last whole checkpoint.
    minutes = max(0.02, (task.left_s - 20) / 60)
    given = {
        "--work": str(work),
        "--twin": task.twin,
        "--samples": str(samples),
        "--minutes": f"{minutes:.3f}",
        "--device": task.device,
        "--steps": str(10**9),
        "--threads": str(min(8, os.cpu_count() or 1)),
    }
    began = time.perf_counter()
    arguments = [part for pair in (given | few).items() for part in pair]
    recipe(["twin", *arguments])
    took = time.perf_counter() - began
    run = json.loads((folder / "run.json").read_text("utf-8"))
    record.put("twin", task.twin)
    record.put("steps", run["steps"])
    record.put("steps of this run", run["steps"] - first)
    record.put("steps/s, start included", _short((run["steps"] - first) / took))
    record.put("seconds of all runs", run["seconds"])
    record.put("batch", run["parameters"]["batch"])
    log = folder / "log.jsonl"
    if log.is_file():
        record.put("losses", [json.loads(line) for line in log.read_text("utf-8").splitlines()][-5:])
    record.put("state", keep_state(task))


def keep_state(task: Task) -> list[str]:
    """The last whole checkpoint of the training, in pieces in the folder of what is kept; their names, or none."""
    state = task.scratch / "training" / f"twin-{task.twin}" / "last.pt"
    return split(state, task.out, f"twin-{task.twin}.state") if state.is_file() else []


def _few_works(task: Task, samples: Path) -> Path:
    """A manifest of a few training works and planted ones, with their renderings."""
    folder = task.scratch / "samples"
    folder.mkdir()
    (folder / "works").symlink_to(samples / "works")
    rows = (samples / "manifest.jsonl").read_text("utf-8").splitlines()
    kept = [r for r in rows if json.loads(r)["role"] == "training"][:12]
    kept += [r for r in rows if json.loads(r)["role"] == "planted" and json.loads(r)["repetitions"] == 1][:4]
    (folder / "manifest.jsonl").write_text("\n".join(kept) + "\n", "utf-8")
    return folder


def _steps(folder: Path) -> int:
    import torch

    path = folder / "last.pt"
    return int(torch.load(path, map_location="cpu", weights_only=True)["step"]) if path.is_file() else 0


def split(path: Path, folder: Path, name: str, size: int = PIECE_MIB * 2**20) -> list[str]:
    """Write a file as `NAME.000`, `NAME.001`, ... of at most `size` bytes; earlier pieces of the name go first."""
    for old in folder.glob(f"{name}.*"):
        old.unlink()
    names = []
    with path.open("rb") as source:
        while part := source.read(size):
            names.append(f"{name}.{len(names):03d}")
            (folder / names[-1]).write_bytes(part)
    return names


def join(pieces: Sequence[Path], path: Path) -> None:
    """The file that `split` took apart. Raises FileNotFoundError where there is no piece or one is missing."""
    numbers = [int(piece.suffix[1:]) for piece in pieces]
    if not pieces or numbers != list(range(len(pieces))):
        raise FileNotFoundError(f"pieces {numbers} of {path.name}: 0 to the last are needed, without a gap")
    with path.open("wb") as target:
        for piece in pieces:
            target.write(piece.read_bytes())


STEPS: dict[str, tuple[float, Callable[[Task, Record], None]]] = {
    "machine": (40, machine),
    "tests": (75, gpu_tests),
    "sd15": (60, shape("sd15")),
    "codelength": (45, codelength),
    "sdxl": (50, shape("sdxl")),
    "flux": (55, shape("flux")),
    "examination": (200, examination),
    "training": (3600, training),
}
"""Step -> most seconds it may take, and what it runs. The last takes the time that is left."""


def nothing() -> None:
    """A process that ends at once."""


def run(name: str, task: Task, figures: Path, log: Path) -> None:
    """One step in this process, whose output goes to the log; a failure ends it with a status other than 0."""
    os.setpgid(0, 0)  # so that the step and all it started can be ended together
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    record = Record(figures)
    record.put("device", task.device)
    if task.device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise RuntimeError("there is no CUDA device, or its driver does not fit this torch")
    STEPS[name][1](dataclasses.replace(task), record)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _first(case: ET.Element) -> str:
    found = case.find("failure")
    element = found if found is not None else case.find("error")
    return "" if element is None else f"{element.get('message', '')} {element.text or ''}"


def _short(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")
