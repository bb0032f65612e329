"""What an examination opens first: checkpoint, control checkpoint, scores of controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from forensics import diffusion, foreign
from forensics.case import Checkpoint
from forensics.controls import cache as kept
from forensics.controls.cache import Audit, Cache
from forensics.diffusion import autoencoder
from forensics.diffusion.comparable import comparable
from forensics.events import Emit, Event
from forensics.resources import samples
from forensics.settings import Settings
from forensics.stages.context import Models


def models(settings: Settings, emit: Emit) -> Models:
    """Every generator of the examination, from headers and digests alone.

    Raises:
        CheckpointError: missing, unsafe, damaged or of a family not supported.
    """
    emit(Event("identify", 0, 2, "checkpoint headers and digests"))
    checkpoint = identify(settings)
    control = open_control_checkpoint(settings, checkpoint)
    beside = autoencoder.beside(checkpoint, control, settings.autoencoders)
    why = comparable(checkpoint, control) if control is not None else None
    return Models(checkpoint, None if why else control, beside, why)


def identify(settings: Settings) -> Checkpoint:
    """The checkpoint under examination: the one named, else the embedded reference checkpoint.

    Raises:
        CheckpointError: missing, unsafe, damaged or of a family not supported.
    """
    reference = samples() / "reference"
    location = settings.checkpoint or str(reference / "twin-a")
    # Naming an embedded checkpoint by its path, or putting a LoRA beside it, makes it no less a demonstration.
    demonstration = foreign.resolved(Path(location)) in [(reference / f"twin-{twin}").resolve() for twin in "ab"]
    return diffusion.identify(location, demonstration=demonstration, wishes=wishes(settings))


def wishes(settings: Settings) -> diffusion.Wishes:
    """What the settings state of the checkpoint beside its location."""
    return diffusion.Wishes(settings.base, settings.prediction, settings.size, settings.lora, settings.embeddings)


def open_control_checkpoint(settings: Settings, checkpoint: Checkpoint) -> Checkpoint | None:
    """The checkpoint named for the purpose; for the embedded ones their own: twin B for twin A, the base for a LoRA.

    Raises:
        CheckpointError: as for `identify`.
    """
    if settings.control_checkpoint:
        return diffusion.identify(settings.control_checkpoint)
    twin_b = samples() / "reference" / "twin-b"
    if not checkpoint.demonstration:
        return None
    if settings.lora or settings.embeddings:
        return identify(replace(settings, lora=(), embeddings=()))
    # Twin B is twin A's training without the planted works: it cannot have seen them.
    is_b = settings.checkpoint is not None and foreign.resolved(Path(settings.checkpoint)) == twin_b.resolve()
    return None if is_b or not twin_b.is_dir() else diffusion.identify(str(twin_b), demonstration=True)


def kept_scores(checkpoint: Checkpoint, seed: int) -> Cache:
    """What controls scored before: in the user's cache, and for the embedded checkpoint among the samples."""
    shipped = samples() / "reference" / "control-scores.jsonl.gz"
    packs = (shipped,) if checkpoint.demonstration and shipped.is_file() else ()
    return Cache(kept.folder(), packs, audit=Audit(seed))


def published(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as the case names it: where the package happens to be installed says nothing to a reader."""
    return replace(checkpoint, location="embedded with forensics") if checkpoint.demonstration else checkpoint
