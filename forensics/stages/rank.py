"""Every statistic of the disputed image beside the same statistic of every control."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from forensics.case import (
    Absent,
    Better,
    Comparison,
    ControlScore,
    Measurement,
    NotMeasured,
    Pair,
)
from forensics.controls.cache import Cache, Key
from forensics.events import Emit, Event
from forensics.findings.evidence import LAID_OVER, NEAREST
from forensics.inversion.blind import outlying
from forensics.inversion.codelength import share_saved
from forensics.inversion.gap import DRAWS, Gap
from forensics.overlay.correspondence import VERSION as PAIRING
from forensics.pictures.tensors import to_tensor
from forensics.protocol import VERSION
from forensics.retrieval.base import Hit
from forensics.stages.instruments import ALIGNED, PERCEPTUAL, Instruments
from forensics.stages.ladder import SEARCHES, Bits, Ladder, Rung
from forensics.stages.search import Found, picture_of
from forensics.stages.works import ControlGroup, Work
from forensics.statistics.ranks import clopper_pearson, extreme, holm, rank_p

SAVED = "Codelength, share that the prompt saves"
SAVED_ELSEWHERE = "Codelength, share saved against the control checkpoint"
"""Titles of comparisons that the protocol names as primary ones, and a validation record as what a ratio rests on."""


def compare(
    disputed: Work,
    originals: Sequence[Work],
    found: Found,
    ladder: Ladder,
    controls: ControlGroup,
    instruments: Instruments,
    rows: Sequence[Measurement | NotMeasured],
    primary: str,
    emit: Emit,
    cache: Cache,
) -> tuple[tuple[Comparison, ...], list[Absent]]:
    """Every statistic of the disputed image beside the same statistic of every control."""
    if isinstance(controls.facts, Absent):
        return (), [controls.facts]
    bench = Bench(disputed, controls, instruments, rows, emit, cache)
    if PERCEPTUAL in instruments.at_hand and (rung := ladder.rung("regeneration")) and rung.controls:
        bench.retention(rung)
    if ALIGNED in instruments.at_hand:
        bench.derivation(originals, found)
    if PERCEPTUAL in instruments.at_hand:
        for method in ("ode", "autoencoder"):
            if (rung := ladder.rung(method)) and rung.controls:
                bench.round_trip(method, rung)
        for method in SEARCHES:
            if (rung := ladder.rung(method)) and rung.controls and rung.outputs:
                bench.search(rung)
    if (rung := ladder.rung("regeneration")) and rung.controls:
        bench.region(rung)
    if ladder.bits is not None:
        bench.codelength(ladder.bits, primary)
    if ladder.gaps:
        bench.gap(ladder.gaps)
    if found.neighbours and found.control_top:
        bench.nearest(found.neighbours[0].similarity, found.control_top)
    if found.copies is not None:
        bench.nearest_copy(*found.copies)
    return bench.finish(), bench.absences(ladder)


class Bench:
    """Collects comparisons; each is computed for the disputed image and for the controls by one function."""

    def __init__(
        self,
        disputed: Work,
        group: ControlGroup,
        instruments: Instruments,
        rows: Sequence[Measurement | NotMeasured],
        emit: Emit,
        cache: Cache,
    ) -> None:
        self.disputed, self.instruments, self.rows, self.emit, self.cache = disputed, instruments, rows, emit, cache
        self.group, self.controls = group, group.works
        self.collected: list[Comparison] = []

    def retention(self, rung: Rung) -> None:
        """Pictures generated from the prompt against their target: by LPIPS the best is shown beside the median."""
        seeds = len(rung.inversion.seeds)
        for name in (PERCEPTUAL, "ssim"):
            own = self._own(name, rung.inversion.outputs)
            per_control = [row[name] for row in rung.controls]
            title = self.instruments.at_hand[name].facts.name.upper()
            self._add(
                f"Generated from the prompt, median {title}",
                f"Median over {seeds} seeds of the {title} between the picture generated and its target.",
                None,
                name,
                statistics.median(own),
                [statistics.median(values) for values in per_control],
            )
            if name == PERCEPTUAL:
                self._add(
                    f"Generated from the prompt, best {title}",
                    f"Smallest of {seeds} seeds of the {title} between the picture generated and its target.",
                    None,
                    name,
                    min(own),
                    [min(values) for values in per_control],
                )

    def derivation(self, originals: Sequence[Work], found: Found) -> None:
        """The disputed image against the work it is said to derive from, or against its nearest neighbour."""
        for number, work in enumerate(originals):
            values = self._laid_over([(c, work.pixels) for c in self.controls], work.id)
            self._add(
                f"{LAID_OVER} {work.id}",
                f"LPIPS between the picture and {work.id}, one laid over the other where they correspond; for a "
                f"control, between the control and {work.id}.",
                None if number else Pair.DERIVATION,
                ALIGNED,
                self._own(ALIGNED, (work.id,))[0],
                values,
            )
        nearest, control_top = found.neighbours[0].exhibit if found.neighbours else None, found.control_top
        theirs = [picture_of(hit.row) for hit in control_top] if nearest is not None else []
        pictures = [to_tensor(picture) for picture in theirs if picture is not None]
        if nearest is not None and len(pictures) == len(self.controls):
            pairs = list(zip(self.controls, pictures, strict=True))
            values = self._laid_over(pairs, "its nearest training image", self._keys(found))
            self._add(
                NEAREST,
                "LPIPS between the picture and the first neighbour of that same picture in the training index, one "
                "laid over the other where they correspond.",
                None if originals else Pair.DERIVATION,
                ALIGNED,
                self._own(ALIGNED, (nearest,))[0],
                values,
            )

    def _laid_over(self, pairs: Sequence[tuple[Work, Tensor]], name: str, keys: Sequence[Key] = ()) -> list[float]:
        """The aligned distance of every control to a picture: the longest part of the comparison.

        Args:
            keys: under which the distances are kept from case to case, one a pair; none where they are not.
        """
        values = []
        for number, (control, other) in enumerate(pairs):
            self.emit(Event("compare", number, len(pairs), f"control {control.id} laid over {name}"))

            def compute(control: Work = control, other: Tensor = other) -> dict[str, Sequence[float]]:
                return {ALIGNED: [self.instruments.value(ALIGNED, control.pixels, other)]}

            found = self.cache.values(keys[number], compute) if keys else compute()
            values.append(found[ALIGNED][0])
        self.emit(Event("compare", len(pairs), len(pairs), f"{len(pairs)} controls"))
        return values

    def _keys(self, found: Found) -> tuple[Key, ...]:
        """Of every control laid over its own neighbour, which depends on the snapshot and the control alone."""
        digests, facts = self.group.digests, self.instruments.at_hand[ALIGNED].facts
        if isinstance(found.facts, Absent) or not found.facts.digest or len(digests) != len(found.control_top):
            return ()
        return tuple(
            Key(
                ALIGNED,
                facts.version,
                VERSION,
                found.facts.digest,
                digest,
                "",
                (("alignment", PAIRING), ("row", hit.row.training_id)),
                "cpu fp32",
            )
            for digest, hit in zip(digests, found.control_top, strict=True)
        )

    def round_trip(self, method: str, rung: Rung) -> None:
        """Inversion and back: shown because controls succeed as well."""
        title = {"ode": "Latent inversion and back", "autoencoder": "Autoencoder and back"}[method]
        self._add(
            f"{title}, LPIPS",
            f"LPIPS between the picture and itself after the rung '{rung.inversion.title}'.",
            None,
            PERCEPTUAL,
            self._own(PERCEPTUAL, rung.inversion.outputs)[0],
            [row[PERCEPTUAL][0] for row in rung.controls],
        )

    def search(self, rung: Rung) -> None:
        """A rung that searches with the target in hand, on those controls that went through it."""
        self._rank(
            f"{rung.inversion.title}, median LPIPS",
            "Median LPIPS between the pictures that the rung gives and their target; the same search with the same "
            f"budget on {len(rung.places)} controls.",
            None,
            Better.LOWER,
            statistics.median(self._own(PERCEPTUAL, rung.inversion.outputs)),
            [statistics.median(row[PERCEPTUAL]) for row in rung.controls],
            "more alike",
            rung.places,
        )

    def codelength(self, bits: Bits, primary: str) -> None:
        """What the checkpoint needs to be told: corrected for the picture's own complexity, so that plain ones do not
        stand out.

        Args:
            primary: title of the one that is primary for retention.
        """
        if not bits.prompted:
            return
        saved = [share_saved(prompted, plain) for prompted, plain in zip(bits.prompted, bits.plain, strict=True)]
        self._rank(
            SAVED,
            "One minus the ratio of the bits the checkpoint needs for the picture with the prompt to those without it "
            f"({bits.prompted[0]:.0f} and {bits.plain[0]:.0f} bits for the target).",
            Pair.RETENTION if primary == SAVED else None,
            Better.HIGHER,
            saved[0],
            saved[1:],
            "prompt tells more",
        )
        if bits.elsewhere:
            excess = [share_saved(here, there) for here, there in zip(bits.prompted, bits.elsewhere, strict=True)]
            self._rank(
                SAVED_ELSEWHERE,
                "One minus the ratio of the bits under the checkpoint to those under the control checkpoint, with "
                f"the same prompt ({bits.prompted[0]:.0f} and {bits.elsewhere[0]:.0f} bits for the target).",
                Pair.RETENTION if primary == SAVED_ELSEWHERE else None,
                Better.HIGHER,
                excess[0],
                excess[1:],
                "checkpoint knows more",
            )

    def region(self, rung: Rung) -> None:
        """The share of the detail that the seeds reproduce; a plain background is reproduced by any picture."""
        own, values = dict(rung.scores).get("detail"), [row.get("score detail") for row in rung.controls]
        if own is None or any(v is None for v in values):
            return
        self._rank(
            "Generated from the prompt, share of the detail reproduced",
            "Share of the places with detail of a picture at which at least half of the pictures generated from its "
            "prompt agree with it, in the mean over a small window, as the autoencoder shows it.",
            None,
            Better.HIGHER,
            own,
            [v[0] for v in values if v is not None],
            "more is reproduced",
            rung.places,
        )

    def gap(self, gaps: Sequence[Gap]) -> None:
        """The first prompt among the controls' prompts, beside what the style of the words alone would say."""
        style = outlying([g.caption for g in gaps])
        k, n = extreme(style[0], style[1:], Better.HIGHER), len(gaps) - 1
        self._rank(
            "Score gap of the prompt",
            f"How far a prompt moves the first step of generation, mean over {DRAWS} draws of noise; for a control, "
            "its own prompt. No picture enters: it says that a prompt is specific to the checkpoint, not that a work "
            f"comes back. Without any model, by nine features of style alone, {k} of the {n} control prompts lie at "
            f"least as far from the middle of all of them (p = {rank_p(k, n):.3f}); where that p is small too, the "
            "rank says nothing about the checkpoint.",
            None,
            Better.HIGHER,
            gaps[0].magnitude,
            [g.magnitude for g in gaps[1:]],
            "the prompt is more specific",
        )

    def nearest(self, similarity_of_first: float, control_top: Sequence[Hit]) -> None:
        """Look-elsewhere: the first hit ranked among the first hits of the controls in the same index."""
        self._add(
            "Cosine to the nearest training image",
            "Cosine of the embedding of the picture and that of its first neighbour in the training index.",
            None,
            "clip",
            similarity_of_first,
            [hit.similarity for hit in control_top],
        )

    def nearest_copy(self, own: float, controls: Sequence[float]) -> None:
        """Likewise by the copy descriptor of the index, which asks for the picture itself and not for its subject."""
        self._rank(
            "Copy descriptor, cosine to the nearest training image",
            "Cosine of the copy descriptor's vectors of the picture and of the item of the training index that is "
            "nearest to it by this descriptor.",
            None,
            Better.HIGHER,
            own,
            controls,
            "more alike",
        )

    def finish(self) -> tuple[Comparison, ...]:
        """All comparisons, the secondary ones with Holm's correction."""
        secondary = [c for c in self.collected if c.primary_for is None]
        corrected = dict(zip((c.id for c in secondary), holm([c.p for c in secondary]), strict=True))
        return tuple(replace(c, p_holm=corrected.get(c.id)) for c in self.collected)

    def absences(self, ladder: Ladder) -> list[Absent]:
        """The primary measurements that could not be made."""
        made = {c.primary_for for c in self.collected}
        rows: list[Absent] = []
        if Pair.RETENTION not in made:
            rung = ladder.rung("regeneration")
            reason = (
                "Some control works carry no caption, so the same search could not be run on them."
                if rung
                else "There was no prompt to generate from."
            )
            rows.append(
                Absent("primary measurement of retention", reason, "Supply captions, for the controls as well.")
            )
        if Pair.DERIVATION not in made:
            rows.append(
                Absent(
                    "primary measurement of derivation",
                    "There was neither an original nor a training index that holds its pictures, those nearest to the "
                    "controls among them.",
                    "Pass --original, or an index with pictures.",
                )
            )
        return rows

    def _own(self, name: str, outputs: Sequence[str]) -> list[float]:
        values = {m.b: m.value for m in self.rows if isinstance(m, Measurement) and m.metric == name}
        return [values[i] for i in outputs]

    def _add(
        self, title: str, statistic: str, pair: Pair | None, metric: str, value: float, values: Sequence[float]
    ) -> None:
        better = self.instruments.at_hand[metric].facts.better if metric in self.instruments.at_hand else Better.HIGHER
        self._rank(title, statistic, pair, better, value, values, "more alike")

    def _rank(
        self,
        title: str,
        statistic: str,
        pair: Pair | None,
        better: Better,
        value: float,
        values: Sequence[float],
        toward: str,
        places: Sequence[int] | None = None,
    ) -> None:
        k, n = extreme(value, values, better), len(values)
        works = self.controls if places is None else [self.controls[i] for i in places]
        scores = tuple(ControlScore(w.id, v) for w, v in zip(works, values, strict=True))
        self.collected.append(
            Comparison(
                f"K{len(self.collected) + 1}",
                title,
                statistic,
                pair,
                better,
                value,
                scores,
                k,
                n,
                rank_p(k, n),
                clopper_pearson(k, n),
                None,
                toward,
            )
        )
