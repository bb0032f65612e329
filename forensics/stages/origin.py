"""Whether the checkpoint made the disputed image, and of which picture retention is therefore asked.

Runs before the ladder. The controls that go through the autoencoder are those that go through the searches: the first
ones drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from forensics.case import (
    Absent,
    Checkpoint,
    Comparison,
    Origin,
    Outcome,
    Reconstruction,
    StatedRecipe,
)
from forensics.diffusion.autoencoder import NONE_GIVEN
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.families import family
from forensics.events import Event
from forensics.folder import Ledger
from forensics.origin import recipe, watermark
from forensics.origin.gate import Candidates, gate
from forensics.origin.reconstruction import LAYER, LayerError
from forensics.pictures import bounded
from forensics.pictures.tensors import fit, to_picture, unfit
from forensics.similarity.base import Similarity
from forensics.similarity.lpips import Lpips
from forensics.stages import other_autoencoders
from forensics.stages.context import Context, Models, Received
from forensics.stages.given_back import GivenBack, given_back
from forensics.stages.search import Found
from forensics.stages.works import Work

_RECIPE_EXHIBIT = "P1"
NO_AUTOENCODER = Absent(
    "autoencoder reconstruction",
    "The checkpoint works on pixels and has no autoencoder, so a picture that it made carries no trace of one.",
)


@dataclass(frozen=True, slots=True)
class Traced:
    """What the stage found."""

    facts: Origin
    comparisons: tuple[Comparison, ...]
    target: Work
    """The picture that retention is measured on."""
    absences: tuple[Absent, ...]
    round_trips: dict[str, Tensor] = field(default_factory=dict)
    """Work compared -> what the checkpoint's autoencoder makes of it, (1, 3, H, W) of the work's own size."""


def trace(
    received: Received,
    models: Models,
    found: Found,
    copies: Mapping[str, Sequence[str]],
    context: Context,
    otherwise: Mapping[str, Outcome] | None = None,
) -> Traced:
    """Put the disputed image and the controls through the autoencoder, read hidden bits, follow the stated recipe.

    Args:
        copies: originals and pictures found that the disputed image is a copy of -> how it is altered, in words.
        otherwise: those of them whose word rests on the further source of alignments -> the word without it.

    Raises:
        CheckpointError: an autoencoder has changed since it was identified, or its weights do not fit.
    """
    disputed, emit, protocol = received.disputed, context.emit, context.protocol
    model = context.workshop.model(models.checkpoint, context.device, prompts=())
    lpips = context.instruments.at_hand.get("lpips")
    layer = _layer(lpips)
    latent = family(models.checkpoint.family).latent
    back = given_back(disputed, model, layer, context) if latent else GivenBack({}, (), NO_AUTOENCODER)
    emit(Event("origin", 0, 1, "watermarks and stated recipe"))
    marks = watermark.read(to_picture(disputed.pixels))
    made = _follow(received, models.checkpoint, model, lpips, context.ledger)
    emit(Event("origin", 1, 1, "watermarks and stated recipe"))
    candidates = {work.id: work for work in received.put_forward}
    candidates |= {i: Work(i, pixels, "") for i, pixels in found.pictures.items()}
    through = candidates if latent else {}
    round_trips = {name: _round_trip(model, work.pixels) for name, work in through.items()}
    stride = model.stride
    del model
    reconstructions: tuple[Reconstruction, ...] = ()
    untried: tuple[Absent, ...] = ()
    if back.rows and layer is not None:
        # Other autoencoders are tried on the controls drawn first: each costs two passes a picture, and none is kept.
        drawn = sorted(context.controls.drawn[: protocol.search_controls])
        few = {0: back.rows[0]} | {n: back.rows[i + 1] for n, i in enumerate(drawn, 1) if i + 1 in back.rows}
        works = (disputed, *(context.controls.works[i] for i in drawn))
        reconstructions, untried = other_autoencoders.compare(models, few, stride, works, layer, context)
    left_out = (*models.autoencoders.left_out, *untried)
    source = context.instruments.further
    named = Candidates(
        tuple(candidates),
        tuple(work.id for work in received.put_forward),
        copies,
        otherwise or {},
        source.title if source is not None else "",
    )
    decided = gate(back.comparisons, made, protocol, named, disputed.id)
    target = candidates.get(decided.target, disputed)
    none_given = tuple(a for a in left_out if back.rows and a.what == NONE_GIVEN)
    absences = tuple(a for a in (back.missing, *none_given, *untried, marks, made) if isinstance(a, Absent))
    shown = back.missing if back.missing is not None and not reconstructions else reconstructions
    return Traced(Origin(shown, marks, made, decided, left_out), back.comparisons, target, absences, round_trips)


def _layer(lpips: Similarity | None) -> LayerError | None:
    if not isinstance(lpips, Lpips):
        return None
    measure = lpips
    return lambda a, b: measure.layer(a, b, LAYER)


def _round_trip(model: DiffusionModel, pixels: Tensor) -> Tensor:
    """The picture after encoding and decoding, at the size it had."""
    fitted, step = fit(pixels, model.native_px, model.stride)
    return unfit(model.decode(model.encode(fitted)).float().cpu().clamp(0, 1), step)


def _follow(
    received: Received, checkpoint: Checkpoint, model: DiffusionModel, lpips: Similarity | None, ledger: Ledger
) -> StatedRecipe | Absent:
    """The picture made by the recipe of the file as received, beside the disputed image."""
    disputed, item = received.disputed, received.item
    decoded = bounded.decode(ledger.as_received(item), item.file_name)
    record = recipe.stated(decoded.records, checkpoint)
    if isinstance(record, Absent):
        return record
    picture = recipe.follow(record, model)
    if isinstance(picture, Absent):
        return picture
    if picture.shape != disputed.pixels.shape:
        (h, w), (oh, ow) = picture.shape[-2:], disputed.pixels.shape[-2:]
        return Absent(recipe.WHAT, f"The recipe gives {w} × {h} pixels and the disputed image has {ow} × {oh}.")
    title = "Picture made by the recipe that the file states"
    exhibit = ledger.put(to_picture(picture), _RECIPE_EXHIBIT, title, "origin.recipe@1", seed=record.seed)
    levels = ((picture - disputed.pixels).abs() * 255).round()
    distance: float | Absent = Absent("LPIPS", "LPIPS is not at hand.")
    if lpips is not None:
        distance = float(lpips(disputed.pixels, picture)[0])
    return StatedRecipe(
        f"{record.software}, {record.source}",
        exhibit.id,
        int(levels.max()),
        float((levels == 0).float().mean()),
        distance,
    )
