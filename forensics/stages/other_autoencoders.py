"""The disputed image under the autoencoders of other generators, beside the checkpoint's own.

AEROBLADE attributes a picture to the autoencoder that gives it back with the least error (Ricker et al. 2024). Here
this is shown and decides nothing: an autoencoder that keeps more of any picture has the least error for all of them.
The control works are therefore put through the same autoencoders, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from forensics.case import Absent, Better, Reconstruction
from forensics.diffusion import autoencoder_load
from forensics.events import Emit, Event
from forensics.origin.reconstruction import Autoencoder, LayerError, Losses, losses, on_grid
from forensics.stages.context import Context, Models
from forensics.stages.works import Work
from forensics.statistics.ranks import extreme

Rows = Mapping[int, Losses]
"""Losses under one autoencoder by number: of the disputed image, 0, then of the control works that are large enough."""


def measure(
    works: Sequence[Work], autoencoder: Autoencoder, stride: int, layer: LayerError, said: str, emit: Emit
) -> dict[int, Losses] | Absent:
    """The losses of the disputed image, which comes first, and of the control works; absent where it is too small.

    Args:
        stride: the sides of what is cut from the pictures are multiples of it, in pixels.
        said: what the progress says.
    """
    cut = {number: on_grid(work.pixels, stride) for number, work in enumerate(works)}
    if isinstance(cut[0], Absent):
        return cut[0]
    ready = {number: pixels for number, pixels in cut.items() if isinstance(pixels, Tensor)}
    rows: dict[int, Losses] = {}
    for number, pixels in ready.items():
        emit(Event("origin", len(rows), len(ready), said))
        (rows[number],) = losses([pixels], autoencoder, layer)
    emit(Event("origin", len(ready), len(ready), said))
    return rows


def compare(
    models: Models, own: Rows, stride: int, works: Sequence[Work], layer: LayerError, context: Context
) -> tuple[tuple[Reconstruction, ...], tuple[Absent, ...]]:
    """Put the works through every other autoencoder, one in memory at a time, and set the results side by side.

    Args:
        models: the checkpoint, and the autoencoders beside its own.
        own: what its own autoencoder made of the works.
        stride: of the checkpoint, in pixels. Both strides are powers of two, so that the larger serves for both and the
            same part of a picture is put through wherever that is possible.
        works: the disputed image, then the control works.

    Returns:
        One row an autoencoder, the checkpoint's first, and what could not be measured.

    Raises:
        CheckpointError: an autoencoder has changed since it was identified, or its weights do not fit.
    """
    beside = models.autoencoders
    found: list[tuple[str, str, Rows]] = [(models.checkpoint.name, beside.own, own)]
    missing: list[Absent] = []
    for files in beside.others:
        said = f"autoencoder of {files.name}, twice"
        try:
            autoencoder = autoencoder_load.load(files, context.device)
            rows = measure(works, autoencoder, max(stride, files.cell), layer, said, context.emit)
            del autoencoder
        except FloatingPointError as exc:
            rows = Absent("", f"The autoencoder {files.name} was left out: {exc}.")
        if isinstance(rows, Absent):
            missing.append(Absent(f"autoencoder {files.name}", rows.reason))
        else:
            found.append((files.name, files.digest, rows))
    return beside_each_other(found), tuple(missing)


def beside_each_other(found: Sequence[tuple[str, str, Rows]]) -> tuple[Reconstruction, ...]:
    """One row an autoencoder, from its name, its digest and the losses under it.

    The control works are counted twice: those with a ratio as low as the disputed image's under the same autoencoder,
    and those that lose least under it, of all that every autoencoder took.
    """
    shared = [number for number in found[0][2] if number and all(number in rows for _, _, rows in found)]
    ratio = _least(found, shared, lambda row: row.ratio)
    layer = _least(found, shared, lambda row: row.layer)
    made = []
    for place, (name, digest, rows) in enumerate(found):
        disputed, *others = rows.values()
        k = extreme(disputed.ratio, [row.ratio for row in others], Better.LOWER) if others else 0
        made.append(
            Reconstruction(
                name,
                disputed.first,
                disputed.second,
                disputed.layer,
                digest,
                k,
                len(others),
                ratio.count(place),
                layer.count(place),
            )
        )
    return tuple(made)


def _least(found: Sequence[tuple[str, str, Rows]], works: Sequence[int], value: Callable[[Losses], float]) -> list[int]:
    """For every work the place of the autoencoder with the lowest value, the first of equals."""
    return [min(range(len(found)), key=lambda place: value(found[place][2][work])) for work in works]
