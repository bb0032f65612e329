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
from forensics.stages.workshop import Workshop


def models(settings: Settings, emit: Emit, workshop: Workshop | None = None) -> Models:
    """Every generator of the examination, from headers and digests alone.

    Args:
        workshop: knows those that were identified before; by default none were.

    Raises:
        CheckpointError: missing, unsafe, damaged or of a family not supported.
    """
    emit(Event("identify", 0, 2, "checkpoint headers and digests"))
    workshop = workshop or Workshop()
    checkpoint = identify(settings, workshop)
    control = open_control_checkpoint(settings, checkpoint, workshop)
    beside = workshop.once(
        ("autoencoders", checkpoint.digest, control.digest if control else "", settings.autoencoders),
        lambda: autoencoder.beside(checkpoint, control, settings.autoencoders),
    )
    why = comparable(checkpoint, control) if control is not None else None
    return Models(checkpoint, None if why else control, beside, why)


def identify(settings: Settings, workshop: Workshop | None = None) -> Checkpoint:
    """The checkpoint under examination: the one named, else the embedded reference checkpoint.

    Args:
        workshop: see `models`.

    Raises:
        CheckpointError: missing, unsafe, damaged or of a family not supported.
    """
    reference = samples() / "reference"
    location = settings.checkpoint or str(reference / "twin-a")
    # Naming an embedded checkpoint by its path, or putting a LoRA beside it, makes it no less a demonstration.
    demonstration = foreign.resolved(Path(location)) in [(reference / f"twin-{twin}").resolve() for twin in "ab"]
    stated = wishes(settings)
    return (workshop or Workshop()).once(
        ("checkpoint", location, demonstration, stated),
        lambda: diffusion.identify(location, demonstration=demonstration, wishes=stated),
    )


def wishes(settings: Settings) -> diffusion.Wishes:
    """What the settings state of the checkpoint beside its location."""
    return diffusion.Wishes(settings.base, settings.prediction, settings.size, settings.lora, settings.embeddings)


def open_control_checkpoint(
    settings: Settings, checkpoint: Checkpoint, workshop: Workshop | None = None
) -> Checkpoint | None:
    """The checkpoint named for the purpose; for the embedded ones their own: twin B for twin A, the base for a LoRA.

    Args:
        workshop: see `models`.

    Raises:
        CheckpointError: as for `identify`.
    """
    workshop = workshop or Workshop()
    if named := settings.control_checkpoint:
        return workshop.once(("checkpoint", named, False, diffusion.Wishes()), lambda: diffusion.identify(named))
    twin_b = samples() / "reference" / "twin-b"
    if not checkpoint.demonstration:
        return None
    if settings.lora or settings.embeddings:
        return identify(replace(settings, lora=(), embeddings=()), workshop)
    # Twin B is twin A's training without the planted works: it cannot have seen them.
    is_b = settings.checkpoint is not None and foreign.resolved(Path(settings.checkpoint)) == twin_b.resolve()
    if is_b or not twin_b.is_dir():
        return None
    return workshop.once(
        ("checkpoint", str(twin_b), True, diffusion.Wishes()),
        lambda: diffusion.identify(str(twin_b), demonstration=True),
    )


def kept_scores(checkpoint: Checkpoint, seed: int) -> Cache:
    """What controls scored before: in the user's cache, and for the embedded checkpoint among the samples."""
    shipped = samples() / "reference" / "control-scores.jsonl.gz"
    packs = (shipped,) if checkpoint.demonstration and shipped.is_file() else ()
    return Cache(kept.folder(), packs, audit=Audit(seed))


def published(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as the case names it: where the package happens to be installed says nothing to a reader."""
    return replace(checkpoint, location="embedded with forensics") if checkpoint.demonstration else checkpoint
