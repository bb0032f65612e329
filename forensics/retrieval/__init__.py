"""Training neighbours: open an index, search it, verify it. Building lies in `forensics.retrieval.building.build`.

A hit is not training; no hit is not absence. Which collection was searched, how complete it is and which model made the
vectors is part of every answer (`IndexFacts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forensics.errors import ForensicsError, IndexError_
from forensics.registry import Registry
from forensics.retrieval import order as candidates
from forensics.retrieval.base import (
    CLIP,
    COPY,
    Capabilities,
    Hit,
    Hits,
    IndexInfo,
    Reader,
    RecallReport,
    Row,
    Stated,
    TrainingIndex,
    Vectors,
    VerifyReport,
)
from forensics.retrieval.order import CANDIDATES

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from forensics.retrieval.encoders import Encoder
    from forensics.retrieval.local import Agreement, Bench

Lay = Callable[[Sequence[tuple[str, Callable[[], "Image.Image | None"]]]], Sequence["Agreement | None"]]
"""(digest, what reads the picture) of rows -> how each agrees with the query; none where a row has no picture."""
PARTS = "parts"
"""In the place of a column: found by the copy descriptor of a part of the picture."""

READERS: Registry[type[Reader]] = Registry(
    "index engine",
    {
        "lance": "forensics.retrieval.readers.native:LanceIndex",
        "clip-retrieval": "forensics.retrieval.readers.folder:Folder",
        "faiss": "forensics.retrieval.readers.faiss_folder:FaissFolder",
        "img2dataset": "forensics.retrieval.readers.shards:Shards",
        "npy": "forensics.retrieval.readers.arrays:Arrays",
    },
)
"""Kinds of collections -> what reads them. The contract of every exact search: the results of a plain float64 sort."""
_ANY_FOLDER = "clip-retrieval"
"""What a folder is taken for that no row recognises: its reader says what is missing."""


def kind(location: str) -> str:
    """Row of `READERS` for what lies at a path or address. Raises IndexError_ where there is nothing."""
    from forensics.retrieval.building.files import Files

    files = Files(location)
    if not files.exists():
        raise IndexError_(f"There is no index {location}.", hint="Make one with `forensics index build`.")
    found = next((name for name in READERS if READERS.load(name).recognises(files)), None)
    if found is not None:
        return found
    if files.exists("partial/plan.json"):
        raise IndexError_(
            f"{location} is an index whose build was not finished.",
            hint="Give the same `forensics index build` command again; it goes on where it stopped.",
        )
    if files.size("") is not None:
        raise IndexError_(f"{location} is a file of a kind not known.", hint="Give the folder of an index.")
    return _ANY_FOLDER


def open(
    location: Path | str,
    at: str | None = None,
    *,
    embedder: str = "",
    embedder_digest: str = "",
    pictures: Path | None = None,
) -> TrainingIndex:
    """Open an index.

    Args:
        location: folder or address.
        at: tag of a snapshot, where the engine has versions; the newest where none is given.
        embedder: for collections that do not record it: what made the vectors, as the user states it.
        embedder_digest: likewise, so that a query with another model can be refused.
        pictures: for collections that hold none: the folder that their rows' paths start from.

    Raises:
        IndexError_: missing, damaged, misaligned, empty, or not unit vectors.
    """
    reader = READERS.load(kind(str(location)))
    if at is not None and not reader.versions:
        raise IndexError_(
            f"{location} has no snapshots to choose from.", hint="Make a native index of it: `forensics index import`."
        )
    return reader.opened(str(location), Stated(at, embedder, embedder_digest, pictures))


def prove(index: TrainingIndex, encoder: Encoder) -> None:
    """Let a collection that nothing vouches for show that its rows describe its vectors, and that this model made them.

    Raises:
        IndexError_: it shows the contrary.
    """
    probe = getattr(index, "probe", None)
    if probe is not None and encoder.column == CLIP:
        probe(encoder)


def check_model(info: IndexInfo, encoder: Encoder) -> None:
    """Raises IndexError_ where the vectors of a column were made with another model, or none is recorded."""
    name = info.facts.name
    column = next((c for c in info.columns if c.name == encoder.column), None)
    if column is None:
        raise IndexError_(f"The index {name!r} has no vectors {encoder.column!r}.", hint="Build it with that model.")
    if not column.digest:
        raise IndexError_(
            f"The index {name!r} does not record which model made its vectors.",
            hint="Give --pictures, so that its rows can show it, or --stated; a wrong model gives neighbours without "
            "meaning.",
        )
    if column.digest != encoder.digest:
        raise IndexError_(
            f"The index {name!r} was made with {column.embedder} {column.digest}, "
            f"the query with {encoder.name} {encoder.digest}.",
            hint="Use the model of the index, with the same preparation of pictures, or build the index again.",
        )


def search(
    index: TrainingIndex,
    encoders: Sequence[Encoder],
    pictures: Tensor | Sequence[Tensor],
    k: int,
    *,
    mode: str = "exact",
    bench: Bench | None = None,
) -> list[list[Hit]]:
    """The k best rows for each picture, refused unless the index was made with these very models.

    Args:
        index: where to search.
        encoders: models of the columns to search, the column of meaning first.
        pictures: (B, 3, H, W) in [0, 1], or a list of such batches of different sizes.
        k: rows wanted.
        mode: `exact` compares every row, whatever approximate index there is; `ann` is for looking around.
        bench: local features that the candidates are laid over the picture with; none orders by vectors alone.

    Raises:
        IndexError_: another model, or an index that does not say which one made it.
    """
    for encoder in encoders:
        prove(index, encoder)
        check_model(index.info(), encoder)
    from forensics.retrieval import parts

    queries = {e.column: e.pictures(pictures) for e in encoders}
    batches = [pictures] if hasattr(pictures, "shape") else pictures
    ones = [one[None] for batch in batches for one in batch]
    wide = max(k, CANDIDATES)
    copies = [e for e in encoders if e.column == COPY]
    found = [parts.search(index, e, one, wide, mode) for e in copies for one in ones]
    laid = None
    if bench is not None:
        from forensics.pictures.tensors import to_picture

        laid = [partial(bench.lay, to_picture(one)) for one in ones]
    return search_vectors(index, queries, k, mode=mode, parts=found or None, laid=laid)


def search_vectors(
    index: TrainingIndex,
    queries: Mapping[str, Vectors],
    k: int,
    *,
    mode: str = "exact",
    parts: Sequence[Hits] | None = None,
    laid: Sequence[Lay] | None = None,
) -> list[list[Hit]]:
    """The k best rows over all columns.

    The best of every column take turns until there are `CANDIDATES` of them: first whatever is first in some column,
    then whatever is second, and so on; at one rank in the order given. All of them are scored in every column, laid
    over the query where that was asked for, and ordered by one score (`forensics.retrieval.order`). Where a single
    column was asked and nothing else, its own order stands.

    Args:
        index: where to search.
        queries: column -> (Q, D) unit vectors, the same pictures in every column.
        k: rows wanted.
        mode: `exact`, or `ann` for looking around.
        parts: for each picture what its parts found (`forensics.retrieval.parts`); they take their turn last.
        laid: for each picture what lays rows over it.
    """
    alone = len(queries) == 1 and parts is None and laid is None
    wide = k if alone else max(k, CANDIDATES)
    found = {column: index.search(vectors, wide, mode=mode, column=column) for column, vectors in queries.items()}
    count = len(next(iter(found.values())))
    return [
        _together(
            index,
            {c: (queries[c][i], found[c][i]) for c in found},
            parts[i] if parts else None,
            laid[i] if laid else None,
            k,
            wide,
        )
        for i in range(count)
    ]


def turns(answers: Mapping[str, Hits], k: int) -> dict[int, list[str]]:
    """Rows among the k best of some column, in the order in which the columns take turns -> what found them."""
    found_by: dict[int, list[str]] = {}
    for rank in range(k):
        for column, hits in answers.items():
            if rank < len(hits.row_ids):
                found_by.setdefault(int(hits.row_ids[rank]), []).append(column)
    return found_by


def _together(
    index: TrainingIndex,
    answers: Mapping[str, tuple[Vectors, Hits]],
    parts: Hits | None,
    lay: Lay | None,
    k: int,
    wide: int,
) -> list[Hit]:
    asked = {column: hits for column, (_, hits) in answers.items()} | ({PARTS: parts} if parts else {})
    chosen = list(turns(asked, wide))[:wide]
    near = turns(asked, k)
    first = next(iter(answers))
    scores: dict[str, list[float | None]] = {}
    for column, (query, hits) in answers.items():
        # Where no vectors were kept, what the approximate index made of them is all there is.
        estimates = dict(zip(hits.row_ids.tolist(), hits.scores.tolist(), strict=True))
        known = index.scores(query, chosen, column)
        scores[column] = [estimates.get(n) if s is None else s for n, s in zip(chosen, known, strict=True)]
    if parts is not None:
        by_part = dict(zip(parts.row_ids.tolist(), parts.scores.tolist(), strict=True))
        scores[PARTS] = [by_part.get(number) for number in chosen]
    rows = index.fetch(chosen)
    agreements = lay([(row.sha256, partial(_shown, row)) for row in rows]) if lay else [None] * len(rows)
    fused: list[float | None] = [None] * len(rows)
    order = list(range(len(rows)))
    if len(asked) > 1 or lay is not None:
        nothing: list[float | None] = [None] * len(rows)
        meaning, copies, part = (scores.get(c, nothing) for c in (CLIP, COPY, PARTS))
        totals = candidates.fused(
            [
                candidates.Parts(meaning[i], copies[i], part[i], a.cells if a is not None else None)
                for i, a in enumerate(agreements)
            ]
        )
        # Equal ones keep their turn, which breaks ties by the digest of the image.
        order.sort(key=lambda place: -totals[place])
        fused = list(totals)
    return [
        Hit(
            row=rows[place],
            similarity=_number(scores[first][place]),
            row_id=chosen[place],
            scores=tuple((c, s) for c in asked if (s := scores[c][place]) is not None),
            found_by=tuple(c for c in asked if c in near.get(chosen[place], ())),
            places=a.places if (a := agreements[place]) is not None else None,
            fused=fused[place],
        )
        for place in order[:k]
    ]


def picture_of(row: Row) -> Image.Image | None:
    """The picture of a row as upright sRGB, from its file or from the index itself; none where neither has it.

    Raises:
        ImageError: its bytes are no picture.
    """
    from forensics.pictures import bounded

    if row.picture is not None:
        return bounded.read(row.picture).picture
    return bounded.decode(row.image, row.training_id).picture if row.image is not None else None


def _shown(row: Row) -> Image.Image | None:
    """`picture_of`, none where it cannot be read: a candidate that nobody looks at stops no search."""
    try:
        return picture_of(row)
    except (ForensicsError, OSError):
        return None


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def verify(location: Path | str, at: str | None = None) -> VerifyReport:
    """Read every digest, every row and every vector's norm.

    Raises:
        IndexError_: names the first thing that differs, or says that there is nothing to verify against.
    """
    return open(location, at).verify("full")


__all__ = [
    "CLIP",
    "COPY",
    "PARTS",
    "READERS",
    "Capabilities",
    "Hit",
    "Hits",
    "IndexInfo",
    "RecallReport",
    "Row",
    "TrainingIndex",
    "VerifyReport",
    "check_model",
    "kind",
    "open",
    "prove",
    "search",
    "search_vectors",
    "turns",
    "verify",
]
