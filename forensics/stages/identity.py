"""The identifier of a case: equal where the same question is put to the same bytes by the same means, else not."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from forensics.case import Absent, ControlFacts, IndexFacts, ValidationFacts
from forensics.stages.context import Context, Models, Received

_ASKED = ("profile", "seed", "captions")
"""Settings that change a result and are no digest of a file."""


def case_id(
    command: str,
    received: Received,
    context: Context,
    models: Models | None = None,
    index: IndexFacts | Absent | None = None,
    record: ValidationFacts | Absent | None = None,
) -> str:
    """A UUID over everything that can change a result.

    That is: the files in their roles, the checkpoint, the control checkpoint, every other autoencoder, the index, the
    controls, the validation record, the versions of all measures with the weights behind them, the protocol with its
    constants, device and precision, and the settings that are no file.
    """
    parts = [command, *(f"{item.role}={item.sha256}" for item in received.items)]
    if models is not None:
        control = models.control.digest if models.control is not None else ""
        parts += [f"checkpoint={models.checkpoint.digest}", f"control checkpoint={control}"]
        parts += [f"autoencoder={files.digest}" for files in models.autoencoders.others]
    parts.append(f"index={index.digest if isinstance(index, IndexFacts) else ''}")
    controls = context.controls.facts
    parts.append(f"controls={controls.digest if isinstance(controls, ControlFacts) else ''}")
    parts += [f"control={digest}" for digest in context.controls.digests]
    parts.append(f"record={record.digest if isinstance(record, ValidationFacts) else ''}")
    parts += [f"measure={metric.name} {metric.version}" for metric in context.instruments.facts]
    parts += [f"network={digest}" for digest in context.instruments.networks]
    parts.append(f"protocol={context.protocol.digest}")
    parts.append(f"arithmetic={context.device.device.type} {context.device.precision}")
    parts += [f"{name}={getattr(context.settings, name)!r}" for name in _ASKED]
    return str(uuid.uuid5(uuid.NAMESPACE_URL, _joined(parts)))


def _joined(parts: Iterable[str]) -> str:
    """Parts with their lengths, so that no two lists of them read alike."""
    return "".join(f"{len(part)}:{part}" for part in parts)
