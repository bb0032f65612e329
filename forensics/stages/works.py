"""Works under examination, as every stage sees them: an id, a tensor, a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from forensics import controls as control_works
from forensics import intake
from forensics.case import Absent, Checkpoint, ControlFacts
from forensics.controls import Controls, ControlWork
from forensics.images import resize, to_tensor
from forensics.protocol import Protocol
from forensics.resources import samples
from forensics.settings import Settings

_THUMBNAIL = 32
_SAME = 0.06
"""Root mean square difference, of values in [0, 1], up to which two thumbnails show one picture."""


@dataclass(frozen=True, slots=True)
class Work:
    """One picture that is put through the search."""

    id: str
    """Exhibit id, or the file name of a control."""
    pixels: Tensor
    """(1, 3, H, W) in [0, 1]."""
    caption: str
    """Empty where none is known."""

    @classmethod
    def of(cls, work_id: str, picture: Image.Image, caption: str = "") -> Work:
        """The work for an upright RGB picture."""
        return cls(work_id, to_tensor(picture), caption)


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The control works in use; none, with the reason, where there are none."""

    facts: ControlFacts | Absent
    works: tuple[Work, ...] = ()


def control_group(
    settings: Settings, checkpoint: Checkpoint, protocol: Protocol, examined: Sequence[Work], digests: frozenset[str]
) -> ControlGroup:
    """Choose the controls before anything is measured.

    Args:
        examined: the works under examination, which cannot be their own controls in any rendering.
        digests: SHA-256 of their files.

    Raises:
        ControlsError: the folder given cannot be used.
        ImageError: a control does not decode.
    """
    source = _source(settings, checkpoint)
    if isinstance(source, Absent):
        return ControlGroup(source)
    drawn: list[tuple[ControlWork, Work]] = []
    left_out = 0
    for candidate in source.shuffled(settings.seed, digests):
        if len(drawn) == protocol.controls:
            break
        work = Work.of(candidate.name, read(candidate.path), candidate.caption)
        if any(same_picture(work.pixels, other.pixels) for other in examined):
            left_out += 1
        else:
            drawn.append((candidate, work))
    drawn.sort(key=lambda pair: pair[0].name)
    return ControlGroup(
        ControlFacts(
            name=source.name,
            available=len(source.works),
            used=len(drawn),
            ground=source.grounds,
            selection=(
                f"{len(drawn)} works were drawn with seed {settings.seed} from the {len(source.works)} available, "
                f"before anything was measured. {left_out} drawn works were passed over because they show a picture "
                "under examination."
            ),
            digest=source.digest,
            works=tuple(candidate.digest() for candidate, _ in drawn),
        ),
        tuple(work for _, work in drawn),
    )


def same_picture(a: Tensor, b: Tensor) -> bool:
    """Whether two pictures (1, 3, H, W) are renderings of one: equal as thumbnails of 32 pixels but for resampling."""
    small = (resize(t, _THUMBNAIL, _THUMBNAIL) for t in (a, b))
    difference = next(small) - next(small)
    return float(difference.square().mean().sqrt()) <= _SAME


def read(path: Path) -> Image.Image:
    """The upright RGB picture of a file. Raises ImageError."""
    return intake.read(path).picture


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
