"""An unchanged pair is not spoken of more strongly in ten times more items, nor where the index holds the pictures."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from forensics import diffusion, retrieval
from forensics.case import Absent, Comparison, ControlFacts, LikelihoodRatio, Pair, Statistic
from forensics.device import choose
from forensics.embedders.open_clip import Embedder
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.retrieval.building.build import Options, build
from forensics.settings import Settings
from forensics.stages import evaluate, measure, search
from forensics.stages.instruments import Instruments
from forensics.stages.ladder import Ladder
from forensics.stages.works import ControlGroup, Work, read
from forensics.statistics import record as records
from forensics.validation import edits
from tests import support

REFERENCE = samples() / "reference"
FEW, CONTROLS = 12, 4


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.open(str(REFERENCE / "openclip"), choose("cpu"))


def examined(
    folder: Path, paths: list[Path], embedder: Embedder, *, held: bool = False
) -> tuple[measure.Measured, evaluate.Evaluated]:
    """A changed copy of the first picture, and controls, against an index of all of them.

    Args:
        held: the index holds the pictures itself, and their files are gone.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    for path in paths:
        shutil.copy(path, source)
    build(source, folder / "index", embedder, Options(keep_bytes=held))
    if held:
        shutil.rmtree(source)
    disputed = Work.of("Q1", edits.jpeg(read(paths[0])))
    others = sorted((REFERENCE / "controls").iterdir())[:CONTROLS]
    facts = ControlFacts("controls", CONTROLS, CONTROLS, "Never trained on.", "The first.", "", ())
    controls = ControlGroup(facts, tuple(Work.of(p.name, read(p)) for p in others))
    path = REFERENCE / "validation-twin-a.json"
    record, _ = records.load(path)
    protocol = dataclasses.replace(PROFILES["standard"], version=record.protocol_version, neighbours=1)
    settings = Settings(validation=str(path))
    context = support.context(
        folder / "case",
        protocol=protocol,
        settings=settings,
        controls=controls,
        instruments=Instruments.prepare(embedder),
    )
    received = support.received(disputed)
    found = search.search(received, search.Sources(retrieval.open(folder / "index"), embedder), context)
    measured = measure.measure(received, found, Ladder(), None, context)
    models = support.models(diffusion.identify(str(REFERENCE / "twin-a")))
    traced = support.traced(disputed)
    evaluated = evaluate.evaluate(disputed, list(found.pictures), measured, traced, models, embedder, context)
    return measured, evaluated


def nearest(measured: measure.Measured) -> Comparison:
    return next(c for c in measured.comparisons if c.statistic is Statistic.COSINE_TO_NEAREST)


def test_more_unrelated_items_never_raise_the_ratio_or_lower_the_p(tmp_path: Path, embedder: Embedder) -> None:
    manifest = [json.loads(line) for line in (REFERENCE / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    training = [REFERENCE / row["path"] for row in manifest if row["role"] == "training"][: 11 * FEW]
    few, few_said = examined(tmp_path / "few", training[:FEW], embedder)
    many, many_said = examined(tmp_path / "many", training, embedder)
    before, after = (said.ratios[Pair.DERIVATION] for said in (few_said, many_said))
    assert not isinstance(before, Absent)
    assert isinstance(after, LikelihoodRatio)
    assert after.log10 <= before.log10
    assert after == before  # the pair has not changed, and nothing else enters its ratio
    one, other = nearest(few), nearest(many)
    assert one.value == other.value  # its nearest training image is the same
    for here, there in zip(one.controls, other.controls, strict=True):
        assert there.value >= here.value  # controls find nearer ones among more
    assert other.k >= one.k
    assert other.p >= one.p


def test_an_index_that_holds_its_pictures_itself_ranks_the_same(tmp_path: Path, embedder: Embedder) -> None:
    training = sorted((REFERENCE / "works").iterdir())[:FEW]
    files, _ = examined(tmp_path / "files", training, embedder)
    held, _ = examined(tmp_path / "held", training, embedder, held=True)
    assert [c.primary_for for c in files.comparisons].count(Pair.DERIVATION) == 1
    assert held.comparisons == files.comparisons
