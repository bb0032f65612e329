"""The search stage on the shipped index: neighbours with pictures, and a citation that can be checked."""

from __future__ import annotations

from pathlib import Path

from forensics import device, resources
from forensics.case import Absent, IndexFacts
from forensics.casefile import Ledger
from forensics.protocol import PROFILES
from forensics.settings import Settings
from forensics.stages import search
from forensics.stages.works import ControlGroup, Work, read

SAMPLES = resources.samples()


def test_neighbours_come_with_pictures_and_a_citation(tmp_path: Path) -> None:
    settings = Settings(index=str(SAMPLES / "reference" / "index"), clip=str(SAMPLES / "reference" / "openclip"))
    from forensics import retrieval

    cpu = device.choose("cpu")
    index = retrieval.open(settings.index or "")
    sources = search.Sources(index, search.open_embedder(settings.clip, cpu), search._copies(index, cpu))
    controls = [Work.of(p.name, read(p)) for p in sorted((SAMPLES / "reference" / "controls").iterdir())[:2]]
    disputed = Work.of("Q1", read(SAMPLES / "disputed" / "memorised.png"))
    group = ControlGroup(Absent("facts", "They are of no interest here."), tuple(controls))
    found = search.search(disputed, group, sources, PROFILES["quick"], Ledger(tmp_path / "case"), lambda _: None)
    assert isinstance(found.facts, IndexFacts)
    assert len(found.neighbours) == PROFILES["quick"].neighbours == len(found.pictures)
    assert len(found.control_top) == 2
    said = {f.name: f.value for f in found.facts.facts}
    assert "1587 rows" in said["compared"]
    assert len(said["digest of the rows"]) == 64
    assert "rows" in said["near-duplicates of the disputed image"]
    assert said["rank 1"].startswith(f"vec_clip {found.neighbours[0].similarity:.6f}")
