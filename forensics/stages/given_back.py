"""The disputed image and every control through the checkpoint's autoencoder, as received and slightly altered.

An answer on origin that hangs on how the file was saved, or on the size it was brought to, is no answer: the same
picture is therefore measured again after a small fixed set of alterations, each made to the controls alike.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from forensics.case import Absent, Comparison, ControlScore, Pair, Statistic
from forensics.controls.cache import Key
from forensics.diffusion.base import DiffusionModel
from forensics.events import Event
from forensics.origin.reconstruction import LayerError, Losses, losses, on_grid
from forensics.pictures.tensors import reduced, to_picture, to_tensor
from forensics.protocol import VERSION
from forensics.stages.context import Context
from forensics.stages.rank import compared, corrected
from forensics.stages.works import Work, common_side

METHOD, METHOD_VERSION = "given back", "1"
AS_RECEIVED = ""
JPEG_QUALITY = 90
STATISTICS: tuple[tuple[Statistic, str, Callable[[Losses], float]], ...] = (
    (
        Statistic.AUTOENCODER_RATIO,
        "Mean squared difference between the picture and its reconstruction by the checkpoint's autoencoder, divided "
        "by that between the reconstruction and its own reconstruction.",
        lambda row: row.ratio,
    ),
    (
        Statistic.AUTOENCODER_LAYER,
        "LPIPS distance in the second feature map between the picture and its reconstruction by the checkpoint's "
        "autoencoder.",
        lambda row: row.layer,
    ),
)
"""Statistic, how it is computed, and from which losses. Low values speak for a picture of the checkpoint's own."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What the autoencoder made of the disputed image and of the controls."""

    rows: dict[int, Losses]
    """Losses as received by number: of the disputed image, 0, then of the controls that are large enough, from 1 on."""
    comparisons: tuple[Comparison, ...]
    """As received, then altered."""
    missing: Absent | None
    """Why there is no primary measurement."""


def given_back(disputed: Work, model: DiffusionModel, layer: LayerError | None, context: Context) -> GivenBack:
    """Measure the disputed image and every control, as received and altered, and rank it among them."""
    if layer is None:
        what = Absent("autoencoder reconstruction", "LPIPS is not at hand.", "Install its pinned weights.")
        return GivenBack({}, (), what)
    rows = _rows(AS_RECEIVED, disputed, lambda pixels: pixels, model, layer, context)
    if isinstance(rows, Absent):
        return GivenBack({}, (), rows)
    if len(rows) == 1:
        reason = "There is no control work to rank the reconstruction of the disputed image among."
        return GivenBack(rows, (), Absent("primary measurement of origin", reason, "Pass --controls."))
    found = [
        compared(
            f"O{number}",
            statistic,
            computed,
            value(rows[0]),
            _scores(rows, value, context),
            primary_for=Pair.ORIGIN if statistic is context.protocol.primary_origin else None,
        )
        for number, (statistic, computed, value) in enumerate(STATISTICS, 1)
    ]
    _, computed, value = STATISTICS[0]
    for name, alter in _alterations(disputed, model):
        altered = _rows(name, disputed, alter, model, layer, context)
        if not isinstance(altered, Absent) and len(altered) > 1:
            found.append(
                compared(
                    f"O{len(found) + 1}",
                    Statistic.AUTOENCODER_RATIO_ALTERED,
                    f"{computed} Every picture, the controls' too, was {name} first.",
                    value(altered[0]),
                    _scores(altered, value, context),
                    of=name,
                )
            )
    return GivenBack(rows, corrected(found), None)


def _alterations(disputed: Work, model: DiffusionModel) -> list[tuple[str, Callable[[Tensor], Tensor]]]:
    """Name in words -> what is done to a picture. Bringing to the checkpoint's size concerns larger pictures alone."""
    found: list[tuple[str, Callable[[Tensor], Tensor]]] = [(f"saved as JPEG of quality {JPEG_QUALITY}", _jpeg)]
    side = common_side(disputed, model.native_px)
    if disputed.at(side).reduced_to:
        found.append((f"brought down to the checkpoint's own size, {side}² pixels", lambda p: reduced(p, side)))
    return found


def _jpeg(pixels: Tensor) -> Tensor:
    stream = io.BytesIO()
    to_picture(pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
    return to_tensor(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))


def _scores(rows: dict[int, Losses], value: Callable[[Losses], float], context: Context) -> list[ControlScore]:
    return [ControlScore(context.controls.works[i - 1].id, value(row)) for i, row in rows.items() if i]


def _rows(
    name: str,
    disputed: Work,
    alter: Callable[[Tensor], Tensor],
    model: DiffusionModel,
    layer: LayerError,
    context: Context,
) -> dict[int, Losses] | Absent:
    """Losses by number after one alteration; those of controls are kept from case to case."""
    own = on_grid(alter(disputed.pixels), model.stride)
    if isinstance(own, Absent):
        return own
    rows = {0: losses([own], model, layer)[0]}
    works = context.controls.works
    for number, (work, digest) in enumerate(zip(works, context.controls.digests, strict=True), 1):
        context.emit(Event("origin", number - 1, len(works), f"autoencoder, twice{': ' + name if name else ''}"))
        cut = on_grid(alter(work.pixels), model.stride)
        if isinstance(cut, Absent):
            continue

        def compute(cut: Tensor = cut) -> dict[str, Sequence[float]]:
            row = losses([cut], model, layer)[0]
            return {"first": [row.first], "second": [row.second], "layer": [row.layer]}

        key = Key(
            METHOD,
            METHOD_VERSION,
            VERSION,
            model.checkpoint.digest,
            digest,
            "",
            (("altered", name), ("stride", str(model.stride))),
            f"{context.device.device.type} {context.device.precision}",
        )
        kept = context.cache.values(key, compute, audit=True)
        rows[number] = Losses(kept["first"][0], kept["second"][0], kept["layer"][0])
    context.emit(Event("origin", len(works), len(works), "autoencoder, twice"))
    return rows
