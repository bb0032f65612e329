"""Each kind of addition is one file and one row: real small examples are added so, and one examination uses them all.

The examples lie in `examples/`. Nothing of the program is changed for them but the row that names them, as a new file
and a new row would do it; then a picture is examined to its PDF.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pypdf import PdfReader

from forensics import diffusion, examination, report, resources, retrieval
from forensics.case import Case, Measurement, Pair, Statistic
from forensics.cli import main
from forensics.controls.works import TABLE
from forensics.diffusion import families
from forensics.embedders.open_clip import Embedder
from forensics.errors import CheckpointError
from forensics.folder import load, verify
from forensics.inversion import INVERSIONS
from forensics.pictures.tensors import to_tensor
from forensics.protocol import PROFILES
from forensics.report import sections
from forensics.settings import resolve
from forensics.similarity import METRICS
from tests.contracts.examples import family, layout
from tests.contracts.tiny_open_clip import save_tiny_open_clip
from tests.diffusion import tiny

HERE = Path(__file__).parent / "examples"
EXAMPLES = "tests.contracts.examples"
SMALL = dataclasses.replace(
    PROFILES["quick"],
    rungs=("autoencoder", "regeneration", "coarse"),
    controls=6,
    control_pool=8,
    neighbours=2,
    seeds=2,
    steps=2,
    codelength_levels=6,
)


@dataclasses.dataclass(frozen=True)
class Examined:
    """What the examination left."""

    folder: Path
    case: Case
    text: str
    """All words of the PDF, with one space between them."""
    pages: int


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One row of each kind, and the template of the section where templates lie."""
    templates = tmp_path_factory.mktemp("templates")
    for path in resources.templates().iterdir():
        if path.name != "sections":
            (templates / path.name).symlink_to(path)
    (templates / "sections").mkdir()
    for path in [*(resources.templates() / "sections").iterdir(), HERE / "cost.html.j2"]:
        (templates / "sections" / path.name).symlink_to(path)
    row = sections.Section(
        "cost",
        sections.Part.RECORD,
        (sections.Entry("cost", "What every rung took"),),
        view=f"{EXAMPLES}.cost:section",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS.rows, "rmse", f"{EXAMPLES}.metric:RootMeanSquare")
        patch.setitem(INVERSIONS.rows, "coarse", f"{EXAMPLES}.rung:Coarse")
        patch.setitem(PROFILES, "quick", SMALL)
        patch.setattr(families, "FAMILIES", (*families.FAMILIES, family.ROW))
        patch.setitem(retrieval.READERS.rows, "collection", f"{EXAMPLES}.layout:Collection")
        patch.setattr(sections, "SECTIONS", (*sections.SECTIONS, row))
        patch.setitem(main.table.rows, "cost", f"{EXAMPLES}.cost:cost")
        patch.setattr(resources, "templates", lambda: templates)
        yield


def picture(seed: int) -> Image.Image:
    """Blocks of colour, 48 × 48."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks, "RGB").resize((48, 48), Image.Resampling.BICUBIC)


def write_collection(base: Path, embedder: Embedder) -> Path:
    """Four pictures with the vectors that the embedder makes of them."""
    rows, shown = [], [picture(number) for number in range(4)]
    for number, one in enumerate(shown):
        stream = io.BytesIO()
        one.save(stream, "PNG")
        (base / f"{number}.png").write_bytes(stream.getvalue())
        said = {
            "id": f"item-{number}",
            "file": f"../{number}.png",
            "caption": f"blocks {number}",
            "creator": "A. Weaver",
        }
        rows.append(said | {"sha256": hashlib.sha256(stream.getvalue()).hexdigest()})
    vectors = embedder.images([to_tensor(one) for one in shown])
    made_by = {"name": "a collection", "embedder": embedder.name, "digest": embedder.digest}
    return layout.write(base / "collection", made_by, rows, vectors)


def write_controls(folder: Path) -> Path:
    """Eight works that the checkpoint cannot have seen."""
    folder.mkdir()
    rows = ["file,ground,caption"]
    for number in range(8):
        picture(100 + number).save(folder / f"{number}.png")
        rows.append(f"{number}.png,drawn for this test,blocks {number}")
    (folder / TABLE).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that names the pipeline of the new family."""
    folder = tiny.write_checkpoint(tmp_path_factory.mktemp("sketches") / "checkpoint")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index["_class_name"] = "SketchDiffusionPipeline"
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def examined(added: None, checkpoint: Path, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Examined:
    """One examination with all of the additions."""
    base = tmp_path_factory.mktemp("examined")
    picture(0).save(base / "disputed.png", compress_level=1)
    settings = resolve(
        {
            "checkpoint": str(checkpoint),
            "index": str(write_collection(base, embedder)),
            "clip": str(save_tiny_open_clip(base / "open_clip")),
            "controls": str(write_controls(base / "controls")),
            "captions": ("blocks of colour",),
            "profile": "quick",
        }
    )
    made = examination.analyze(base / "disputed.png", base / "case", settings)
    assert made.read_bytes().startswith(b"%PDF-")
    pages = [page.extract_text() for page in PdfReader(made).pages]
    return Examined(base / "case", load(base / "case"), " ".join(" ".join(pages).split()), len(pages))


def test_a_measure_is_one_file_and_one_row(examined: Examined) -> None:
    case = examined.case
    measured = [m for m in case.measurements if isinstance(m, Measurement) and m.metric == "rmse"]
    assert {m.b for m in measured} >= {i for v in case.inversions for i in v.outputs}
    assert all(0 <= m.value <= 1 for m in measured)
    assert "Root mean square error, without alignment" in examined.text


def test_a_rung_is_one_file_and_one_row(examined: Examined) -> None:
    case = examined.case
    (rung,) = (v for v in case.inversions if v.method == "coarse")
    assert rung.outputs == ("B1",)
    ranked = [c for c in case.comparisons if c.statistic is Statistic.ROUND_TRIP_LPIPS and c.of == "Coarse latent"]
    assert [c.n for c in ranked] == [getattr(case.controls, "used", 0)]
    assert ranked[0].n > 1
    assert any(row.inversion == rung.id for row in case.ledger)
    assert any("coarse" in s.name for s in case.settings if s.name.startswith("budget"))
    assert "Coarse latent and back" in examined.text


def test_a_family_is_one_file_and_one_row(examined: Examined, checkpoint: Path) -> None:
    case = examined.case
    assert getattr(case.checkpoint, "family", "") == "sketches"
    assert "sketches, diffusers folder" in examined.text


def test_without_its_row_the_family_is_not_examined(checkpoint: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        rows = tuple(row for row in families.FAMILIES if row.name != "sketches")
        patch.setattr(families, "FAMILIES", rows)
        with pytest.raises(CheckpointError):
            diffusion.identify(str(checkpoint))


def test_a_layout_of_an_index_is_one_file_and_one_row(examined: Examined) -> None:
    case = examined.case
    assert getattr(case.index, "count", 0) == 4
    assert case.neighbours[0].training_id == "item-0"
    assert len(case.neighbours) == SMALL.neighbours
    assert any(c.primary_for is Pair.DERIVATION for c in case.comparisons)
    assert "A collection of a test." in examined.text


def test_a_section_is_one_file_and_one_row(examined: Examined) -> None:
    case = examined.case
    html = report.render_html(case, examined.folder)
    assert '<a class="s" href="#cost">What every rung took</a>' in html
    assert html.index('id="cost"') > html.index('id="app-glossary"')
    assert "Evaluations of the network and wall time of each rung" in examined.text
    assert examined.pages > 10


def test_a_command_is_one_file_and_one_row(examined: Examined) -> None:
    case = examined.case
    done = CliRunner().invoke(main, ["cost", str(examined.folder)])
    assert done.exit_code == 0, done.output
    assert [line.split("\t")[0] for line in done.output.splitlines()] == [v.title for v in case.inversions]
    assert "cost" in CliRunner().invoke(main, ["--help"]).output


def test_the_folder_of_that_examination_is_sound(examined: Examined) -> None:
    verify(examined.folder)
