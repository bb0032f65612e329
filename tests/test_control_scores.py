"""The control scores that ship with the embedded checkpoint are those a fresh run gives."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json

import pytest
import torch

from forensics import diffusion, similarity
from forensics.case import Checkpoint
from forensics.controls import cache as control_cache
from forensics.device import choose
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Plan
from forensics.inversion.codelength import Grid, codelengths
from forensics.protocol import PROFILES, VERSION
from forensics.resources import samples
from forensics.stages.rank import keys_of
from forensics.stages.works import Work, read

REFERENCE = samples() / "reference"
FILE = REFERENCE / "control-scores.jsonl.gz"
ENTRIES = [json.loads(line) for line in gzip.decompress(FILE.read_bytes()).decode().splitlines()[1:]]
CHECKPOINT: Checkpoint = diffusion.identify(str(REFERENCE / "twin-a"), demonstration=True)
STANDARD = PROFILES["standard"]


@pytest.fixture(scope="module")
def pictures() -> dict[str, torch.Tensor]:
    """Every embedded control by the digest of its file."""
    paths = sorted((REFERENCE / "controls").iterdir())
    return {hashlib.sha256(p.read_bytes()).hexdigest(): Work.of(p.name, read(p)).pixels for p in paths}


def fitting(method: str) -> list[dict]:
    """Entries of a method made under twin A; those of the standard profile last."""
    found = [e for e in ENTRIES if e["key"]["method"] == method and e["key"]["checkpoint"] == CHECKPOINT.digest]
    return sorted(found, key=lambda e: ["steps", str(STANDARD.steps)] in e["key"]["parameters"])


def test_every_entry_agrees_with_its_digest_and_the_protocol_in_force() -> None:
    assert not control_cache.summary(FILE).damaged
    assert {e["key"]["protocol"] for e in ENTRIES} == {VERSION}


def test_a_round_trip_measured_anew_gives_the_scores_stored(pictures: dict[str, torch.Tensor]) -> None:
    model = diffusion.load(CHECKPOINT, choose("cpu", "fp32"))
    plan = Plan("", "none", 1.0, STANDARD.steps, (), STANDARD.refinements)
    for entry in fitting("autoencoder")[-3:]:
        target = pictures[entry["key"]["control"]]
        attempt = INVERSIONS.load("autoencoder")()(target, model, plan)
        for name in ("lpips", "ssim"):
            value = float(similarity.load(name)(target, attempt.pictures)[0])
            assert [value] == pytest.approx(entry["values"][name], abs=1e-4)


def test_a_codelength_measured_anew_gives_the_bits_stored(pictures: dict[str, torch.Tensor]) -> None:
    model = diffusion.load(CHECKPOINT, choose("cpu", "fp32"))
    entry = fitting("codelength")[-1]
    stated = dict(entry["key"]["parameters"])
    grid = Grid(**{f.name: json.loads(stated[f.name]) for f in dataclasses.fields(Grid)})
    condition = model.condition(entry["key"]["prompt"], 1.0)
    found = codelengths([pictures[entry["key"]["control"]]], [condition], model, grid)[0]
    assert found.totals.tolist() == pytest.approx(entry["values"]["bits"], rel=1e-3)


def test_the_distances_to_the_work_of_the_demonstration_ship_for_as_many_controls_as_it_has(
    pictures: dict[str, torch.Tensor],
) -> None:
    """They were the longest part of the first run; one of them is measured anew."""
    work = Work.of("R1", read(samples() / "originals" / "generated-original.png"))
    measure = similarity.load("aligned")
    keys = {key.digest: key for key in keys_of(work, list(pictures), measure.facts.version)}
    stored = [e for e in ENTRIES if e["name"] in keys]
    assert len(stored) >= STANDARD.controls
    entry = stored[0]
    value = float(measure(pictures[entry["key"]["control"]], work.pixels)[0])
    assert [value] == pytest.approx(entry["values"]["aligned"], rel=1e-3)
