"""Will these controls serve? Said before hours are spent on them, from the files alone and without any model.

Controls decide how small a p can be and what it means. The best there are were made by the same hand after the
checkpoint was published: alike in everything but that they cannot have been trained on.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from forensics.case import Checkpoint, Fact
from forensics.controls.works import Controls, made_on
from forensics.embedders.copies import CopyDescriptor
from forensics.pictures import bounded
from forensics.pictures.tensors import reduced, resize, to_tensor
from forensics.protocol import PROFILES, Protocol
from forensics.stages import domain
from forensics.stages.distinct import THUMBNAIL
from forensics.stages.works import same_picture
from forensics.statistics import blind

BEST = (
    "The best controls are works by the same hand, in the same manner, made after the checkpoint was published: "
    "nothing but the training sets them apart from the work in question."
)
_LOOK = 512
"""Side of the square that pictures are brought down to before a classifier sees them: sizes are told apart anyway."""
_TAIL = 0.05
"""Share of the controls on one side below which the picture under examination counts as unlike them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a set of controls."""

    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    """What stands against using them as they are, each with what to do."""


@dataclass(slots=True)
class _Found:
    facts: list[Fact] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Like:
    """Works of the kind in question, with their captions: what a set of controls ought to look like."""

    pictures: Sequence[Image.Image]
    captions: Sequence[str]


def check(
    controls: Controls,
    image: Path | None = None,
    published: dt.date | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    like: Like | None = None,
    copies: CopyDescriptor | None = None,
) -> Checked:
    """Number, repeats, sizes, complexity and dates of a set of controls, and where a picture lies among them.

    Args:
        image: the picture under examination.
        published: when the checkpoint was published; a control dated before it may have been trained on.
        checkpoint: the checkpoint to be examined: controls with fewer pixels than it works with are counted.
        like: works of the kind in question; a classifier that never sees a checkpoint tries to tell the two sets apart.
        copies: gives the classifier more to see than size, complexity and white.

    Raises:
        ImageError: the image, or a control, does not decode.
    """
    found, pictures = _Found(), [bounded.read(work.path).picture for work in controls.works]
    found.facts.append(Fact("grounds", controls.grounds))
    distinct = _distinct(controls, pictures, found)
    _smallest_p(len(distinct), found)
    looks = [domain.properties(to_tensor(picture)) for picture in distinct]
    own = domain.properties(to_tensor(bounded.read(image).picture)) if image is not None else None
    for name in looks[0]:
        _spread(name, [look[name] for look in looks], None if own is None else own[name], found)
    _dates(controls, published, found)
    if checkpoint is not None:
        _sizes(distinct, checkpoint, found)
    if like is not None:
        _blind(distinct, [work.caption for work in controls.works], like, copies, found)
    if lacking := sum(not work.caption for work in controls.works):
        found.warnings.append(
            f"{lacking} of {len(controls.works)} works without a caption: retention from a prompt can only be ranked "
            "where every control has one. Add the column caption."
        )
    return Checked(tuple(found.facts), tuple(found.warnings))


def _sizes(pictures: Sequence[Image.Image], checkpoint: Checkpoint, found: _Found) -> None:
    """Against the size that the checkpoint works with: what is smaller is enlarged, and enlarging invents pixels."""
    side = checkpoint.native_px
    small = sum(picture.width * picture.height < side * side for picture in pictures)
    found.facts.append(Fact("size of the checkpoint", f"{side} pixels; {small} of {len(pictures)} works are smaller"))
    if small:
        found.warnings.append(
            f"{small} of {len(pictures)} works: fewer pixels than the {side}² that {checkpoint.name} works with, so "
            "that they are enlarged for it. Bring larger files, or leave those works out where the work in question is "
            "larger."
        )


def _blind(
    pictures: Sequence[Image.Image],
    captions: Sequence[str],
    like: Like,
    copies: CopyDescriptor | None,
    found: _Found,
) -> None:
    """Whether the sets are told apart by their pictures or by their captions alone."""
    sides = (
        ("pictures alone", _looks(like.pictures, copies), _looks(pictures, copies)),
        ("captions alone", like.captions, captions),
    )
    for name, first, second in sides:
        if isinstance(first, np.ndarray):
            both = blind.standard(np.vstack([first, second]))
        else:
            both = blind.words([*first, *second])
        told = blind.told(f"their {name}", both[: len(first)], both[len(first) :])
        if told is None:
            found.facts.append(Fact(f"told apart by {name}", f"not tried: it takes {blind.LEAST} works of each kind"))
            continue
        area = f"{told.auc.value:.2f} (95 % interval {told.auc.low:.2f} to {told.auc.high:.2f})"
        found.facts.append(
            Fact(
                f"told apart by {told.inputs.removeprefix('their ')}",
                f"area under the curve {area}, limit {told.limit:.2f}",
            )
        )
        if told.exceeded:
            found.warnings.append(
                f"A classifier that never saw the checkpoint {told.what}; the limit is {told.limit:.2f}. What the "
                "checkpoint then shows may be such a difference. Bring controls that are like the works."
            )


def _looks(pictures: Sequence[Image.Image], copies: CopyDescriptor | None) -> NDArray[np.float64]:
    """(n, d): complexity, white and, where it is at hand, the copy descriptor, of pictures brought to one size."""
    rows = []
    for picture in pictures:
        pixels = reduced(to_tensor(picture), _LOOK)
        row = [value for name, value in domain.properties(pixels).items() if name != domain.SIDE]
        rows.append(row if copies is None else [*row, *copies.embed(pixels)[0].tolist()])
    return np.array(rows, dtype=np.float64)


def _distinct(controls: Controls, pictures: Sequence[Image.Image], found: _Found) -> list[Image.Image]:
    """The pictures that are not another rendering of one before them."""
    small: list[Tensor] = []
    kept: list[Image.Image] = []
    repeats: list[str] = []
    for work, picture in zip(controls.works, pictures, strict=True):
        thumbnail = resize(to_tensor(picture), THUMBNAIL, THUMBNAIL)
        if any(same_picture(thumbnail, other) for other in small):
            repeats.append(work.name)
            continue
        small.append(thumbnail)
        kept.append(picture)
    found.facts.append(Fact("works", f"{len(pictures)}, {len(kept)} of them distinct pictures"))
    if repeats:
        named = ", ".join(repeats[:3]) + (" and others" if len(repeats) > 3 else "")
        what = "work repeats another one and counts" if len(repeats) == 1 else "works repeat another one and count"
        found.warnings.append(f"{len(repeats)} {what} once: {named}. Bring other works instead.")
    return kept


def _smallest_p(count: int, found: _Found) -> None:
    for name in ("quick", "standard"):
        protocol: Protocol = PROFILES[name]
        used = min(count, protocol.controls)
        found.facts.append(Fact(f"smallest p, profile {name}", f"{1 / (used + 1):.3g}, from {used} controls"))
    protocol = PROFILES["standard"]
    needed = math.ceil(protocol.announce_least / protocol.rank_level) - 1
    if count < needed:
        found.warnings.append(
            f"With {count} distinct controls nothing can be announced at the level of {protocol.rank_level:g}: that "
            f"takes {needed}. Add {needed - count}; {protocol.control_pool} let the program choose those of like "
            "complexity."
        )


def _spread(name: str, values: Sequence[float], own: float | None, found: _Found) -> None:
    ordered = sorted(values)
    said = f"{ordered[0]:.3g} to {ordered[-1]:.3g}, median {statistics.median(ordered):.3g}"
    if own is None:
        found.facts.append(Fact(name, said))
        return
    found.facts.append(Fact(name, f"{said}; the picture {own:.3g}"))
    below, above = (sum(v <= own for v in ordered) / len(ordered), sum(v >= own for v in ordered) / len(ordered))
    if min(below, above) < _TAIL:
        found.warnings.append(
            f"The picture is unlike the controls: {name} is {own:.3g}, and of the controls "
            f"{min(below, above):.0%} lie as far out. Add works like it."
        )


def _dates(controls: Controls, published: dt.date | None, found: _Found) -> None:
    dated = {work.name: work.date or made_on(work.path) for work in controls.works}
    known = sorted(date for date in dated.values() if date is not None)
    if not known:
        found.facts.append(Fact("dates", "none is stated, neither in the table nor in the files"))
        return
    found.facts.append(Fact("dates", f"{known[0]} to {known[-1]}, stated for {len(known)} of {len(dated)} works"))
    if published is None:
        return
    early = [name for name, date in dated.items() if date is not None and date <= published]
    if early:
        found.warnings.append(
            f"{len(early)} {'work is' if len(early) == 1 else 'works are'} dated {published} or before, when the "
            f"checkpoint was published, and may have been trained on: {', '.join(early[:3])}. Leave such works out, or "
            "state another ground."
        )


def table(folder: Path, ground: str, published: dt.date | None) -> list[dict[str, str]]:
    """A row for every picture of a folder: file, ground, caption and date.

    A ground is written where it is known: the one given for all, or that the file is dated after the checkpoint was
    published. Where neither holds it stays empty, for a person to state or to leave the work out.
    """
    rows = []
    for path in _pictures(folder):
        date = made_on(path)
        later = date is not None and published is not None and date > published
        own = f"Dated {date} by the file, after the checkpoint was published on {published}." if later else ""
        side = path.with_suffix(".txt")
        caption = side.read_text(encoding="utf-8", errors="replace").strip() if side.is_file() else ""
        rows.append(
            {
                "file": path.relative_to(folder).as_posix(),
                "ground": ground or own,
                "caption": " ".join(caption.split()),
                "date": str(date or ""),
            }
        )
    return rows


def _pictures(folder: Path) -> Iterable[Path]:
    known = Image.registered_extensions()
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in known)
