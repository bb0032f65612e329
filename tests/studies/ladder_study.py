"""The ladder study: `python -m tests.studies.ladder_study --work DIR`.

Every planted work and control of the reference experiment under twin A, which saw the planted works 1 to 256 times a
pass, and under twin B, which never saw them. The level at which bits stop being counted is chosen on the calibration
half alone; every figure is of the test half.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forensics import device, diffusion
from forensics import protocol as protocols
from forensics.case import Absent, Better, Statistic
from forensics.embedders import copies as descriptor
from forensics.resources import samples
from forensics.statistics.discrimination import auc
from forensics.statistics.ranks import clopper_pearson, extreme, rank_p
from forensics.validation import journal, ladder_rows
from forensics.validation.ladder_rows import STUDY_GRID, StudyWork, bits
from tests.studies import ladder_regeneration

LEVELS = (1, 4, 16, 64, 256)
FALSE_POSITIVES = 0.01
RANK = 0.01
HANDS = (4, 16, 64)
"""Repetitions a pass from which a creator's planted works count as remembered: all are printed, none is chosen."""
AGAINST = "share saved against the control checkpoint, with caption"
PROMPT = "share that the caption saves"
_CUTS = range(8, STUDY_GRID.levels + 1)

Rows = Mapping[str, Mapping[str, Any]]
"""Id of a work -> its raw row."""
Score = Callable[[str, int], float]
"""(id of a work, cut) -> the statistic, higher where the checkpoint knows more of the work."""


@dataclass(frozen=True, slots=True)
class Data:
    """Raw rows of the checkpoint examined and of its control checkpoint, and of the pictures themselves."""

    works: tuple[StudyWork, ...]
    here: Rows
    there: Rows
    pictures: Rows

    def of(self, half: str, repetitions: int) -> list[str]:
        """Works of one half and level; 0 for controls."""
        role = "planted" if repetitions else "control"
        return [w.id for w in self.works if w.half == half and w.role == role and w.repetitions == repetitions]


def shares(data: Data) -> dict[str, Score]:
    """The two measurements of a codelength that an examination makes: name -> share of the bits saved."""

    def length(rows: Rows, condition: str, work: str, cut: int) -> float:
        return bits(rows[work], condition, cut, STUDY_GRID.draws)

    return {
        PROMPT: lambda w, c: 1 - length(data.here, "prompted", w, c) / length(data.here, "plain", w, c),
        AGAINST: lambda w, c: 1 - length(data.here, "prompted", w, c) / length(data.there, "prompted", w, c),
    }


def measurements(data: Data, trained: Data) -> dict[str, Callable[[int], Score]]:
    """Name -> statistic for a cut. What is fitted is fitted on the calibration half.

    Args:
        trained: the data of the checkpoint that saw the planted works: weights are learned there and applied here.
    """

    def length(rows: Rows, condition: str) -> Callable[[str, int], float]:
        return lambda work, cut: bits(rows[work], condition, cut, STUDY_GRID.draws)

    a_with, a_without = length(data.here, "prompted"), length(data.here, "plain")
    b_with, b_without = length(data.there, "prompted"), length(data.there, "plain")
    of_examination = shares(data)

    def fixed(score: Score) -> Callable[[int], Score]:
        return lambda cut: score

    def corrected(of: Callable[[str, int], float]) -> Callable[[int], Score]:
        def fit(cut: int) -> Score:
            controls = data.of("calibration", 0)
            x = np.array([_complexity(data.pictures[w]) for w in controls])
            y = np.array([math.log(of(w, cut)) for w in controls])
            weights, *_ = np.linalg.lstsq(x, y, rcond=None)
            return lambda work, c: float(np.dot(_complexity(data.pictures[work]), weights) - math.log(of(work, c)))

        return fit

    def weighted(features: Callable[[Data, str], list[float]]) -> Callable[[int], Score]:
        # Fitted once: it sees every level of noise, so there is no cut to choose.
        apply = _discriminant(trained, features)
        return lambda cut: lambda work, c: apply(features(data, work))

    return {
        "levels weighted, without control checkpoint": weighted(_alone),
        "levels weighted, with control checkpoint": weighted(_against),
        "codelength with caption": fixed(lambda w, c: -a_with(w, c)),
        "codelength without caption": fixed(lambda w, c: -a_without(w, c)),
        "bits that the caption saves": fixed(lambda w, c: a_without(w, c) - a_with(w, c)),
        PROMPT: fixed(of_examination[PROMPT]),
        "codelength with caption, corrected for complexity": corrected(a_with),
        "codelength without caption, corrected for complexity": corrected(a_without),
        "score gap": fixed(lambda w, c: _gap(data.here[w], c)),
        "excess bits, control checkpoint, with caption": fixed(lambda w, c: b_with(w, c) - a_with(w, c)),
        AGAINST: fixed(of_examination[AGAINST]),
        "share saved against the control checkpoint, without caption": fixed(
            lambda w, c: 1 - a_without(w, c) / b_without(w, c)
        ),
    }


def _against(data: Data, work: str) -> list[float]:
    pairs = ((data.here[work][kind], data.there[work][kind]) for kind in ("prompted", "plain"))
    return [value for here, there in pairs for value in _log_ratios(here, there)]


def _alone(data: Data, work: str) -> list[float]:
    row = data.here[work]
    saved, left = _log_ratios(row["prompted"], row["plain"]), [math.log(v) for v in _bands(row["prompted"])]
    return [*saved, *left, *_complexity(data.pictures[work])[1:]]


def _discriminant(data: Data, features: Callable[[Data, str], list[float]]) -> Callable[[list[float]], float]:
    """Fisher's discriminant with the shrinkage of Ledoit & Wolf (2004), works of levels 4 to 64 against controls,
    fitted on the calibration half."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    known = [w for level in (4, 16, 64) for w in data.of("calibration", level)]
    controls = data.of("calibration", 0)
    x = np.array([features(data, w) for w in (*known, *controls)])
    centre, scale = x[len(known) :].mean(0), x[len(known) :].std(0)
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(
        (x - centre) / scale, [1] * len(known) + [0] * len(controls)
    )
    weights = fitted.coef_[0]
    return lambda values: float(np.dot((np.asarray(values) - centre) / scale, weights))


def _bands(errors: Sequence[Sequence[float]]) -> list[float]:
    """Squared error in eight bands of noise levels, mean over the draws."""
    mean = np.asarray(errors, dtype=np.float64).mean(0)
    return [float(band.sum()) for band in np.array_split(mean, 8)]


def _log_ratios(here: Sequence[Sequence[float]], there: Sequence[Sequence[float]]) -> list[float]:
    return [math.log(b / a) for a, b in zip(_bands(here), _bands(there), strict=True)]


def _complexity(picture: Mapping[str, Any]) -> list[float]:
    named = ("codec", "autoencoder_mse", "autoencoder_lpips", "latent_energy")
    return [1.0, *(math.log(max(picture[name], 1e-9)) for name in named)]


def _gap(row: Mapping[str, Any], cut: int) -> float:
    """Norm of the difference that the caption makes to the predicted noise, mean over the noisiest `cut` levels."""
    values = [math.sqrt(draw[i]) / row["sigmas"][i] for draw in row["gap"][: STUDY_GRID.draws] for i in range(cut)]
    return sum(values) / len(values)


def study(data: Data, trained: Data) -> dict[str, Any]:
    """Every measurement with the cut chosen on the calibration half of `trained`, and its figures on the test half."""
    found = {}
    learned = measurements(trained, trained)
    for name, at in measurements(data, trained).items():
        # A weighted measurement sees every level; the other cuts would give the same scores again.
        cuts = (STUDY_GRID.levels,) if name.startswith("levels weighted") else _CUTS
        quality = {cut: _calibrated(trained, learned[name](cut), cut) for cut in cuts}
        cut = max(quality, key=lambda c: quality[c])
        score = at(cut)
        sigma = next(iter(data.here.values()))["sigmas"][cut]
        found[name] = {
            "cut_noise_over_signal": sigma,
            "cut_chosen_by": "mean AUC over the levels 1 to 64 on the calibration half",
            "calibration_mean_auc": quality[cut],
            "levels": _figures(data, score, cut),
        }
    return found


def examined(data: Data) -> dict[str, Any]:
    """The measurements of an examination at the cut of its protocol, chosen before these checkpoints: the test half."""
    cut = protocol_cut(data)
    sigma = next(iter(data.here.values()))["sigmas"][cut]
    return {
        name: {"cut_noise_over_signal": sigma, "levels": _figures(data, score, cut)}
        for name, score in shares(data).items()
    }


def of_one_hand(data: Data) -> dict[str, Any]:
    """Whether a work is taken for remembered because its creator's other works are: controls of the test half.

    For each of `HANDS`: controls whose creator has works planted so often or oftener, and the other controls, ranked
    among the controls of the other half; at the cut of an examination. The area compares the two groups: 0.5 where a
    remembered hand makes no difference.
    """
    return {str(least): _by_hand(data, least) for least in HANDS}


def _by_hand(data: Data, least: int) -> dict[str, Any]:
    cut = protocol_cut(data)
    creators = {w.creator for w in data.works if w.role == "planted" and w.repetitions >= least} - {""}
    by_them = {w.id for w in data.works if w.creator in creators}
    groups: dict[str, Any] = {}
    for name, score in shares(data).items():
        others = [score(w, cut) for w in data.of("calibration", 0)]
        near = [score(w, cut) for w in data.of("test", 0) if w in by_them]
        far = [score(w, cut) for w in data.of("test", 0) if w not in by_them]
        groups[name] = {
            "creator_planted": _row(near, others),
            "other_creators": _row(far, others),
            **area(near, far),
        }
    return groups


def protocol_cut(data: Data) -> int:
    """The level of the study's grid that is nearest to the protocol's cut."""
    sigmas = next(iter(data.here.values()))["sigmas"]
    return int(np.abs(np.log(sigmas) - math.log(ladder_regeneration.PROTOCOL.codelength_cut)).argmin())


def finetuned(data: Data, cut: int) -> dict[str, Any]:
    """The fine-tune against its base: which works of the creator are flagged, trained on or not.

    Args:
        data: `here` the fine-tune, `there` its base.
        cut: chosen for the twins on their calibration half.
    """

    def score(work: str) -> float:
        here, there = (bits(rows[work], "prompted", cut, STUDY_GRID.draws) for rows in (data.here, data.there))
        return 1 - here / there

    controls = [score(w) for w in data.of("test", 0) if w in data.here]
    rows: dict[str, Any] = {"cut_noise_over_signal": next(iter(data.here.values()))["sigmas"][cut]}
    for name, role in (("trained on", "finetune"), ("same creator, not trained on", "control")):
        works = [w.id for w in data.works if w.role == role and w.half == "none" and w.id in data.here]
        rows[name] = {
            **_row([score(w) for w in works], controls),
            "p": {w: rank_p(extreme(score(w), controls, Better.HIGHER), len(controls)) for w in works},
        }
    return rows


def choice(data: Data, drawn: Rows) -> dict[str, Any]:
    """Which measurement is primary for retention: figures of the calibration half alone.

    Candidates are measurements that an examination makes, at the cut of the protocol and with nothing fitted. Pictures
    were generated of fewer controls than codelengths were taken, so that figures on the shared works stand beside.

    Args:
        drawn: rows of regeneration under the checkpoint examined.
    """
    sigmas, cut = next(iter(data.here.values()))["sigmas"], protocol_cut(data)
    of_bits = shares(data)
    candidates: dict[str, Score] = {
        Statistic.SAVED_AGAINST_CONTROL: of_bits[AGAINST],
        Statistic.SAVED_BY_PROMPT: of_bits[PROMPT],
        **_of_pictures(drawn),
    }
    shared = Data(tuple(w for w in data.works if w.id in drawn), data.here, data.there, data.pictures)
    found: dict[str, dict[str, Any]] = {}
    for name, score in candidates.items():
        known = shared if name in ladder_regeneration.STATISTICS else data
        controls = known.of("calibration", 0)
        found[name] = {
            "controls": len(controls),
            "calibration_mean_auc": _calibrated(known, score, cut),
            "calibration_auc": {
                str(r): auc(
                    [score(w, cut) for w in known.of("calibration", r)], [score(w, cut) for w in controls]
                ).value
                for r in LEVELS
            },
            "calibration_mean_auc_on_shared_works": _calibrated(shared, score, cut),
        }
    alone = [name for name in found if name != Statistic.SAVED_AGAINST_CONTROL]
    return {
        "rule": "greatest mean AUC over the levels 1 to 64 on the calibration half, at the cut of the protocol",
        "cut_noise_over_signal": sigmas[cut],
        "works": {str(r): len(data.of("calibration", r)) for r in LEVELS},
        "shared_controls": len(shared.of("calibration", 0)),
        "candidates": found,
        "chosen": max(alone, key=lambda name: found[name]["calibration_mean_auc"]),
        "chosen_with_control_checkpoint": max(found, key=lambda name: found[name]["calibration_mean_auc"]),
    }


def regenerated(works: Sequence[StudyWork], drawn: Rows) -> dict[str, Any]:
    """The pictures of eight seeds, for each of their statistics by level: figures of the test half."""
    known = Data(tuple(w for w in works if w.id in drawn), drawn, drawn, {})
    return {name: _figures(known, score, 0) for name, score in _of_pictures(drawn).items()}


def _of_pictures(drawn: Rows) -> dict[str, Score]:
    def of(statistic: Callable[[Mapping[str, Any]], float]) -> Score:
        return lambda work, _: statistic(drawn[work])

    return {name: of(statistic) for name, statistic in ladder_regeneration.STATISTICS.items()}


def _calibrated(data: Data, score: Score, cut: int) -> float:
    controls = [score(w, cut) for w in data.of("calibration", 0)]
    return float(
        np.mean([auc([score(w, cut) for w in data.of("calibration", r)], controls).value for r in LEVELS if r < 256])
    )


def _figures(data: Data, score: Score, cut: int) -> dict[str, Any]:
    """Figures of the test half at one cut, by level; level 0 ranks test controls among those of the other half."""
    controls = [score(w, cut) for w in data.of("test", 0)]
    others = [score(w, cut) for w in data.of("calibration", 0)]
    rows: dict[str, Any] = {"0": _row(controls, others)}
    for repetitions in LEVELS:
        rows[str(repetitions)] = _row([score(w, cut) for w in data.of("test", repetitions)], controls)
    return rows


def _row(values: Sequence[float], controls: Sequence[float]) -> dict[str, Any]:
    n = len(values)
    threshold = sorted(controls, reverse=True)[math.floor(FALSE_POSITIVES * len(controls))]
    hits = sum(v > threshold for v in values)
    flagged = sum(rank_p(extreme(v, controls, Better.HIGHER), len(controls)) <= RANK for v in values)
    return {
        "n": n,
        "controls": len(controls),
        **area(values, controls),
        "tpr_at_fpr01": hits / n,
        "tpr_at_fpr01_interval": list(clopper_pearson(hits, n)),
        "share_p01": flagged / n,
        "share_p01_interval": list(clopper_pearson(flagged, n)),
        "median": float(np.median(values)),
    }


def area(values: Sequence[float], controls: Sequence[float]) -> dict[str, Any]:
    """Probability that a work scores above a control, ties counting half, with its 95 % interval."""
    found = auc(values, controls)
    return {"auc": found.value, "auc_interval": [found.low, found.high]}


def _load(path: Path) -> dict[str, dict[str, Any]]:
    return {row["work"]: row for row in journal.rows(path)}


def main() -> None:
    """Collect what is missing, analyse, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="where raw rows are kept; a second run resumes")
    parser.add_argument("--out", type=Path, default=Path("samples/reference/ladder-study.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--regeneration", action="store_true", help="draw pictures of the test half too, by both twins")
    args = parser.parse_args()
    reference = samples() / "reference"
    works = ladder_rows.study_works(reference)
    chosen = device.choose(args.device, "auto")
    twins = {name: diffusion.identify(str(reference / f"twin-{name}"), demonstration=True) for name in "ab"}
    with device.session(chosen):
        paths = {name: ladder_rows.collect(twin, works, args.work, chosen) for name, twin in twins.items()}
        pictures = _load(ladder_rows.collect_pictures(works, twins["a"], args.work, chosen))
        tuned_on = diffusion.identify(str(reference / "twin-b"), demonstration=True, lora=str(reference / "finetune"))
        # A work of the fine-tune is ranked among as many controls as an examination uses.
        among = [w for w in works if w.role == "control" and w.half == "test"][
            : protocols.PROFILES["standard"].controls
        ]
        creator = [w for w in works if w.half == "none"]
        tuned = _load(ladder_rows.collect(tuned_on, [*creator, *among], args.work, chosen))
        copies = descriptor.open_descriptor(None, chosen)
        if isinstance(copies, Absent):
            parser.error(copies.reason)
        generated = ladder_regeneration.among(works)
        needed = {"a": [w for w in generated if w.half == "calibration"]}
        if args.regeneration:
            # What twin B gives of the planted works of the calibration half enters no figure.
            needed = {"a": [*generated], "b": [w for w in generated if w.half == "test" or w.role == "control"]}
        drawn = {
            name: _load(ladder_regeneration.collect(twin, needed[name], args.work, chosen, copies))
            for name, twin in twins.items()
            if name in needed
        }
    here, there = _load(paths["a"]), _load(paths["b"])
    trained = Data(works, here, there, pictures)
    turned = Data(works, there, here, pictures)
    under_a, under_b = study(trained, trained), study(turned, trained)
    as_examined, without = examined(trained), examined(turned)
    against = under_a[AGAINST]["cut_noise_over_signal"]
    cut = min(range(STUDY_GRID.levels), key=lambda i: abs(next(iter(here.values()))["sigmas"][i] - against))
    result = {
        "command": "python -m tests.studies.ladder_study --work DIR" + " --regeneration" * args.regeneration,
        "protocol_version": protocols.VERSION,
        "checkpoints": {f"twin_{name}": twin.digest for name, twin in twins.items()} | {"finetune": tuned_on.digest},
        "grid": {"levels": STUDY_GRID.levels, "finest": STUDY_GRID.cut, "draws": STUDY_GRID.draws},
        "halves": "cut chosen on calibration; figures on test; disjoint by family",
        "cost_evaluations": sum(
            row["evaluations"] for found in (here, there, tuned, *drawn.values()) for row in found.values()
        ),
        "choice": choice(trained, drawn["a"]),
        "as_examined": {name: {**as_examined[name], "twin_b": without[name]} for name in as_examined},
        "same_creator": of_one_hand(trained),
        "finetune": finetuned(Data(works, tuned, there, pictures), cut),
        "measurements": {name: {**under_a[name], "twin_b": under_b[name]} for name in under_a},
    }
    if args.regeneration:
        seeds = {"seeds": ladder_regeneration.PROTOCOL.seeds}
        result["regeneration"] = seeds | {f"twin_{name}": regenerated(works, rows) for name, rows in drawn.items()}
    args.out.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    print(table(result))


def table(result: Mapping[str, Any]) -> str:
    """The result as a table in Markdown: AUC and share at p <= 0.01 by level, and the same works under twin B."""
    heads = ["measurement", "cut", *(f"{level}×" for level in ("0", *LEVELS)), "twin B, worst level"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, row in result["measurements"].items():
        cells = [f"{row['levels'][str(x)]['auc']:.3f} / {row['levels'][str(x)]['share_p01']:.2f}" for x in (0, *LEVELS)]
        b = row["twin_b"]["levels"]
        worst = max((b[str(x)]["share_p01"] for x in LEVELS), default=0.0)
        lines.append("| " + " | ".join([name, f"{row['cut_noise_over_signal']:.2f}", *cells, f"{worst:.2f}"]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
