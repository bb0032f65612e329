"""`forensics index`: built from pictures, described, searched, verified; asked with the model that made it alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from forensics.errors import ExitCode
from tests.cli.support import ASSETS, run
from tests.contracts.tiny_open_clip import save_tiny_open_clip
from tests.retrieval.test_approximate import table

PICTURES = {
    "plain.png": "a red box and a blue ball",
    "grey_16_bit.png": "a ramp of grey",
    "broken_empty.png": "nothing",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_open_clip(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """An index of two pictures; the third cannot be read and is left out with its reason."""
    folder = tmp_path_factory.mktemp("index")
    source = folder / "source"
    source.mkdir()
    for name, caption in PICTURES.items():
        shutil.copyfile(ASSETS / name, source / name)
        (source / name).with_suffix(".txt").write_text(caption, encoding="utf-8")
    done = run(
        "index", "build", source, "-o", folder / "made", "--clip", model, "--device", "cpu", "--coverage", "All."
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder / 'made'}\n"
    assert "2 images; 1 left out" in done.stderr
    return folder / "made"


def test_info_says_what_the_index_holds(index: Path) -> None:
    assert {"images: 2", "coverage: All."} <= set(run("index", "info", index).stdout.splitlines())
    assert json.loads(run("index", "info", index, "--json").stdout)["count"] == 2


def test_search_finds_the_picture_itself(index: Path, model: Path) -> None:
    done = run("index", "search", index, ASSETS / "plain.png", "-k", "2", "--json", "--clip", model, "--device", "cpu")
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert hits[0]["caption"] == PICTURES["plain.png"]
    assert hits[0]["similarity"] == pytest.approx(1.0, abs=1e-6)  # float16 vectors, divided by their norm
    plain = run("index", "search", index, ASSETS / "plain.png", "--clip", model, "--device", "cpu").stdout
    assert PICTURES["plain.png"] in plain.splitlines()[0]


def test_other_model_is_refused(index: Path, tmp_path: Path) -> None:
    other = save_tiny_open_clip(tmp_path / "other", seed=1)
    done = run("index", "search", index, ASSETS / "plain.png", "--clip", other, "--device", "cpu")
    assert done.exit_code == ExitCode.INDEX
    assert done.stdout == ""


def test_verify_accepts_the_index_and_names_what_was_changed(index: Path, tmp_path: Path) -> None:
    assert run("index", "verify", index).exit_code == 0
    copy = Path(shutil.copytree(index, tmp_path / "copy"))
    vectors = next(copy.rglob("data/*.lance"))
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.write_bytes(bytes(data))
    done = run("index", "verify", copy)
    assert done.exit_code == ExitCode.INDEX
    assert vectors.name in done.stderr


def test_existing_folder_is_not_overwritten(index: Path, model: Path) -> None:
    done = run("index", "build", ASSETS, "-o", index, "--clip", model, "--device", "cpu")
    assert done.exit_code == ExitCode.INDEX
    assert "not overwritten" in done.stderr


def test_picture_that_does_not_decode_is_an_image_error(index: Path, model: Path) -> None:
    done = run("index", "search", index, ASSETS / "broken_truncated.png", "--clip", model)
    assert done.exit_code == ExitCode.IMAGE


def test_an_index_goes_out_to_the_embeddings_layout_and_in_again(index: Path, tmp_path: Path) -> None:
    assert run("index", "export", index, "-o", tmp_path / "out").exit_code == 0
    done = run("index", "import", tmp_path / "out", "-o", tmp_path / "back")
    assert done.exit_code == 0, done.stderr
    assert "2 rows" in done.stderr
    assert json.loads(run("index", "info", tmp_path / "back", "--json").stdout)["count"] == 2
    assert run("index", "import", tmp_path / "out", "-o", tmp_path / "back").exit_code == ExitCode.INDEX


def test_what_needs_an_approximate_index_says_how_to_make_one(index: Path, model: Path) -> None:
    done = run("index", "search", index, ASSETS / "plain.png", "--browse", "--clip", model, "--device", "cpu")
    assert done.exit_code == ExitCode.INDEX
    assert "forensics index approximate" in done.stderr
    assert run("index", "recall", index).exit_code == ExitCode.INDEX
    done = run("index", "approximate", index, "--tag", "v1-browse")
    assert done.exit_code == ExitCode.INDEX
    assert "2 rows" in done.stderr


def test_an_approximate_index_is_browsed_and_its_recall_printed(tmp_path: Path) -> None:
    made = table(tmp_path / "index")
    done = run("index", "approximate", made, "--tag", "v1-browse", "--partitions", "8")
    assert done.exit_code == 0, done.stderr
    assert "8 partitions" in done.stderr
    said = run("index", "recall", made, "--queries", "40", "-k", "5", "--nprobes", "8", "--refine", "40").stdout
    assert said.startswith("recall@5 1.0000")
    assert json.loads(run("index", "recall", made, "--queries", "40", "--json").stdout)["queries"] == 40
