"""Whole cases for the report's tests: real `Case` objects whose exhibits are real pictures in a folder.

The numbers are invented but coherent; nothing here runs a model. `Builder` keeps ids and digests in step.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from PIL import Image

from forensics import folder as case_folder
from forensics import verbal
from forensics.case import (
    NOTHING_TO_EXCLUDE,
    SCHEMA,
    Absent,
    Assessment,
    Better,
    Case,
    ChangedRates,
    Checkpoint,
    Colour,
    CommonElements,
    Comparison,
    ControlFacts,
    ControlScore,
    Correspondence,
    CreatorScore,
    CurveKind,
    CustodyEntry,
    DomainRow,
    Element,
    Examiner,
    Exhibit,
    Fact,
    FileDigest,
    Finding,
    Given,
    Grade,
    GroupRates,
    Hits,
    IndexFacts,
    IndexScore,
    Inversion,
    Item,
    LedgerRow,
    LikelihoodRatio,
    Matter,
    Measurement,
    Metric,
    Neighbour,
    NotMeasured,
    NullRates,
    Outcome,
    Pair,
    Palette,
    Place,
    PromptKind,
    RateCurve,
    RatePoint,
    Region,
    Repeats,
    Search,
    Setting,
    Statistic,
    Step,
    Style,
    StyleMeasure,
    ValidatedPair,
    ValidationFacts,
    WorkStyle,
)
from forensics.protocol import PROFILES
from forensics.report.view import DESCRIBED
from forensics.stages.rank import compared
from tests.report.pictures import png, scene

NO_VALIDATION = Absent(
    "likelihood ratio",
    "No validation record exists for this checkpoint and protocol version.",
    "Run the validation study for this checkpoint; the ratio is then bounded by the number of its works.",
)

SSIM = Metric(
    "ssim",
    "Structural similarity (SSIM)",
    "1",
    Better.HIGHER,
    -1.0,
    1.0,
    "Do the two pictures agree in local brightness, contrast and structure at the same places?",
    "Whether two pictures that are shifted, cropped or mirrored against each other correspond.",
    "Luma, range [0, 1], Gaussian window 11 px, sigma 1.5, K1 0.01, K2 0.03; both pictures fitted to 256 x 256 px; "
    "no alignment.",
    "Wang et al. 2004",
)
LPIPS = Metric(
    "lpips",
    "Perceptual distance (LPIPS)",
    "0.1",
    Better.LOWER,
    0.0,
    1.0,
    "How far apart are the two pictures in the feature space of a network calibrated on human judgements?",
    "What an ordinary observer would say about the two works.",
    "AlexNet trunk, v0.1 heads, range [-1, 1], 256 x 256 px; values above 1 are possible and have not been seen.",
    "Zhang et al. 2018",
)
CLIP = Metric(
    "clip",
    "Subject agreement (CLIP)",
    "1",
    Better.HIGHER,
    -1.0,
    1.0,
    "Do the two pictures show the same kind of subject in the same manner?",
    "Anything about expression: two different drawings of a hare score high.",
    "Cosine of unit vectors, demonstration embedder, 64 x 64 px, bicubic.",
    "Radford et al. 2021",
)
METRICS = (SSIM, LPIPS, CLIP)
PROTOCOL = PROFILES["standard"].canonical


def sha(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Builder:
    """Writes exhibits into a case folder and numbers what is measured on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exhibits: list[Exhibit] = []
        self.measurements: list[Measurement | NotMeasured] = []
        (folder / "data/exhibits").mkdir(parents=True, exist_ok=True)

    def put(self, tag: str, picture: Image.Image, title: str, made_by: str, seed: int | None = None) -> str:
        data = png(picture)
        path = f"exhibits/{sha(data)}.png"
        case_folder.stored(self.folder, path).write_bytes(data)
        self.exhibits.append(
            Exhibit(tag, sha(data), sha(picture.tobytes()), path, "image/png", *picture.size, title, made_by, seed)
        )
        return tag

    def item(self, tag: str, role: str, name: str, seed: int, **facts: tuple[Fact, ...]) -> Item:
        exhibit = next(e for e in self.exhibits if e.id == tag)
        received = png(scene(seed, grain=1))
        case_folder.stored(self.folder, f"exhibits/{sha(received)}.png").write_bytes(received)
        return Item(
            tag,
            role,
            name,
            sha(received),
            len(received),
            "image/png",
            exhibit.width,
            exhibit.height,
            f"exhibits/{sha(received)}.png",
            tag,
            ("EXIF orientation 1: no rotation.", "No ICC profile embedded: sRGB assumed.", "No alpha channel."),
            facts.get("metadata", ()),
            facts.get("generator", ()),
        )

    def measure(self, a: str, b: str, ssim: float, lpips: float | None, clip: float | None) -> None:
        for name, value in (("ssim", ssim), ("lpips", lpips), ("clip", clip)):
            number = f"M{len(self.measurements) + 1}"
            if value is None:
                self.measurements.append(
                    NotMeasured(
                        number,
                        name,
                        a,
                        b,
                        f"The {name.upper()} weights were not at hand.",
                        "Supply them with `forensics weights fetch`.",
                    )
                )
            else:
                self.measurements.append(Measurement(number, name, a, b, value))

    def cites(self, b: str) -> tuple[str, ...]:
        return tuple(m.id for m in self.measurements if m.b == b)


MATTER = Matter(
    reference="EX-2026-00042",
    court="Court of Example, Northern Division",
    title="Ledger Arts v. Example Imaging",
    claimant="Ledger Arts",
    respondent="Example Imaging",
    instructed_by="Placeholder Chambers, for the claimant",
    instructions="To measure how far the disputed image corresponds to the work, and what the checkpoint gives back.",
    provenance="Q1 was downloaded by the claimant on 3 November 2026; R1 was handed over on a sealed medium.",
    jurisdiction="us",
    person=Examiner(qualifications="Examiner of digital images", operator="A. N. Operator"),
    questions=(
        "How far does the disputed image Q1 correspond to the work R1?",
        "Does the checkpoint give back R1 more readily than comparable works it has not seen?",
        "Which works of the training index come closest to Q1?",
    ),
)


def custody(rows: list[tuple[str, str, str]]) -> tuple[CustodyEntry, ...]:
    """A chain of entries from (action, item, digest)."""
    entries, previous = [], "0" * 64
    for seq, (action, item, digest) in enumerate(rows, start=1):
        utc = f"2026-11-22T09:{10 + seq // 60:02d}:{seq % 60:02d}Z"
        entries.append(CustodyEntry(seq, utc, "forensics 0.1.0", action, item, digest, previous))
        previous = sha(f"{previous}{seq}{action}{item}".encode())
    return tuple(entries)


def full(folder: Path) -> Case:
    """`analyze` with a checkpoint, an index, controls and one original."""
    b = Builder(folder)
    b.put("Q1", scene(5, grain=2), "Disputed image", "received")
    b.put("R1", scene(5), "Work “Evening over the ridge”, as put forward", "received")
    q1 = b.item(
        "Q1",
        "disputed",
        "downloaded — 夕方 (final)(2).jpg",
        5,
        generator=(
            Fact(
                "parameters", "evening over the ridge, flat colours\nSteps: 30, Sampler: DDIM, CFG scale: 7, Seed: 4412"
            ),
        ),
        metadata=(Fact("EXIF Software", "Example Editor 11.2"), Fact("XMP dc:title", "Вечер над хребтом / 夕方")),
    )
    r1 = b.item("R1", "original", "ledger-arts_evening-over-the-ridge.png", 6)
    neighbours = []
    for rank in range(1, 11):
        tag = b.put(
            f"N{rank}", scene(5 if rank == 1 else 20 + rank, soften=0.4), f"Training neighbour {rank}", "index picture"
        )
        caption = "evening over the ridge, flat colours, by Ada Ledger"
        if rank == 3:
            caption = "a very long caption that goes on: " + "rolling hills under a pale sky with one bird, " * 5
        neighbours.append(
            Neighbour(
                rank,
                f"openclipart/landscape/{rank:04d}_ridge.svg",
                caption,
                "Ada Ledger",
                sha(f"t{rank}".encode()),
                0.991 - 0.021 * rank * rank / 3,
                "exact",
                tag,
                (
                    IndexScore("meaning", 0.991 - 0.021 * rank * rank / 3, rank != 2),
                    IndexScore("copies", 0.981 / rank, rank < 3),
                ),
                "CC0-1.0" if rank < 9 else "",
                f"https://example.org/{rank}.png" if rank == 4 else "",
                rank == 10,
                None if rank == 10 else (41 if rank == 1 else 0),
                14.2 / rank,
            )
        )
    b.put("A1", scene(5, grain=2, soften=1.1), "Autoencoder round trip of Q1", "inversion.autoencoder@1")
    b.put("I1", scene(5, grain=2, soften=1.3), "ODE inversion of Q1 and back", "inversion.ode@1")
    seeds = tuple(range(1000, 1016))
    outs = tuple(
        b.put(
            f"G{i}",
            scene(5 if i % 3 == 1 else 60 + i, soften=0.8),
            f"Regeneration, seed {s}",
            "inversion.regeneration@1",
            s,
        )
        for i, s in enumerate(seeds, start=1)
    )
    maps = (
        b.put("W1", scene(5, soften=1.0), "Region that came back in at least half of the seeds", "inversion.where@1"),
        b.put("W2", scene(5, grain=1, soften=4.0), "Where the prompt moves the network", "inversion.where@1"),
    )
    b.measure("Q1", "R1", 0.9412, 0.0321, 0.9871)
    for n, row in enumerate(neighbours, start=1):
        b.measure(
            "Q1", f"N{n}", 0.93 if n == 1 else 0.41 - 0.01 * n, 0.041 if n == 1 else 0.55 + 0.01 * n, row.similarity
        )
    b.measure("Q1", "A1", 0.8731, 0.0811, 0.9702)
    b.measure("Q1", "I1", 0.8412, 0.0932, 0.9634)
    for i in range(1, 17):
        near = i % 3 == 1
        b.measure(
            "Q1",
            f"G{i}",
            0.79 - 0.004 * i if near else 0.36 + 0.003 * i,
            None if i == 16 else (0.13 + 0.003 * i if near else 0.58 + 0.004 * i),
            0.92 if near else 0.71,
        )
    inversions = (
        Inversion(
            "V1",
            "autoencoder",
            "Autoencoder round trip",
            "1",
            "The method is given the whole disputed image.",
            32768.0,
            "",
            "none",
            PromptKind.NONE,
            1.0,
            0,
            (),
            0,
            0.41,
            ("A1",),
            "A1",
            None,
        ),
        Inversion(
            "V2",
            "ode",
            "Deterministic ODE inversion",
            "1",
            "The method is given the whole disputed image, as a starting point in latent space.",
            Absent("supplied bits of the starting point", "Quantisation of the starting point was not run."),
            "evening over the ridge, flat colours",
            "claimed caption",
            PromptKind.CLAIMED,
            1.0,
            40,
            (),
            240,
            21.3,
            ("I1",),
            "I1",
            None,
            tuple(Step(25.0 * i, 0.02 / (1 + i / 8), 0.42 + 0.58 * (1 - 0.9**i)) for i in range(41)),
            (Fact("fixed-point iterations per step", "5"), Fact("solver", "DDIM, eta 0")),
        ),
        Inversion(
            "V3",
            "regeneration",
            "Regeneration from the caption",
            "1",
            "The method is given 8 tokens of text and the choice among 16 seeds.",
            113.2,
            "evening over the ridge, flat colours",
            "claimed caption",
            PromptKind.CLAIMED,
            7.5,
            30,
            seeds,
            960,
            48.8,
            outs,
            "G1",
            "G8",
            (),
            (Fact("tokens", "8"), Fact("vocabulary", "49408")),
            maps,
            given=Given.WORDS,
            hits=Hits(6, 16, 0.152, 0.6457),
            made_px=(128, 128),
        ),
    )
    names = tuple(
        f"control-{i:02d}_{w}.png"
        for i, w in enumerate(
            ("harbour", "orchard", "mill", "dune", "lighthouse", "barn", "ferry", "quarry") * 3, start=1
        )
    )
    generous = tuple(ControlScore(n, round(0.44 + 0.011 * (i * 7 % 24), 4)) for i, n in enumerate(names))
    laid = tuple(ControlScore(n, round(0.31 + 0.013 * (i * 11 % 24), 4)) for i, n in enumerate(names))
    tops = tuple(ControlScore(n, round(0.71 + 0.011 * (i * 5 % 24), 4)) for i, n in enumerate(names))
    comparisons = (
        compared(
            "K1",
            Statistic.PROMPT_BEST_LPIPS,
            "Lowest LPIPS distance between the target and the pictures generated from its caption with 16 seeds.",
            0.133,
            generous,
            primary_for=Pair.RETENTION,
        ),
        compared(
            "K2",
            Statistic.ALIGNED_TO_WORK,
            "LPIPS between the picture and R1, one laid over the other where they correspond.",
            0.0321,
            laid,
            of="R1",
            primary_for=Pair.DERIVATION,
        ),
        dataclasses.replace(
            compared(
                "K3",
                Statistic.COSINE_TO_NEAREST,
                "Cosine between the target and its nearest row of the same index.",
                0.9,
                tops,
            ),
            p_holm=0.28,
        ),
    )
    assessments = (
        Assessment(
            "S1",
            "R1",
            Grade.THROUGHOUT,
            "SSIM 0.941 and LPIPS 0.032 against R1, without alignment, lie beyond every control.",
            ("Ridge lines, disc and bird lie at the same places.", "Colour fields have the same order."),
            ("Fine grain is present in Q1 and absent in R1.", "Edges differ by up to two grey levels."),
            ("An evening landscape with hills and one bird.", "Flat colour fields."),
            b.cites("R1"),
        ),
        Assessment(
            "S2",
            "N2",
            Grade.SUBJECT,
            "CLIP 0.96 with SSIM 0.390: subject and manner agree, places do not.",
            (),
            ("Ridge lines, disc and bird lie at other places.",),
            ("Hills, a disc, a bird.",),
            b.cites("N2"),
        ),
    )
    limits = ("The controls are clip art; the disputed image is of the same kind but by another hand.",)
    findings = (
        Finding(
            "F1",
            Pair.DERIVATION,
            "Does Q1 correspond to R1 beyond what comparable works show?",
            "Aligned LPIPS between Q1 and R1 is lower than for each of the 24 controls.",
            NO_VALIDATION,
            ("K2", "M1", "M2"),
            ("The nearest work of the index, N1, corresponds to Q1 as closely as R1 does.",),
            limits,
        ),
        Finding(
            "F2",
            Pair.RETENTION,
            "Does the checkpoint give back the target more readily than works it has not seen?",
            "The closest of 16 seeds is nearer to the target than for each of the 24 controls.",
            NO_VALIDATION,
            ("K1",),
            ("The median seed is not near the target (LPIPS 0.612).",),
            ("16 seeds of one prompt were drawn; other prompts were not tested.",),
        ),
        Finding(
            "F3",
            Pair.ORIGIN,
            "Was Q1 made by this checkpoint?",
            "Not evaluated.",
            Absent("likelihood ratio", "The origin test is not part of this protocol version."),
            (),
            (),
            (),
        ),
    )
    checkpoint = Checkpoint(
        "reference twin A",
        "samples/reference/twin-a",
        "sd",
        "diffusers folder",
        "epsilon",
        128,
        21_437_316,
        sha(b"checkpoint"),
        tuple(
            FileDigest(p, sha(p.encode()), s)
            for p, s in (
                ("model_index.json", 541),
                ("text_encoder/model.safetensors", 8_213_344),
                ("unet/diffusion_pytorch_model.safetensors", 42_881_120),
                ("vae/diffusion_pytorch_model.safetensors", 6_120_000),
            )
        ),
        (Fact("training steps", "40000"), Fact("scheduler", "DDIM, scaled linear, 1000 steps")),
        True,
    )
    index = IndexFacts(
        "works of reference twin A",
        1800,
        "demonstration CLIP (sha256 3f1c…)",
        sha(b"index"),
        "2026-11-21T10:00:00Z",
        "The index holds every work the checkpoint was trained on.",
        "Open Clip Art Library, public domain",
        (Fact("rows with a picture", "1800 of 1800"),),
    )
    controls = ControlFacts(
        "clip art set aside",
        60,
        24,
        "The works were set aside before training and share no family with it.",
        "The first 24 by SHA-256 of the file.",
        sha(b"controls"),
        tuple(FileDigest(n, sha(n.encode()), 20_000 + 37 * i) for i, n in enumerate(names)),
        computed=72,
        stored=24,
    )
    absences = (
        Absent(
            "origin test",
            "The origin test is not part of this protocol version.",
            "A later release adds the autoencoder double-reconstruction ratio.",
        ),
        Absent("hard prompt search", "This rung of the ladder is not built yet."),
        Absent(
            "LPIPS of Q1 and G16", "The LPIPS weights were not at hand.", "Supply them with `forensics weights fetch`."
        ),
    )
    return _case(
        b,
        "analyze",
        MATTER,
        (q1, r1),
        checkpoint,
        index,
        controls,
        tuple(neighbours),
        inversions,
        comparisons,
        assessments,
        findings,
        absences,
    )


def bare(folder: Path) -> Case:
    """`analyze` of one image with a checkpoint of the user's own and nothing else at hand."""
    b = Builder(folder)
    b.put("Q1", scene(9, 180, 240), "Disputed image", "received")
    q1 = b.item("Q1", "disputed", "x" * 90 + ".png", 9)
    b.put("A1", scene(9, 180, 240, soften=1.2), "Autoencoder round trip of Q1", "inversion.autoencoder@1")
    b.measure("Q1", "A1", 0.9012, None, None)
    inversions = (
        Inversion(
            "V1",
            "autoencoder",
            "Autoencoder round trip",
            "1",
            "The method is given the whole disputed image.",
            32768.0,
            "",
            "none",
            PromptKind.NONE,
            1.0,
            0,
            (),
            0,
            0.41,
            ("A1",),
            "A1",
            None,
        ),
    )
    checkpoint = Checkpoint(
        "studio-model",
        "models/studio-model.safetensors",
        "sd",
        "single file",
        "v_prediction",
        512,
        865_910_724,
        sha(b"studio"),
        (FileDigest("studio-model.safetensors", sha(b"s"), 4_265_146_304),),
        (),
        False,
    )
    index = Absent(
        "training index",
        "No index was given for this checkpoint.",
        "Build one with `forensics index build` and pass it with --index.",
    )
    controls = Absent("control works", "No folder of control works was given.", "Pass one with --controls.")
    absences = (
        index,
        controls,
        Absent("regeneration", "No caption was given and no neighbour supplies one.", "Pass one with --caption."),
        Absent(
            "CLIP",
            "The open_clip weights ViT-B-32 are not on this machine.",
            "Fetch them with `forensics weights fetch clip`.",
        ),
    )
    findings = (
        Finding(
            "F1",
            Pair.RETENTION,
            "Does the checkpoint give back the target more readily than works it has not seen?",
            "Not evaluated: there are no control works.",
            Absent("likelihood ratio", "There are no control works."),
            (),
            (),
            (),
        ),
    )
    return _case(b, "analyze", Matter(), (q1,), checkpoint, index, controls, (), inversions, (), (), findings, absences)


def compare(folder: Path) -> Case:
    """`compare`: two originals beside the disputed image, no checkpoint at all."""
    b = Builder(folder)
    b.put("Q1", scene(5, 320, 200), "Disputed image", "received")
    b.put("R1", scene(5, 320, 200), "Work put forward", "received")
    b.put("R2", scene(31, 200, 300), "Second work put forward", "received")
    items = (
        b.item("Q1", "disputed", "q.png", 5),
        b.item("R1", "original", "r.png", 5),
        b.item("R2", "original", "ledger portrait.png", 31),
    )
    b.measure("Q1", "R1", 1.0, 0.0, 1.0)
    b.measure("Q1", "R2", 0.3121, 0.6123, 0.8012)
    missing = Absent(
        "checkpoint", "The command `compare` examines pictures only.", "Run `forensics analyze` with --checkpoint."
    )
    index = Absent(
        "training index", "The command `compare` searches no index.", "Run `forensics analyze` with --index."
    )
    controls = Absent("control works", "No folder of control works was given.", "Pass one with --controls.")
    assessments = (
        Assessment(
            "S1",
            "R1",
            Grade.SAME_PIXELS,
            "The decoded pixels of Q1 and R1 have the same SHA-256.",
            ("Every pixel.",),
            (),
            (),
            b.cites("R1"),
        ),
        Assessment(
            "S2",
            "R2",
            Grade.NONE,
            "SSIM 0.312 and LPIPS 0.612 are in the range of unrelated pictures.",
            (),
            ("Format, layout and colours differ.",),
            ("Both show hills.",),
            b.cites("R2"),
        ),
    )
    findings = (
        Finding(
            "F1",
            Pair.DERIVATION,
            "Does Q1 correspond to R1 beyond what comparable works show?",
            "The decoded pixels are equal; no controls were at hand to say how often that happens.",
            Absent("likelihood ratio", "There are no control works."),
            ("M1",),
            (),
            ("Equal pixels say nothing about which file came first.",),
        ),
    )
    return _case(
        b,
        "compare",
        Matter(reference="C-7"),
        items,
        missing,
        index,
        controls,
        (),
        (),
        (),
        assessments,
        findings,
        (missing, index, controls),
    )


def _case(
    b: Builder,
    command: str,
    matter: Matter,
    items: tuple[Item, ...],
    checkpoint: Checkpoint | Absent,
    index: IndexFacts | Absent,
    controls: ControlFacts | Absent,
    neighbours: tuple[Neighbour, ...],
    inversions: tuple[Inversion, ...],
    comparisons: tuple[Comparison, ...],
    assessments: tuple[Assessment, ...],
    findings: tuple[Finding, ...],
    absences: tuple[Absent, ...],
) -> Case:
    case_folder.stored(b.folder, "protocol.json").write_bytes(PROTOCOL)
    rows = [("received", i.id, i.sha256) for i in items]
    rows += [("exhibit stored", e.id, e.sha256) for e in b.exhibits]
    return Case(
        SCHEMA,
        "0b6c2f7e-8d57-5d0c-9a55-2f6f6d9f3a10",
        "2026-11-22T09:12:44Z",
        Fact("forensics", "0.1.0"),
        command,
        FileDigest("protocol.json", sha(PROTOCOL), len(PROTOCOL)),
        matter,
        "Q1",
        items,
        checkpoint,
        index,
        controls,
        tuple(b.exhibits),
        neighbours,
        inversions,
        METRICS,
        tuple(b.measurements),
        comparisons,
        assessments,
        findings,
        absences,
        (
            Setting("profile", "standard", "default"),
            Setting("regeneration.seeds", "16", "default"),
            Setting("regeneration.guidance", "7.5", "default"),
            Setting("seed", "1000", "command line"),
            Setting("caption", "evening over the ridge, flat colours", "command line"),
        ),
        (
            Fact("python", "3.11.7"),
            Fact("torch", "2.8.0+cpu"),
            Fact("device", "cpu, 2 threads"),
            Fact("platform", "Linux x86_64"),
            Fact("precision", "float32"),
            Fact("diffusers", "0.35.1"),
        ),
        custody(rows),
    )


def bits_and_validation(folder: Path, case: Case) -> Case:
    """The full case with curves, a ledger and a validation record: numbers invented but coherent."""
    record = b'{"record": "of this test"}\n'
    case_folder.stored(folder, "validation.json").write_bytes(record)

    def curve(name: str, kind: CurveKind, slope: float, start: float, spread: float = 0.0, over: str = "") -> RateCurve:
        points = []
        for i in range(9):
            bits = start * 2.4**i
            away = 0.74 / (1 + (bits / slope) ** 0.7)
            points.append(
                RatePoint(
                    bits,
                    bits,
                    bits,
                    away,
                    away * (1 - spread),
                    away * (1 + spread),
                    f"noise over signal {9 - i}",
                    1 - away,
                    0 if away > 0.5 else 32 if away > 0.25 else 64,
                )
            )
        return RateCurve(name, kind, tuple(points), 2, over)

    container = "The container of the file is left out of the bits."
    curves = (
        curve("checkpoint, given the prompt", CurveKind.PROMPTED, 60, 8),
        curve("checkpoint, given nothing", CurveKind.PLAIN, 160, 8),
        curve("control checkpoint", CurveKind.CONTROL_CHECKPOINT, 1400, 8),
        curve("24 control works", CurveKind.CONTROLS, 1900, 8, 0.18),
        curve("JPEG", CurveKind.CODEC, 30000, 2000, 0, container),
        curve("WebP", CurveKind.CODEC, 17000, 1500, 0, container),
        curve("AVIF", CurveKind.CODEC, 11000, 1200, 0, container),
    )
    ledger = (
        LedgerRow(
            "Regeneration from the caption",
            "V3",
            "8 tokens of text and the choice among 16 seeds.",
            113.2,
            0.133,
            0.16,
            0.52,
            0.45,
            0.2,
            True,
            0,
            0,
            24,
            0.04,
            False,
            9100.0,
        ),
        LedgerRow(
            "Soft prompt",
            "",
            "16 vectors of the text encoder, quantised.",
            4096.0,
            0.12,
            0.14,
            0.31,
            0.24,
            0.2,
            True,
            0,
            0,
            24,
            0.04,
            False,
            11200.0,
        ),
        LedgerRow(
            "Autoencoder",
            "V1",
            "The whole latent of the disputed image.",
            32768.0,
            0.0811,
            0.0811,
            0.09,
            0.06,
            0.2,
            True,
            24,
            6,
            24,
            0.28,
            True,
            40100.0,
        ),
    )
    spread = [-1.0 + 0.02 * i for i in range(64)]
    planted = tuple(min(2.2, 0.35 + 1.2 * abs(v) ** 0.5 * (1 if v > -0.9 else -1)) for v in spread)
    unseen = tuple(max(-1.6, -0.9 + 0.8 * v) for v in spread)
    pair = ValidatedPair(
        Pair.RETENTION,
        ("median LPIPS over the seeds",),
        "planted works",
        "works the checkpoint never saw",
        64,
        320,
        0.41,
        0.37,
        0.93,
        (0.9, 0.96),
        -1.6,
        2.2,
        planted,
        unseen,
        (15, 320),
        (3, 320),
        (4, 64),
        (19, 320),
        (
            GroupRates("trained on 16 times a pass", 20, 0.957, 4, 0.7, in_first=True),
            GroupRates("trained on 4 times a pass", 20, 0.702, 19, -1.6, in_first=False),
        ),
        (ChangedRates("JPEG, quality 30", 20, 20, 0.995, 3, 0), ChangedRates("mirrored", 20, 20, 0.4375, 18, 0)),
        Statistic.SAVED_BY_PROMPT,
        (
            NullRates("controls of the test half", 320, 15, 3),
            NullRates("controls of the test half, prompted with the caption of their neighbour", 100, 2, 0),
        ),
    )
    validation = ValidationFacts(
        "twin-a-standard",
        sha(record),
        "validation.json",
        "d" * 64,
        "1",
        (pair,),
        (Absent("likelihood ratio for origin", "The record holds no works of known origin."),),
        (Fact("profile", "standard"), Fact("finished", "2026-11-21T22:10:00Z")),
        (
            DomainRow("shorter side in pixels", 60.0, ("retention",), 64.0, 256.0),
            DomainRow("share of white", None, ("retention",), 0.15, 0.87),
        ),
        ("The figures hold for this checkpoint and for pictures like the works validated.",),
    )
    ratio = LikelihoodRatio(1.9, 1.5, 2.1, 1.9, -1.6, 2.2, verbal.band(1.9), 64, 320, (), sha(record))
    findings = tuple(
        dataclasses.replace(f, likelihood_ratio=ratio) if f.pair is Pair.RETENTION else f for f in case.findings
    )
    return dataclasses.replace(case, curves=curves, ledger=ledger, validation=validation, findings=findings)


def styled(case: Case) -> Case:
    """The case with a style page: twelve creators, the one of the closest item in third place by manner."""
    names = [f"Drawer {letter}" for letter in "ABCDEFGHIJKL"]

    def measure(name: str, start: float) -> StyleMeasure:
        scores = tuple(CreatorScore(c, 6, round(start - 0.04 * i, 3), i + 1) for i, c in enumerate(names))
        return StyleMeasure(
            name, f"style/1, {name}: as for the test.", scores, (WorkStyle("N1", 14, 72),), 7, 19, 20, 3.5
        )

    return dataclasses.replace(
        case,
        style=Style(
            72,
            "12 creators of whom the index holds at least 4 works; 72 works in all.",
            (measure("manner", 0.12), measure("palette", -0.3)),
            (
                Palette("Q1", (Colour("#ffffff", 0.6), Colour("#804d22", 0.25), Colour("#e1af0c", 0.15))),
                Palette("N1", (Colour("#73a22d", 0.7), Colour("#101010", 0.3))),
            ),
            "Drawer C",
        ),
    )


def search_of_the_index() -> Search:
    """One search with its citation and the repeats of the pictures: numbers invented but coherent."""
    facts = (
        Fact("Query image", f"SHA-256 {sha(b'query')}"),
        Fact("Query vector, meaning", f"SHA-256 {sha(b'vector')}"),
        Fact("Candidates", "the 10 nearest by the embedder (vec_clip) and by the copy descriptor (vec_copy), in turn"),
        Fact("Compared", "all 1800 rows, in 1 of 1 fragments of the table; none was skipped"),
        Fact("Command that repeats it", "forensics index search URI IMAGE -k 10 --at v1"),
    )
    first = tuple(f"openclipart/landscape/{n:04d}_ridge.svg" for n in range(1, 8))
    repeats = (
        Repeats("Q1", 0, 7, 256, first),
        Repeats("R1", 1, 7, 256, first),
        Repeats("N1", 3, 6, 256, first[1:]),
        *(Repeats(f"N{n}", 0, 0, 1 if n < 8 else None, ()) for n in range(2, 11)),
    )
    return Search(facts, repeats, "A near-duplicate has the same bytes, or a perceptual hash that is close.")


def laid_over(folder: Path, case: Case) -> Case:
    """The case with a correspondence that has everything, and the nearest control beside it."""
    more = Builder(folder)
    for n, tag in enumerate(("D1L", "D1O", "D1B", "D1M", "D1E", "C1")):
        more.put(tag, scene(40 + n), f"figure {tag}", "comparison.figures@1")
    flat = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    place = Place(0.125, 0.25, 0.25, 0.375)
    found = Correspondence(
        "D1",
        "R1",
        Outcome.PARTLY,
        "Laid over each other (similarity, mirrored; residual 0.12 pixels), half agrees.",
        (Region(1, "similarity", flat, True, False, 24, 0.12, place, place, 0.52, 0.48, 96, 64, 128),),
        "The corresponding area is about the same share of both pictures (52% and 48%).",
        ("hues turned",),
        (Fact("detail that both pictures have, pixels", "256"), Absent("ceiling of the autoencoder", "No checkpoint.")),
        (Element(1, place, place, 0.97, "agrees"), Element(2, place, place, 0.61, "undecided")),
        (Element(3, place, place, 0.11, "differs"),),
        (Fact("SSIM on the overlap (wang-2004/1)", "0.9035"),),
        ("D1L", "D1O", "D1B", "D1M", "D1E"),
        DESCRIBED,
        CommonElements(("t1", "t2", "t3"), ("t1", "t2"), ("t3",), place, 0.12, left_out=True),
        word_rates="How often this word errs was measured: of 3,000 unrelated pairs 0 correspond throughout.",
    )
    beside = dataclasses.replace(
        found,
        id="DC",
        outcome=Outcome.NONE,
        basis="No geometric correspondence.",
        regions=(),
        containment="",
        tones=(),
        ceilings=(),
        elements=(),
        differences=(),
        figures=(),
        common=NOTHING_TO_EXCLUDE,
        laid="C1",
    )
    return dataclasses.replace(
        case, exhibits=(*case.exhibits, *more.exhibits), correspondences=(found,), control_correspondence=beside
    )


def complete(folder: Path) -> Case:
    """The full case with everything a later stage adds."""
    whole = laid_over(folder, styled(bits_and_validation(folder, full(folder))))
    return dataclasses.replace(whole, search=search_of_the_index())


CASES = {"full": complete, "bare": bare, "compare": compare}
"""Name -> builder."""
