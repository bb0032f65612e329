"""Device, precision, determinism, memory and the facts about them that the report prints."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Generator, Tensor

from forensics import hands
from forensics.case import Fact
from forensics.errors import DeviceError, OutOfMemoryError
from forensics.memory import available_bytes

_UNCOMPILED = ("nms", "qnms")
"""Operators that torchvision describes while it is imported, and that its compiled library otherwise brings."""


def _declare_operators() -> torch.library.Library | None:
    """Make torchvision importable beside a torch without CUDA, where its own library is linked against CUDA.

    That is how the common package index has it for Linux. The library does not load there, torchvision goes on without
    it, and stops at two operators for detectors that it wants to describe. They are named for it; nothing in this
    package calls them, and calling one stays an error. What is used of it, layers and resizing, is plain Python.

    Returns:
        The names declared, which last as long as this object; None where nothing needed to be declared.
    """
    if torch.version.cuda is not None or (found := importlib.util.find_spec("torchvision")) is None:
        return None
    for folder in found.submodule_search_locations or ():
        for library in Path(folder).glob("_C*.so"):
            with contextlib.suppress(OSError):
                torch.ops.load_library(str(library))
                return None
    names = torch.library.Library("torchvision", "FRAGMENT")
    for name in _UNCOMPILED:
        names.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return names


_OPERATORS = _declare_operators()
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Device:
    """Where and at which precision the networks run."""

    device: torch.device
    dtype: torch.dtype
    precision: str

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"


def choose(device: str = "auto", precision: str = "auto") -> Device:
    """The device asked for.

    `auto` takes the first CUDA device, else the CPU; precision `auto` is fp32 on the CPU (bit-for-bit repeatable) and
    bf16 on CUDA where the card has it, else fp16.

    Raises:
        DeviceError: the device is not there, or the precision does not run on it.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        chosen = torch.device(name)
    except RuntimeError as exc:
        raise DeviceError(f"{name!r} is not a device.", hint="Use auto, cpu, cuda or cuda:0.") from exc
    if chosen.type not in ("cpu", "cuda"):
        raise DeviceError(f"Device {name!r} is not supported.", hint="Use auto, cpu, cuda or cuda:0.")
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError("No CUDA device is available.", hint="Use --device cpu, or check the driver.")
        if (chosen.index or 0) >= torch.cuda.device_count():
            raise DeviceError(f"There is no {name}.", hint=f"Devices: 0 to {torch.cuda.device_count() - 1}.")
    if precision == "auto":
        precision = "fp32" if chosen.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if precision not in _DTYPES:
        raise DeviceError(f"Unknown precision {precision!r}.", hint="Use auto, fp32, bf16 or fp16.")
    if precision == "fp16" and chosen.type == "cpu":
        raise DeviceError("fp16 is not supported on the CPU.", hint="Use --precision fp32 or bf16.")
    # A card's convolutions take float32 for TF32, with ten bits of mantissa, unless told otherwise. Autoencoder,
    # embedder and copy descriptor are promised to differ from a CPU's results by rounding only.
    torch.backends.cudnn.allow_tf32 = False
    return Device(chosen, _DTYPES[precision], precision)


@contextlib.contextmanager
def session(device: Device) -> Iterator[Device]:
    """Deterministic algorithms inside, memory freed on the way out, memory exhaustion turned into a clear error."""
    # cuBLAS reads this when its first handle is made; without it deterministic mode refuses to run matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same switch as `torch.use_deterministic_algorithms`, which would import the whole compiler to tell it too.
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("warn")
    if device.is_cuda:
        torch.backends.cudnn.benchmark = False
        torch.cuda.reset_peak_memory_stats(device.device)
    try:
        yield device
    except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as exc:
        # The CPU allocator has no exception of its own: it raises a plain RuntimeError with this text.
        exhausted = isinstance(exc, torch.cuda.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(exc)
        if not exhausted:
            raise
        raise OutOfMemoryError(
            f"{device.device} ran out of memory.",
            hint="Use --precision bf16, --profile quick, or a machine with more memory.",
        ) from exc
    finally:
        torch.set_deterministic_debug_mode(before)
        gc.collect()
        if device.is_cuda:
            torch.cuda.empty_cache()


def generator(seed: int, *labels: object) -> Generator:
    """A CPU generator for one named purpose. Streams for different labels are independent."""
    text = "/".join([str(seed), *map(str, labels)])
    return Generator("cpu").manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1)


def noise(shape: tuple[int, ...], seed: int, *labels: object) -> Tensor:
    """Standard normal float32 noise on the CPU: the same on every device."""
    return torch.randn(shape, generator=generator(seed, *labels), dtype=torch.float32)


def memory_gib(device: Device) -> float:
    """Free memory of the device, in GiB; for the CPU what the system says is available."""
    if device.is_cuda:
        free, _ = torch.cuda.mem_get_info(device.device)
        return float(free) / 2**30
    said = available_bytes()
    return 2.0 if said is None else said / 2**30


def peak_memory_gib(device: Device) -> float:
    """Greatest memory of the device that this process held so far, in GiB; for the CPU its greatest resident size."""
    if device.is_cuda:
        return float(torch.cuda.max_memory_allocated(device.device)) / 2**30
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def batch_size(device: Device, mib_per_item: float, ceiling: int) -> int:
    """How many items of a given working size fit into half of the free memory, between 1 and `ceiling`."""
    return max(1, min(ceiling, int(memory_gib(device) * 1024 / 2 / max(mib_per_item, 1e-6))))


def facts(device: Device) -> tuple[Fact, ...]:
    """What a second laboratory needs to know of this machine and its software."""
    packages = ("torch", "diffusers", "transformers", "open_clip_torch", "lpips", "numpy", "pillow", "weasyprint")
    rows = [
        Fact("operating system", platform.platform()),
        Fact("python", sys.version.split()[0]),
        Fact("processor", platform.machine()),
        Fact("cores", str(os.cpu_count())),
        Fact("threads", f"{'2 × ' if hands.count() == 2 else ''}{torch.get_num_threads()}"),
        Fact("device", str(device.device)),
        Fact("precision", device.precision),
    ]
    if device.is_cuda:
        rows.append(Fact("graphics card", torch.cuda.get_device_name(device.device)))
        rows.append(Fact("cuda", str(torch.version.cuda)))
    rows += [Fact(name, _version(name)) for name in packages]
    return tuple(rows)


def _version(package: str) -> str:
    """An examination on a machine without the report's libraries is closed like any other, and rendered elsewhere."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
