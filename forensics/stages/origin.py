"""Whether the checkpoint made the disputed image, and of which picture retention is therefore asked.

Runs before the ladder. The controls that go through the autoencoder are those that go through the searches: the first
ones drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from forensics import diffusion
from forensics.case import (
    Absent,
    Better,
    Checkpoint,
    Comparison,
    ControlScore,
    Item,
    Origin,
    Pair,
    Reconstruction,
    StatedRecipe,
)
from forensics.device import Device
from forensics.diffusion.autoencoder import NONE_GIVEN, Beside
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, Event
from forensics.folder import Ledger
from forensics.folder.layout import stored
from forensics.origin import recipe, watermark
from forensics.origin.gate import gate
from forensics.origin.reconstruction import LAYER, LayerError, Losses
from forensics.pictures import intake
from forensics.pictures.tensors import fit, to_picture, unfit
from forensics.protocol import Protocol
from forensics.similarity.base import Similarity
from forensics.similarity.lpips import Lpips
from forensics.stages import other_autoencoders
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup, Work
from forensics.statistics.ranks import clopper_pearson, extreme, holm, rank_p

STATISTICS: tuple[tuple[str, str, Callable[[Losses], float]], ...] = (
    (
        "Reconstruction by the autoencoder, first loss over second",
        "Mean squared difference between the picture and its reconstruction by the checkpoint's autoencoder, divided "
        "by that between the reconstruction and its own reconstruction.",
        lambda row: row.ratio,
    ),
    (
        "Reconstruction by the autoencoder, LPIPS of the second feature map",
        "LPIPS distance in the second feature map between the picture and its reconstruction by the checkpoint's "
        "autoencoder.",
        lambda row: row.layer,
    ),
)
"""The first is the primary measurement of origin: chosen on the calibration half of the origin study, before its test
half was looked at. Low values speak for a picture of the checkpoint's own."""
_RECIPE_EXHIBIT = "P1"


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
    disputed: Work,
    item: Item,
    checkpoint: Checkpoint,
    originals: Sequence[Work],
    found: Found,
    controls: ControlGroup,
    protocol: Protocol,
    device: Device,
    measures: dict[str, Similarity],
    ledger: Ledger,
    emit: Emit,
    copies: Mapping[str, Sequence[str]],
    beside: Beside,
) -> Traced:
    """Put the disputed image and the controls through the autoencoder, read hidden bits, follow the stated recipe.

    Args:
        copies: originals and pictures found that the disputed image is a copy of -> how it is altered, in words.
        beside: autoencoders of other generators, which the same pictures are put through after the checkpoint is gone.

    Raises:
        CheckpointError: an autoencoder has changed since it was identified, or its weights do not fit.
    """
    model = diffusion.load(checkpoint, device)
    lpips = measures.get("lpips")
    drawn = [controls.works[i] for i in sorted(controls.drawn[: protocol.search_controls])]
    layer = _layer(lpips)
    own, comparisons, missing = _reconstruct(disputed, drawn, model, layer, emit)
    emit(Event("origin", 0, 1, "watermarks and stated recipe"))
    marks = watermark.read(to_picture(disputed.pixels))
    made = _follow(disputed, item, checkpoint, model, lpips, ledger)
    emit(Event("origin", 1, 1, "watermarks and stated recipe"))
    candidates = {work.id: work for work in originals}
    candidates |= {i: Work(i, pixels, "") for i, pixels in found.pictures.items()}
    round_trips = {name: _round_trip(model, work.pixels) for name, work in candidates.items()}
    stride = model.stride
    del model
    reconstructions: tuple[Reconstruction, ...] = ()
    untried: tuple[Absent, ...] = ()
    if own and layer is not None:
        reconstructions, untried = other_autoencoders.compare(
            checkpoint.name, own, stride, beside, (disputed, *drawn), device, layer, emit
        )
    left_out = (*beside.left_out, *untried)
    primary = comparisons[0] if comparisons else None
    decided = gate(primary, made, protocol.rank_level, tuple(candidates), disputed.id, copies)
    target = candidates.get(decided.target, disputed)
    none_given = tuple(a for a in left_out if own and a.what == NONE_GIVEN)
    absences = tuple(a for a in (missing, *none_given, *untried, marks, made) if isinstance(a, Absent))
    shown = missing if isinstance(missing, Absent) and not reconstructions else reconstructions
    return Traced(Origin(shown, marks, made, decided, left_out), comparisons, target, absences, round_trips)


def _layer(lpips: Similarity | None) -> LayerError | None:
    if not isinstance(lpips, Lpips):
        return None
    measure = lpips
    return lambda a, b: measure.layer(a, b, LAYER)


def _round_trip(model: DiffusionModel, pixels: Tensor) -> Tensor:
    """The picture after encoding and decoding, at the size it had."""
    fitted, step = fit(pixels, model.native_px, model.stride)
    return unfit(model.decode(model.encode(fitted)).float().cpu().clamp(0, 1), step)


def _reconstruct(
    disputed: Work, drawn: Sequence[Work], model: DiffusionModel, layer: LayerError | None, emit: Emit
) -> tuple[dict[int, Losses], tuple[Comparison, ...], Absent | None]:
    """The losses under the checkpoint's autoencoder by number, the disputed image 0, and its ranks among the rest."""
    if layer is None:
        return {}, (), Absent("autoencoder reconstruction", "LPIPS is not at hand.", "Install its pinned weights.")
    rows = other_autoencoders.measure((disputed, *drawn), model, model.stride, layer, "autoencoder, twice", emit)
    if isinstance(rows, Absent):
        return {}, (), rows
    if len(rows) == 1:
        reason = "There is no control work to rank the reconstruction of the disputed image among."
        return rows, (), Absent("primary measurement of origin", reason, "Pass --controls.")
    return rows, _ranked(list(rows.values()), [drawn[i - 1].id for i in rows if i]), None


def _ranked(rows: Sequence[Losses], names: Sequence[str]) -> tuple[Comparison, ...]:
    found = []
    for number, (title, statistic, value) in enumerate(STATISTICS, 1):
        own, *others = (value(row) for row in rows)
        k, n = extreme(own, others, Better.LOWER), len(others)
        scores = tuple(ControlScore(name, other) for name, other in zip(names, others, strict=True))
        primary = Pair.ORIGIN if number == 1 else None
        corrected = None if primary else holm([rank_p(k, n)])[0]
        found.append(
            Comparison(
                f"O{number}",
                title,
                statistic,
                primary,
                Better.LOWER,
                own,
                scores,
                k,
                n,
                rank_p(k, n),
                clopper_pearson(k, n),
                corrected,
                "more like its own",
            )
        )
    return tuple(found)


def _follow(
    disputed: Work, item: Item, checkpoint: Checkpoint, model: DiffusionModel, lpips: Similarity | None, ledger: Ledger
) -> StatedRecipe | Absent:
    """The picture made by the recipe of the file as received, beside the disputed image."""
    decoded = intake.decode(stored(ledger.folder, item.stored).read_bytes(), item.file_name)
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
