"""The ledger of side information: for every rung what was supplied, what came back, and what came back of controls."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from forensics.case import NO_CODEC, Absent, Better, CurveKind, Inversion, LedgerRow, Measurement, NotMeasured
from forensics.stages.ladder import Ladder
from forensics.stages.rates import bits_at
from forensics.statistics.ranks import extreme, rank_p

MEASURE = "lpips"
_CEILING = "autoencoder"
_NEARLY = 1.25
"""How much farther than the autoencoder alone a picture may lie and still have come back."""
_CEILING_SHARE = 95
"""Percent of the controls that the autoencoder alone brings within reach of themselves."""


def ledger(
    ladder: Ladder, inversions: Sequence[Inversion], measured: Sequence[Measurement | NotMeasured], level: float
) -> tuple[LedgerRow, ...]:
    """One row for each rung that was run on controls and measured, by rising supplied bits.

    No rung can show more than the autoencoder does. A picture has come back when it is about as near to its target as
    the autoencoder alone brings that target (within a quarter), or as near as it brings 95 % of the controls. This
    decides words, never p: ranks compare distances.

    Args:
        level: p, and share of the controls come back, above which controls are said to succeed too.
    """
    ceiling = ladder.rung(_CEILING)
    if ceiling is None or not all(MEASURE in row for row in ceiling.controls) or not ceiling.controls:
        return ()
    values = {m.b: m.value for m in measured if isinstance(m, Measurement) and m.metric == MEASURE}
    alone = [row[MEASURE][0] for row in ceiling.controls]
    usual = float(np.percentile(alone, _CEILING_SHARE))
    reaches = [max(usual, _NEARLY * value) for value in alone]
    own_ceiling = [values[output] for output in ceiling.inversion.outputs if output in values]
    reach = max(usual, _NEARLY * min(own_ceiling, default=0.0))
    codecs = [curve for curve in ladder.curves if curve.kind is CurveKind.CODEC]
    rows = []
    for rung, inversion in zip(ladder.rungs, inversions, strict=True):
        own = [values[output] for output in inversion.outputs if output in values]
        if not own or not rung.controls:
            continue
        median = statistics.median(own)
        controls = [statistics.median(row[MEASURE]) for row in rung.controls]
        k, n = extreme(median, controls, Better.LOWER), len(controls)
        came = sum(value <= reaches[place] for value, place in zip(controls, rung.places, strict=True))
        p = rank_p(k, n)
        at = bits_at(codecs, median)
        rows.append(
            LedgerRow(
                rung=inversion.title,
                inversion=inversion.id,
                supplied=inversion.supplied,
                bits=inversion.supplied_bits,
                best=min(own),
                median=median,
                control_median=statistics.median(controls),
                control_extreme=min(controls),
                reach=reach,
                reached=median <= reach,
                controls_reached=came,
                k=k,
                n=n,
                p=p,
                # Where nobody came back the search failed: that the controls lie as far off is no success of theirs.
                controls_succeed=(median <= reach and p > level) or rank_p(came, n) > level,
                codec_bits=NO_CODEC if at is None else at[0],
            )
        )
    return tuple(sorted(rows, key=lambda row: float("inf") if isinstance(row.bits, Absent) else row.bits))
