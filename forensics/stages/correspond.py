"""The disputed image laid over each work: what corresponds, with the figures that show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from forensics import hands
from forensics.case import (
    NO_COMPANIONS,
    NOTHING_TO_EXCLUDE,
    Absent,
    Better,
    Comparison,
    Correspondence,
    Element,
    Fact,
    Outcome,
    Pair,
    Place,
    Region,
)
from forensics.embedders.copies import NEIGHBOURS
from forensics.events import Emit, Event
from forensics.folder import Ledger
from forensics.overlay import outcome, pdq, thumbnail_level
from forensics.overlay.align import Further
from forensics.overlay.alteration import altered
from forensics.overlay.correspondence import LEVEL_AGREES, VERSION, Pairing, Part, Prepared, pair, prepare
from forensics.overlay.figures import board, checkerboard, common_map, overlay, words_map
from forensics.overlay.glued import raised
from forensics.overlay.overlay import lay, project, tones
from forensics.overlay.pair_cache import LightTable
from forensics.overlay.plates import plate
from forensics.overlay.regions import AGREE, DIFFER, UNDECIDED
from forensics.pictures.png import png_bytes
from forensics.pictures.tensors import resize, to_picture, to_tensor
from forensics.retrieval import picture_of
from forensics.similarity.aligned import Aligned
from forensics.similarity.base import Similarity
from forensics.similarity.descriptor import Background, Descriptor, Normalised
from forensics.similarity.lpips import Lpips
from forensics.similarity.ssim import ssim_map
from forensics.similarity.tiled import tile_distances
from forensics.stages import overlay_words, word_rates
from forensics.stages import shared_parts as common
from forensics.stages.context import Context
from forensics.stages.instruments import Instruments
from forensics.stages.search import Companion, Found
from forensics.stages.works import Work


@dataclass(frozen=True, slots=True)
class Beside:
    """What a comparison is held against, where the examination has it."""

    companions: Callable[[Tensor], Sequence[Companion] | Absent] = lambda _: NO_COMPANIONS
    """A work (1, 3, H, W) -> items of the index near it: what several of them share with it is left out."""
    unrelated: tuple[Work, ...] = ()
    """Works known to be unrelated, which a descriptor is normalised with."""
    ground: str = ""
    """What these works are, as a noun phrase."""
    round_trips: Mapping[str, Tensor] = field(default_factory=dict)
    """Work -> what the checkpoint's autoencoder makes of it, (1, 3, H, W): it bounds the detail that can agree."""


_STATES = {AGREE: "agrees", UNDECIDED: "undecided", DIFFER: "differs"}
_ROWS = 12
"""Numbered elements, and differences, that are listed."""
_SHOWN = (Outcome.THROUGHOUT, Outcome.PARTLY, Outcome.ARRANGEMENT)
_AUTOENCODER = Absent(
    "ceiling of the autoencoder",
    "No checkpoint was at hand, so what its autoencoder keeps of the work was not measured.",
)


@dataclass(frozen=True, slots=True)
class Overlaid:
    """The disputed image laid over every work, before anything is said of it."""

    first: Prepared
    seconds: tuple[Prepared, ...]
    pairs: tuple[Pairing, ...]

    def copies(self, disputed: Work, works: Sequence[Work]) -> dict[str, tuple[str, ...]]:
        """Works that the disputed image is a copy of -> how it is altered, in words."""
        rows = {w.id: altered(p, _size(disputed), _size(w)) for w, p in zip(works, self.pairs, strict=True)}
        return {name: words for name, words in rows.items() if words is not None}

    def otherwise(self, works: Sequence[Work]) -> dict[str, Outcome]:
        """Works whose word rests on the further source of alignments -> the word without it."""
        return {w.id: p.otherwise for w, p in zip(works, self.pairs, strict=True) if p.otherwise is not None}


def lay_over(disputed: Work, works: Sequence[Work], emit: Emit, table: LightTable | None = None) -> Overlaid:
    """Lay the disputed image over every work, on a table that may hold some of them already."""
    table = table or LightTable()
    (first,), laid, together = table.prepared(disputed.pixels), [], hands.count()

    def over(work: Work) -> tuple[Prepared, Pairing]:
        (second,) = table.prepared(work.pixels)
        return second, table.pair(first, second)

    for number in range(0, len(works), together):
        emit(Event("overlay", number, len(works), works[number].id))
        laid += hands.each(over, works[number : number + together])
    emit(Event("overlay", len(works), len(works), f"{len(works)} works"))
    return Overlaid(first, tuple(second for second, _ in laid), tuple(found for _, found in laid))


def correspond(
    disputed: Work,
    works: Sequence[Work],
    context: Context,
    *,
    figures: int | None = None,
    beside: Beside | None = None,
    overlaid: Overlaid | None = None,
) -> tuple[Correspondence, ...]:
    """Compare the disputed image with every work.

    Args:
        figures: works, from the first, for which figures are stored; all by default.
        beside: what else is at hand to hold the comparison against; nothing by default.
        overlaid: the same image laid over the same works, where that was done before.
    """
    beside, emit, instruments = beside or Beside(), context.emit, context.instruments.at_hand
    further = context.instruments.further
    table = light_table(context.instruments)
    overlaid = overlaid or lay_over(disputed, works, emit, table)
    first = overlaid.first
    measure = instruments.get("descriptor")
    background = None
    if isinstance(measure, Descriptor) and len(beside.unrelated) >= NEIGHBOURS:
        background = Background(measure, [w.pixels for w in beside.unrelated])
    rows = []
    for number, (work, second, found) in enumerate(zip(works, overlaid.seconds, overlaid.pairs, strict=True), 1):
        emit(Event("align", number - 1, len(works), work.id))
        shared: common.Shared | Absent = NOTHING_TO_EXCLUDE
        if outcome.decide(found) in _SHOWN:
            shared = common.seek(second, beside.companions(work.pixels), further, table)
            if isinstance(shared, common.Shared) and shared.facts.left_out:
                found = surviving(found, without(first, second, shared.rest, further))
        drawn = figures is None or number <= figures
        laid = Laid(f"D{number}", disputed, work, found, shared)
        row = _row(laid, context.instruments, context.ledger if drawn else None, beside)
        if background is not None:
            row = replace(
                row, values=(*_normalised(background.normalise(disputed.pixels, work.pixels), beside), *row.values)
            )
        rows.append(row)
    emit(Event("align", len(works), len(works), f"{len(works)} works"))
    return tuple(rows)


def nearest_control(
    comparisons: Sequence[Comparison],
    originals: Sequence[Work],
    found: Found,
    context: Context,
) -> Correspondence | None:
    """The comparison of the control that comes nearest by the primary measurement of derivation, with its figures.

    It is laid over what it was measured against: the first work put forward, else its own closest item of the index.
    None where there are no controls, or the index does not ship that picture.
    """
    primary = next((c for c in comparisons if c.primary_for is Pair.DERIVATION), None)
    if primary is None or not primary.controls:
        return None
    values = [c.value for c in primary.controls]
    place = values.index(max(values) if primary.better is Better.HIGHER else min(values))
    control = next(w for w in context.controls.works if w.id == primary.controls[place].control)
    if originals:
        work = originals[0]
    else:
        picture = picture_of(found.control_top[place].row)
        if picture is None:
            return None
        title = f"Training image {found.control_top[place].row.training_id}, the closest item to C1"
        work = Work.of(context.ledger.put(picture, "C2", title, "index").id, picture)
    title = f"Control {control.id}, the nearest of {primary.n}: {primary.title}"
    laid = Work(context.ledger.put(to_picture(control.pixels), "C1", title, "control works").id, control.pixels, "")
    table = light_table(context.instruments)
    pairing = table.pair(*table.prepared(laid.pixels, work.pixels))
    pairs = Laid("DC", laid, work, pairing, NO_COMPANIONS)
    row = _row(pairs, context.instruments, context.ledger, Beside())
    # The sentences of a row speak of the disputed image; here the control lies in its place.
    basis, containment = (text.replace("the disputed image", laid.id) for text in (row.basis, row.containment))
    return replace(row, laid=laid.id, basis=basis, containment=containment)


def light_table(instruments: Instruments) -> LightTable:
    """The table on which the aligned distance has laid the same pictures already; an empty one without it.

    With a further source of alignments it is another one, that shares what was prepared: the distance knows nothing of
    that source, so that the disputed image and its controls are measured alike.
    """
    aligned = instruments.at_hand.get("aligned")
    table = aligned.table if isinstance(aligned, Aligned) else LightTable()
    return table if instruments.further is None else LightTable(table, instruments.further)


def prepared(work: Work) -> Prepared:
    """Everything that a comparison needs of one work."""
    return prepare(np.asarray(to_picture(work.pixels), np.uint8))


@dataclass(frozen=True, slots=True)
class Laid:
    """The disputed image on one work, and how the two lie over each other."""

    id: str
    disputed: Work
    work: Work
    found: Pairing
    """Without what the work shares with other items, where something was left out."""
    shared: common.Shared | Absent


def _row(laid: Laid, used: Instruments, ledger: Ledger | None, beside: Beside) -> Correspondence:
    row_id, disputed, work, found, shared = laid.id, laid.disputed, laid.work, laid.found, laid.shared
    instruments, source = used.at_hand, used.further
    word = outcome.decide(found)
    # Of what is too plain to compare nothing is shown: one simple shape lies over any other of its kind.
    parts = [p for p in found.parts if outcome.in_detail(p)] if word is not Outcome.INSUFFICIENT else []
    if not parts and word in _SHOWN:
        # Where edges alone gave the word, no alignment holds and none is shown.
        parts = [p for p in found.parts[:1] if outcome.same_arrangement(outcome.seen(p))]
    sizes = _size(disputed), _size(work)
    values = [
        Fact(
            f"PDQ distance, smallest of eight ways round ({pdq.VERSION}, of 256 bits)", str(found.fingerprint_distance)
        )
    ]
    rests = ""
    if source is not None and found.otherwise is not None:
        values.append(Fact(f"the word without {source.title}, on whose alignments it rests", found.otherwise.said))
        rests = overlay_words.rests(word, found.otherwise, source.title, aligned="aligned" in instruments)
    if word is Outcome.ARRANGEMENT:
        values.append(overlay_words.arrangement(found.layout))
    figures: tuple[str, ...] = ()
    agree: list[Element] = []
    differ: list[Element] = []
    ceilings: tuple[Fact | Absent, ...] = ()
    rates = word_rates.rates() if source is None else word_rates.with_source(word_rates.rates(), source.title)
    said = overlay_words.basis(word, found, parts, sizes[0])
    if parts:
        agree, differ = _elements(parts, sizes)
        with ThreadPoolExecutor(1) as pool:  # figures are drawn on another core while the overlap is measured
            drawing = pool.submit(_drawn, disputed, work, parts[0], agree) if ledger is not None else None
            values += [*overlay_words.judged_facts(parts[0]), *_values(parts[0], instruments)]
            ceilings = _ceilings(parts[0], work, beside.round_trips.get(work.id))
            contradiction = overlay_words.contradiction(word, found, instruments)
        if ledger is not None and drawing is not None:
            figures = _figures(row_id, disputed, work, drawing.result(), ledger)
    else:
        contradiction = overlay_words.contradiction(word, found, instruments)
    if ledger is not None and isinstance(shared, common.Shared) and shared.mask is not None:
        figures += (_excluded(row_id, work, shared.mask, ledger),)
    return Correspondence(
        id=row_id,
        work=work.id,
        outcome=word,
        basis=" ".join(filter(None, (said, contradiction, rests))),
        regions=tuple(_region(i, p, sizes) for i, p in enumerate(parts, 1)),
        containment=overlay_words.containment(parts),
        tones=found.tones.words if found.tones and parts else (),
        ceilings=ceilings,
        elements=tuple(agree[:_ROWS]),
        differences=tuple(differ[:_ROWS]),
        values=tuple(values),
        figures=figures,
        protocol=", ".join((VERSION, outcome.VERSION, *(() if source is None else (source.version,)))),
        common=shared.facts if isinstance(shared, common.Shared) else shared,
        word_rates=rates.said,
        word_errors=rates.errors,
    )


def _excluded(row_id: str, work: Work, mask: NDArray[np.bool_], ledger: Ledger) -> str:
    picture = Image.fromarray(common_map(np.asarray(to_picture(work.pixels)), mask))
    title = f"{work.id}: parts that several items of the index share (crossed out)"
    return ledger.put(picture, f"{row_id}E", title, f"comparison.figures@{VERSION}").id


def _size(work: Work) -> tuple[int, int]:
    return int(work.pixels.shape[-1]), int(work.pixels.shape[-2])


def _region(number: int, part: Part, sizes: tuple[tuple[int, int], tuple[int, int]]) -> Region:
    return Region(
        number,
        part.model,
        tuple(float(v) for v in part.matrix.ravel()),
        part.mirrored,
        part.inverted,
        part.inliers,
        round(part.residual, 3),
        overlay_words.place(part.polygon_a, sizes[0]),
        overlay_words.place(part.polygon_b, sizes[1]),
        round(min(1.0, part.area_a), 4),
        round(min(1.0, part.area_b), 4),
        part.detail.level,
        part.detail.low,
        part.detail.high,
    )


def without(first: Prepared, work: Prepared, rest: Prepared, further: Further | None = None) -> Pairing:
    """The pair without what several items share: by what is left alone, else as the whole work lies over the other."""
    found = raised(pair(first, rest), first, rest, further)
    if outcome.decide(found) in _SHOWN:
        return found
    return raised(pair(first, rest, guide=work), first, rest, further, work)


def surviving(whole: Pairing, rest: Pairing) -> Pairing:
    """The rest once shared parts are left out; where the two correspond throughout with them, and still do without,
    what others share takes nothing away from the word. A word that rests on the further source, here or there, says
    what it was without it."""
    found = replace(rest, throughout=outcome.decide(whole) is Outcome.THROUGHOUT)
    if whole.otherwise is None:
        return found
    alone = outcome.decide(rest) if rest.otherwise is None else rest.otherwise
    word = alone if whole.otherwise in _SHOWN else whole.otherwise
    return replace(found, otherwise=word if word is not outcome.decide(found) else None)


def _normalised(found: Normalised, beside: Beside) -> tuple[Fact, ...]:
    what = f"{found.n} {beside.ground}" if beside.ground else f"{found.n} unrelated works"
    return (
        Fact("descriptor of edited renderings, cosine of the whole pictures", f"{found.cosine:.3f}"),
        Fact(
            "the same, less the mean of the disputed image's three nearest unrelated works (score normalisation)",
            f"{found.value:.3f}; {found.k} of {what} lie as near to the work as the disputed image does",
        ),
    )


def _round_trip(work: Work, made: Tensor) -> Fact:
    """The level of the work against itself after the autoencoder: what the checkpoint could give back at best."""
    a, b = (plate(np.asarray(to_picture(pixels), np.uint8)) for pixels in (work.pixels, made))
    over = lay(a, b, np.eye(3))
    level = 0
    if over is not None:
        x, y, _ = tones(over)
        level = thumbnail_level.measure(x, y, over.mask, agrees=LEVEL_AGREES).level
    said = f"{level}" if level else f"none: below {thumbnail_level.FIRST}"
    return Fact("detail that the checkpoint's autoencoder gives back of the work, pixels", said)


def _ceilings(part: Part, work: Work, round_trip: Tensor | None) -> tuple[Fact | Absent, ...]:
    own = min(thumbnail_level.own_detail(t, part.over.mask) for t in (part.tone_a, part.tone_b))
    canvas = part.residual_canvas
    limit = thumbnail_level.registration_ceiling(part.tone_a, part.over.mask, canvas, LEVEL_AGREES)
    return (
        Fact("detail that both pictures have, pixels", str(own)),
        Fact("detail that the residual of the alignment allows, pixels", str(limit)),
        _AUTOENCODER if round_trip is None else _round_trip(work, round_trip),
    )


def _elements(
    parts: Sequence[Part], sizes: tuple[tuple[int, int], tuple[int, int]]
) -> tuple[list[Element], list[Element]]:
    """Informative cells of every region, numbered by how far they agree; those that differ apart, weakest first."""
    found: list[tuple[float, str, Place, Place]] = []
    for part in parts:
        height, width = part.over.mask.shape
        rows, columns = part.cells.state.shape
        back = np.asarray(np.linalg.inv(part.from_first), np.float64)
        to_work = np.asarray(np.linalg.inv(part.matrix), np.float64)
        for i in range(rows):
            for j in range(columns):
                if (state := int(part.cells.state[i, j])) not in _STATES:
                    continue
                xs = np.array([j, j + 1]) * width / columns - 0.5
                ys = np.array([i, i + 1]) * height / rows - 0.5
                corners = np.array([[x, y] for x in xs for y in ys])
                here = project(back, corners)
                found.append(
                    (
                        float(part.cells.correlation[i, j]),
                        _STATES[state],
                        overlay_words.place(here, sizes[0]),
                        overlay_words.place(project(to_work, here), sizes[1]),
                    )
                )
    found.sort(key=lambda f: -f[0])
    numbered = [Element(n, f[2], f[3], round(f[0], 4), f[1]) for n, f in enumerate(found, 1)]
    return [e for e in numbered if e.state != "differs"], [e for e in reversed(numbered) if e.state == "differs"]


def _values(part: Part, instruments: Mapping[str, Similarity]) -> list[Fact]:
    a, b = (to_tensor(Image.fromarray(p)) for p in (part.over.a, part.over.b))
    inside = torch.from_numpy(part.over.mask.copy())
    rows = [Fact("size of the overlap on its canvas", f"{part.over.mask.shape[1]} × {part.over.mask.shape[0]} pixels")]
    local = ssim_map(a, b)[0]
    valid = inside[5:-5, 5:-5]
    if bool(valid.any()):
        value = float(local[valid].mean())
        rows.append(Fact("SSIM on the overlap (wang-2004/1, mean of the map inside the mask)", f"{value:.4f}"))
    # Outside the overlap both show one grey, so that it adds nothing to a distance.
    grey = [torch.where(inside, t, torch.full_like(t, 0.5)) for t in (a, b)]
    lpips = instruments.get("lpips")
    for side in (256, 512):
        if isinstance(lpips, Lpips):
            x, y = (resize(t, side, side) for t in grey)
            distance = float(lpips.full_size(x, y)[0])
            rows.append(Fact(f"LPIPS on the overlap at {side} pixels (alex-v0.1/1)", f"{distance:.4f}"))
    x, y = (resize(t, 512, 512) for t in grey)
    rows.append(
        Fact("tiled distance on the overlap at 512 pixels (carlini-2023/1)", f"{float(tile_distances(x, y).max()):.4f}")
    )
    return rows


def _drawn(
    disputed: Work, work: Work, part: Part, elements: Sequence[Element]
) -> tuple[tuple[str, str, Image.Image, bytes], ...]:
    """Letter, title, picture and PNG of every figure."""
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]] = (
        np.asarray(to_picture(disputed.pixels)),
        np.asarray(to_picture(work.pixels)),
    )
    a, b = (part.over.b, part.over.a) if part.swapped else (part.over.a, part.over.b)
    rows = (
        ("L", "numbered elements joined by lines", board(*pictures, elements)),
        ("O", "overlay, half and half", overlay(a, b)),
        ("B", "checkerboard of the two", checkerboard(a, b)),
        ("M", "map: agrees, undecided (hatched), differs (crossed)", words_map(a, part.cells, part.over.mask)),
    )
    made = ((letter, title, Image.fromarray(picture)) for letter, title, picture in rows)
    return tuple((letter, title, picture, png_bytes(picture)) for letter, title, picture in made)


def _figures(
    row_id: str, disputed: Work, work: Work, drawn: Sequence[tuple[str, str, Image.Image, bytes]], ledger: Ledger
) -> tuple[str, ...]:
    return tuple(
        ledger.put(
            picture,
            f"{row_id}{letter}",
            f"{disputed.id} and {work.id}: {title}",
            f"comparison.figures@{VERSION}",
            png=png,
        ).id
        for letter, title, picture, png in drawn
    )
