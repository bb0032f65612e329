"""Copy descriptors: one unit vector a picture, near for edited copies of one picture and far for everything else.

Two descriptors share this seam. The one that ships with the package pools the AlexNet maps that ship for LPIPS
(generalised mean: F. Radenović, G. Tolias, O. Chum, PAMI 2019), and whitens them with a matrix fitted to works and
edited views of them (`python -m samples.recipe descriptor`): directions in which views of one work differ are made
small first, as linear discriminant analysis does (K. Mikolajczyk and J. Matas, ICCV 2007). The other is SSCD (Pizzi et
al. 2022, "A Self-Supervised Descriptor for Image Copy Detection"), fetched by `forensics weights fetch
sscd/disc_mixup`. Vectors of two descriptors are never comparable.

A similarity says little by itself: some pictures resemble many. Score normalisation (ibid., section 4.4; Douze et al.
2021, "The 2021 Image Similarity Dataset and Challenge") subtracts what the query reaches on pictures that are known to
be unrelated: `normalised`.
"""

from __future__ import annotations

import hashlib
import json
import math
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
from forensics.embedders import alexnet, remembered
from forensics.embedders.remembered import Remembered
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
_LEAST = 1e-6
"""Least value that is pooled: the root of an exponent has no slope at 0."""
_STRIDE = 3
"""Places of the grid between two windows: 48 pixels of the network's input, where a window has about 20 places."""
_OVERLAP = 2.0
"""Windows of SSCD lie so many to a window's length."""
_OBLONG = 1.25
"""Ratio of the sides from which square windows differ from those of the picture's proportions."""
_LONGEST = 3
"""A picture longer than this many of its shorter sides is compressed to it before square windows are laid."""


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

    def windows(self, pixels: Tensor, share: float) -> Tensor:
        """Vectors of parts of one picture, laid closely enough that whatever covers a part lies in one of them.

        Args:
            pixels: (1, 3, H, W) in [0, 1].
            share: of the width and of the height of the picture that a part has, in (0, 1).

        Returns:
            (n, dims) float32 rows of Euclidean norm 1, on the CPU.

        Raises:
            ValueError: wrong shape or range.
        """
        ...


@dataclass(frozen=True, slots=True)
class PoolingConfig:
    """What `config.json` of the embedded descriptor holds."""

    name: str
    version: str
    side: int
    """Pixels of both sides of the network's input."""
    dims: int
    layers: tuple[int, ...]
    """Maps of AlexNet that are pooled, counted from 1; all of one size."""
    power: float
    """Exponent of the generalised mean over the grid."""

    @property
    def width(self) -> int:
        """Numbers before the whitening."""
        return sum(alexnet.CHANNELS[layer - 1] for layer in self.layers)


class Pooling(nn.Module):
    """Maps of AlexNet, generalised mean of each, unit length of each, one after the other, whitened."""

    def __init__(self, config: PoolingConfig, trunk: alexnet.Trunk) -> None:
        super().__init__()
        self._config, self._trunk = config, trunk
        self.mean = nn.Parameter(torch.zeros(config.width), requires_grad=False)
        self.matrix = nn.Parameter(torch.zeros(config.width, config.dims), requires_grad=False)

    def features(self, x: Tensor, window: float | None = None) -> Tensor:
        """Pooled maps before the whitening.

        Args:
            x: (B, 3, h, w) in [0, 1].
            window: pixels of `x` along a side of the square windows that are pooled, laid every third place of the
                grid; none pools the whole grid.

        Returns:
            (B, width), or (B * windows, width), every map's part of one length, all together of length 1.
        """
        maps = [grid for number, grid in enumerate(self._trunk.maps(x), 1) if number in self._config.layers]
        parts = []
        for grid in maps:
            raised = grid.clamp(min=_LEAST).pow(self._config.power)
            if window is None:
                pooled = raised.mean(dim=(2, 3))
            else:
                size = [max(1, min(g, round(g * window / s))) for g, s in zip(grid.shape[2:], x.shape[2:], strict=True)]
                pooled = F.avg_pool2d(raised, size, _STRIDE).flatten(2).transpose(1, 2).flatten(0, 1)
            parts.append(F.normalize(pooled.pow(1 / self._config.power), dim=1))
        return torch.cat(parts, dim=1) / len(parts) ** 0.5

    def forward(self, x: Tensor, window: float | None = None) -> Tensor:
        """`features`, whitened: (B or B * windows, dims), not of unit length."""
        whitened: Tensor = (self.features(x, window) - self.mean) @ self.matrix
        return whitened


class Embedded:
    """The descriptor of a folder with `config.json` and `model.safetensors`, over the trunk of `forensics.weights`."""

    def __init__(self, folder: Path, device: Device) -> None:
        """Use `open_descriptor`."""
        config = _config(folder)
        self.name, self.version, self.dims, self.side = config.name, config.version, config.dims, config.side
        layers = (
            " and ".join(map(str, config.layers))
            if len(config.layers) < 3
            else (", ".join(map(str, config.layers[:-1])) + f" and {config.layers[-1]}")
        )
        self.protocol = (
            f"the whole picture resampled to {self.side} × {self.side} pixels (bilinear, antialiased), proportions not "
            f"kept; maps {layers} of AlexNet (the trunk of LPIPS), the generalised mean of each with exponent "
            f"{config.power:g}, whitened to {self.dims} numbers of unit length"
        )
        trunk = weights.resolve(alexnet.WEIGHTS)
        try:
            network = Pooling(config, alexnet.Trunk(load_file(trunk), device.device))
            network.load_state_dict({key: value.float() for key, value in load_file(folder / WEIGHTS).items()})
        except FileNotFoundError as exc:
            raise WeightsError(f"{folder} has no {WEIGHTS}.", hint="Fetch the folder again.") from exc
        except (OSError, SafetensorError, RuntimeError) as exc:
            raise WeightsError(
                f"The copy descriptor in {folder} could not be loaded: {str(exc).splitlines()[0]}",
                hint="Its weights are damaged or belong to another configuration.",
            ) from exc
        parts = {
            "weights": weights.sha256_file(folder / WEIGHTS),
            "trunk": weights.TABLE[alexnet.WEIGHTS].sha256,
            "config": asdict(config),
            "protocol": self.protocol,
        }
        self.digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        self._device = device
        self._network = network.eval().to(device.device)
        self._remembered = Remembered()

    def shipped_with(self, path: Path) -> Embedded:
        """The same, knowing the vectors of a file of the package that this descriptor made on a processor."""
        if self._device.device.type == "cpu":
            self._remembered.vectors |= remembered.read(path, self.digest)
        return self

    def embed(self, pixels: Tensor) -> Tensor:
        """See `CopyDescriptor`."""
        return self._remembered.of(_checked(pixels), self._described)

    def _described(self, pixels: Tensor) -> Tensor:
        return _run(self._network, fit(pixels, self.side, self.side), self._device, self.name)

    def windows(self, pixels: Tensor, share: float) -> Tensor:
        """See `CopyDescriptor`. The picture is enlarged so that a window has the size of the network's input; its maps
        are computed once and pooled over each window."""
        picture = _one(pixels, share)
        height, width = picture.shape[-2:]
        side = round(self.side / share)
        sizes = [(side, side)]  # windows of the proportions of the picture
        if max(height, width) > _OBLONG * min(height, width):  # and square ones, where that is another thing
            scale = side / min(height, width)
            sizes.append((min(round(height * scale), _LONGEST * side), min(round(width * scale), _LONGEST * side)))
        found = [_run(self._network, fit(picture, *size), self._device, self.name, self.side) for size in sizes]
        return torch.cat(found)


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
        self._remembered = Remembered()

    def embed(self, pixels: Tensor) -> Tensor:
        """See `CopyDescriptor`."""
        return self._remembered.of(_checked(pixels), self._described)

    def _described(self, checked: Tensor) -> Tensor:
        height, width = checked.shape[-2:]
        scale = _SSCD_SIDE / min(height, width)
        size = (max(_SSCD_SIDE, round(height * scale)), max(_SSCD_SIDE, round(width * scale)))
        fitted = F.interpolate(checked, size=size, mode="bilinear", antialias=True, align_corners=False)
        mean, std = (fitted.new_tensor(v).view(1, 3, 1, 1) for v in _IMAGENET)
        return _run(self._network, (fitted - mean) / std, self._device, self.name)

    def windows(self, pixels: Tensor, share: float) -> Tensor:
        """See `CopyDescriptor`: every part is cut out and described by itself, as the publisher's program is closed."""
        picture = _one(pixels, share)
        height, width = picture.shape[-2:]
        tall, wide = max(1, round(height * share)), max(1, round(width * share))
        steps = 1 + math.ceil((1 - share) / share * _OVERLAP)
        places = [i / (steps - 1) for i in range(steps)]
        tops, lefts = [round((height - tall) * p) for p in places], [round((width - wide) * p) for p in places]
        return self.embed(torch.cat([picture[:, :, y : y + tall, x : x + wide] for y in tops for x in lefts]))


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
        return Embedded(folder, device).shipped_with(folder / "controls.safetensors")
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


def _config(folder: Path) -> PoolingConfig:
    try:
        if not (folder / CONFIG).exists():
            raise FileNotFoundError(folder / CONFIG)
        values: dict[str, Any] = foreign.read_json(folder / CONFIG, foreign.MIB)
        found = PoolingConfig(**values | {"layers": tuple(int(v) for v in values["layers"])})
        sizes = {alexnet.sides(layer, found.side) for layer in found.layers}
        if not found.layers or len(sizes) != 1 or 0 in sizes:
            raise ValueError(f"layers {found.layers} at {found.side} pixels")
        return found
    except FileNotFoundError as exc:
        raise WeightsError(f"{folder} has no {CONFIG}.", hint="Give a folder in the embedded format.") from exc
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as exc:
        raise WeightsError(f"{folder / CONFIG} is not readable: {exc!r}.", hint="Fetch the folder again.") from exc


def fit(pixels: Tensor, height: int, width: int) -> Tensor:
    """Pictures (B, 3, H, W) brought to a size: bilinear, antialiased, proportions as they come out, in [0, 1]."""
    fitted = F.interpolate(pixels, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    return fitted.clamp(0, 1)


def _one(pixels: Tensor, share: float) -> Tensor:
    checked = _checked(pixels)
    if len(checked) != 1 or not 0 < share < 1:
        raise ValueError(f"expected one picture and a share in (0, 1), got {len(checked)} and {share}")
    return checked


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
def _run(network: nn.Module, prepared: Tensor, device: Device, name: str, *more: float) -> Tensor:
    size = batch_size(device, mib_per_item=64, ceiling=_CEILING)
    # cuDNN would round the inputs of convolutions to TF32.
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        rows = [network(part.to(device.device), *more).double().cpu() for part in prepared.split(size)]
    vectors = torch.cat(rows)
    norms = vectors.norm(dim=1, keepdim=True)
    if not bool(norms.isfinite().all()) or bool((norms == 0).any()):
        raise WeightsError(f"The descriptor {name} gave a vector without direction.", hint="Its weights are damaged.")
    return (vectors / norms).float().clone()
