"""Takes the measurements of a validation, one task at a time, in this process or in one of several.

A task is named by a key, `kind|variant|work`; its result is a plain JSON value. The functions that take the numbers are
those of the examination itself and of the ladder study; nothing is computed here a second way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from forensics import diffusion, retrieval, similarity
from forensics.case import Checkpoint
from forensics.device import Device, choose, session
from forensics.diffusion.base import DiffusionModel
from forensics.embedders.open_clip import Embedder
from forensics.pictures import bounded
from forensics.pictures.tensors import to_tensor
from forensics.retrieval import encoders
from forensics.retrieval.base import Hit, TrainingIndex
from forensics.similarity.base import Similarity
from forensics.stages import domain
from forensics.validation import edits, generated, ladder_rows, works
from forensics.validation.works import KnownWork

ROWS, NEAR, LOOK, PAIR, ALIGNED, ORIGIN = "bits", "near", "look", "pair", "aligned", "origin"
"""Kinds of task: codelength rows, the first neighbour, properties of the picture, a pair of pictures as they are, the
same laid over each other, a picture and the autoencoder."""
OWN, NEIGHBOUR, ELSEWHERE, AGAIN, HALF_PRECISION = "own", "neighbour", "elsewhere", "again", "bf16"
"""Variants of codelength rows besides the names of edits: own caption, caption of the first neighbour, under the
control checkpoint, a second run, a second precision."""
NEIGHBOUR_ELSEWHERE = "neighbour elsewhere"
"""Caption of the first neighbour, under the control checkpoint."""
ELSEWHERE_OF = "elsewhere, "
"""Beginning of the variant that is a change of the picture under the control checkpoint; the edit follows."""
MADE, MADE_ELSEWHERE, ANOTHER = "made", "made elsewhere", "another autoencoder"
"""Variants of origin besides the work itself: a picture made from its caption by the checkpoint, by the control
checkpoint; the work as another autoencoder gives it back."""
DERIVED, INDEPENDENT = "derived", "independent"
PAIR_MEASURES = {ALIGNED: ("aligned",), PAIR: ("lpips", "ssim", "tiled")}
"""Measures of a pair by kind of task; the first of all is the primary measurement of derivation."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything is: all a further process needs."""

    manifest: Path
    checkpoint: str
    control_checkpoint: str
    """Empty where none is used."""
    index: Path | None
    clip: str
    """Empty where no embedder is at hand."""
    device: str
    precision: str
    lora: tuple[str, ...] = ()
    """LoRA files that are examined together with the checkpoint, in the order of merging, each with its strength."""
    embeddings: tuple[str, ...] = ()
    """Textual inversions that belong to the generator, each with its word."""
    steps: int = 20
    """Of the pictures that are made."""
    guidance: float = 3.0
    training: int = 300
    """Steps of training of the other autoencoder; fixed before any figure of it was seen."""

    def identify(self) -> Checkpoint:
        """The checkpoint that is validated. Raises CheckpointError."""
        return diffusion.identify(self.checkpoint, wishes=diffusion.Wishes(lora=self.lora, embeddings=self.embeddings))


class Bench:
    """Models and instruments, each loaded when a task first needs it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def device(self) -> Device:
        return choose(self.plan.device, self.plan.precision)

    @cached_property
    def works(self) -> dict[str, KnownWork]:
        return {work.id: work for work in works.read(self.plan.manifest)}

    @cached_property
    def models(self) -> dict[str, DiffusionModel]:
        return {}

    def model(self, variant: str) -> DiffusionModel:
        """The checkpoint, the control checkpoint, or the checkpoint at another precision."""
        elsewhere = variant in (ELSEWHERE, NEIGHBOUR_ELSEWHERE, MADE_ELSEWHERE) or variant.startswith(ELSEWHERE_OF)
        name = ELSEWHERE if elsewhere else variant if variant == HALF_PRECISION else OWN
        if name not in self.models:
            chosen = diffusion.identify(self.plan.control_checkpoint) if elsewhere else self.plan.identify()
            device = choose(self.plan.device, "bf16") if name == HALF_PRECISION else self.device
            self.models[name] = diffusion.load(chosen, device)
        return self.models[name]

    @cached_property
    def embedder(self) -> Embedder:
        return Embedder.open(self.plan.clip, self.device)

    @cached_property
    def index(self) -> TrainingIndex:
        if self.plan.index is None:
            raise ValueError("no index was given")
        return retrieval.open(self.plan.index)

    @cached_property
    def measures(self) -> dict[str, Similarity]:
        return {name: similarity.load(name) for names in PAIR_MEASURES.values() for name in names}

    @cached_property
    def maker(self) -> generated.Maker:
        members = [work.read() for work in self.works.values() if work.member]
        return generated.Maker(self.model(OWN), self.plan.steps, self.plan.guidance, members, self.plan.training)

    def take(self, key: str) -> Any:
        """The result of one task."""
        kind, variant, work_id = key.split("|")
        work = self.works[work_id]
        if kind == ROWS:
            return self._bits(work, variant)
        if kind == NEAR:
            hit = self._neighbour(work)
            return {"caption": hit.row.caption, "similarity": hit.similarity, "training": hit.row.training_id}
        if kind == LOOK:
            return self._look(work, variant)
        if kind == ORIGIN:
            return self._origin(work, variant)
        return self._pair(work, variant, PAIR_MEASURES[kind])

    def _bits(self, work: KnownWork, variant: str) -> dict[str, Any]:
        picture, caption = work.read(), work.caption
        if variant in (NEIGHBOUR, NEIGHBOUR_ELSEWHERE):
            caption = self._neighbour(work).row.caption
        elif (edit := edits.ROBUSTNESS.get(variant.removeprefix(ELSEWHERE_OF))) is not None:
            picture = edit(picture)
        return ladder_rows.row(work.id, picture, caption, self.model(variant))

    def _neighbour(self, work: KnownWork) -> Hit:
        return retrieval.search(self.index, [encoders.clip(self.embedder)], [to_tensor(work.read())], 1)[0][0]

    def _look(self, work: KnownWork, variant: str) -> dict[str, Any]:
        picture = edits.ROBUSTNESS[variant](work.read()) if variant in edits.ROBUSTNESS else work.read()
        return self._properties(picture)

    def _properties(self, picture: Image.Image) -> dict[str, Any]:
        pixels = to_tensor(picture)
        found: dict[str, Any] = {"properties": domain.properties(pixels)}
        if self.plan.clip:
            found["vector"] = [float(f"{v:.6g}") for v in self.embedder.images(pixels)[0]]
        return found

    def _origin(self, work: KnownWork, variant: str) -> dict[str, Any]:
        """What the checkpoint's autoencoder makes of a picture, as in an examination; of pictures made, their look."""
        kind, _, edit = variant.partition(", ")
        if kind == OWN:
            picture = work.read()
        elif kind == ANOTHER:
            picture = self.maker.given_back(work.read())
        else:
            picture = self.maker.made(work.caption, work.id, self.model(kind))
        found: dict[str, Any] = self._properties(picture) if variant == MADE else {}
        picture = edits.ROBUSTNESS[edit](picture) if edit else picture
        return found | self.maker.reconstructed(picture)

    def _pair(self, work: KnownWork, variant: str, measures: Sequence[str]) -> dict[str, float]:
        """An edited rendering beside the work it derives from, or the work beside the nearest one it does not."""
        picture = work.read()
        if variant == INDEPENDENT:
            path = self._neighbour(work).row.picture
            if path is None:
                raise ValueError("the index ships no pictures")
            disputed, other = picture, bounded.read(path).picture
        else:
            disputed, other = edits.DERIVED[variant](picture), picture
        a, b = to_tensor(disputed), to_tensor(other)
        return {name: float(self.measures[name](a, b)[0]) for name in measures}


def run(plan: Plan, keys: Iterable[str], jobs: int) -> Iterator[tuple[str, Any]]:
    """Take the tasks one by one, or in `jobs` processes; results as they come."""
    keys = list(keys)
    if jobs <= 1 or len(keys) < 2:
        bench = Bench(plan)
        with session(bench.device), torch.no_grad():
            for key in keys:
                yield key, bench.take(key)
        return
    threads = max(1, (os.cpu_count() or jobs) // jobs)
    # A fresh interpreter a process: forked ones inherit thread pools that no longer exist in them.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (plan, threads)) as pool:
        yield from pool.map(_take, keys, chunksize=max(1, min(8, len(keys) // (4 * jobs))))


_bench: Bench | None = None


def _begin(plan: Plan, threads: int) -> None:
    global _bench
    torch.set_num_threads(threads)
    _bench = Bench(plan)


def _take(key: str) -> tuple[str, Any]:
    assert _bench is not None
    with session(_bench.device), torch.no_grad():
        return key, _bench.take(key)
