"""The training index, its neighbours, and style beside the creators that it names."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case.received import Absent, Fact


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The training index that was searched: which collection, how complete."""

    name: str
    count: int
    """Rows searched."""
    embedder: str
    """Name and digest of the embedder that made the vectors."""
    digest: str
    """SHA-256 of the index manifest."""
    built: str
    """UTC, ISO 8601; as the manifest states it."""
    coverage: str
    """What part of the checkpoint's training set it holds, as a sentence."""
    source: str
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeats:
    """The items of the index that show one picture: how often it was there to be learned."""

    of: str
    """Exhibit id of the disputed image, of an original or of a neighbour; a neighbour's training id where the index
    ships no picture of it."""
    same_bytes: int
    """Other items with the same bytes."""
    near: int
    """Other items that are near-duplicates by the rule of the search, those with the same bytes included."""
    stated: int | None
    """How often the source states that these items together, a neighbour itself included, stood in the training set;
    none where it states nothing."""
    cluster: tuple[str, ...]
    """Training ids of the near-duplicates, the nearest first; the first twenty."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search of the training index, as it can be cited and repeated."""

    facts: tuple[Fact, ...]
    """Digests of the query, what was compared and how, the command that repeats it."""
    repeats: tuple[Repeats, ...] = ()
    """Of the disputed image, then of every original and every neighbour; none where they cannot be counted."""
    rule: str = ""
    """What counts as a near-duplicate, or why none were counted, as a sentence."""


@dataclass(frozen=True, slots=True)
class IndexScore:
    """How near an item of the index lies to the disputed image by one of the index's models."""

    model: str
    """What is compared: `meaning`, `copies`, or the `parts` of the disputed image by the model of copies."""
    cosine: float
    nearest: bool
    """Whether the item is among the nearest by this model, which made it a candidate."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One row of the training index, ranked by similarity. A hit is not training; no hit is not absence."""

    rank: int
    training_id: str
    caption: str
    creator: str
    source_sha256: str
    """Digest of the training image as the index records it; empty where it records none."""
    similarity: float
    """Cosine of the unit vectors, in [-1, 1]."""
    backend: str
    exhibit: str | None
    """Id of the stored picture; none where the index ships no picture."""
    scores: tuple[IndexScore, ...] = ()
    """One for each model of the index."""
    licence: str = ""
    """As the source states it; empty where it states none."""
    url: str = ""
    lead: bool = False
    """Whether the index knows an address only: nothing was hashed or embedded from bytes at hand."""
    places: int | None = None
    """Distinct places at which local features of the picture agree with the disputed image under one map of the plane;
    none where it was not laid over. For the order alone: what corresponds is decided by the overlay."""
    fused: float | None = None
    """What the order follows, a weighted sum of cosines and cells; none where one column of vectors gives the order."""


@dataclass(frozen=True, slots=True)
class CreatorScore:
    """How near a picture lies in style to the works of one creator."""

    creator: str
    works: int
    """Works of this creator that it was compared with."""
    score: float
    """Mean likeness, less what works of others reach; higher is nearer, and only the order means anything."""
    rank: int
    """1 for the nearest creator."""


@dataclass(frozen=True, slots=True)
class WorkStyle:
    """One work compared, among the works of all creators."""

    work: str
    """Exhibit id."""
    nearer: int
    """Works of the creators that lie nearer to the disputed image."""
    of: int


@dataclass(frozen=True, slots=True)
class StyleMeasure:
    """One measure of resemblance in style, with how well it finds creators whose works are known."""

    name: str
    """`manner` or `palette`."""
    protocol: str
    creators: tuple[CreatorScore, ...]
    """From the nearest on."""
    works: tuple[WorkStyle, ...]
    """Of the works compared."""
    k: int
    """Controls that lie as near to the creator nearest to them as the disputed image to its own."""
    n: int
    own_first: int
    """Works of the creators that, taken out one at a time, lie nearest to their own creator."""
    own_median: float
    """Median rank of their own creator."""

    def of(self, creator: str) -> CreatorScore | None:
        """The score of a creator, if it was among them."""
        return next((c for c in self.creators if c.creator == creator), None)


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour of a palette."""

    rgb: str
    """`#rrggbb`, sRGB."""
    share: float
    """Of the picture's area."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one picture, the largest share first."""

    exhibit: str
    colours: tuple[Colour, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """Resemblance in style to the creators of an index. No finding, grade or likelihood ratio uses any of it."""

    works: int
    """Works of all creators that were compared."""
    selection: str
    """Which creators and works, fixed before the run, as sentences."""
    measures: tuple[StyleMeasure, ...]
    palettes: tuple[Palette, ...]
    creator_of_nearest: str
    """Creator that the index records for the closest item found; empty where it records none."""


NO_STYLE = Absent("stylistic resemblance", "No training index with creators was at hand to rank the disputed image in.")
