"""The maps of the reproduced region as exhibits of a case folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forensics import diffusion
from forensics.case import Inversion, PromptKind
from forensics.device import choose, generator
from forensics.folder import Ledger
from forensics.inversion.where import where_evaluations
from forensics.stages.region import with_maps
from tests.diffusion import tiny


def test_both_maps_are_entered_and_said(tmp_path: Path) -> None:
    root = tiny.write_checkpoint(tmp_path / "v", "v_prediction")
    model = diffusion.load(diffusion.identify(str(root)), choose("cpu"))
    target = torch.rand(1, 3, 40, 48, generator=generator(1, "test"))
    outputs = [target.clone(), target.clone()]
    outputs[0][..., 24:] = 1 - outputs[0][..., 24:]
    outputs[1][..., 24:] = 1 - outputs[1][..., 24:]
    run = Inversion(
        id="L3",
        method="regeneration",
        title="Regeneration",
        version="2",
        supplied="A prompt.",
        supplied_bits=10.0,
        prompt="cat",
        prompt_source="claimed caption",
        prompt_kind=PromptKind.CLAIMED,
        guidance=3.0,
        steps=3,
        seeds=(1, 2),
        evaluations=12,
        seconds=1.0,
        outputs=("G1", "G2"),
        best="G1",
        median="G2",
    )
    ledger = Ledger(tmp_path / "case")
    before = model.evaluations
    found = with_maps(run, outputs, target, model, ledger, first=3)
    assert model.evaluations - before == where_evaluations(model)
    assert found.maps == ("W3", "W4")
    assert [(e.id, e.width, e.height) for e in ledger.exhibits] == [("W3", 48, 40), ("W4", 48, 40)]
    facts = {f.name: f.value for f in found.facts}
    area = float(facts["region that came back of the image as received"].split("share of ")[1].split()[0])
    assert area == pytest.approx(0.5, abs=0.06)
    assert (found.outputs, found.best, found.seeds) == (run.outputs, run.best, run.seeds)
