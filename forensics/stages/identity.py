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
    """A UUID over everything that can change a result; see `parts`."""
    named = parts(command, received, context, models, index, record)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, _joined(named)))


def parts(
    command: str,
    received: Received,
    context: Context,
    models: Models | None = None,
    index: IndexFacts | Absent | None = None,
    record: ValidationFacts | Absent | None = None,
) -> tuple[str, ...]:
    """Everything that can change a result, each as "name=value".

    That is: the files in their roles, the checkpoint, the control checkpoint, every other autoencoder, the index, the
    controls, the validation record, the versions of all measures with the weights behind them, the protocol with its
    constants, device and precision, and the settings that are no file.
    """
    named = [command, *(f"{item.role}={item.sha256}" for item in received.items)]
    named += [f"trust list={one.sha256}" for one in received.trust]
    if models is not None:
        control = models.control.digest if models.control is not None else ""
        named += [f"checkpoint={models.checkpoint.digest}", f"control checkpoint={control}"]
        named += [f"autoencoder={files.digest}" for files in models.autoencoders.others]
    named.append(f"index={index.digest if isinstance(index, IndexFacts) else ''}")
    controls = context.controls.facts
    named.append(f"controls={controls.digest if isinstance(controls, ControlFacts) else ''}")
    named += [f"control={digest}" for digest in context.controls.digests]
    named.append(f"record={record.digest if isinstance(record, ValidationFacts) else ''}")
    named += [f"measure={metric.name} {metric.version}" for metric in context.instruments.facts]
    named += [f"network={digest}" for digest in context.instruments.networks]
    named.append(f"protocol={context.protocol.digest}")
    named.append(f"arithmetic={context.device.device.type} {context.device.precision}")
    further = ("reworded", "generic", "url")  # prompts that are tried and not ranked; the picture of a web capture
    named += [f"{name}={getattr(context.settings, name)!r}" for name in (*_ASKED, *further)]
    return tuple(named)


def _joined(parts: Iterable[str]) -> str:
    """Parts with their lengths, so that no two lists of them read alike."""
    return "".join(f"{len(part)}:{part}" for part in parts)
