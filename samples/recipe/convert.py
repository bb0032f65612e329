"""Validation records of an older form, or of an older protocol, brought to the present one.

`python -m samples.recipe.convert RECORD...`: from form 2 or 3 to 4. In form 2 a statistic was known by its title and is
now known by its identity (`forensics.case.Statistic`); form 4 adds what bi-Gaussianised calibration needs, empty here,
and the distance from calibration (devPAV), computed from the ratios of the test half that the record holds. No number
changes; a record of the present form is left as it is.

`python -m samples.recipe.convert --scores PACK`: control scores from protocol 3 to 4, where they are computed alike.

`python -m samples.recipe.convert --carry RECORD [DERIVATION]`: to the constants of protocol 4 as they stand. One of
protocol 4 keeps all of its parts; derivation is taken from the second record, where one is named, made by `forensics
validate --question derivation`. Of a record of protocol 3, what protocol 4 measures otherwise is derivation alone
(other overlays): without a second record it is absent. Codelengths and the losses of the autoencoder are counted as
before, on the same works at the same size, so those parts keep their figures; the sizes they hold for are narrowed by
the rule of protocol 4, and the record says all of this among its limits.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from forensics.case import Absent, Statistic
from forensics.controls import cache
from forensics.device import choose
from forensics.embedders.copies import open_descriptor
from forensics.protocol import PROFILES, VERSION
from forensics.schema import decode
from forensics.stages import domain
from forensics.statistics import record as records
from forensics.statistics import validity
from forensics.statistics.record import PropositionRecord, Range, ValidationRecord
from forensics.validation.assess import widened

TITLES_OF_2 = {
    "Codelength, share that the prompt saves": Statistic.SAVED_BY_PROMPT,
    "Codelength, share saved against the control checkpoint": Statistic.SAVED_AGAINST_CONTROL,
    "Reconstruction by the autoencoder, first loss over second": Statistic.AUTOENCODER_RATIO,
    "Reconstruction by the autoencoder, LPIPS of the second feature map": Statistic.AUTOENCODER_LAYER,
}
"""Titles as records of version 2 hold them, frozen here: today's may be worded otherwise."""


def converted(document: Any) -> Any:
    """The same document with every title that stands as a value replaced by the identity."""
    if isinstance(document, dict):
        return {key: converted(value) for key, value in document.items()}
    if isinstance(document, list):
        return [converted(value) for value in document]
    return TITLES_OF_2[document].value if isinstance(document, str) and document in TITLES_OF_2 else document


def convert(path: Path) -> bool:
    """Rewrite one record in place; False where it has the present version already."""
    document = json.loads(path.read_bytes())
    if document.get("schema") not in (2, 3):
        return False
    if document["schema"] == 2:
        document = converted(document)
    found = document | {"schema": records.SCHEMA}
    for form in found["propositions"].values():
        if isinstance(form, dict) and form["type"] == PropositionRecord.__name__:
            form["calibrator"]["warp"] = None
            form |= {"warps": [], "devpav": validity.devpav(form["ratios_first"], form["ratios_second"])}
    records.save(decode(ValidationRecord, found, "record"), path)
    return True


_CARRIED = (
    "The figures of retention and origin were measured under version 3 of the protocol. What they rest on, "
    "codelengths at "
    "the checkpoint's own size and the losses of the autoencoder on pictures as received, is measured alike in "
    "version 4."
)
_NOT_AGAIN = Absent(
    "validation of derivation",
    "Derivation was validated under version 3 of the protocol, whose overlays were others.",
    "Run `forensics validate --question derivation`.",
)


def carried(old: ValidationRecord, derivation: ValidationRecord | None) -> ValidationRecord:
    """The record under protocol 4: retention and origin as measured, derivation as measured anew or absent.

    A record of protocol 4 is joined with the derivation of another; nothing else of it changes but the digest of the
    protocol.

    Raises:
        SystemExit: the two records were made with different checkpoints, works or parameters.
    """
    if derivation is not None and _made_with(derivation) != _made_with(old):
        raise SystemExit("The two records were made with different checkpoints, works or parameters.")
    forms = old.propositions
    if old.protocol_version == VERSION:
        taken = forms.derivation if derivation is None else derivation.propositions.derivation
        return replace(
            old,
            protocol_digest=PROFILES["standard"].digest,
            propositions=replace(forms, derivation=taken),
            command=_without_questions(old.command),
        )
    studied = forms.retention
    of_derivation = _NOT_AGAIN if derivation is None else derivation.propositions.derivation
    if isinstance(forms.derivation, Absent) and derivation is None:
        of_derivation = forms.derivation
    return replace(
        old,
        protocol_version=VERSION,
        protocol_digest=PROFILES["standard"].digest,
        propositions=replace(
            forms,
            derivation=of_derivation,
            retention=_narrowed(studied),
            retention_with_control_checkpoint=_narrowed(forms.retention_with_control_checkpoint),
        ),
        limits=(*old.limits, _CARRIED),
    )


def _made_with(record: ValidationRecord) -> tuple[object, ...]:
    """What two records of one validation have in common."""
    data = tuple((d.path, d.sha256) for d in record.data)
    return record.checkpoint_digest, record.control_checkpoint_digest, data, record.parameters


def _without_questions(command: str) -> str:
    """The command that measures all that the joined record holds."""
    return re.sub(r" --question \S+", "", command)


def _narrowed(form: PropositionRecord | Absent) -> PropositionRecord | Absent:
    """The sizes of the works themselves, as far as this very form was put through other sizes without harm.

    Form 3 of protocol 3 stated half the smallest and twice the largest side, whatever was studied.
    """
    if isinstance(form, Absent):
        return form
    own = [Range(r.name, r.low * 2, r.high / 2) if r.name == domain.SIDE else r for r in form.domain]
    return replace(form, domain=widened(own, form.robustness, form.levels))


_ALIKE = ("regeneration", "ode", "autoencoder", "hard_prompt", "soft_prompt", "codelength")
"""Methods whose scores of a control are computed under protocol 4 as under 3: every control of the package has the
checkpoint's own size, seeds and budgets are the same. Overlays and searches are not among them."""


def carry_scores(path: Path, descriptor: str) -> int:
    """Rewrite a pack of control scores in place for protocol 4; the number of entries kept.

    Only what is computed alike is kept, and nothing in which the copy descriptor's cosine stands unless it is this one.
    Each examination computes some of them again and refuses the pack where they differ.

    Args:
        descriptor: digest of the copy descriptor in use.
    """
    kept = []
    for entry in cache.read_pack(path):
        of = dict(entry.key.parameters).get("measure descriptor", descriptor)
        if entry.key.protocol in ("3", VERSION) and entry.key.method in _ALIKE and of == descriptor:
            kept.append(replace(entry, key=replace(entry.key, protocol=VERSION)))
    return cache.pack(kept, path)


def main(arguments: list[str]) -> None:
    """See the head of this file."""
    if arguments[:1] == ["--scores"]:
        copies = open_descriptor(None, choose("cpu"))
        if isinstance(copies, Absent):
            raise SystemExit(copies.reason)
        print(
            f"{arguments[1]}: {carry_scores(Path(arguments[1]), copies.digest)} entries carried to protocol {VERSION}"
        )
        return
    if arguments[:1] == ["--carry"]:
        path = Path(arguments[1])
        derivation = records.load(Path(arguments[2]))[0] if arguments[2:] else None
        records.save(carried(records.load(path)[0], derivation), path)
        print(f"{path}: carried to protocol {VERSION}")
        return
    for name in arguments:
        print(f"{name}: {'converted' if convert(Path(name)) else 'left as it is'}")


if __name__ == "__main__":
    main(sys.argv[1:])
