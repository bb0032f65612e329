"""Put the measured figures into the model card: `card` rewrites what stands between its marks, and nothing else.

Every number comes from `runs/*.figures.json`, `ladder-study.json` and `ledger-study.json`, which the measuring commands
wrote. A figure that was not measured is said to be so.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.stats import betabinom

from forensics.case.statistic import titled
from forensics.statistics.ranks import clopper_pearson
from samples.recipe.evaluate import THRESHOLDS
from tests.studies import ladder_ledger
from tests.studies.ladder_ledger import markdown

Figures = dict[str, Any]
LEVELS = ("256", "64", "16", "4", "1", "0")
ABSENT = "*Not measured yet.*"
CODELENGTHS = ("share that the caption saves", "share saved against the control checkpoint, with caption")
"""Rows of the ladder study that an examination measures too."""


def share(value: float) -> str:
    """A rate with two decimals; a plain 0 only where nothing was found."""
    return "0" if value == 0 else f"{value:.2f}" if value >= 0.005 else f"{value:.4f}"


def interval(low: float, high: float) -> str:
    """Both ends of an interval."""
    return f"{low:.2f} to {high:.2f}"


def autoencoder(found: dict[str, Figures]) -> str:
    """PSNR, LPIPS and tiled distance of the autoencoder; retrieval of the open_clip model."""
    vae, clip = found["autoencoder"], found["clip"]
    recall = ", ".join(f"{100 * clip[f'R@{k}']:.1f} %" for k in (1, 5, 10))
    chance = ", ".join(f"{100 * clip[f'R@{k}_chance']:.2f} %" for k in (1, 5, 10))
    psnr = ", ".join(f"{vae[f'psnr_{name}_db']:.1f}" for name in ("mean", "median", "5_percent"))
    tiles = ", ".join(f"{vae[f'tiled_distance_{name}']:.2f}" for name in ("median", "95_percent"))
    rows = [
        [f"autoencoder, {vae['controls']} controls: PSNR mean, median, 5th percentile", f"{psnr} dB", "26 dB (mean)"],
        ["autoencoder: LPIPS-alex mean", f"{vae['lpips_mean']:.3f}", ""],
        ["autoencoder: tiled distance median, 95th percentile", tiles, ""],
        [f"open_clip, image to caption, {clip['works']} held-out works: R@1, R@5, R@10", recall, f"chance {chance}"],
    ]
    return markdown(["figure", "value", "aim or chance"], rows)


def regeneration(found: dict[str, Figures]) -> str:
    """Near-copies of both twins by level of repetition."""
    parts = []
    for twin in ("a", "b"):
        figures = found.get(f"twin-{twin}", {})
        if "descriptor_bound" not in figures:
            parts.append(f"Twin {twin.upper()}: {ABSENT}")
            continue
        parts.append(
            f"Twin {twin.upper()}: {figures['seeds']} seeds a work, {figures['steps']} steps, guidance "
            f"{figures['guidance']:g}, {figures['precision']}; bound of the copy descriptor "
            f"{figures['descriptor_bound']:.3f}."
        )
        rows = []
        for level in LEVELS:
            values = figures["levels"][level]
            rates = [values["tiled"][str(t)] for t in THRESHOLDS]
            middle = values["tiled"][str(THRESHOLDS[1])]
            rows.append(
                [
                    "control" if level == "0" else level,
                    str(values["works"]),
                    ", ".join(share(values["autoencoder"][str(t)]) for t in THRESHOLDS),
                    *(f"{share(rate['rate'])} ({interval(*rate['interval'])})" for rate in rates),
                    ", ".join(share(values["tiled_and_descriptor"][str(t)]["rate"]) for t in THRESHOLDS),
                    share(values["descriptor"]["rate"]),
                    str(middle["works_with_any"]),
                    f"{middle['works_with_half']} ({interval(*middle['works_with_half_interval'])})",
                    f"{values['distance_median']:.2f}",
                ]
            )
        head = [
            "repetitions",
            "works",
            "autoencoder alone, within 0.10, 0.15, 0.20",
            "rate at 0.10 (95 % over works)",
            "rate at 0.15",
            "rate at 0.20",
            "the three with the descriptor too",
            "descriptor alone",
            "works with any at 0.15",
            "works with half or more at 0.15 (95 %)",
            "median distance",
        ]
        parts.append(markdown(head, rows))
    return "\n\n".join(parts)


def captions(found: dict[str, Figures]) -> str:
    """Pictures for control captions."""
    rows = []
    for twin in ("a", "b"):
        values = found.get(f"twin-{twin}", {}).get("control_captions")
        if values:
            recall = ", ".join(f"{100 * values[f'R@{k}']:.1f} %" for k in (1, 5, 10))
            chance = ", ".join(f"{100 * values[f'R@{k}_chance']:.1f} %" for k in (1, 5, 10))
            copies, count = values["near_copies_of_a_training_work"], values["captions"]
            rows.append(
                [
                    twin.upper(),
                    str(count),
                    recall,
                    chance,
                    f"{values['nearest_training_cosine_median']:.2f}",
                    f"{values['nearest_training_tiled_median']:.2f}",
                    f"{copies} ({interval(*clopper_pearson(copies, count))})",
                ]
            )
    head = [
        "twin",
        "captions",
        "R@1, R@5, R@10",
        "chance",
        "nearest training or planted work: median cosine",
        "its median tiled distance",
        "near-copies of it (share, 95 %)",
    ]
    return markdown(head, rows) if rows else ABSENT


def copies(found: dict[str, Figures]) -> str:
    """Recall of edited copies at no false positive, for every measure."""
    figures = found.get("copies")
    if not figures:
        return ABSENT
    names = list(next(iter(figures["edits"].values())))
    rows, pairs = [], set()
    for edit, measures in figures["edits"].items():
        cells = [edit]
        for name in names:
            value = measures[name]
            if isinstance(value, str):
                cells.append(value)
                continue
            pairs.add((value["unrelated"]["pairs"], value["same_creator"]["pairs"]))
            cells.append(f"{share(value['unrelated']['recall'])} / {share(value['same_creator']['recall'])}")
        rows.append(cells)
    ((unrelated, same),) = pairs
    said = f"{figures['works']} works, {unrelated:,} unrelated pairs, {same:,} pairs of one creator."
    return f"{said}\n\n{markdown(['edit', *names], rows)}"


def finetune(found: dict[str, Figures]) -> str:
    """Near-copies of the fine-tune's works, with and without the LoRA."""
    figures = found.get("finetune")
    if not figures:
        return ABSENT
    rows = []
    for name, said in (("twin_b", "twin B"), ("twin_b_with_lora", "twin B with the LoRA")):
        for group, works in (
            ("finetune", "works it was tuned on"),
            ("same_creator_unseen", "unseen works, same creator"),
        ):
            values = figures[name][group]
            rates = [share(values["near_copy_rate"][str(t)]) for t in THRESHOLDS]
            some = values["works_with_a_near_copy"][str(THRESHOLDS[-1])]
            any_ = f"{some} ({interval(*clopper_pearson(some, values['works']))})"
            rows.append([said, works, str(values["works"]), *rates, any_, f"{values['distance_median']:.2f}"])
    head = [
        "model",
        "prompted with the captions of",
        "works",
        *(f"rate at {t:.2f}" for t in THRESHOLDS),
        f"works with any at {THRESHOLDS[-1]:.2f} (share, 95 %)",
        "median distance",
    ]
    return f"{figures['seeds']} seeds a work, {figures['steps']} steps.\n\n{markdown(head, rows)}"


def twins(found: dict[str, Figures]) -> str:
    """What differs between the runs."""
    figures = found.get("twins")
    if not figures:
        return ABSENT
    return (
        f"Of {figures['fields_compared']} fields of the run manifests these differ: "
        f"{', '.join(f'`{name}`' for name in figures['fields_that_differ'])}. Of {figures['slots']:,} slots "
        f"{figures['slots_that_differ']:,} differ, and each of them holds a planted work for twin A and a training "
        f"work for twin B; slots that differ in any other way: {figures['slots_that_may_not']}."
    )


def false_flags(levels: list[Figures], twin: str) -> str:
    """Planted works flagged under the twin that never saw them, and how often chance flags as many or more.

    All are ranked among the same controls, so that the share below p <= 0.01 is itself drawn, from a beta distribution.
    """
    if twin != "twin_b":
        return ""
    flagged, works = sum(round(x["share_p01"] * x["n"]) for x in levels), sum(x["n"] for x in levels)
    controls = levels[0]["controls"]
    above = int(0.01 * (controls + 1))
    chance = float(betabinom(works, above, controls + 1 - above).sf(flagged - 1))
    return f"{flagged} of {works} ({chance:.2f})"


def ladder(found: dict[str, Figures]) -> str:
    """Planted works told from controls, by codelength and by the pictures of a few seeds."""
    study = found.get("ladder-study")
    if not study:
        return ABSENT
    measured = {
        f"codelength, {name}, {said}": {"twin_a": study[part][name], "twin_b": study[part][name]["twin_b"]}
        for part, said in (("as_examined", "cut of an examination"), ("measurements", "cut chosen anew"))
        for name in CODELENGTHS
    }
    drawn = study.get("regeneration", {"twin_a": {}})
    for name in drawn["twin_a"]:
        measured[name] = {twin: {"levels": drawn[twin][name]} for twin in ("twin_a", "twin_b")}
    rows, order = [], LEVELS[::-1]
    for name, of in measured.items():
        for twin, row in of.items():
            levels = [row["levels"][level] for level in order]
            cells = [f"{level['auc']:.3f}, {share(level['share_p01'])}" for level in levels]
            rows.append(
                [titled(name), twin[-1].upper(), str(levels[1]["controls"]), *cells, false_flags(levels[1:], twin)]
            )
    works = ", ".join(str(next(iter(measured.values()))["twin_a"]["levels"][x]["n"]) for x in order[1:])
    head = [
        "measurement",
        "twin",
        "ranked among",
        "controls",
        *(f"{level}×" for level in order[1:]),
        "false flags (chance of so many)",
    ]
    return f"Works at 1, 4, 16, 64, 256 repetitions: {works}.\n\n{markdown(head, rows)}"


def hand(found: dict[str, Figures]) -> str:
    """Works that no twin saw, by whether twin A remembers other works of their creator."""
    levels = found.get("ladder-study", {}).get("same_creator")
    if not levels:
        return ABSENT
    rows = []
    for least, name in ((least, name) for least in levels for name in CODELENGTHS):
        groups, cells = levels[least][name], []
        for group in ("creator_planted", "other_creators"):
            row = groups[group]
            flagged = round(row["share_p01"] * row["n"])
            cells.append(f"{flagged} of {row['n']} ({interval(*clopper_pearson(flagged, row['n']))})")
        rows.append([least, name, *cells, f"{groups['auc']:.2f} ({interval(*groups['auc_interval'])})"])
    head = [
        "remembered from",
        "measurement",
        "flagged, creator has remembered works",
        "flagged, other creators",
        "area between the two (95 %)",
    ]
    return markdown(head, rows)


def ledgers(found: dict[str, Figures]) -> str:
    """What was supplied and what came back, for works of known status, beside ordinary codecs."""
    study = found.get("ledger-study")
    if not study:
        return ABSENT
    return f"{ladder_ledger.table(study)}\n\n{ladder_ledger.curves(study)}"


LINES = (
    ("twin-a", "v_training", "twin A, training works", "#0072b2", ""),
    ("twin-a", "v_planted", "twin A, planted works", "#d55e00", ""),
    ("twin-b", "v_training", "twin B, training works", "#0072b2", "5 4"),
)
"""Run, value of its log, words, colour, dashes of the lines that `curves` draws."""


def curves(runs: Path) -> str:
    """The training curves of the twins as SVG: error on v against the step, as logged."""
    width, height, left, bottom, top = 640, 300, 50, 40, 0.8
    series = []
    for name, key, said, colour, dashes in LINES:
        rows = [json.loads(line) for line in (runs / f"{name}.log.jsonl").read_text(encoding="utf-8").splitlines()]
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        series.append((points, said, colour, dashes))
    last = max(step for points, *_ in series for step, _ in points)

    def place(step: float, value: float) -> tuple[float, float]:
        across = left + (width - left - 10) * step / last
        return across, (height - bottom) * (1 - min(value, top) / top) + 5

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12"><title>Error of the twins on v during training</title>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for value in (0.0, 0.2, 0.4, 0.6, 0.8):
        x, y = place(0, value)
        parts.append(
            f'<path d="M{x:.0f} {y:.1f}H{width - 10}" stroke="#ddd"/><text x="14" y="{y + 4:.1f}">{value}</text>'
        )
    for step in range(0, last + 1, 500):
        x, y = place(step, 0)
        parts.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{step}</text>')
    parts.append(f'<text x="{width - 10}" y="{height - 4}" text-anchor="end">step</text>')
    for number, (points, said, colour, dashes) in enumerate(series):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        style = f'fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"'
        y = 20 + 18 * number
        parts.append(f'<polyline points="{line}" {style}/>')
        parts.append(f'<path d="M400 {y}H440" {style}/><text x="448" y="{y + 4}">{said}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


PARTS: dict[str, Callable[[dict[str, Figures]], str]] = {
    "autoencoder": autoencoder,
    "twins": twins,
    "regeneration": regeneration,
    "captions": captions,
    "copies": copies,
    "finetune": finetune,
    "ladder": ladder,
    "hand": hand,
    "ledgers": ledgers,
}


def fill(text: str, found: dict[str, Figures]) -> str:
    """The card with every part between its marks written anew.

    Raises:
        SystemExit: a mark of the table above is missing.
    """
    for name, write in PARTS.items():
        match = re.search(rf"<!-- figures: {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
        if match is None or "<!-- figures:" in match[1]:
            raise SystemExit(f"the card has no place for {name!r}")
        text = f"{text[: match.start(1)]}{write(found)}\n{text[match.end(1) :]}"
    return text


def figures(samples: Path) -> dict[str, Figures]:
    """Every file of figures, by its name."""
    studies = (samples / f"{name}-study.json" for name in ("ladder", "ledger"))
    paths = (*sorted((samples / "runs").glob("*.figures.json")), *studies)
    return {
        path.name.removesuffix(".json").removesuffix(".figures"): json.loads(path.read_text(encoding="utf-8"))
        for path in paths
        if path.exists()
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `card`."""
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))


def run(args: argparse.Namespace) -> None:
    """Read the figures, rewrite the card, draw the curves."""
    found = figures(args.samples)
    card = args.samples / "README.md"
    card.write_text(fill(card.read_text(encoding="utf-8"), found), encoding="utf-8")
    (args.samples / "runs" / "curves.svg").write_text(curves(args.samples / "runs"), encoding="utf-8")
    print(f"{card}: {', '.join(found)}")
