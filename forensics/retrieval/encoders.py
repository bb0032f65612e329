"""The models that make an index's vectors, as a build and a search use them: one column each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, cat

from forensics.embedders.copies import CopyDescriptor
from forensics.embedders.open_clip import Embedder
from forensics.retrieval.base import CLIP, COPY, Vectors


@dataclass(frozen=True, slots=True)
class Encoder:
    """A model behind one column."""

    column: str
    name: str
    digest: str
    preprocessing: str
    dimension: int
    prepare: Callable[[Tensor], Tensor]
    """(1, 3, H, W) in [0, 1] -> what waits for its batch."""
    encode: Callable[[Sequence[Tensor]], Vectors]
    """Prepared pictures -> (N, D) float32 unit vectors."""
    windows: Callable[[Tensor, float], Vectors] | None = None
    """(1, 3, H, W) and the share of its sides -> (n, D) unit vectors of parts; none where the model has none."""

    def pictures(self, pictures: Tensor | Sequence[Tensor]) -> Vectors:
        """(B, 3, H, W), or a list of such batches of different sizes -> (N, D) float32 unit vectors."""
        batches = [pictures] if isinstance(pictures, Tensor) else list(pictures)
        return self.encode([self.prepare(one[None]) for batch in batches for one in batch])


def clip(embedder: Embedder) -> Encoder:
    """The column of meaning."""

    def encode(prepared: Sequence[Tensor]) -> Vectors:
        return embedder.encode(cat(list(prepared))) if prepared else np.zeros((0, embedder.dimension), np.float32)

    return Encoder(
        CLIP,
        embedder.name,
        embedder.digest,
        embedder.preprocessing.sentence,
        embedder.dimension,
        embedder.prepare,
        encode,
    )


def copies(descriptor: CopyDescriptor) -> Encoder:
    """The column of copies. The descriptor prepares pictures itself, so those of one size go through it together."""

    def encode(pictures: Sequence[Tensor]) -> Vectors:
        out = np.zeros((len(pictures), descriptor.dims), np.float32)
        sizes: dict[tuple[int, ...], list[int]] = {}
        for place, picture in enumerate(pictures):
            sizes.setdefault(tuple(picture.shape), []).append(place)
        for places in sizes.values():
            out[places] = descriptor.embed(cat([pictures[i] for i in places])).numpy()
        return out

    def windows(picture: Tensor, share: float) -> Vectors:
        return np.asarray(descriptor.windows(picture, share).numpy(), np.float32)

    name = f"{descriptor.name} {descriptor.version}"
    return Encoder(COPY, name, descriptor.digest, descriptor.protocol, descriptor.dims, lambda t: t, encode, windows)
