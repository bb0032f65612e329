"""The identifier of a case: each input changed alone changes it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from forensics import diffusion
from forensics.case import NO_VALIDATION, Absent, Checkpoint, ControlFacts, IndexFacts, ValidationFacts
from forensics.diffusion.autoencoder import AutoencoderFiles, Beside
from forensics.resources import samples
from forensics.similarity.ssim import Ssim
from forensics.stages.context import Context, Models, Received
from forensics.stages.identity import case_id
from forensics.stages.instruments import Instruments
from forensics.stages.works import ControlGroup, Work
from tests import support

REFERENCE = samples() / "reference"


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that an identifier is made of."""

    command: str
    received: Received
    context: Context
    models: Models | None
    index: IndexFacts | Absent | None
    record: ValidationFacts | Absent | None

    @property
    def id(self) -> str:
        return case_id(self.command, self.received, self.context, self.models, self.index, self.record)


def facts(kind: type[Any], digest: str) -> Any:
    """A record of this kind of which the digest alone matters; texts and numbers are empty."""
    import dataclasses

    def blank(field: dataclasses.Field[Any]) -> Any:
        if field.name == "digest":
            return digest
        kind_of = str(field.type)
        return () if kind_of.startswith("tuple") else 0 if kind_of in ("int", "float") else ""

    required = [f for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    return kind(**{f.name: blank(f) for f in required})


def autoencoder(digest: str) -> AutoencoderFiles:
    return replace(facts(AutoencoderFiles, digest), digest=digest)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    disputed, original = (Work(name, torch.full((1, 3, 8, 8), v), "") for name, v in (("Q1", 0.2), ("R1", 0.7)))
    group = ControlGroup(facts(ControlFacts, "c" * 64), digests=("1" * 64, "2" * 64))
    instruments = Instruments({"ssim": Ssim()}, {}, ("e" * 64,))
    context = support.context(tmp_path_factory.mktemp("identity") / "case", controls=group, instruments=instruments)
    checkpoint = diffusion.identify(str(REFERENCE / "twin-a"))
    control = diffusion.identify(str(REFERENCE / "twin-b"))
    models = Models(checkpoint, control, Beside("", (autoencoder("a" * 64),)))
    return Inputs(
        "analyze",
        support.received(disputed, original),
        context,
        models,
        facts(IndexFacts, "i" * 64),
        facts(ValidationFacts, "v" * 64),
    )


def _models(i: Inputs, **changes: Any) -> Inputs:
    assert i.models is not None
    return replace(i, models=replace(i.models, **changes))


def _context(i: Inputs, **changes: Any) -> Inputs:
    return replace(i, context=replace(i.context, **changes))


def _settings(**changes: Any) -> Callable[[Inputs], Inputs]:
    return lambda i: _context(i, settings=replace(i.context.settings, **changes))


def _other(checkpoint: Checkpoint | None) -> Checkpoint:
    assert checkpoint is not None
    return replace(checkpoint, digest="0" * 64)


class _Newer(Ssim):
    """The same measure in another version."""

    facts = replace(Ssim.facts, version="another")


CHANGES: dict[str, Callable[[Inputs], Inputs]] = {
    "command": lambda i: replace(i, command="compare"),
    "disputed image": lambda i: replace(
        i, received=replace(i.received, item=replace(i.received.item, sha256="0" * 64))
    ),
    "original": lambda i: replace(
        i,
        received=replace(
            i.received, originals=((replace(i.received.originals[0][0], sha256="0" * 64), i.received.originals[0][1]),)
        ),
    ),
    "no original": lambda i: replace(i, received=replace(i.received, originals=())),
    "roles exchanged": lambda i: replace(
        i,
        received=Received(
            replace(i.received.item, sha256=i.received.originals[0][0].sha256),
            i.received.disputed,
            ((replace(i.received.originals[0][0], sha256=i.received.item.sha256), i.received.originals[0][1]),),
        ),
    ),
    "checkpoint": lambda i: _models(i, checkpoint=_other(i.models and i.models.checkpoint)),
    "control checkpoint": lambda i: _models(i, control=_other(i.models and i.models.control)),
    "no control checkpoint": lambda i: _models(i, control=None),
    "autoencoder": lambda i: _models(i, autoencoders=Beside("", (autoencoder("b" * 64),))),
    "no autoencoder": lambda i: _models(i, autoencoders=Beside()),
    "index": lambda i: replace(i, index=facts(IndexFacts, "0" * 64)),
    "no index": lambda i: replace(i, index=Absent("training index", "None.")),
    "controls": lambda i: _context(i, controls=replace(i.context.controls, facts=facts(ControlFacts, "0" * 64))),
    "one control": lambda i: _context(i, controls=replace(i.context.controls, digests=("1" * 64, "3" * 64))),
    "record": lambda i: replace(i, record=facts(ValidationFacts, "0" * 64)),
    "no record": lambda i: replace(i, record=NO_VALIDATION),
    "version of a measure": lambda i: _context(
        i, instruments=replace(i.context.instruments, at_hand={"ssim": _Newer()})
    ),
    "weights of a network": lambda i: _context(i, instruments=replace(i.context.instruments, networks=("0" * 64,))),
    "no measure": lambda i: _context(i, instruments=replace(i.context.instruments, at_hand={})),
    "protocol": lambda i: _context(i, protocol=replace(i.context.protocol, rank_level=0.01)),
    "precision": lambda i: _context(i, device=replace(i.context.device, precision="bf16")),
    "kind of device": lambda i: _context(i, device=replace(i.context.device, device=torch.device("meta"))),
    "profile": _settings(profile="deep"),
    "seed": _settings(seed=1),
    "captions": _settings(captions=("a bull",)),
}


def test_each_input_changed_alone_changes_the_identifier(inputs: Inputs) -> None:
    found = {name: change(inputs).id for name, change in CHANGES.items()}
    found["as it was"] = inputs.id
    assert len(set(found.values())) == len(found), found


def test_the_same_inputs_give_the_same_identifier_wherever_the_folder_lies(inputs: Inputs, tmp_path: Path) -> None:
    elsewhere = support.context(
        tmp_path / "elsewhere", controls=inputs.context.controls, instruments=inputs.context.instruments
    )
    assert replace(inputs, context=elsewhere).id == inputs.id


def test_parts_that_read_alike_when_joined_are_told_apart(inputs: Inputs) -> None:
    split = _context(inputs, controls=replace(inputs.context.controls, digests=("12", "3")))
    other = _context(inputs, controls=replace(inputs.context.controls, digests=("1", "23")))
    assert split.id != other.id
