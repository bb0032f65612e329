"""Training neighbours of the disputed image and, in the same index with the same transforms, of every control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from torch import Tensor

from forensics import foreign, inputs, retrieval, weights
from forensics.case import NO_COMPANIONS, Absent, Checkpoint, IndexFacts, Neighbour, Repeats, Search
from forensics.device import Device
from forensics.embedders.copies import SSCD, CopyDescriptor, open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_, WeightsError
from forensics.events import Event
from forensics.overlay.glued import Glued
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.resources import samples
from forensics.retrieval import citation, duplicates, encoders
from forensics.retrieval.base import Hit, Row, TrainingIndex
from forensics.retrieval.local import DEFAULT, FEATURES, Bench
from forensics.retrieval.readers.native import LanceIndex
from forensics.settings import Settings
from forensics.stages import elsewhere, known_items
from forensics.stages.context import Context, Received
from forensics.stages.works import Work, common_side
from forensics.stages.workshop import Workshop

_NO_INDEX = Absent(
    "training index",
    "No training index was given for this checkpoint.",
    "Build one with `forensics index build` and pass it with --index.",
)
_NO_EMBEDDER = Absent(
    "CLIP embedder",
    "No open_clip model was named; the embedded demonstration model is not used for another checkpoint.",
    "Pass --clip with a local open_clip folder or a name such as ViT-L-14/openai.",
)
COMPANIONS = 8
"""Items of the index that a work is compared with to find what several of them share."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the search has at hand."""

    index: TrainingIndex | Absent
    embedder: Embedder | Absent
    copies: tuple[encoders.Encoder, ...] = ()
    """The copy descriptor, where the index has its vectors and the very model is at hand."""
    arithmetic: str = ""
    """Kind of device and precision of the models."""
    fetched: str = ""
    """The open_clip model that was taken because its weights were fetched, though nobody named one; else empty."""
    native_px: int = 0
    """Side of the pictures that the checkpoint makes: what is ranked is asked at no larger a size. 0 where none is
    examined: then as received."""


@dataclass(frozen=True, slots=True)
class Namesake:
    """The training picture whose caption stands in where nobody states one."""

    training_id: str
    caption: str
    source: str
    """How it was chosen, in words."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the search gave."""

    facts: IndexFacts | Absent
    neighbours: tuple[Neighbour, ...] = ()
    pictures: dict[str, Tensor] = field(default_factory=dict)
    """Exhibit id -> (1, 3, H, W), for the neighbours whose picture the index ships."""
    control_top: tuple[Hit, ...] = ()
    """The best hit of every control by meaning, in the order of the controls."""
    said: Search | None = None
    """How it was searched."""
    copies: tuple[float, tuple[float, ...]] | None = None
    """Cosine of the copy descriptor to the nearest row: of the disputed image, and of every control."""
    own_top: Hit | None = None
    """The best hit of the disputed image by meaning, found as those of the controls are: at the size of the
    examination and by the embedding alone. What is ranked among the controls is taken of this one."""
    at_size: Row | None = None
    """The first item of the whole search for the disputed image at the size of the examination."""
    copy_of: tuple[str, ...] = ()
    """Exhibits that the disputed image was found to be a copy of; empty before it was laid over them."""

    @property
    def namesake(self) -> Namesake | None:
        """Whose caption stands in for one that nobody states.

        A picture that the disputed image was found to be a copy of names the work itself. Where there is none, the
        item is looked for at the size of the examination, which is that of the controls: the same picture sharper, or
        larger, would have the checkpoint asked in other words.
        """
        for near in self.neighbours:
            if near.exhibit in self.copy_of and near.caption:
                source = f"caption of neighbour N{near.rank}, of which the picture is a copy"
                return Namesake(near.training_id, near.caption, source)
        if (row := self.at_size) is None:
            return None
        place = next((f"N{n.rank}" for n in self.neighbours if n.training_id == row.training_id), row.training_id)
        return Namesake(row.training_id, row.caption, f"caption of neighbour {place}")


def open_sources(
    settings: Settings, checkpoint: Checkpoint, device: Device, workshop: Workshop | None = None
) -> Sources:
    """Open the index and the embedder, or say why there is none.

    Args:
        workshop: has those that were opened before; by default none were.

    Raises:
        IndexError_: an index was named and cannot be used.
        WeightsError: an open_clip model was named and is not to be had.
    """
    reference = samples() / "reference"
    # The index that ships lists what twin A was trained on: not twin B's works, nor a fine-tune's.
    is_twin_a = foreign.resolved(Path(checkpoint.location)) == (reference / "twin-a").resolve() and not checkpoint.lora
    own = reference / "index" if checkpoint.demonstration and is_twin_a else None
    location = Path(settings.index) if settings.index else own
    workshop = workshop or Workshop()
    index: TrainingIndex | Absent = (
        workshop.once(("index", str(location)), lambda: _opened(location)) if location else _NO_INDEX
    )
    named = settings.clip or (str(reference / "openclip") if checkpoint.demonstration else "")
    fetched = "" if named else fetched_model("" if isinstance(index, Absent) else index.info().facts.embedder)
    embedder = open_embedder(named or fetched or None, device, workshop)
    if not isinstance(index, Absent) and isinstance(embedder, Absent):
        raise WeightsError(
            "The index cannot be searched without the open_clip model that made its vectors.",
            hint=f"Pass --clip with {index.info().facts.embedder}.",
        )
    copies = () if isinstance(index, Absent) else copies_of(index, device, workshop)
    arithmetic = f"{device.device.type} {device.precision}"
    return Sources(index, embedder, copies, arithmetic, fetched, checkpoint.native_px)


def _opened(location: Path) -> TrainingIndex:
    found = retrieval.open(location)
    inputs.tree(location, IndexError_)
    return found


def fetched_model(made_with: str = "") -> str:
    """The open_clip model that `forensics weights fetch` brought, as MODEL/PRETRAINED; empty where none is here.

    Args:
        made_with: name and digest of the model that made the vectors of an index, where one is searched: no other will
            do then.
    """
    kind = "open_clip/"
    here = (row.name.removeprefix(kind) for row in weights.TABLE.values() if row.name.startswith(kind) and _here(row))
    return next((name for name in here if not made_with or name in made_with.split()), "")


def _here(row: weights.Weights) -> bool:
    return weights.find(row.file) is not None


def open_embedder(spec: str | None, device: Device, workshop: Workshop | None = None) -> Embedder | Absent:
    """The open_clip model named, or the statement that none was. Raises WeightsError if it is not to be had."""
    if not spec:
        return _NO_EMBEDDER
    return (workshop or Workshop()).once(("open_clip", spec, device), lambda: Embedder.open(spec, device))


def open_copies(device: Device, *, demonstration: bool, workshop: Workshop | None = None) -> CopyDescriptor | Absent:
    """SSCD where its weights were fetched, else the embedded descriptor; for the embedded checkpoint always that one,
    which was trained on works of the same kind and whose figures are measured with it."""
    if not demonstration:
        fetched = descriptor(SSCD, device, workshop)
        if not isinstance(fetched, Absent):
            return fetched
    return descriptor(None, device, workshop)


def further_source(*, wanted: bool, demonstration: bool, workshop: Workshop | None = None) -> Glued | Absent:
    """The further source of alignments where its weights were fetched; for the embedded checkpoint none, as its figures
    are measured without it.

    Args:
        wanted: whether it may be used; a case made without it is repeated without it.

    Raises:
        WeightsError: the weights are damaged.
    """
    reason = remedy = ""
    if demonstration:
        reason = "The demonstration checkpoint is examined without it, as its published figures were."
    elif not wanted or not _here(weights.TABLE[Glued.row]):
        reason = "Its weights were not fetched to the machine of the examination; the other sources were used."
        remedy = f"Run `forensics weights fetch {Glued.row}` with a network connection."
    if reason:
        title = Glued.title
        return Absent(f"further source of alignments ({title})", reason, remedy)
    return (workshop or Workshop()).once((Glued.row,), Glued.open)


def descriptor(location: str | None, device: Device, workshop: Workshop | None = None) -> CopyDescriptor | Absent:
    """As `open_descriptor`, which is asked once. Raises WeightsError."""
    return (workshop or Workshop()).once(("copies", location, device), lambda: open_descriptor(location, device))


def search(received: Received, sources: Sources, context: Context) -> Found:
    """Exact search for the disputed image and the controls; the neighbours' pictures become exhibits.

    Raises:
        IndexError_: the index was made with another embedder than the one at hand.
    """
    index, embedder = sources.index, sources.embedder
    disputed, sha256, emit, wanted = received.disputed, received.item.sha256, context.emit, context.protocol.neighbours
    if isinstance(index, Absent) or isinstance(embedder, Absent):
        return Found(index if isinstance(index, Absent) else _NO_EMBEDDER)
    facts = index.info().facts
    emit(Event("search", 0, 1, f"{facts.count} training images"))
    models = [encoders.clip(embedder), *sources.copies]
    for model in models:
        retrieval.prove(index, model)
        retrieval.check_model(index.info(), model)
    facts = index.info().facts  # with what the collection has shown
    vectors = {model.column: model.pictures([disputed.pixels]) for model in models}
    # Features are known by the digest of a picture, as its index states it: another index may state it of another.
    bench = context.workshop.once(("features", facts.digest), lambda: Bench(FEATURES.load(DEFAULT)()))
    hits = retrieval.search(index, models, [disputed.pixels], wanted, bench=bench)[0]
    firsts = elsewhere.firsts(index, models, context.controls, context.cache, sources.arithmetic)
    small = disputed.at(common_side(disputed, sources.native_px)) if sources.native_px else disputed
    own = elsewhere.first(index, models, small.pixels)
    at_size = retrieval.search(index, models, [small.pixels], 1, bench=bench)[0] if small is not disputed else hits
    neighbours, pictures = [], {}
    for rank, hit in enumerate(hits, 1):
        exhibit = None
        picture = retrieval.picture_of(hit.row)
        if picture is not None:
            title = f"Training image {hit.row.training_id}"
            exhibit = context.ledger.put(picture, f"N{rank}", title, f"index {facts.name}").id
            pictures[exhibit] = to_tensor(picture)
        neighbours.append(
            Neighbour(
                rank,
                hit.row.training_id,
                hit.row.caption,
                hit.row.creator,
                hit.row.sha256,
                hit.similarity,
                "exact",
                exhibit,
                citation.scores(hit),
                hit.row.licence,
                hit.row.url,
                hit.row.lead,
                hit.places,
                hit.fused,
            )
        )
    named = [n.exhibit or n.training_id for n in neighbours]
    shown = [(disputed.id, disputed, sha256), *((work.id, work, item.sha256) for item, work in received.originals)]
    asked = citation.query_facts(index, sha256, {c: v[0] for c, v in vectors.items()}, wanted, bench, hits)
    said = Search(
        (*asked, known_items.fact(index.info())),
        *_repeats(index, shown, list(zip(named, (h.row_id for h in hits), strict=True))),
    )
    emit(Event("search", 1, 1, f"{facts.count} training images"))
    everyone = (own, *firsts)
    rows = index.fetch([f[retrieval.CLIP].row for f in everyone])
    own_top, *top = (Hit(row, f[retrieval.CLIP].cosine) for row, f in zip(rows, everyone, strict=True))
    copies = tuple(f[retrieval.COPY].cosine for f in everyone if retrieval.COPY in f)
    nearest = (copies[0], copies[1:]) if copies[1:] else None
    return Found(
        facts, tuple(neighbours), pictures, tuple(top), said, nearest, own_top, at_size[0].row if at_size else None
    )


def _repeats(
    index: TrainingIndex, shown: Sequence[tuple[str, Work, str]], hits: Sequence[tuple[str, int]]
) -> tuple[tuple[Repeats, ...], str]:
    """How often the pictures under examination and every neighbour recur in the collection, and by which rule."""
    if not isinstance(index, LanceIndex):
        return (), duplicates.NOT_COUNTED
    outside = [duplicates.of_picture(tag, to_picture(work.pixels), sha256) for tag, work, sha256 in shown]
    return duplicates.count(index, [*outside, *duplicates.of_rows(index, hits)]), duplicates.RULE


@dataclass(frozen=True, slots=True)
class Companion:
    """An item of the index near a work, with its picture."""

    training_id: str
    pixels: Tensor
    """(1, 3, H, W)."""


def companions(pixels: Tensor, sources: Sources, found: Found) -> tuple[Companion, ...] | Absent:
    """The closest items of the index to a work (1, 3, H, W), then those found for the disputed image; `COMPANIONS` at
    most, those alone whose picture the index ships."""
    index, embedder = sources.index, sources.embedder
    if isinstance(index, Absent) or isinstance(embedder, Absent):
        return NO_COMPANIONS
    models = [encoders.clip(embedder), *sources.copies]
    hits = retrieval.search_vectors(index, {m.column: m.pictures([pixels]) for m in models}, COMPANIONS)[0]
    rows: dict[str, Tensor | Row] = {hit.row.training_id: hit.row for hit in hits}
    shown = {n.training_id: found.pictures[n.exhibit] for n in found.neighbours if n.exhibit}
    read_already = rows | shown  # order of the work's own neighbours, then what is only the disputed image's
    result: list[Companion] = []
    for name, held in read_already.items():
        picture = retrieval.picture_of(held) if isinstance(held, Row) else held
        if picture is not None and len(result) < COMPANIONS:
            result.append(Companion(name, to_tensor(picture) if isinstance(picture, Image.Image) else picture))
    return tuple(result)


def copies_of(index: TrainingIndex, device: Device, workshop: Workshop | None = None) -> tuple[encoders.Encoder, ...]:
    """The copy descriptor, where the index has its vectors and the very model is at hand."""
    column = next((c for c in index.info().columns if c.name == retrieval.COPY), None)
    found = descriptor(None, device, workshop) if column else None
    if column is None or found is None or isinstance(found, Absent) or found.digest != column.digest:
        return ()
    return (encoders.copies(found),)
