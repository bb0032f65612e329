"""open_clip models as embedders: pictures and texts to unit vectors, with a digest that pins every digit's origin.

The digest covers the weights, the architecture and the preprocessing, because vectors made with any of them changed
cannot be compared. Everything runs in float32 on every device, so that an index built on a GPU and a query made on a
CPU differ by rounding only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from forensics import foreign, weights
from forensics.device import Device, batch_size
from forensics.errors import WeightsError
from forensics.pictures.tensors import resize

Vectors = NDArray[np.float32]
CONFIG = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
_CEILING = 32
"""Pictures in one forward pass: small, so that the free memory of the day seldom changes the batch."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes the network's input."""

    fit: str
    """`squash`: whole picture, proportions not kept; `shortest`: shorter side, then the central part; `longest`: whole
    picture, padded."""
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    fill: float
    """Grey of the padding in [0, 1]; used by `longest` only."""

    @property
    def sentence(self) -> str:
        """The step in words, for the report."""
        how = {
            "squash": "the whole picture resampled, proportions not kept",
            "shortest": "the shorter side resampled, then the central part taken: the edges are not seen",
            "longest": "the longer side resampled, then padded",
        }[self.fit]
        return (
            f"{how}, to {self.width} × {self.height} pixels ({self.interpolation}, antialiased, not rounded to 8 bits)"
        )

    def __call__(self, batch: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, 3, height, width), normalised with mean and standard deviation."""
        h, w = batch.shape[-2:]
        if self.fit == "squash":
            fitted = self._resample(batch, self.height, self.width)
        elif self.fit == "shortest":
            scale = max(self.height / h, self.width / w)
            fitted = self._resample(batch, max(self.height, int(h * scale)), max(self.width, int(w * scale)))
            top, left = round((fitted.shape[-2] - self.height) / 2), round((fitted.shape[-1] - self.width) / 2)
            fitted = fitted[..., top : top + self.height, left : left + self.width]
        else:
            scale = min(self.height / h, self.width / w)
            rows, columns = min(self.height, round(h * scale)), min(self.width, round(w * scale))
            top, left = (self.height - rows) // 2, (self.width - columns) // 2
            border = (left, self.width - columns - left, top, self.height - rows - top)
            fitted = F.pad(self._resample(batch, rows, columns), border, value=self.fill)
        mean, std = (fitted.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return (fitted - mean) / std

    def _resample(self, batch: Tensor, height: int, width: int) -> Tensor:
        if self.interpolation == "bilinear":
            return F.interpolate(batch, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
        return resize(batch, height, width)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a model's parts were found, before anything is loaded."""

    name: str
    model: dict[str, Any]
    """open_clip's `model_cfg`."""
    preprocess: dict[str, Any]
    weights: Path
    architecture: str
    """What open_clip builds: `local-dir:...` or a built-in name."""
    quick_gelu: bool


class Embedder:
    """One loaded model. Pictures and texts of one model are comparable; those of two models never are."""

    def __init__(self, source: _Source, preprocessing: Preprocessing, device: Device) -> None:
        """Use `Embedder.open`."""
        self.name = source.name
        self.preprocessing = preprocessing
        parts = {
            "weights": weights.sha256_file(source.weights),
            "model": source.model | {"quick_gelu": source.quick_gelu},
            "preprocessing": asdict(preprocessing),
        }
        self.digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        self._source = source
        self._device = device
        self._model = _load(source).to(device.device)
        self._tokenizer: Any = None
        self.dimension = int(source.model["embed_dim"])

    @classmethod
    def open(cls, spec: str, device: Device, *, fit: str = "squash") -> Embedder:
        """Load a model.

        Args:
            spec: a folder with `open_clip_config.json` and safetensors weights, or MODEL/PRETRAINED by open_clip's
                names, whose weights were fetched before.
            device: where to run; the precision is float32 whatever it says.
            fit: `squash`, because a central crop hides what happens at the edges, or `model` for the model's own way
                (to query an index whose vectors were made so).

        Raises:
            WeightsError: absent, a pickle, damaged, or not a model open_clip knows.
        """
        source = _locate(spec)
        return cls(source, _preprocessing(source, fit), device)

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return self._device.is_cuda

    def prepare(self, batch: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> network input (B, 3, h, w) float32 on the CPU."""
        return self.preprocessing(batch.detach().cpu().float())

    def images(self, batch: Tensor | Sequence[Tensor]) -> Vectors:
        """Unit vectors of pictures.

        Args:
            batch: (B, 3, H, W) in [0, 1], or a list of such batches of different sizes.

        Returns:
            (N, D) float32, one row a picture in the order given, each of Euclidean norm 1.
        """
        batches = [batch] if isinstance(batch, Tensor) else list(batch)
        if not batches:
            return _unit([], self.dimension, self.name)
        return self.encode(torch.cat([self.prepare(b) for b in batches]))

    @torch.inference_mode()
    def encode(self, prepared: Tensor) -> Vectors:
        """(N, 3, h, w) as `prepare` gives -> (N, D) float32 unit vectors."""
        if not len(prepared):
            return _unit([], self.dimension, self.name)
        size = batch_size(self._device, mib_per_item=32, ceiling=_CEILING)
        # cuDNN would round the inputs of the patch convolution to TF32.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            rows = [self._model.encode_image(p.to(self._device.device)).double().cpu() for p in prepared.split(size)]
        return _unit(rows, self.dimension, self.name)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Vectors:
        """(N, D) float32 unit vectors of texts; longer ones are cut at the model's context length."""
        if self._tokenizer is None:
            self._tokenizer = _tokenizer(self._source)
        rows = [
            self._model.encode_text(self._tokenizer(list(texts[i : i + _CEILING])).to(self._device.device))
            for i in range(0, len(texts), _CEILING)
        ]
        return _unit([r.double().cpu() for r in rows], self.dimension, self.name)


def _unit(rows: list[Tensor], dimension: int, name: str) -> Vectors:
    if not rows:
        return np.zeros((0, dimension), dtype=np.float32)
    vectors = torch.cat(rows)
    norms = vectors.norm(dim=1, keepdim=True)
    if not norms.isfinite().all() or (norms == 0).any():
        raise WeightsError(f"The model {name} gave a vector without direction.", hint="Its weights are damaged.")
    unit: Vectors = (vectors / norms).float().numpy()
    return unit


def _preprocessing(source: _Source, fit: str) -> Preprocessing:
    if fit not in ("squash", "model"):
        raise ValueError(f"fit is {fit!r}; expected 'squash' or 'model'")
    own = source.preprocess
    size = own.get("size") or source.model["vision_cfg"].get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    # open_clip's own defaults: the statistics of OpenAI's training set.
    mean = own.get("mean") or (0.48145466, 0.4578275, 0.40821073)
    std = own.get("std") or (0.26862954, 0.26130258, 0.27577711)
    return Preprocessing(
        fit="squash" if fit == "squash" else own.get("resize_mode", "shortest"),
        height=int(height),
        width=int(width),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
        interpolation="bicubic" if fit == "squash" else own.get("interpolation", "bicubic"),
        fill=float(own.get("fill_color", 0)) / 255,
    )


def _locate(spec: str) -> _Source:
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return _local(folder)
    model, _, pretrained = spec.removeprefix("open_clip/").partition("/")
    if pretrained and "/" not in pretrained and not spec.startswith((".", "/", "~")):
        return _named(model, pretrained)
    raise WeightsError(
        f"The embedding model {spec!r} is neither a folder nor MODEL/PRETRAINED.",
        hint=f"Give a folder with {CONFIG} and {_WEIGHTS[0]}, or a name like ViT-B-32/openai.",
    )


def _local(folder: Path) -> _Source:
    try:
        if not (folder / CONFIG).exists():
            raise FileNotFoundError(folder / CONFIG)
        config = foreign.read_json(folder / CONFIG, foreign.MIB)
        model = config["model_cfg"]
        if not isinstance(model["embed_dim"], int) or not isinstance(model["vision_cfg"], dict):
            raise TypeError("model_cfg is not an open_clip configuration")
    except FileNotFoundError as exc:
        raise WeightsError(f"{folder} has no {CONFIG}.", hint="Give a folder in open_clip's local format.") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise WeightsError(f"{folder / CONFIG} is not readable: {exc!r}.", hint="Fetch the folder again.") from exc
    found = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt"))
        if pickles:
            raise WeightsError(
                f"{folder / pickles[0]} is a pickle file and was not opened.",
                hint=f"Convert it to {_WEIGHTS[0]} on a machine kept for that: loading a pickle can run code.",
            )
        raise WeightsError(f"{folder} has no {_WEIGHTS[0]}.", hint="Fetch the folder again; the weights are missing.")
    name = config.get("name") or foreign.resolved(folder).name
    gelu = bool(model.get("quick_gelu", False))
    return _Source(str(name), model, config.get("preprocess_cfg", {}), found, f"local-dir:{folder}", gelu)


def _named(model: str, pretrained: str) -> _Source:
    with _quiet():
        import open_clip

        tag = open_clip.get_pretrained_cfg(model, pretrained)
        config = open_clip.get_model_config(model)
    if config is None or not tag:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "open_clip.list_pretrained() lists them"
        raise WeightsError(f"open_clip knows no model {model} with weights {pretrained}.", hint=f"Known: {known}.")
    hub = str(tag.get("hf_hub", "")).rsplit("/", 1)[0]
    file = f"open_clip/{hub.replace('/', '--')}/{_WEIGHTS[0]}"
    pinned = next((row for row in weights.TABLE.values() if row.file == file), None)
    if found := weights.find(file):
        path: Path | None = weights.resolve(pinned.name) if pinned else found[1]
    else:
        path = _hub_cache(hub)
        if pinned and path and weights.sha256_file(path) != pinned.sha256:
            path = None  # the hub client's copy is of another revision
    if path is None:
        how = f"run `forensics weights fetch {pinned.name}`, or " if pinned else ""
        raise WeightsError(
            f"The weights of {model}/{pretrained} are not on this machine.",
            hint=f"With a network connection {how}download https://huggingface.co/{hub}/resolve/main/{_WEIGHTS[0]} and "
            f"place it at {weights.cache_dir() / file}; its digest is recorded with every result.",
        )
    # OpenAI's weights need QuickGELU whatever the name says; the wrong variant degrades without a message.
    gelu = bool(tag.get("quick_gelu", False) or config.get("quick_gelu", False))
    return _Source(f"{model}/{pretrained}", config, tag, path, model, gelu)


def _hub_cache(repository: str) -> Path | None:
    """A file the hub client downloaded earlier; nothing is downloaded here."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, _WEIGHTS[0]) if "/" in repository else None
    return Path(found) if isinstance(found, str) else None


def _load(source: _Source) -> Any:
    with _quiet():
        import open_clip

        try:
            # Built empty and filled from the very file that was hashed; open_clip's own search could pick another.
            model = open_clip.create_model(
                source.architecture,
                precision="fp32",
                force_quick_gelu=source.quick_gelu,
                load_weights=False,
                pretrained_text=False,
            )
            open_clip.load_checkpoint(model, str(source.weights), strict=True)
        except Exception as exc:  # open_clip raises whatever its parts raise: RuntimeError, OSError, KeyError, ...
            first = (str(exc).splitlines() or [type(exc).__name__])[0]
            raise WeightsError(
                f"The embedding model {source.name} could not be loaded: {first}",
                hint="Check that configuration and weights belong together.",
            ) from exc
    return model.eval().requires_grad_(False).float()


def _tokenizer(source: _Source) -> Any:
    with _quiet():
        import open_clip

        try:
            return open_clip.get_tokenizer(source.architecture)
        except Exception as exc:  # as above
            raise WeightsError(
                f"The tokenizer of {source.name} could not be loaded: {exc}.",
                hint="Its files belong into the model's folder.",
            ) from exc


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip off the root logger, where it installs a handler and warns of weights that are loaded next."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    root.addFilter(_errors_only)
    try:
        yield
    finally:
        root.removeFilter(_errors_only)
        root.removeHandler(handler)


def _errors_only(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
