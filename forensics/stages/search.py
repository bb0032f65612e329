"""Training neighbours of the disputed image and, in the same index with the same transforms, of every control."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from forensics import intake, retrieval
from forensics.case import Absent, Checkpoint, IndexFacts, Neighbour
from forensics.casefile import Ledger
from forensics.descriptor import open_descriptor
from forensics.device import Device
from forensics.embedding import Embedder
from forensics.errors import WeightsError
from forensics.events import Emit, Event
from forensics.images import to_picture, to_tensor
from forensics.protocol import Protocol
from forensics.resources import samples
from forensics.retrieval import citation, encoders
from forensics.retrieval.base import Hit, Row, TrainingIndex
from forensics.settings import Settings
from forensics.stages.works import ControlGroup, Work, read

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


@dataclass(frozen=True, slots=True)
class Sources:
    """What the search has at hand."""

    index: TrainingIndex | Absent
    embedder: Embedder | Absent
    copies: tuple[encoders.Encoder, ...] = ()
    """The copy descriptor, where the index has its vectors and the very model is at hand."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the search gave."""

    facts: IndexFacts | Absent
    neighbours: tuple[Neighbour, ...] = ()
    pictures: dict[str, Tensor] = field(default_factory=dict)
    """Exhibit id -> (1, 3, H, W), for the neighbours whose picture the index ships."""
    control_top: tuple[Hit, ...] = ()
    """The best hit of every control, in the order of the controls."""


def open_sources(settings: Settings, checkpoint: Checkpoint, device: Device) -> Sources:
    """Open the index and the embedder, or say why there is none.

    Raises:
        IndexError_: an index was named and cannot be used.
        WeightsError: an open_clip model was named and is not to be had.
    """
    reference = samples() / "reference"
    # The index that ships lists what twin A was trained on: not twin B's works, nor a fine-tune's.
    is_twin_a = Path(checkpoint.location).resolve() == (reference / "twin-a").resolve() and not checkpoint.lora
    own = reference / "index" if checkpoint.demonstration and is_twin_a else None
    location = Path(settings.index) if settings.index else own
    embedder = open_embedder(
        settings.clip or (str(reference / "openclip") if checkpoint.demonstration else None), device
    )
    index: TrainingIndex | Absent = retrieval.open(location) if location else _NO_INDEX
    if not isinstance(index, Absent) and isinstance(embedder, Absent):
        raise WeightsError(
            "The index cannot be searched without the open_clip model that made its vectors.",
            hint=f"Pass --clip with {index.info().facts.embedder}.",
        )
    copies = () if isinstance(index, Absent) else _copies(index, device)
    return Sources(index, embedder, copies)


def open_embedder(spec: str | None, device: Device) -> Embedder | Absent:
    """The open_clip model named, or the statement that none was. Raises WeightsError if it is not to be had."""
    return Embedder.open(spec, device) if spec else _NO_EMBEDDER


def search(
    disputed: Work, controls: ControlGroup, sources: Sources, protocol: Protocol, ledger: Ledger, emit: Emit
) -> Found:
    """Exact search for the disputed image and the controls; the neighbours' pictures become exhibits.

    Raises:
        IndexError_: the index was made with another embedder than the one at hand.
    """
    index, embedder = sources.index, sources.embedder
    if isinstance(index, Absent) or isinstance(embedder, Absent):
        return Found(index if isinstance(index, Absent) else _NO_EMBEDDER)
    facts = index.info().facts
    emit(Event("search", 0, 1, f"{facts.count} training images"))
    queries = [disputed.pixels, *(work.pixels for work in controls.works)]
    models = [encoders.clip(embedder), *sources.copies]
    for model in models:
        retrieval.check_model(index.info(), model)
    vectors = {model.column: model.pictures(queries) for model in models}
    hits = retrieval.search_vectors(index, vectors, protocol.neighbours)
    neighbours, pictures = [], {}
    for rank, hit in enumerate(hits[0], 1):
        exhibit = None
        picture = picture_of(hit.row)
        if picture is not None:
            title = f"Training image {hit.row.training_id}"
            exhibit = ledger.put(picture, f"N{rank}", title, f"index {facts.name}").id
            pictures[exhibit] = to_tensor(picture)
        neighbours.append(
            Neighbour(
                rank, hit.row.training_id, hit.row.caption, hit.row.creator, hit.row.sha256, hit.similarity,
                "exact", exhibit,
            )
        )  # fmt: skip
    emit(Event("search", 1, 1, f"{facts.count} training images"))
    said = (
        *citation.query_facts({c: v[0] for c, v in vectors.items()}, protocol.neighbours, _coverage(index)),
        *citation.hit_facts(hits[0]),
        *citation.repeat_facts(index, to_picture(disputed.pixels), hits[0]),
    )
    return Found(
        replace(facts, facts=(*facts.facts, *said)), tuple(neighbours), pictures, tuple(h[0] for h in hits[1:])
    )


def _coverage(index: TrainingIndex) -> str:
    return f"All {index.info().facts.count} rows of the snapshot were compared; none was skipped."


def picture_of(row: Row) -> Image.Image | None:
    """The picture of a row, from its file or from the index itself; none where neither has it."""
    if row.picture is not None:
        return read(row.picture)
    return intake.decode(row.image, row.training_id).picture if row.image is not None else None


def _copies(index: TrainingIndex, device: Device) -> tuple[encoders.Encoder, ...]:
    """The copy descriptor, where the index has its vectors and the very model is at hand."""
    column = next((c for c in index.info().columns if c.name == retrieval.COPY), None)
    found = open_descriptor(None, device) if column else None
    if column is None or found is None or isinstance(found, Absent) or found.digest != column.digest:
        return ()
    return (encoders.copies(found),)
