"""The further source of alignments in a case: named where it is used or absent, and without it nothing is another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from forensics import examination, files, rerun, weights
from forensics.case import Absent, Case, Outcome
from forensics.errors import RerunError
from forensics.events import ignore
from forensics.folder import Ledger
from forensics.overlay.correspondence import pair
from forensics.overlay.glued import Glued, raised
from forensics.overlay.outcome import decide
from forensics.pictures.tensors import to_tensor
from forensics.protocol import PROFILES
from forensics.settings import resolve
from forensics.stages import correspond, overlay_words, search
from forensics.stages.correspond import Overlaid
from forensics.stages.declared import declared
from forensics.stages.instruments import Instruments
from forensics.stages.works import Work
from tests.similarity.test_further import faint
from tests.similarity.test_glued import Asked
from tests.support import context

SAME = ("protocol", "measurements", "metrics", "comparisons", "assessments", "findings", "settings")
"""Fields of a case on which the source has no bearing where it raises no word."""


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of weights as it would be fetched, its numbers drawn by chance."""
    from kornia.feature import ALIKED, LightGlue

    torch.manual_seed(3)
    parts = {"aliked": ALIKED("aliked-n16"), "lightglue": LightGlue(None, input_dim=128)}
    tensors = {f"{part}.{n}": v for part, network in parts.items() for n, v in network.state_dict().items()}
    path = tmp_path_factory.mktemp("fetched") / "weights.safetensors"
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, path)
    return path


@pytest.fixture
def fetched(random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The digest of these weights, which lie where fetched ones lie, as the pinned ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    row, digest = weights.TABLE[Glued.row], files.sha256(random_weights)
    monkeypatch.setitem(weights.TABLE, Glued.row, replace(row, sha256=digest, size_bytes=random_weights.stat().st_size))
    path = weights.cache_dir() / row.file
    path.parent.mkdir(parents=True)
    path.symlink_to(random_weights)
    yield digest
    path.unlink(missing_ok=True)


def test_it_is_absent_with_its_reason_and_remedy(fetched: str) -> None:
    used = search.further_source(wanted=True, demonstration=False)
    assert isinstance(used, Glued)
    assert used.identity.endswith(fetched)
    unwanted = search.further_source(wanted=False, demonstration=False)
    shown = search.further_source(wanted=True, demonstration=True)
    (weights.cache_dir() / weights.TABLE[Glued.row].file).unlink()
    lacking = search.further_source(wanted=True, demonstration=False)
    assert isinstance(lacking, Absent)
    assert f"forensics weights fetch {Glued.row}" in lacking.remedy
    assert unwanted == lacking
    assert isinstance(shown, Absent)
    assert "demonstration checkpoint" in shown.reason
    assert shown.remedy == ""


def test_it_enters_no_protocol() -> None:
    """Constants of measuring modules do; stored scores and records hold for cases with it and for those without."""
    names = [constant.name for constant in declared(PROFILES["quick"]).constants]
    assert any(name.startswith("overlay.learned.") for name in names)
    assert not [name for name in names if name.startswith(("overlay.glued.", "weights", "wheels"))]


def test_instruments_name_it_and_measure_the_distance_without_it(fetched: str) -> None:
    source = search.further_source(wanted=True, demonstration=False)
    assert isinstance(source, Glued)
    plain, absent = Instruments({}, {}), Absent(Glued.role, "It was not fetched.", "Fetch it.")
    with_it, without = Instruments.prepare(None, None, source), Instruments.prepare(None, None, absent)
    assert with_it.networks == (source.identity,)
    assert without.networks == plain.networks == ()
    assert [f.name for f in with_it.means] == [Glued.role]
    assert without.means == ()
    assert absent in without.absences
    assert absent not in without.absent.values()
    assert [m.version for m in with_it.facts] == [m.version for m in without.facts]


def test_a_word_that_rests_on_it_says_what_it_was_without(fetched: str, tmp_path: Path) -> None:
    source = search.further_source(wanted=True, demonstration=False)
    assert isinstance(source, Glued)
    first, second = (
        Work(name, to_tensor(Image.fromarray(p.plate.rgb)), "") for name, p in zip("QR", faint(), strict=True)
    )
    used = context(tmp_path / "case", instruments=Instruments({}, {}, source=source))
    alone = pair(*faint())
    for found, said in ((raised(alone, *faint(), Asked(true=True)), ["no correspondence"]), (alone, [])):
        over = Overlaid(faint()[0], (faint()[1],), (found,))
        (row,) = correspond.correspond(first, (second,), used, figures=0, overlaid=over)
        assert row.outcome is decide(found)
        assert [fact.value for fact in row.values if Glued.title in fact.name] == said
        assert row.protocol.endswith(f", {Glued.version}")
        assert f"without {Glued.title}" in row.word_rates
        assert row.basis.count(f"only with alignments of {Glued.title}; without them it would be “") == len(said)
        assert "Aligned LPIPS" not in row.basis  # nothing measures it here
        assert over.otherwise((second,)) == ({second.id: Outcome.NONE} if said else {})
    used.ledger.done()


def test_a_copy_word_that_rests_on_it_explains_the_distance_measured_without() -> None:
    for word, aligned, explained in [
        (Outcome.PARTLY, True, True),
        (Outcome.PARTLY, False, False),
        (Outcome.ARRANGEMENT, True, False),
    ]:
        said = overlay_words.rests(word, Outcome.NONE, Glued.title, aligned=aligned)
        assert f"“{Outcome.NONE.said}”" in said
        assert (f"Aligned LPIPS is measured without {Glued.title}, for these two" in said) is explained


def test_what_is_left_without_shared_parts_says_so_too() -> None:
    alone = pair(*faint())
    found = raised(alone, *faint(), Asked(true=True))
    assert decide(alone) is Outcome.NONE
    assert decide(found) is Outcome.THROUGHOUT
    rest = replace(found, otherwise=None)  # by itself; that anything was left out rests on the source
    assert correspond.surviving(found, rest).otherwise is Outcome.NONE
    (part,) = rest.parts
    less = replace(rest, parts=(replace(part, whole_a=0.5, whole_b=0.5),))
    assert decide(less) is Outcome.PARTLY
    kept = correspond.surviving(replace(found, otherwise=Outcome.ARRANGEMENT), less)
    assert (decide(kept), kept.otherwise) == (Outcome.THROUGHOUT, Outcome.PARTLY)
    assert correspond.surviving(rest, found).otherwise is found.otherwise
    assert correspond.surviving(rest, rest).otherwise is None


def _compared(folder: Path, pictures: tuple[Path, Path], *, further: bool = True) -> Case:
    ledger = Ledger(folder, command="compare")
    try:
        return examination.compared(
            pictures[0], (pictures[1],), ledger, resolve({"profile": "quick"}), ignore, further=further
        )
    finally:
        ledger.done()


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two that have nothing in common, so that the source is asked."""
    found = []
    for seed in (1, 2):
        noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        found.append(tmp_path / f"{seed}.png")
        Image.fromarray(cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)).save(found[-1])
    return found[0], found[1]


def test_a_case_says_whether_it_was_used_and_is_repeated_alike(
    fetched: str, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    used, without = _compared(tmp_path / "with", pictures), _compared(tmp_path / "without", pictures, further=False)
    assert used.id != without.id
    stated = [f.value for f in used.environment if f.name == Glued.role]
    assert stated == [Glued.stated(fetched)]
    assert not [f for f in without.environment if f.name == Glued.role]
    assert [a.what for a in without.absences if a.what.startswith(Glued.role)]
    assert not [a for a in used.absences if a.what.startswith(Glued.role)]
    assert used.correspondences[0].protocol == f"{without.correspondences[0].protocol}, {Glued.version}"
    assert used.correspondences[0].outcome is without.correspondences[0].outcome
    for name in SAME:
        assert getattr(used, name) == getattr(without, name), name
    assert any("agree" in said for said in rerun.rerun(tmp_path / "without"))
    (weights.cache_dir() / weights.TABLE[Glued.row].file).unlink()
    assert _compared(tmp_path / "absent", pictures).id == without.id
    with pytest.raises(RerunError, match="not at hand here") as error:
        list(rerun.rerun(tmp_path / "with"))
    assert f"forensics weights fetch {Glued.row}" in error.value.hint
