"""The one tree of errors a user can meet: what happened, what to do about it, and the exit code.

Foreign exceptions are converted at the seam where they enter (`raise ... from exc`); a raw `ValueError` that reaches
the terminal is a bug. Exit code 0 means that a report was written, whatever it finds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from forensics.path_names import printable


class ExitCode(IntEnum):
    """Process exit codes; documented in docs/programs.md and stable from release to release."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    IMAGE = 3
    CHECKPOINT = 4
    INDEX = 5
    WEIGHTS = 6
    MEMORY = 7
    VERIFICATION = 8
    CASE = 9
    CONTROLS = 10
    RENDERING = 11
    DEVICE = 12
    ADDED = 13
    RERUN = 14
    INTERRUPTED = 130


class ForensicsError(Exception):
    """Base of all errors meant for the user. `message` says what happened to which thing, `hint` what to do next."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = printable(message)  # messages name files, and a name need not be text
        self.hint = printable(hint)


class SettingsError(ForensicsError):
    """A flag, a case file or a protocol value that cannot be used."""

    exit_code = ExitCode.USAGE


class ImageError(ForensicsError):
    """An image file that cannot be decoded safely and completely."""

    exit_code = ExitCode.IMAGE


class CheckpointError(ForensicsError):
    """A checkpoint that is missing, unsafe, damaged or of a family not supported."""

    exit_code = ExitCode.CHECKPOINT


class IndexError_(ForensicsError):
    """A training index that is missing, damaged or not searchable with the embedder at hand."""

    exit_code = ExitCode.INDEX


class WeightsError(ForensicsError):
    """Auxiliary weights (CLIP, LPIPS trunk) that are absent or differ from their pinned digest."""

    exit_code = ExitCode.WEIGHTS


class OutOfMemoryError(ForensicsError):
    """The device or the machine ran out of memory."""

    exit_code = ExitCode.MEMORY


class VerificationError(ForensicsError):
    """A case folder whose contents differ from its manifest, or whose custody chain is broken."""

    exit_code = ExitCode.VERIFICATION


class AddedError(VerificationError):
    """A case folder that is sound in all its parts and holds files that a system or a syncing program added."""

    exit_code = ExitCode.ADDED


class CaseError(ForensicsError):
    """A case folder that exists already, cannot be written, or cannot be read."""

    exit_code = ExitCode.CASE


class ControlsError(ForensicsError):
    """Control works that cannot be used, for instance without a stated ground for exclusion."""

    exit_code = ExitCode.CONTROLS


class RenderingError(ForensicsError):
    """The report could not be rendered completely; an incomplete report is never written."""

    exit_code = ExitCode.RENDERING


class DeviceError(ForensicsError):
    """The device or precision asked for is not to be had on this machine."""

    exit_code = ExitCode.DEVICE


class RerunError(ForensicsError):
    """A case whose measurements, repeated, are not the ones that it states."""

    exit_code = ExitCode.RERUN
