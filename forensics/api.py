"""The same examinations from Python: `from forensics import analyze, compare, open_case`.

Arguments are named as the options of the command line are, with underscores; errors are the same `ForensicsError`s,
with message, hint and exit code. What comes back is the frozen case and the folder that proves it:

    >>> from forensics import compare
    >>> found = compare("disputed.png", "work.png", out="case")  # doctest: +SKIP
    >>> found.answers[0].headline  # doctest: +SKIP
    'The disputed image corresponds throughout to the work put forward, R1.'

In a notebook a case shows its answers.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from markupsafe import Markup

from forensics import folder as case_folder
from forensics import foreign
from forensics.case import Case
from forensics.errors import ImageError, SettingsError
from forensics.events import Emit, ignore
from forensics.path_names import folder_stem
from forensics.pictures import bounded
from forensics.pictures.png import png_bytes
from forensics.report.sections.answers import Card, Thumb, cards
from forensics.settings import CALL, COMPARED, Resolved, resolve

Pathish: TypeAlias = "str | PathLike[str]"
_THUMBNAIL_PX = 160


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """A case and the folder that holds it: what was found, and what it rests on."""

    folder: Path
    case: Case
    """Everything measured and found, as `forensics schema` describes it."""

    @property
    def report(self) -> Path:
        """The PDF."""
        return self.folder / case_folder.REPORT

    @property
    def answers(self) -> tuple[Card, ...]:
        """One a question: headline, what was done with its counts, how sure, what was not shown."""
        return cards(self.case)

    def verify(self) -> None:
        """Hash everything again and follow the custody chain.

        Raises:
            VerificationError: naming the first thing that differs.
        """
        case_folder.verify(self.folder)

    def _repr_html_(self) -> str:
        shown = [
            Markup("<section><p><small>{}</small></p><h3>{}</h3>{}{}<p><small>{}</small></p></section>").format(
                card.question,
                card.headline,
                Markup("").join(map(self._thumbnail, card.thumbs)),
                Markup("").join(Markup("<p>{}</p>").format(said) for said in (*card.done, *card.sure)),
                card.not_shown,
            )
            for card in self.answers
        ]
        return str(Markup("<article>{}<p><code>{}</code></p></article>").format(Markup("").join(shown), self.report))

    def _thumbnail(self, thumb: Thumb) -> Markup:
        """An exhibit, small; nothing where the folder does not hold it any more."""
        try:
            picture = bounded.read(case_folder.stored(self.folder, thumb.picture.source)).picture
        except ImageError:
            return Markup("")
        picture.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
        data = base64.b64encode(png_bytes(picture)).decode("ascii")
        return Markup(
            '<figure style="display: inline-block; margin: 0 1em 0 0"><img src="data:image/png;base64,{}" alt="{}">'
            "<figcaption><small>{} {}</small></figcaption></figure>"
        ).format(data, thumb.picture.alt, thumb.id, thumb.said)


def open_case(folder: Pathish) -> OpenedCase:
    """A case folder made earlier, by this program or from Python.

    Raises:
        CaseError: the folder holds no case that can be read.
    """
    path = Path(folder)
    return OpenedCase(path, case_folder.load(path))


def compare(
    disputed: Pathish,
    *works: Pathish,
    out: Pathish | None = None,
    case_file: Pathish | None = None,
    force: bool = False,
    defaults: bool = True,
    emit: Emit = ignore,
    **settings: Any,
) -> OpenedCase:
    """Compare a disputed image with one or more works; no checkpoint is examined.

    Args:
        disputed: path of the disputed image.
        works: paths of the works put forward.
        out: the case folder to create; by default named after the image, in the current folder.
        case_file: a TOML file with matter, examiner and settings.
        force: keep an existing folder aside and start anew.
        defaults: whether controls and CLIP that `forensics defaults` holds for the checkpoint of the case file stand in
            for what is not given.
        emit: told of progress.
        settings: fields of `forensics.settings.Settings`, such as `clip`, `controls`, `paper`.

    Raises:
        SettingsError: there is no work, or a setting that does not exist, with the nearest name.
        ForensicsError: its subclasses say what failed, what to do and with which exit code.
    """
    from forensics import examination  # loads torch, which opening a case does not need

    resolved = _resolved(settings, case_file, remembered=COMPARED if defaults else ())
    originals = tuple(map(Path, works)) or tuple(map(Path, resolved.settings.originals))
    folder = _folder(disputed, out)
    examination.compare(Path(disputed), originals, folder, resolved, force=force, emit=emit)
    return open_case(folder)


def analyze(
    disputed: Pathish,
    *,
    out: Pathish | None = None,
    originals: Sequence[Pathish] = (),
    case_file: Pathish | None = None,
    force: bool = False,
    defaults: bool = True,
    emit: Emit = ignore,
    **settings: Any,
) -> OpenedCase:
    """Examine a disputed image against a checkpoint: by default the small one that ships, and the report says so.

    Args:
        disputed: path of the disputed image.
        out: the case folder to create; by default named after the image, in the current folder.
        originals: paths of works put forward.
        case_file: a TOML file with matter, examiner and settings.
        force: keep an existing folder aside and start anew.
        defaults: whether what `forensics defaults` holds for the checkpoint stands in for what is not given.
        emit: told of progress.
        settings: fields of `forensics.settings.Settings`, such as `checkpoint`, `control_checkpoint`, `index`,
            `controls`, `profile`, `seed`.

    Raises:
        SettingsError: a setting that does not exist, with the nearest name, or a value of the wrong kind.
        ForensicsError: its subclasses say what failed, what to do and with which exit code.
    """
    from forensics import examination

    resolved = _resolved({**settings, "originals": tuple(map(str, originals))}, case_file, remembered=defaults)
    folder = _folder(disputed, out)
    examination.analyze(Path(disputed), folder, resolved, force=force, emit=emit)
    return open_case(folder)


def _resolved(settings: dict[str, Any], case_file: Pathish | None, *, remembered: bool | Collection[str]) -> Resolved:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return resolve(given, Path(case_file) if case_file is not None else None, source=CALL, remembered=remembered)


def _folder(disputed: Pathish, out: Pathish | None) -> Path:
    folder = Path(out) if out is not None else Path(f"{folder_stem(Path(disputed))}-case")
    if foreign.resolved(Path(disputed)).is_relative_to(foreign.resolved(folder)):
        raise SettingsError(f"{disputed} lies inside the case folder {folder}.", hint="Name another folder with out=.")
    return folder
