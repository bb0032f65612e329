"""Copy descriptors: one unit vector a picture, near for edited copies of one picture and far for everything else.

Pizzi et al. 2022, "A Self-Supervised Descriptor for Image Copy Detection" (SSCD). Two descriptors share this seam: the
small one that ships with the package, trained in the same manner on the clip art of the reference models
(`python -m forensics.reference descriptor`), and SSCD itself, fetched by `forensics weights fetch sscd/disc_mixup`.
Vectors of two descriptors are never comparable.

A similarity says little by itself: some pictures resemble many. Score normalisation (ibid., section 4.4; Douze et al.
2021, "The 2021 Image Similarity Dataset and Challenge") subtracts what the query reaches on pictures that are known to
be unrelated: `normalised`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from forensics import foreign, resources, weights
from forensics.case import Absent
from forensics.device import Device, batch_size
from forensics.errors import ForensicsError, WeightsError

FOLDER = ("reference", "copydescriptor")
"""Where the embedded descriptor lies below `samples`."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
SSCD = "sscd/disc_mixup"
NEIGHBOURS = 3
"""Nearest background pictures whose mean similarity is subtracted; SSCD's evaluation takes the same three."""
_SSCD_SIDE = 288
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CEILING = 32


class CopyDescriptor(Protocol):
    """A loaded descriptor."""

    name: str
    version: str
    digest: str
    """SHA-256 over weights, architecture and preprocessing: vectors with the same digest are comparable."""
    dims: int
    side: int
    """Pixels of the network's input: both sides, or the shorter one where proportions are kept."""
    protocol: str
    """How a picture becomes a vector, in words, for the report."""

    def embed(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, dims) float32 rows of Euclidean norm 1, on the CPU.

        Raises:
            ValueError: wrong shape or range.
        """
        ...


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What `config.json` of the embedded descriptor holds."""

    name: str
    version: str
    side: int
    dims: int
    widths: tuple[int, ...]
    """Channels of the stages; each stage but the first halves the grid."""
    blocks: tuple[int, ...]
    """Residual blocks of the stages."""
    stem: int
    """Stride of the first convolution."""
    power: float
    """Exponent of the generalised mean over the grid (GeM, Radenović et al. 2019)."""


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outer)
        self.second = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outer)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inner != outer:
            self.shortcut = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, h, w) -> (B, outer, h / stride, w / stride)."""
        inside = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        return F.relu(inside + self.shortcut(x))


class Network(nn.Module):
    """A small residual network, generalised mean, projection, and a whitening fitted after the training."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.power = config.power
        size = config.stem + 3 if config.stem > 2 else 3
        self.stem = nn.Conv2d(3, config.widths[0], size, config.stem, size // 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(config.widths[0])
        stages: list[nn.Module] = []
        inner = config.widths[0]
        for stage, (outer, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            for number in range(count):
                stages.append(_Block(inner, outer, 2 if number == 0 and stage > 0 else 1))
                inner = outer
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(inner, config.dims)
        self.whiten = nn.Linear(config.dims, config.dims)
        nn.init.eye_(self.whiten.weight)
        nn.init.zeros_(self.whiten.bias)
        self.whiten.requires_grad_(False)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, side, side) in [-1, 1] -> (B, dims) float32, neither whitened nor of unit length."""
        grid = self.stages(F.relu(self.stem_norm(self.stem(x))))
        pooled = grid.float().clamp(min=1e-4).pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)
        projected: Tensor = self.project(pooled)
        return projected.float()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, side, side) in [-1, 1] -> (B, dims) float32 of norm 1."""
        return F.normalize(self.whiten(F.normalize(self.features(x), dim=1)), dim=1)


class Embedded:
    """The descriptor of a folder with `config.json` and `model.safetensors`."""

    def __init__(self, folder: Path, device: Device) -> None:
        """Use `open_descriptor`."""
        config = _config(folder)
        self.name, self.version, self.dims, self.side = config.name, config.version, config.dims, config.side
        self.protocol = (
            f"the whole picture resampled to {self.side} × {self.side} pixels (bilinear, antialiased), proportions not "
            f"kept; {self.dims} numbers from a residual network with generalised-mean pooling, whitened, of unit length"
        )
        try:
            state = load_file(folder / WEIGHTS)
            network = Network(config)
            network.load_state_dict({key: value.float() for key, value in state.items()})
        except FileNotFoundError as exc:
            raise WeightsError(f"{folder} has no {WEIGHTS}.", hint="Fetch the folder again.") from exc
        except (OSError, SafetensorError, RuntimeError) as exc:
            raise WeightsError(
                f"The copy descriptor in {folder} could not be loaded: {str(exc).splitlines()[0]}",
                hint="Its weights are damaged or belong to another configuration.",
            ) from exc
        parts = {"weights": weights.sha256_file(folder / WEIGHTS), "config": asdict(config), "protocol": self.protocol}
        self.digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        self._device = device
        self._network = network.eval().requires_grad_(False).to(device.device)

    def embed(self, pixels: Tensor) -> Tensor:
        """See `CopyDescriptor`."""
        return _run(self._network, self._prepare(_checked(pixels)), self._device, self.name)

    def _prepare(self, pixels: Tensor) -> Tensor:
        size = (self.side, self.side)
        return F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False) * 2 - 1


class Sscd:
    """SSCD disc_mixup (ResNet-50, 512 numbers) from the publisher's TorchScript file, whose digest is pinned.

    The archive holds a program: it is run only after its bytes have proved to be the published ones.
    """

    name, version, dims, side = "sscd_disc_mixup", "1", 512, _SSCD_SIDE
    protocol = (
        f"the whole picture resampled so that its shorter side is {_SSCD_SIDE} pixels (bilinear, antialiased), "
        "proportions kept; 512 numbers of unit length"
    )

    def __init__(self, path: Path, device: Device) -> None:
        """Use `open_descriptor`."""
        try:
            network = torch.jit.load(str(path), map_location="cpu")
        except (RuntimeError, OSError) as exc:
            raise WeightsError(
                f"SSCD could not be loaded from {path}.", hint="It needs torch with TorchScript."
            ) from exc
        parts = {"weights": weights.sha256_file(path), "protocol": self.protocol}
        self.digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        self._device = device
        self._network = network.eval().to(device.device)

    def embed(self, pixels: Tensor) -> Tensor:
        """See `CopyDescriptor`."""
        checked = _checked(pixels)
        height, width = checked.shape[-2:]
        scale = _SSCD_SIDE / min(height, width)
        size = (max(_SSCD_SIDE, round(height * scale)), max(_SSCD_SIDE, round(width * scale)))
        fitted = F.interpolate(checked, size=size, mode="bilinear", antialias=True, align_corners=False)
        mean, std = (fitted.new_tensor(v).view(1, 3, 1, 1) for v in _IMAGENET)
        return _run(self._network, (fitted - mean) / std, self._device, self.name)


def open_descriptor(location: str | None, device: Device) -> CopyDescriptor | Absent:
    """Load a copy descriptor.

    Args:
        location: none for the one that ships with the package; `sscd/disc_mixup` for SSCD; or a folder in the format
            of the embedded one.
        device: where to run; the precision is float32 whatever it says.

    Returns:
        The descriptor; an absence with its remedy where the package or the machine does not have the weights.

    Raises:
        WeightsError: the location names nothing known, or the weights are damaged.
    """
    if location is None:
        try:
            folder = resources.samples().joinpath(*FOLDER)
        except ForensicsError:  # a source tree without its samples
            folder = Path(*FOLDER)
        if not (folder / WEIGHTS).is_file():
            return Absent(
                "copy descriptor",
                "The copy descriptor of the reference models is not among the files of this installation.",
                f"Install the package again, or fetch {SSCD} with `forensics weights fetch {SSCD}`.",
            )
        return Embedded(folder, device)
    if location == SSCD:
        row = weights.TABLE[SSCD]
        if weights.find(row.file) is None:
            return Absent(
                "copy descriptor",
                "The weights of SSCD are not on this machine.",
                f"Run `forensics weights fetch {SSCD}` with a network connection.",
            )
        return Sscd(weights.resolve(SSCD), device)
    if Path(location).expanduser().is_dir():
        return Embedded(Path(location).expanduser(), device)
    raise WeightsError(
        f"The copy descriptor {location!r} is not known.", hint=f"Give {SSCD}, or a folder with {CONFIG} and {WEIGHTS}."
    )


def background_similarity(queries: Tensor, background: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """(B,) mean similarity of each query to its nearest pictures of a background set.

    Args:
        queries: (B, d) unit vectors.
        background: (N, d) unit vectors of pictures known to be unrelated to the queries, made by the same descriptor.
        neighbours: how many of the nearest are averaged.

    Raises:
        ValueError: fewer background pictures than `neighbours`, or vectors of different length.
    """
    if queries.shape[1] != background.shape[1]:
        raise ValueError(f"vectors of {queries.shape[1]} and {background.shape[1]} numbers are not comparable")
    if len(background) < neighbours:
        raise ValueError(f"{len(background)} background pictures, at least {neighbours} are needed")
    return (queries @ background.T).topk(neighbours, dim=1).values.mean(dim=1)


def normalised(
    similarity: Tensor, queries: Tensor, background: Tensor, *, weight: float = 1.0, neighbours: int = NEIGHBOURS
) -> Tensor:
    """Similarities less what the query reaches on unrelated pictures: about 0 or below where nothing is remarkable.

    Args:
        similarity: (B,) or (B, M) similarities, one row a query.
        queries: (B, d) unit vectors of the queries.
        background: (N, d) unit vectors of unrelated pictures. It must not hold the works that are compared.
        weight: share of the background similarity that is subtracted; 1 as in the publication.
        neighbours: see `background_similarity`.

    Returns:
        The shape of `similarity`. Not symmetric: the background of the query counts, not that of the reference.
    """
    offset = weight * background_similarity(queries, background, neighbours)
    return similarity - (offset[:, None] if similarity.ndim == 2 else offset)


def _config(folder: Path) -> NetworkConfig:
    try:
        if not (folder / CONFIG).exists():
            raise FileNotFoundError(folder / CONFIG)
        values: dict[str, Any] = foreign.read_json(folder / CONFIG, foreign.MIB)
        values |= {name: tuple(int(v) for v in values[name]) for name in ("widths", "blocks")}
        return NetworkConfig(**values)
    except FileNotFoundError as exc:
        raise WeightsError(f"{folder} has no {CONFIG}.", hint="Give a folder in the embedded format.") from exc
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise WeightsError(f"{folder / CONFIG} is not readable: {exc!r}.", hint="Fetch the folder again.") from exc


def _checked(pixels: Tensor) -> Tensor:
    if pixels.ndim != 4 or pixels.shape[1] != 3 or 0 in pixels.shape[2:]:
        raise ValueError(f"expected (B, 3, H, W), got {tuple(pixels.shape)}")
    batch = pixels.detach().cpu().float()
    if len(batch):
        low, high = batch.aminmax()
        if low < 0 or high > 1:
            raise ValueError("expected values in [0, 1]")
    return batch


@torch.inference_mode()
def _run(network: nn.Module, prepared: Tensor, device: Device, name: str) -> Tensor:
    size = batch_size(device, mib_per_item=64, ceiling=_CEILING)
    # cuDNN would round the inputs of convolutions to TF32.
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        rows = [network(part.to(device.device)).double().cpu() for part in prepared.split(size)]
    vectors = torch.cat(rows)
    norms = vectors.norm(dim=1, keepdim=True)
    if not bool(norms.isfinite().all()) or bool((norms == 0).any()):
        raise WeightsError(f"The descriptor {name} gave a vector without direction.", hint="Its weights are damaged.")
    return (vectors / norms).float().clone()
