"""The checkpoint under examination, what came out of it, and whether it made the disputed image."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case.received import Absent, Fact, FileDigest


@dataclass(frozen=True, slots=True)
class StatedTable:
    """Rows that were read from the metadata of a weight file: pictures, tags, sizes, merged models."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The first ones, as text; each as long as `columns`."""
    left_out: int
    """Further rows, which stand in the exhibit."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a weight file says of itself. It is the word of whoever wrote the file, and verified by nothing."""

    file: str
    """Name under which the file stands among the files of the checkpoint."""
    exhibit: FileDigest
    """The whole metadata as JSON, stored in the case folder."""
    entries: int
    converted_from: str
    """SHA-256 of the pickle file that it says it was converted from; empty where it says nothing of the kind."""
    tables: tuple[StatedTable, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The generator under examination, identified from headers before any weight is loaded."""

    name: str
    location: str
    """The path or hub id as given; the digests below identify it."""
    family: str
    """Architecture family, a row of `forensics.diffusion.families`: `sd`, `sdxl`, `sd3`, `flux` or `pixart`."""
    layout: str
    """`diffusers folder` or `single file`."""
    prediction: str
    """What the network predicts: `epsilon`, `v_prediction`, `edm` or `flow`."""
    native_px: int
    """Side of the square picture it was made for."""
    parameters: int
    """Parameters of the denoising network."""
    digest: str
    """SHA-256 over the sorted list of file digests, and over what the examiner stated in place of the files."""
    files: tuple[FileDigest, ...]
    facts: tuple[Fact, ...]
    demonstration: bool
    """True for the embedded reference checkpoint: said on every page."""
    lora: tuple[str, ...] = ()
    """The LoRAs merged into the weights, as given and in that order; their digests are among `files`."""
    base: str = ""
    """The folder that supplied what a single file lacks; empty where there is none. Its digests are among `files`."""
    embeddings: tuple[str, ...] = ()
    """Textual inversions that stand for words of prompts, as given; their digests are among `files`."""
    statements: tuple[Statement, ...] = ()
    """What its files say of their origin and training, one entry a file that says anything."""


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
    not_asked: str = ""
    """Why retention is asked of no picture at all, as a sentence; empty where it is asked."""


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
