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
from forensics.controls import Controls
from forensics.images import to_tensor
from forensics.protocol import Protocol
from forensics.resources import samples
from forensics.settings import Settings


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
    settings: Settings, checkpoint: Checkpoint, protocol: Protocol, exclude: frozenset[str]
) -> ControlGroup:
    """Choose the controls before anything is measured.

    Args:
        exclude: SHA-256 of files under examination, which cannot be their own controls.

    Raises:
        ControlsError: the folder given cannot be used.
        ImageError: a control does not decode.
    """
    source = _source(settings, checkpoint)
    if isinstance(source, Absent):
        return ControlGroup(source)
    drawn = source.choose(protocol.controls, settings.seed, exclude)
    works = tuple(Work.of(work.name, read(work.path), work.caption) for work in drawn)
    return ControlGroup(
        ControlFacts(
            name=source.name,
            available=len(source.works),
            used=len(drawn),
            ground=source.grounds,
            selection=(
                f"{len(drawn)} works were drawn with seed {settings.seed} from the {len(source.works)} available, "
                "before anything was measured; files under examination were left out."
            ),
            digest=source.digest,
            works=tuple(work.digest() for work in drawn),
        ),
        works,
    )


def read(path: Path) -> Image.Image:
    """The upright RGB picture of a file. Raises ImageError."""
    return intake.read(path).picture


def stack(works: Sequence[Work]) -> list[Tensor]:
    """The pixels of the works, in order."""
    return [work.pixels for work in works]


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
