"""Every statistic of the disputed image beside the same statistic of every control."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from forensics.case import (
    Absent,
    Better,
    Comparison,
    ControlScore,
    Family,
    Given,
    Measurement,
    NotMeasured,
    Pair,
    Statistic,
)
from forensics.controls.cache import Key
from forensics.events import Event
from forensics.inversion import INVERSIONS
from forensics.inversion.blind import outlying
from forensics.inversion.codelength import share_saved
from forensics.inversion.gap import DRAWS, Gap
from forensics.overlay.correspondence import VERSION as PAIRING
from forensics.pictures.tensors import digest, to_tensor
from forensics.protocol import VERSION
from forensics.retrieval import picture_of
from forensics.retrieval.base import Hit
from forensics.stages.context import Context, Received
from forensics.stages.instruments import ALIGNED, PERCEPTUAL
from forensics.stages.ladder import Bits, Ladder, Rung
from forensics.stages.search import Found
from forensics.stages.works import Work
from forensics.statistics.ranks import clopper_pearson, extreme, holm, rank_p

_OF_OUTPUTS = ((PERCEPTUAL, Statistic.PROMPT_MEDIAN_LPIPS), ("ssim", Statistic.PROMPT_MEDIAN_SSIM))
"""Measure taken of every picture generated from the prompt -> the statistic of their median."""
QUESTIONS = "holm"
"""The correction over the primary measurements of all questions asked (Holm 1979). A name, so that it enters the
protocol: the level of the protocol is that of all questions together."""
_NO_DERIVATION = "primary measurement of derivation"
_NO_RETENTION = "primary measurement of retention"


def compare(
    received: Received,
    found: Found,
    ladder: Ladder,
    rows: Sequence[Measurement | NotMeasured],
    primary: Statistic | None,
    context: Context,
) -> tuple[tuple[Comparison, ...], list[Absent]]:
    """Every statistic of the disputed image beside the same statistic of every control.

    Args:
        rows: the measurements of the disputed image that the statistics are taken from.
        primary: the primary statistic of retention, as the protocol names it; None where no checkpoint is examined.

    Returns:
        The comparisons, the secondary ones with Holm's correction, and the primary measurements that could not be made.
    """
    if isinstance(context.controls.facts, Absent):
        return (), [context.controls.facts]
    declared = {context.protocol.derivation(put_forward=bool(received.originals)): Pair.DERIVATION}
    if primary is not None:
        declared[primary] = Pair.RETENTION
    bench = Bench(context, rows, declared)
    at_hand = context.instruments.at_hand
    if PERCEPTUAL in at_hand and (rung := ladder.rung("regeneration")) and rung.controls:
        bench.retention(rung)
    if ALIGNED in at_hand:
        bench.derivation(received.put_forward, found)
    else:
        why = context.instruments.absent[ALIGNED]
        bench.missing[Pair.DERIVATION] = Absent(_NO_DERIVATION, why.reason, why.remedy)
    if PERCEPTUAL in at_hand:
        bench.reconstructions(ladder)
    if (rung := ladder.rung("regeneration")) and rung.controls:
        bench.region(rung)
    if ladder.untold is not None:
        bench.missing[Pair.RETENTION] = Absent(_NO_RETENTION, ladder.untold.reason, ladder.untold.remedy)
    if ladder.bits is not None:
        bench.codelength(ladder.bits)
    if ladder.gaps:
        bench.gap(ladder.gaps)
    if found.own_top is not None and found.control_top:
        bench.nearest(found.own_top.similarity, found.control_top)
    if found.copies is not None:
        bench.nearest_copy(*found.copies)
    return bench.finish(), bench.absences()


def keys_of(work: Work, controls: Sequence[str], version: str) -> tuple[Key, ...]:
    """Under what the distance of each control to a work put forward is kept: a second case about it finds it there.

    Args:
        work: whose pixels enter, not its file: they are what is laid over.
        controls: SHA-256 of their files, in the order of the answer.
        version: of the aligned distance.
    """
    pixels = digest(work.pixels)
    return tuple(_key(version, control, "", ("work", pixels)) for control in controls)


def _key(version: str, control: str, snapshot: str, other: tuple[str, str]) -> Key:
    return Key(ALIGNED, version, VERSION, snapshot, control, "", (("alignment", PAIRING), other), "cpu fp32")


class Bench:
    """Collects comparisons; each is computed for the disputed image and for the controls by one function."""

    def __init__(
        self,
        context: Context,
        rows: Sequence[Measurement | NotMeasured],
        declared: Mapping[Statistic, Pair],
    ) -> None:
        """`declared`: the primary statistics of this case -> the pair each answers for."""
        self.context, self.rows, self.declared = context, rows, declared
        self.group, self.controls = context.controls, context.controls.works
        self.collected: list[Comparison] = []
        self.missing: dict[Pair, Absent] = {}
        """Why a primary measurement could not be made, said where it failed."""

    def retention(self, rung: Rung) -> None:
        """Pictures generated from the prompt against their target: by LPIPS the best is shown beside the median."""
        seeds = len(rung.inversion.seeds)
        for name, statistic in _OF_OUTPUTS:
            own = self._own(name, rung.inversion.outputs)
            per_control = [row[name] for row in rung.controls]
            title = self.context.instruments.at_hand[name].facts.name.upper()
            self._rank(
                statistic,
                f"Median over {seeds} seeds of the {title} between the picture generated and its target.",
                statistics.median(own),
                [statistics.median(values) for values in per_control],
            )
            if name == PERCEPTUAL:
                self._rank(
                    Statistic.PROMPT_BEST_LPIPS,
                    f"Smallest of {seeds} seeds of the {title} between the picture generated and its target.",
                    min(own),
                    [min(values) for values in per_control],
                )

    def derivation(self, originals: Sequence[Work], found: Found) -> None:
        """The disputed image against the work it is said to derive from, or against its nearest neighbour."""
        for work in originals:
            values = self._laid_over([(c, work.pixels) for c in self.controls], work.id, self._keys_of(work))
            self._rank(
                Statistic.ALIGNED_TO_WORK,
                f"LPIPS between the picture and {work.id}, one laid over the other where they correspond; for a "
                f"control, between the control and {work.id}.",
                self._own(ALIGNED, (work.id,))[0],
                values,
                of=work.id,
            )
        theirs = self._nearest_pictures(found)
        if isinstance(theirs, Absent):
            self.missing.setdefault(Pair.DERIVATION, theirs)
            return
        nearest, pictures = theirs
        pairs = list(zip(self.controls, pictures, strict=True))
        values = self._laid_over(pairs, "its nearest training image", self._keys(found))
        self._rank(
            Statistic.ALIGNED_TO_NEAREST,
            "LPIPS between the picture and the first neighbour of that same picture in the training index, one "
            "laid over the other where they correspond.",
            self._own(ALIGNED, (nearest,))[0],
            values,
        )

    def _nearest_pictures(self, found: Found) -> tuple[str, list[Tensor]] | Absent:
        """Exhibit of the first neighbour and every control's own nearest picture; or which of them is missing."""
        if not found.neighbours:
            reason = "There was neither an original nor a training index that was searched."
            return Absent(_NO_DERIVATION, reason, "Pass --original, or --index with a training index.")
        remedy = "Pass --original, or an index with pictures."
        if (nearest := found.neighbours[0].exhibit) is None:
            reason = "The training index does not hold the picture of the first neighbour."
            return Absent(_NO_DERIVATION, reason, remedy)
        theirs = [picture_of(hit.row) for hit in found.control_top]
        pictures = [to_tensor(picture) for picture in theirs if picture is not None]
        if len(pictures) < len(self.controls):
            lacking = len(self.controls) - len(pictures)
            reason = f"The index does not hold the picture nearest to {lacking} of {len(self.controls)} controls."
            return Absent(_NO_DERIVATION, reason, remedy)
        return nearest, pictures

    def _laid_over(self, pairs: Sequence[tuple[Work, Tensor]], name: str, keys: Sequence[Key] = ()) -> list[float]:
        """The aligned distance of every control to a picture: the longest part of the comparison.

        Args:
            keys: under which the distances are kept from case to case, one a pair; none where they are not.
        """
        values = []
        for number, (control, other) in enumerate(pairs):
            self.context.emit(Event("compare", number, len(pairs), f"control {control.id} laid over {name}"))

            def compute(control: Work = control, other: Tensor = other) -> dict[str, Sequence[float]]:
                return {ALIGNED: [self.context.instruments.value(ALIGNED, control.pixels, other)]}

            found = self.context.cache.values(keys[number], compute) if keys else compute()
            values.append(found[ALIGNED][0])
        self.context.emit(Event("compare", len(pairs), len(pairs), f"{len(pairs)} controls"))
        return values

    def _keys(self, found: Found) -> tuple[Key, ...]:
        """Of every control laid over its own neighbour, which depends on the snapshot and the control alone."""
        digests = self.group.digests
        if isinstance(found.facts, Absent) or not found.facts.digest or len(digests) != len(found.control_top):
            return ()
        return tuple(
            _key(self._aligned, digest, found.facts.digest, ("row", hit.row.training_id))
            for digest, hit in zip(digests, found.control_top, strict=True)
        )

    def _keys_of(self, work: Work) -> tuple[Key, ...]:
        """Of every control laid over a work put forward; none where the controls carry no digests."""
        known = len(self.group.digests) == len(self.controls)
        return keys_of(work, self.group.digests, self._aligned) if known else ()

    @property
    def _aligned(self) -> str:
        return self.context.instruments.at_hand[ALIGNED].facts.version

    def reconstructions(self, ladder: Ladder) -> None:
        """Rungs that have the target in hand: those given all of it, where controls come back too, and searches."""
        for rung in ladder.rungs:
            method = INVERSIONS.load(rung.inversion.method)
            if not rung.controls or not rung.outputs or method.given is Given.WORDS:
                continue
            own = self._own(PERCEPTUAL, rung.inversion.outputs)
            if method.given is Given.PICTURE:
                self._rank(
                    Statistic.ROUND_TRIP_LPIPS,
                    f"LPIPS between the picture and itself after the rung '{rung.inversion.title}'.",
                    own[0],
                    [row[PERCEPTUAL][0] for row in rung.controls],
                    of=method.short,
                )
            else:
                self._rank(
                    Statistic.SEARCHED_LPIPS,
                    "Median LPIPS between the pictures that the rung gives and their target; the same search with the "
                    f"same budget on {len(rung.places)} controls.",
                    statistics.median(own),
                    [statistics.median(row[PERCEPTUAL]) for row in rung.controls],
                    of=rung.inversion.title,
                    places=rung.places,
                )

    def codelength(self, bits: Bits) -> None:
        """What the checkpoint needs to be told: corrected for the picture's own complexity, so that plain ones do not
        stand out."""
        if not bits.prompted:
            return
        saved = [share_saved(prompted, plain) for prompted, plain in zip(bits.prompted, bits.plain, strict=True)]
        self._rank(
            Statistic.SAVED_BY_PROMPT,
            "One minus the ratio of the bits the checkpoint needs for the picture with the prompt to those without it "
            f"({bits.prompted[0]:.0f} and {bits.plain[0]:.0f} bits for the target).",
            saved[0],
            saved[1:],
        )
        if bits.elsewhere:
            excess = [share_saved(here, there) for here, there in zip(bits.prompted, bits.elsewhere, strict=True)]
            self._rank(
                Statistic.SAVED_AGAINST_CONTROL,
                "One minus the ratio of the bits under the checkpoint to those under the control checkpoint, with "
                f"the same prompt ({bits.prompted[0]:.0f} and {bits.elsewhere[0]:.0f} bits for the target).",
                excess[0],
                excess[1:],
            )

    def region(self, rung: Rung) -> None:
        """The share of the detail that the seeds reproduce; a plain background is reproduced by any picture."""
        own, values = dict(rung.scores).get("detail"), [row.get("score detail") for row in rung.controls]
        if own is None or any(v is None for v in values):
            return
        self._rank(
            Statistic.PROMPT_DETAIL,
            "Share of the places with detail of a picture at which at least half of the pictures generated from its "
            "prompt agree with it, in the mean over a small window, as the autoencoder shows it.",
            own,
            [v[0] for v in values if v is not None],
            places=rung.places,
        )

    def gap(self, gaps: Sequence[Gap]) -> None:
        """The first prompt among the controls' prompts, beside what the style of the words alone would say."""
        style = outlying([g.caption for g in gaps])
        k, n = extreme(style[0], style[1:], Better.HIGHER), len(gaps) - 1
        self._rank(
            Statistic.SCORE_GAP,
            f"How far a prompt moves the first step of generation, mean over {DRAWS} draws of noise; for a control, "
            "its own prompt. No picture enters: it says that a prompt is specific to the checkpoint, not that a work "
            f"comes back. Without any model, by nine features of style alone, {k} of the {n} control prompts lie at "
            f"least as far from the middle of all of them (p = {rank_p(k, n):.3f}); where that p is small too, the "
            "rank says nothing about the checkpoint.",
            gaps[0].magnitude,
            [g.magnitude for g in gaps[1:]],
        )

    def nearest(self, similarity_of_first: float, control_top: Sequence[Hit]) -> None:
        """Look-elsewhere: the first hit ranked among the first hits of the controls in the same index."""
        self._rank(
            Statistic.COSINE_TO_NEAREST,
            "Cosine of the embedding of the picture, at the size of the examination, and that of the item of the "
            "training index that is nearest to it by this embedding.",
            similarity_of_first,
            [hit.similarity for hit in control_top],
        )

    def nearest_copy(self, own: float, controls: Sequence[float]) -> None:
        """Likewise by the copy descriptor of the index, which asks for the picture itself and not for its subject."""
        self._rank(
            Statistic.COPY_COSINE_TO_NEAREST,
            "Cosine of the copy descriptor's vectors of the picture and of the item of the training index that is "
            "nearest to it by this descriptor.",
            own,
            controls,
        )

    def finish(self) -> tuple[Comparison, ...]:
        """All comparisons, the secondary ones with Holm's correction."""
        return corrected(self.collected)

    def absences(self) -> list[Absent]:
        """The primary measurements that could not be made, each with the reason said where it failed."""
        made = {c.primary_for for c in self.collected}
        return [absent for pair, absent in self.missing.items() if pair not in made]

    def _own(self, name: str, outputs: Sequence[str]) -> list[float]:
        values = {m.b: m.value for m in self.rows if isinstance(m, Measurement) and m.metric == name}
        return [values[i] for i in outputs]

    def _rank(
        self,
        statistic: Statistic,
        computed: str,
        value: float,
        values: Sequence[float],
        *,
        of: str = "",
        places: Sequence[int] | None = None,
    ) -> None:
        works = self.controls if places is None else [self.controls[i] for i in places]
        scores = tuple(ControlScore(w.id, v) for w, v in zip(works, values, strict=True))
        # Of several works put forward the first alone carries the primary measurement.
        taken = any(c.statistic is statistic for c in self.collected)
        primary = None if taken else self.declared.get(statistic)
        self.collected.append(
            compared(f"K{len(self.collected) + 1}", statistic, computed, value, scores, of=of, primary_for=primary)
        )


def compared(
    name: str,
    statistic: Statistic,
    computed: str,
    value: float,
    scores: Sequence[ControlScore],
    *,
    of: str = "",
    primary_for: Pair | None = None,
) -> Comparison:
    """One value beside the same of every control: the only place where a rank becomes a comparison.

    Args:
        name: id of the comparison in the case.
        computed: how the number is computed, as a sentence.
        of: what the statistic is taken of, where it can be taken of several.
    """
    kind = statistic.kind
    k, n = extreme(value, [score.value for score in scores], kind.better), len(scores)
    return Comparison(
        id=name,
        statistic=statistic,
        of=of,
        title=statistic.label.format(of=of),
        computed=computed,
        primary_for=primary_for,
        better=kind.better,
        value=value,
        controls=tuple(scores),
        k=k,
        n=n,
        p=rank_p(k, n),
        k_interval=clopper_pearson(k, n),
        toward=kind.toward,
    )


def corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same with Holm's correction over the secondary ones of each family."""
    by_family: dict[Family, list[Comparison]] = {}
    for c in comparisons:
        if c.primary_for is None:
            by_family.setdefault(c.statistic.kind.family, []).append(c)
    p_holm = {
        c.id: p for family in by_family.values() for c, p in zip(family, holm([c.p for c in family]), strict=True)
    }
    return tuple(replace(c, p_holm=p_holm.get(c.id, c.p_holm)) for c in comparisons)


def across_questions(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same with Holm's correction over the primary ones, one a question asked: see `QUESTIONS`.

    Three questions at a level of one in twenty each would set apart one unseen work in seven by one of them.
    """
    primary = [c for c in comparisons if c.primary_for is not None]
    p_holm = {c.id: p for c, p in zip(primary, holm([c.p for c in primary]), strict=True)}
    return tuple(replace(c, p_holm=p_holm.get(c.id, c.p_holm)) for c in comparisons)
