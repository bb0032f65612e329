"""Works under examination, as every stage sees them: an id, a tensor, a caption."""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from PIL import Image
from torch import Tensor

from forensics import foreign
from forensics.case import Absent, Checkpoint, Complexity, ControlFacts, ControlScore, FileDigest
from forensics.controls import works as control_works
from forensics.controls.works import Controls
from forensics.embedders.copies import CopyDescriptor
from forensics.pictures import bounded, codecs
from forensics.pictures.tensors import reduced, resize, to_picture, to_tensor
from forensics.protocol import Protocol
from forensics.resources import samples
from forensics.settings import Settings
from forensics.stages.distinct import SAME_THUMBNAIL, THUMBNAIL, Distinct

_BACKGROUND = 99
"""Unrelated works that a descriptor is normalised with where there are no controls."""
_COMPLEXITY_SIDE = 64
"""Pictures are brought down to so many pixels squared before their complexity is taken, whatever size they came in:
bits a pixel depend on the size, and fine noise of a format is no content."""
_LOOKED_THROUGH = 64 * foreign.MIB
"""Files of control works, all together, that are decoded only to foretell which of them will be chosen."""
_MEASURED = f"{codecs.COMPLEXITY_SENTENCE}, each brought down to {_COMPLEXITY_SIDE}² pixels, in octaves"


@dataclass(frozen=True, slots=True)
class Work:
    """One picture that is put through the search."""

    id: str
    """Exhibit id, or the file name of a control."""
    pixels: Tensor
    """(1, 3, H, W) in [0, 1]."""
    caption: str
    """Empty where none is known."""
    reduced_to: str = ""
    """Size it was brought to for the examination, as `WxH`; empty where it is as received."""

    @classmethod
    def of(cls, work_id: str, picture: Image.Image, caption: str = "") -> Work:
        """The work for an upright RGB picture."""
        return cls(work_id, to_tensor(picture), caption)

    def at(self, side: int) -> Work:
        """The work at no more than side² pixels: itself where it is no larger."""
        small = reduced(self.pixels, side)
        if small is self.pixels:
            return self
        return replace(self, pixels=small, reduced_to=f"{small.shape[-1]}x{small.shape[-2]}")


def common_side(work: Work, native_px: int) -> int:
    """Side of the square, in pixels, that every picture of the examination is brought down to: the checkpoint's own,
    or the disputed image's where that is smaller, so that nothing is compared with what an enlargement invented."""
    height, width = work.pixels.shape[-2:]
    return min(native_px, max(1, round(math.sqrt(height * width))))


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The control works in use; none, with the reason, where there are none."""

    facts: ControlFacts | Absent
    works: tuple[Work, ...] = ()
    digests: tuple[str, ...] = ()
    """SHA-256 of each work's file, in the order of the works."""
    drawn: tuple[int, ...] = ()
    """Positions of the works in the order in which they were drawn: searches that cost most run on the first ones."""
    dates: tuple[dt.date | None, ...] = ()
    """When each work was made, as the table of controls or its file states; in the order of the works."""

    def at(self, side: int) -> ControlGroup:
        """The same works at no more than side² pixels each."""
        return replace(self, works=tuple(work.at(side) for work in self.works))


def control_group(
    settings: Settings,
    checkpoint: Checkpoint,
    protocol: Protocol,
    examined: Sequence[Work],
    digests: frozenset[str],
    copies: CopyDescriptor | None = None,
) -> ControlGroup:
    """Choose the controls before anything is measured.

    Args:
        examined: the works under examination, the disputed image first; none can be a control in any rendering.
        digests: SHA-256 of their files.
        copies: tells edited copies of one control from two controls; none where no descriptor is at hand.

    Raises:
        ControlsError: the folder given cannot be used.
        ImageError: a control does not decode.
    """
    source = _source(settings, checkpoint)
    if isinstance(source, Absent):
        return ControlGroup(source)
    target = _complexity(examined[0].pixels)
    small = _small(examined)
    pool: list[tuple[FileDigest, Work]] = []
    dated: dict[str, dt.date | None] = {}
    left_out, distinct = 0, Distinct(copies)
    files = source.files()
    for candidate in source.drawn(settings.seed, digests, files):
        if len(pool) == protocol.control_pool:
            break
        file = files[candidate.name]
        data = candidate.read_as(file)  # what was hashed is what is measured
        work = Work.of(candidate.name, bounded.decode(data, candidate.name).picture, candidate.caption)
        if any(same_picture(work.pixels, other) for other in small):
            left_out += 1
        elif distinct.accept(file.sha256, work.pixels):
            pool.append((file, work))
            dated[file.path] = candidate.date or control_works.made_on(io.BytesIO(data))
    spread = [_complexity(work.pixels) for _, work in pool]
    chosen = sorted(_nearest(spread, target, protocol.controls), key=lambda i: pool[i][0].path)
    used = tuple(pool[i][0] for i in chosen)
    return ControlGroup(
        ControlFacts(
            name=source.name,
            available=len(source.works),
            used=len(chosen),
            ground=source.grounds,
            selection=(
                f"{len(pool)} works were drawn with seed {settings.seed} from the {len(source.works)} available, and "
                f"the {len(chosen)} of them nearest to the disputed image in complexity ({_MEASURED}) were used; both "
                f"before anything was measured. {left_out} drawn works were passed over because they show a picture "
                f"under examination. {distinct.repeats.said}"
            ),
            repeats=distinct.repeats.count,
            digest=control_works.combined(files),
            works=used,
            complexity=Complexity(_MEASURED, target, tuple(ControlScore(pool[i][0].path, spread[i]) for i in chosen)),
        ),
        tuple(pool[i][1] for i in chosen),
        tuple(file.sha256 for file in used),
        tuple(sorted(range(len(chosen)), key=lambda position: chosen[position])),
        tuple(dated[file.path] for file in used),
    )


def _complexity(pixels: Tensor) -> float:
    return codecs.complexity(to_picture(reduced(pixels, _COMPLEXITY_SIDE)))


def _nearest(complexities: Sequence[float], target: float, count: int) -> list[int]:
    """Positions of so many works nearest to the target, in octaves, so that another size or format of one picture
    chooses the same controls; ties go to those that come first."""
    wanted = round(math.log2(target))
    return sorted(range(len(complexities)), key=lambda i: abs(round(math.log2(complexities[i])) - wanted))[:count]


def expected(
    settings: Settings, checkpoint: Checkpoint, protocol: Protocol, disputed: Work, digests: frozenset[str]
) -> dict[str, float]:
    """SHA-256 of each control work that `control_group` may choose -> how likely it will.

    1 for those nearest in complexity; controls that show a picture under examination, or what another shows, are not
    told apart here. Where the files are large all drawn ones have an equal chance: to decode them takes minutes, and
    that only to say how many minutes the rest will take.

    Raises:
        ControlsError, ImageError: as `control_group`.
    """
    source = _source(settings, checkpoint)
    if isinstance(source, Absent):
        return {}
    files = source.files()
    drawn = list(islice(source.drawn(settings.seed, digests, files), protocol.control_pool))
    named = [files[candidate.name] for candidate in drawn]
    if sum(file.size_bytes for file in named) > _LOOKED_THROUGH:
        return {file.sha256: min(1.0, protocol.controls / len(named)) for file in named}
    pictures = (bounded.decode(one.read_as(file), one.name).picture for one, file in zip(drawn, named, strict=True))
    spread = [_complexity(to_tensor(picture)) for picture in pictures]
    return {named[i].sha256: 1.0 for i in _nearest(spread, _complexity(disputed.pixels), protocol.controls)}


def available(settings: Settings, checkpoint: Checkpoint) -> int:
    """How many control works there are to choose from; 0 where there are none. Raises ControlsError."""
    source = _source(settings, checkpoint)
    return 0 if isinstance(source, Absent) else len(source.works)


def background(settings: Settings, examined: Sequence[Work]) -> tuple[Work, ...]:
    """Works unrelated to those examined, for the normalisation of a descriptor where no controls are in use.

    The controls named, else those of the package: they are clip art, which the report says.

    Raises:
        ControlsError, ImageError: as `control_group`.
    """
    source = (
        control_works.load(Path(settings.controls))
        if settings.controls
        else control_works.embedded(samples() / "reference")
    )
    small = _small(examined)
    drawn: list[Work] = []
    for candidate in source.shuffled(settings.seed, frozenset()):
        if len(drawn) == _BACKGROUND:
            break
        work = Work.of(candidate.name, read(candidate.path), candidate.caption)
        if not any(same_picture(work.pixels, other) for other in small):
            drawn.append(work)
    return tuple(drawn)


def _small(works: Sequence[Work]) -> list[Tensor]:
    """Works as `same_picture` sees them: a large one is reduced once, not once a candidate."""
    return [resize(work.pixels, THUMBNAIL, THUMBNAIL) for work in works]


def same_picture(a: Tensor, b: Tensor) -> bool:
    """Whether two pictures (1, 3, H, W) are renderings of one: equal as thumbnails of 32 pixels but for resampling."""
    small = (resize(t, THUMBNAIL, THUMBNAIL) for t in (a, b))
    difference = next(small) - next(small)
    return float(difference.square().mean().sqrt()) <= SAME_THUMBNAIL


def read(path: Path) -> Image.Image:
    """The upright RGB picture of a file. Raises ImageError."""
    return bounded.read(path).picture


def _source(settings: Settings, checkpoint: Checkpoint) -> Controls | Absent:
    if settings.controls:
        return control_works.load(Path(settings.controls))
    if checkpoint.demonstration:
        return control_works.embedded(samples() / "reference")
    return Absent(
        "control works",
        "No control works were given, and the embedded ones are valid for the embedded checkpoint alone.",
        "Pass --controls with a folder of works that cannot have been in the training set of this checkpoint.",
    )
