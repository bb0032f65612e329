"""Every domain type, frozen, on the standard library alone.

A `Case` is what an examination produced: everything a reader of the report sees is a pure function of it. Ids are the
tags printed in the report (`Q1` disputed image, `R1` original, `N1` neighbour, `A1` autoencoder round trip, `I1`
inversion, `G1` regeneration, `C1` control). Collections are tuples; absence is a value with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SCHEMA = 1
"""Version of the serialised form. A reader refuses any other version by name."""


class Better(StrEnum):
    """Which way a measure points."""

    HIGHER = "higher"
    """A higher value means more alike (of a measure) or more extreme (of a statistic)."""
    LOWER = "lower"
    """A lower value means so."""


class Pair(StrEnum):
    """The three proposition pairs; they are never merged (design, section 2)."""

    DERIVATION = "derivation"
    """The disputed image derives from work R, or it does not."""
    RETENTION = "retention"
    """The checkpoint reproduces R because it learned it, or as it does any such image."""
    ORIGIN = "origin"
    """The disputed image was made by this checkpoint (family), or it was not."""


class Grade(StrEnum):
    """Fixed words for how far two pictures correspond. They describe measurements; they decide nothing."""

    SAME_PIXELS = "same pixels"
    """The decoded pixels are equal, byte for byte."""
    THROUGHOUT = "corresponds throughout"
    IN_PART = "corresponds in part"
    SUBJECT = "same subject or manner only"
    NONE = "no correspondence measured"
    INSUFFICIENT = "insufficient measurements"


class Outcome(StrEnum):
    """What the comparison of two pictures came to. The words describe measurements; they decide nothing."""

    REPRODUCES = "reproduces"
    """Aligned, the two agree in detail over most of both."""
    PARTLY = "partly reproduces"
    """Aligned, a part of one agrees in detail with a part of the other."""
    ARRANGEMENT = "same arrangement only"
    """The coarse layout agrees; detail does not."""
    SUBJECT = "same subject only"
    """Nothing can be laid over anything; an embedding places the two near each other."""
    STYLE = "style only"
    NONE = "no correspondence"
    INSUFFICIENT = "insufficient"
    """One of the two shows too little to be compared."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that was not measured or is not at hand. It is printed with its reason, never left blank."""

    what: str
    """What is missing, as a noun phrase: "training index"."""
    reason: str
    """Why, as a full sentence."""
    remedy: str = ""
    """What would supply it, as a full sentence; empty where nothing would."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A named fact printed verbatim: a parameter, a version, a metadata entry."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file named and hashed."""

    path: str
    """Relative, with forward slashes."""
    sha256: str
    """Hexadecimal, of the bytes as they are on disk."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture in evidence, stored as `exhibits/<sha256><suffix>` in the case folder."""

    id: str
    """Tag printed in the report, unique in the case."""
    sha256: str
    """Of the stored bytes."""
    pixel_sha256: str
    """Of the decoded 8-bit RGB pixels, row by row: survives a change of container."""
    path: str
    """Inside the case folder, with forward slashes."""
    media_type: str
    width: int
    height: int
    title: str
    """What the picture is, in words for a reader."""
    made_by: str
    """`received`, or the method and version that produced it: "inversion.ode@1"."""
    seed: int | None = None
    """Seed of the random draw it was made from; none where nothing was drawn."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file received for examination. The bytes as received are stored and hashed before anything decodes them."""

    id: str
    role: str
    """`disputed` or `original`."""
    file_name: str
    sha256: str
    size_bytes: int
    media_type: str
    width: int
    """Pixels as stored, before the EXIF orientation is applied."""
    height: int
    stored: str
    """Path of the bytes as received inside the case folder."""
    exhibit: str
    """Id of the working copy: upright, sRGB, 8-bit RGB."""
    decoding: tuple[str, ...]
    """What was done to obtain the working copy, one sentence each: orientation, colour profile, alpha."""
    metadata: tuple[Fact, ...]
    """Embedded metadata, verbatim: "the file states"."""
    generator: tuple[Fact, ...]
    """Metadata that image generators write (prompt, seed, sampler, model); forgeable, like all metadata."""
    provenance: tuple[Fact, ...] = ()
    """Content Credentials (C2PA) with the result of their validation, and unsigned statements of the source."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The generator under examination, identified from headers before any weight is loaded."""

    name: str
    location: str
    """The path or hub id as given; the digests below identify it."""
    family: str
    """Architecture family of the table in `forensics.diffusion`: `sd`."""
    layout: str
    """`diffusers folder` or `single file`."""
    prediction: str
    """What the network predicts: `epsilon` or `v_prediction`."""
    native_px: int
    """Side of the square picture it was made for."""
    parameters: int
    """Parameters of the denoising network."""
    digest: str
    """SHA-256 over the sorted list of file digests."""
    files: tuple[FileDigest, ...]
    facts: tuple[Fact, ...]
    demonstration: bool
    """True for the embedded reference checkpoint: said on every page."""
    lora: str = ""
    """Path of the LoRA merged into the weights, as given; empty where there is none. Its digest is among `files`."""


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
class Complexity:
    """How much there is to the disputed image and to each control, whatever a checkpoint knows: controls of like
    complexity are chosen, and the report shows how like they are."""

    measure: str
    """How it is counted, as a noun phrase: "bits per pixel of WebP at quality 75, container removed"."""
    disputed: float
    controls: tuple[ControlScore, ...]


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The control works used: known not to be in the checkpoint's training set."""

    name: str
    available: int
    used: int
    ground: str
    """Why they cannot have been in the training set, as a sentence."""
    selection: str
    """How the works used were chosen among those available, fixed before the run."""
    digest: str
    works: tuple[FileDigest, ...]
    complexity: Complexity | None = None
    """None where the works used were not chosen by it."""


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


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trajectory."""

    time: float
    """The model's own time variable."""
    residual: float
    """Root mean square of the last fixed-point correction; 0 without refinement."""
    norm: float
    """Root mean square of the state, in units of unit-variance noise."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """One rung of the ladder as it was run: each tries to get the disputed image back."""

    id: str
    method: str
    """Row of the table in `forensics.inversion`: `autoencoder`, `ode`, `regeneration`."""
    title: str
    version: str
    supplied: str
    """What information the method was given, as a sentence."""
    supplied_bits: float | Absent
    """That information in bits."""
    prompt: str
    prompt_source: str
    """Where the prompt came from: "claimed caption", "caption of neighbour N1", "none"."""
    guidance: float
    steps: int
    seeds: tuple[int, ...]
    evaluations: int
    """Forward passes of the denoising network, counted."""
    seconds: float
    """Wall time; not part of any comparison."""
    outputs: tuple[str, ...]
    """Exhibit ids of every picture produced, in the order of the seeds."""
    best: str | None
    """Exhibit id of the output closest to the target by the pre-declared measure."""
    median: str | None
    """Exhibit id of the output at the median: best is never shown without it."""
    trace: tuple[Step, ...] = ()
    facts: tuple[Fact, ...] = ()
    maps: tuple[str, ...] = ()
    """Exhibit ids of pictures drawn about the outputs, which are no outputs themselves: where the target came back."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure of likeness with its protocol, stated once and cited by every measurement made with it."""

    name: str
    """Row of the table in `forensics.similarity`: `ssim`, `lpips`, `clip`."""
    title: str
    version: str
    better: Better
    low: float
    """Smallest value the measure can take."""
    high: float
    """Largest value; infinite ranges are given by the value reached in practice and say so in `protocol`."""
    answers: str
    """The question it answers, as a sentence."""
    silent: str
    """What it does not answer, as a sentence."""
    protocol: str
    """Size, range, colour, alignment, weights: everything needed to repeat the number."""
    reference: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number: one metric on one pair of exhibits."""

    id: str
    metric: str
    a: str
    """Exhibit id."""
    b: str
    """Exhibit id."""
    value: float


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A measurement that was due and could not be made."""

    id: str
    metric: str
    a: str
    b: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ControlScore:
    """The same statistic on one control work."""

    control: str
    """File name of the control work."""
    value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A statistic of the disputed image beside the same statistic, with the same budget, on every control.

    p = (1 + k) / (1 + n), Phipson & Smyth 2010; k counts controls at least as extreme as the disputed image.
    """

    id: str
    title: str
    statistic: str
    """How the number is computed, as a sentence."""
    primary_for: Pair | None
    """The proposition pair whose pre-declared primary measurement this is; none for secondary ones."""
    better: Better
    value: float
    controls: tuple[ControlScore, ...]
    k: int
    n: int
    p: float
    k_interval: tuple[float, float]
    """Exact 95 % Clopper-Pearson interval for the share of such controls that would score as extreme."""
    p_holm: float | None = None
    """p after Holm's correction over the secondary comparisons; none for a primary one."""
    toward: str = "more alike"
    """What the extreme end of the statistic means, in two or three words."""


NO_CODEC = Absent("codec at equal nearness", "No codec was run, or none comes as near at any quality tried.")


class CurveKind(StrEnum):
    """What a rate-distortion curve belongs to."""

    PROMPTED = "checkpoint, given the prompt"
    PLAIN = "checkpoint, given nothing"
    CONTROL_CHECKPOINT = "control checkpoint, given the prompt"
    CONTROLS = "control works"
    CODEC = "image codec"


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One point of a rate-distortion curve. Low and high are the extremes over draws of noise; for control works the
    5th and 95th percentile over the works. They equal the value where there is one draw or none."""

    bits: float
    """Information told to the checkpoint, or held by the file of a codec, so far."""
    bits_low: float
    bits_high: float
    distance: float
    """LPIPS between the picture that these bits give and the target; 0 for equal pictures."""
    distance_low: float
    distance_high: float
    setting: str
    """Where on the curve: "noise over signal 3.2", "quality 30 at half size"."""
    cosine: float | None = None
    """Cosine of the copy descriptor between the two, median over draws or works; none without a descriptor."""
    thumbnail: int | None = None
    """Side in pixels of the largest thumbnail as which the two agree, lower median; 0 where none of 32 does."""


@dataclass(frozen=True, slots=True)
class RateCurve:
    """How near the target one comes for how many bits: supplied to a checkpoint, or spent by a codec."""

    name: str
    """For the legend: "twin-a, given the prompt", "WebP"."""
    kind: CurveKind
    points: tuple[RatePoint, ...]
    """By rising bits."""
    draws: int
    """Draws of noise at every level; for controls the number of works; 1 for a codec."""
    overhead: str
    """What was left out of the bits, as a sentence: the container of a codec; empty where nothing was."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One rung in the ledger of side information: what was supplied, what came back, and what came back of works that
    the checkpoint never saw, by the same search with the same budget."""

    rung: str
    """Title of the rung."""
    inversion: str
    """Id of the inversion; empty where the rung left no picture."""
    supplied: str
    """What information the rung was given, as a sentence."""
    bits: float | Absent
    """That information in bits."""
    best: float
    """LPIPS of the output nearest to the disputed image."""
    median: float
    """Of its outputs; ranked among the same of the controls."""
    control_median: float
    """Median over the controls of the same median."""
    control_extreme: float
    """Smallest over the controls."""
    reach: float
    """LPIPS at or below which the disputed image has come back: 1.25 times what the autoencoder alone does to it, or
    what it does to 95 % of the controls, whichever is more."""
    reached: bool
    """Whether the disputed image came back."""
    controls_reached: int
    """How many controls came back."""
    k: int
    n: int
    p: float
    controls_succeed: bool
    """Whether controls come back too, or as near as a disputed image that came back: here the claim stops."""
    codec_bits: float | Absent = NO_CODEC
    """Fewest bits at which an ordinary image codec brings the disputed image as near as `median`."""


def stops_at(ledger: tuple[LedgerRow, ...]) -> LedgerRow | None:
    """The first rung at which controls succeed too; none where they succeed at no rung. Rows by rising bits."""
    return next((row for row in ledger if row.controls_succeed), None)


def share(value: float) -> str:
    """A share of an area in words: "all", or whole per cent."""
    return "all" if value >= 0.995 else f"{value:.0%}"


@dataclass(frozen=True, slots=True)
class WatermarkBits:
    """The bits read in the place of a known watermark, beside what chance gives."""

    name: str
    """The program whose message it is."""
    bits: int
    """Length of the message."""
    agreeing: int
    p: float
    """Probability of at least as many agreeing bits if each were right by a fair coin (binomial tail)."""
    ones: int
    """Ones among the bits read: plain pictures give the same bit everywhere."""
    p_given_ones: float
    """The same probability if that many ones were spread at random (hypergeometric tail)."""


def loss_ratio(first: float, second: float) -> float:
    """First loss of an autoencoder over its second: near 1 for the decoder's own pictures, 1 where both are nothing."""
    floor = 1e-12
    return (first + floor) / (second + floor)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The disputed image under one autoencoder, put through twice."""

    autoencoder: str
    """Whose it is: the checkpoint's name, or where another one is from."""
    first: float
    """Mean squared difference between the picture and its reconstruction, values in [0, 1]."""
    second: float
    """The same between the reconstruction and its own reconstruction."""
    layer: float
    """LPIPS distance in the second feature map between the picture and its reconstruction."""
    digest: str = ""
    """SHA-256 over the sorted list of digests of the autoencoder's files."""
    k: int = 0
    """Control works whose ratio of first to second loss under this autoencoder is as low as the picture's."""
    n: int = 0
    """Control works put through it."""
    least_ratio: int = 0
    """Control works that have their lowest ratio under this autoencoder; over all autoencoders these add up to the
    works that every one of them took."""
    least_layer: int = 0
    """The same for the LPIPS distance."""

    @property
    def ratio(self) -> float:
        """First loss over second: `loss_ratio`."""
        return loss_ratio(self.first, self.second)


@dataclass(frozen=True, slots=True)
class StatedRecipe:
    """The picture made again by the generation parameters that the file states."""

    generator: str
    """The program that wrote them, and where they lay."""
    exhibit: str
    """Exhibit id of the picture made."""
    largest_difference: int
    """Largest difference of any value from the disputed image, in levels of 255; 0 for equal pixels."""
    share_equal: float
    """Share of values that are equal."""
    lpips: float | Absent
    """LPIPS to the disputed image."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Of which picture retention is asked, by a rule declared before the run."""

    rule: str
    output: bool
    """Whether the disputed image is treated as an output of the checkpoint."""
    grounds: tuple[str, ...]
    """What the rule was met by; empty where retention is asked of the disputed image because neither part was met."""
    target: str
    """Exhibit id of the picture that retention is measured on."""
    sentence: str
    """The decision and its reason, for the report."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What bears on whether the checkpoint made the disputed image; the comparisons with controls stand among all."""

    reconstructions: tuple[Reconstruction, ...] | Absent
    watermarks: tuple[WatermarkBits, ...] | Absent
    recipe: StatedRecipe | Absent
    gate: Gate
    left_out: tuple[Absent, ...] = ()
    """Autoencoders that were not tried beside the checkpoint's own, and why; where none was given, that."""


NO_ORIGIN_STAGE = Absent("origin", "No checkpoint was examined, so who made the disputed image was not measured.")


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle in a picture, as shares of its width and height from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Region:
    """One part of the disputed image laid over one part of a work."""

    number: int
    model: str
    """`identity`, `similarity`, `affine` or `homography`: the simplest adequate one."""
    matrix: tuple[float, ...]
    """Nine numbers, row by row: pixels of the work -> pixels of the disputed image, both as received."""
    mirrored: bool
    inverted: bool
    places: int
    """Keypoints in this relation; 0 where frames, contents or a search proposed it."""
    residual_px: float
    """Median shift left after alignment, in pixels of the disputed image."""
    disputed: Place
    work: Place
    share_disputed: float
    """Share of the disputed image's content, plain margins aside, that agrees."""
    share_work: float
    level: int
    """Pixels of the largest thumbnail of the overlap up to which both agree; 0 where 32 pixels do not."""
    level_low: int
    level_high: int
    """Central 90 % of the level when sixteenths of the overlap are drawn anew."""


@dataclass(frozen=True, slots=True)
class Element:
    """One numbered part of the overlap, where it lies in both pictures and how far it agrees."""

    number: int
    disputed: Place
    work: Place
    correlation: float
    """Local correlation of the detail between 8 and 64 pixels of the overlap, in [-1, 1]."""
    state: str
    """`agrees`, `undecided` or `differs`."""


@dataclass(frozen=True, slots=True)
class CommonElements:
    """Parts of a work that several items of the index have as well, and that are therefore left out."""

    examined: tuple[str, ...]
    """Training ids of the items compared with the work for it."""
    shared_by: tuple[str, ...]
    """Those that have such parts; empty where fewer than two have."""
    duplicates: tuple[str, ...]
    """Items that reproduce the work itself: renderings of it, not evidence of a template, and not counted."""
    work: Place | None
    """Rectangle around the parts."""
    share: float
    """Of the work's area; 0 where there is no such part."""
    left_out: bool
    """False where no such part was found, or too little of the work would remain without it."""


NO_COMPANIONS = Absent(
    "common elements",
    "No training index was searched, so parts that several of its items share were not sought.",
    "Use `forensics analyze` with an index that ships its pictures.",
)
NOTHING_TO_EXCLUDE = Absent("common elements", "Nothing of this work corresponds, so there is nothing to leave out.")


@dataclass(frozen=True, slots=True)
class Correspondence:
    """The disputed image laid over one work: what corresponds, where, at what level of detail, what changed."""

    id: str
    work: str
    """Exhibit id."""
    outcome: Outcome
    basis: str
    """Why this word, with the numbers, from fixed sentences."""
    regions: tuple[Region, ...]
    containment: str
    """Which picture lies within which, as a sentence; empty where nothing was laid over anything."""
    tones: tuple[str, ...]
    """What happened to tones and colours, from the work to the disputed image."""
    ceilings: tuple[Fact | Absent, ...]
    """What bounds the level of detail: the work's own detail, the alignment, the checkpoint's autoencoder."""
    elements: tuple[Element, ...]
    """Cells that agree or are undecided, strongest first."""
    differences: tuple[Element, ...]
    """Cells that differ, weakest first."""
    values: tuple[Fact, ...]
    """Measurements on the overlap, named with protocol and version."""
    figures: tuple[str, ...]
    """Exhibit ids: numbered pair, overlay, checkerboard, map in three words; then, where some were found, the work
    with its common elements."""
    protocol: str
    common: CommonElements | Absent = NO_COMPANIONS
    """Parts that several items of the index share: left out of shares, levels and elements."""
    laid: str = ""
    """Exhibit that was laid over the work in place of the disputed image: the nearest control; else empty."""
    word_rates: str = ""
    """How often the outcome was wrong on pictures of known status, or that this is not known."""


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


@dataclass(frozen=True, slots=True)
class Assessment:
    """How far one work corresponds to the disputed image, in graded technical words."""

    id: str
    work: str
    """Exhibit id of the work compared with the disputed image."""
    grade: Grade
    basis: str
    """Why this grade, with the numbers, as sentences from fixed templates."""
    corresponds: tuple[str, ...]
    differs: tuple[str, ...]
    subject_or_manner: tuple[str, ...]
    """What is only subject, idea or manner."""
    cites: tuple[str, ...]
    """Measurement ids."""


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """A number that entered a likelihood ratio."""

    name: str
    """As the validation record names it."""
    value: float


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """How many times more probable the measurements are under the first proposition of a pair than under the second.

    All ratios are log10, so that support for either proposition is written alike: positive for the first.
    """

    log10: float
    """As reported: within the bounds."""
    low: float
    """Lower end of the 95 % interval from resampling the sources of the calibration; within the bounds."""
    high: float
    unbounded: float
    """Before the bounds were applied."""
    lower: float
    """Bound below which the validation data do not carry a ratio, <= 0."""
    upper: float
    """Bound above which they do not, >= 0."""
    band: str
    """Word of the scale in `forensics.verbal`."""
    n_first: int
    """Sources known to be of the first proposition, in the half the ratio was calibrated and bounded on."""
    n_second: int
    features: tuple[FeatureValue, ...]
    record: str
    """SHA-256 of the validation record."""

    @property
    def value(self) -> float:
        """The ratio itself."""
        return float(10.0**self.log10)

    @property
    def bounded(self) -> bool:
        """Whether the ratio is as far from 1 as the validation data allow: the measurements themselves go further."""
        return self.log10 != self.unbounded


@dataclass(frozen=True, slots=True)
class ChangedRates:
    """What a change to the picture did to the ratios of works of known status."""

    name: str
    """ "mirrored", "JPEG, quality 30"."""
    n_first: int
    n_second: int
    auc: float
    misleading_first: int
    """Works of the first proposition that received a ratio for the second."""
    misleading_second: int


@dataclass(frozen=True, slots=True)
class GroupRates:
    """A group of the works of known status on its own."""

    name: str
    """ "trained on 64 times a pass"."""
    n: int
    auc: float
    misleading: int
    """Of the group, works with a ratio on the wrong side of 1."""
    median_log10: float
    in_first: bool
    """Whether the group is part of the first proposition; others are shown beside it."""


@dataclass(frozen=True, slots=True)
class ValidatedPair:
    """What the validation record says about one proposition pair. Ratios and bounds are log10."""

    pair: Pair
    features: tuple[str, ...]
    """The measurements that enter the likelihood ratio, in words."""
    first: str
    """The works of known status that stand for the first proposition, as a noun phrase."""
    second: str
    n_first: int
    """Sources in the half that was tested, untouched by calibration."""
    n_second: int
    cllr: float
    """Cost of the likelihood ratios in bits on that half: 0 is perfect, 1 says nothing."""
    cllr_min: float
    """What of it is lack of discrimination."""
    auc: float
    auc_interval: tuple[float, float]
    lower: float
    upper: float
    ratios_first: tuple[float, ...]
    """The bounded ratios of the half that was tested: what Tippett plots are drawn from."""
    ratios_second: tuple[float, ...]
    false_05: tuple[int, int]
    """Controls of that half with p at or below 0.05, and their number."""
    false_01: tuple[int, int]
    misleading_first: tuple[int, int] = (0, 0)
    """Works of the first proposition with a ratio for the second, and their number."""
    misleading_second: tuple[int, int] = (0, 0)
    groups: tuple[GroupRates, ...] = ()
    changes: tuple[ChangedRates, ...] = ()
    """Robustness: the same works after a change to the picture."""
    changes_of: str = ""
    """Where the changes were studied with another form of the ratio: which one."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A property of the disputed image, and where it lies among the works of known status."""

    name: str
    value: float | None
    """Of the disputed image; none where it could not be measured."""
    pairs: tuple[str, ...]
    """The proposition pairs whose range follows."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ValidationFacts:
    """The validation record that fits this checkpoint and this version of the protocol."""

    name: str
    digest: str
    """SHA-256 of the record."""
    path: str
    """Inside the case folder."""
    checkpoint: str
    """Digest of the checkpoint it was made with."""
    protocol: str
    """Version of the protocol it was made with."""
    pairs: tuple[ValidatedPair, ...]
    refused: tuple[Absent, ...] = ()
    """Pairs without calibrated statements, with the reasons."""
    facts: tuple[Fact, ...] = ()
    domain: tuple[DomainRow, ...] = ()
    """Properties of the disputed image beside those of the works validated."""
    limits: tuple[str, ...] = ()
    """What the record says of its own limits, as sentences."""


NO_VALIDATION = Absent(
    "validation record",
    "No validation record exists for this checkpoint and this version of the protocol.",
    "Make one with `forensics validate`, on works known to be in and not in the training set.",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer to one question, from a fixed template, with what it cites and where it ends."""

    id: str
    pair: Pair
    question: str
    answer: str
    likelihood_ratio: LikelihoodRatio | Absent
    cites: tuple[str, ...]
    """Ids of comparisons and measurements."""
    contrary: tuple[str, ...]
    """Sentences that tell against the answer. An answer that was given carries at least one, if only to say that no
    contrary measurement was made; one that was not evaluated has none."""
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CustodyEntry:
    """One link of the hash chain in `custody.jsonl`."""

    seq: int
    utc: str
    actor: str
    action: str
    item: str
    sha256: str
    """Digest of the item after the action; empty where the action concerns no file."""
    previous: str
    """Digest of the previous line; 64 zeros for the first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that was in force, and where it came from."""

    name: str
    value: str
    source: str
    """`default`, `case file` or `command line`."""


@dataclass(frozen=True, slots=True)
class Examiner:
    """What only the person who answers for the examination can say, as the case file gives it; empty where nothing."""

    qualifications: str = ""
    publications: str = ""
    testimony: str = ""
    compensation: str = ""
    conflicts: str = ""
    supervision: str = ""
    operator: str = ""
    """Who ran the program, where that is another person."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What the case file says about the proceedings. Every field may be empty: a person fills it in."""

    reference: str = ""
    court: str = ""
    title: str = ""
    claimant: str = ""
    respondent: str = ""
    instructed_by: str = ""
    examiner: str = ""
    questions: tuple[str, ...] = ()
    instructions: str = ""
    """What the examiner was asked to do, and on which assumptions."""
    provenance: str = ""
    """How, when and from whom each item was obtained, and its custody before the examination."""
    jurisdiction: str = ""
    """Name of a pack in `forensics.jurisdictions`; empty for the general form."""
    person: Examiner = Examiner()


@dataclass(frozen=True, slots=True)
class Case:
    """The whole examination. Construction fails on a dangling citation or a duplicate id."""

    schema: int
    id: str
    """UUID derived from the inputs' digests and the settings: the same examination has the same id."""
    created: str
    """UTC, ISO 8601, seconds."""
    tool: Fact
    """Name and version of the software."""
    command: str
    """`analyze` or `compare`."""
    protocol: FileDigest
    """The protocol parameters, hashed before the run."""
    matter: Matter
    disputed: str
    """Item id."""
    items: tuple[Item, ...]
    checkpoint: Checkpoint | Absent
    index: IndexFacts | Absent
    controls: ControlFacts | Absent
    exhibits: tuple[Exhibit, ...]
    neighbours: tuple[Neighbour, ...]
    inversions: tuple[Inversion, ...]
    metrics: tuple[Metric, ...]
    measurements: tuple[Measurement | NotMeasured, ...]
    comparisons: tuple[Comparison, ...]
    assessments: tuple[Assessment, ...]
    findings: tuple[Finding, ...]
    absences: tuple[Absent, ...]
    """Everything not measured or not at hand, with reasons."""
    settings: tuple[Setting, ...]
    environment: tuple[Fact, ...]
    custody: tuple[CustodyEntry, ...]
    """The chain up to the moment the case was frozen; `custody.jsonl` goes on from there."""
    validation: ValidationFacts | Absent = NO_VALIDATION
    """The known error rates that the findings rest on."""
    curves: tuple[RateCurve, ...] = ()
    """Bits against nearness: of the checkpoint, of the control checkpoint, of the controls, of codecs."""
    ledger: tuple[LedgerRow, ...] = ()
    """One row a rung that was run on the controls too, by rising supplied bits."""
    origin: Origin | Absent = NO_ORIGIN_STAGE
    """What bears on whether the checkpoint made the disputed image."""
    correspondences: tuple[Correspondence, ...] = ()
    """The disputed image laid over every work it was compared with, in the order of the assessments."""
    control_correspondence: Correspondence | None = None
    """The same comparison for the control nearest by the primary measurement of derivation, to be seen beside it."""
    style: Style | Absent = NO_STYLE
    """Resemblance in style; it stands apart from every finding."""
    search: Search | None = None
    """How the index was searched; none where there was no index."""

    def __post_init__(self) -> None:
        exhibits = _unique([e.id for e in self.exhibits], "exhibit")
        items = _unique([i.id for i in self.items], "item")
        metrics = _unique([m.name for m in self.metrics], "metric")
        measured = _unique([m.id for m in self.measurements], "measurement")
        compared = _unique([c.id for c in self.comparisons], "comparison")
        _unique([i.id for i in self.inversions], "inversion")
        _unique([f.id for f in self.findings], "finding")
        _require({self.disputed}, items, "disputed item")
        _require({i.exhibit for i in self.items}, exhibits, "working copy")
        _require({n.exhibit for n in self.neighbours if n.exhibit}, exhibits, "neighbour exhibit")
        for inversion in self.inversions:
            cited = {*inversion.outputs, *inversion.maps, *filter(None, (inversion.best, inversion.median))}
            _require(cited, exhibits, f"output of {inversion.id}")
        for m in self.measurements:
            _require({m.a, m.b}, exhibits, f"exhibit of measurement {m.id}")
            _require({m.metric}, metrics, f"metric of measurement {m.id}")
        _unique([c.id for c in self.correspondences], "correspondence")
        for c in (*self.correspondences, *filter(None, (self.control_correspondence,))):
            _require({c.work, *c.figures, *filter(None, (c.laid,))}, exhibits, f"exhibit of correspondence {c.id}")
        if isinstance(self.style, Style):
            cited = {p.exhibit for p in self.style.palettes} | {w.work for m in self.style.measures for w in m.works}
            _require(cited, exhibits, "exhibit of the style page")
        for a in self.assessments:
            _require({a.work}, exhibits, f"work of assessment {a.id}")
            _require(set(a.cites), measured, f"citation of assessment {a.id}")
        for f in self.findings:
            _require(set(f.cites), measured | compared, f"citation of finding {f.id}")
        climbed = {i.id for i in self.inversions}
        _require({row.inversion for row in self.ledger if row.inversion}, climbed, "inversion of the ledger")

    def exhibit(self, exhibit_id: str) -> Exhibit:
        """The exhibit with this tag. Raises KeyError."""
        for exhibit in self.exhibits:
            if exhibit.id == exhibit_id:
                return exhibit
        raise KeyError(exhibit_id)

    def item(self, item_id: str) -> Item:
        """The item with this tag. Raises KeyError."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise KeyError(item_id)

    @property
    def asked(self) -> str:
        """Exhibit id of the picture that retention is asked of, and the ladder climbed with."""
        return self.origin.gate.target if isinstance(self.origin, Origin) else self.item(self.disputed).exhibit

    @property
    def demonstration(self) -> bool:
        """Whether the embedded reference checkpoint was examined."""
        return isinstance(self.checkpoint, Checkpoint) and self.checkpoint.demonstration


def _unique(ids: list[str], what: str) -> set[str]:
    seen: set[str] = set()
    for i in ids:
        if i in seen:
            raise ValueError(f"two {what}s share the id {i!r}")
        seen.add(i)
    return seen


def _require(cited: set[str], known: set[str], what: str) -> None:
    if dangling := sorted(cited - known):
        raise ValueError(f"{what}: no such id {', '.join(map(repr, dangling))}")
