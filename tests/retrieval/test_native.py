"""The native index: stopped and resumed, damaged, grown and thinned out; what was cited stays what it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import lance
import numpy as np
import pytest

from forensics import retrieval
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.pictures.tensors import to_picture
from forensics.retrieval.building.build import Options, build, excluded_rows, remove
from forensics.retrieval.encoders import clip
from forensics.retrieval.phash import distances, phash
from forensics.retrieval.readers.native import LanceIndex
from tests.retrieval.test_build import picture, tensor

COUNT = 40
_BUILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from forensics import device
from forensics.embedders.open_clip import Embedder
from forensics.retrieval.building.build import Options, build
source, out, model = sys.argv[1:]
build(Path(source), out, Embedder.open(model, device.choose("cpu")), Options(unit_rows=4))
"""


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("works")
    for n in range(COUNT):
        (root / f"{n:02d}.png").write_bytes(picture(str(n)))
    (root / "torn.png").write_bytes(picture("3")[:-80])
    return root


@pytest.fixture(scope="module")
def made(works: Path, tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    out = tmp_path_factory.mktemp("native") / "index"
    build(works, out, embedder, Options(unit_rows=8))
    return out


@pytest.mark.slow
def test_a_build_that_was_killed_goes_on_and_ends_with_the_same_rows(works: Path, tmp_path: Path) -> None:
    from tests.contracts.tiny_open_clip import save_tiny_open_clip

    model = save_tiny_open_clip(tmp_path / "model")
    command = [sys.executable, "-c", _BUILD, str(works), str(tmp_path / "index"), str(model)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    parts = tmp_path / "index" / "partial"
    limit = time.monotonic() + 300
    while len(list(parts.glob("*.arrow"))) < 2:
        assert running.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    kept = {p.name: p.stat().st_mtime_ns for p in parts.glob("*.arrow")}
    if not (tmp_path / "index" / "snapshots").exists():
        with pytest.raises(IndexError_, match="not finished"):
            retrieval.open(tmp_path / "index")
    assert len(kept) >= 2
    torn = sorted(parts.glob("*.arrow"))[0]
    torn.write_bytes(torn.read_bytes()[:-40])  # as a crash of the machine may leave it: done again, not believed
    subprocess.run(command, env=environment, check=True)
    subprocess.run([*command[:-2], str(tmp_path / "whole"), command[-1]], env=environment, check=True)
    resumed, whole = (LanceIndex(str(tmp_path / name)).snapshot for name in ("index", "whole"))
    assert resumed.count == whole.count == COUNT
    assert resumed.rows_digest == whole.rows_digest
    assert retrieval.verify(tmp_path / "index").rows == COUNT


def test_another_build_is_not_taken_for_a_resumed_one(works: Path, tmp_path: Path, embedder: Embedder) -> None:
    from forensics.retrieval.building import build as building
    from forensics.retrieval.building.files import Files
    from forensics.retrieval.building.sources import open_source

    files = Files(str(tmp_path / "index"))
    building.resume(files, open_source(works), building.plan(embedder, None, "float32", keep_bytes=False), "v1")
    with pytest.raises(IndexError_, match="part of another build; different: columns"):
        build(works, tmp_path / "index", embedder)


def test_one_flipped_bit_in_any_file_is_named(made: Path, tmp_path: Path) -> None:
    listed = [f.path for f in LanceIndex(str(made)).snapshot.files]
    assert any(name.startswith("images.lance/data/") for name in listed)
    for name in [n for n in listed if (made / n).stat().st_size]:
        copy = Path(shutil.copytree(made, tmp_path / "copy"))
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 4
        (copy / name).write_bytes(data)
        with pytest.raises(IndexError_, match=Path(name).name):
            retrieval.verify(copy)
        shutil.rmtree(copy)
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    said = copy / "snapshots" / "v1.json"
    said.write_text(said.read_text().replace("did not state", "DID not state"))
    with pytest.raises(IndexError_, match="differ from the digest it carries"):
        retrieval.open(copy)


def answers(out: Path, at: str, embedder: Embedder) -> list[list[retrieval.Hit]]:
    return retrieval.search(retrieval.open(out, at), [clip(embedder)], [tensor(picture("5")), tensor(picture("77"))], 9)


def test_what_was_cited_stays_when_rows_are_added_removed_and_compacted(
    made: Path, works: Path, tmp_path: Path, embedder: Embedder
) -> None:
    out = Path(shutil.copytree(made, tmp_path / "index"))
    before = answers(made, "v1", embedder)
    (tmp_path / "more").mkdir()
    for n in (76, 77):
        (tmp_path / "more" / f"{n}.png").write_bytes(picture(str(n)))
    (tmp_path / "more" / "05.png").write_bytes(picture("78"))
    grown = build(tmp_path / "more", out, embedder, Options(append=True, tag="v2"))
    assert (grown.snapshot.count, [e.path for e in grown.excluded]) == (COUNT + 2, ["05.png"])
    assert answers(out, "v2", embedder)[1][0].row.training_id == "77.png"
    thinned = remove(out, "training_id IN ('05.png', '77.png')", "v3", "removed on request")
    assert (thinned.count, thinned.dense) == (COUNT, False)
    assert [e.path for e in excluded_rows(out, "v3") if e.reason == "removed on request"] == ["05.png", "77.png"]
    lance.dataset(str(out / "images.lance")).optimize.compact_files()
    for at, count in (("v1", COUNT), ("v2", COUNT + 2), ("v3", COUNT)):
        assert retrieval.verify(out, at).rows == count
    moved = [[(h.row.training_id, h.scores) for h in hits] for hits in answers(out, "v1", embedder)]
    assert moved == [[(h.row.training_id, h.scores) for h in hits] for hits in before]
    found = {h.row.training_id for hits in answers(out, "v3", embedder) for h in hits}
    assert not found & {"05.png", "77.png"}
    with pytest.raises(IndexError_, match="has no snapshot 'v9'"):
        retrieval.open(out, "v9")
    with pytest.raises(IndexError_, match="already"):
        remove(out, "row_id = 1", "v2", "x")
    with pytest.raises(IndexError_, match="No row"):
        remove(out, "row_id = 1000", "v4", "x")


def test_a_moved_tag_is_noticed(made: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made, tmp_path / "index"))
    table = lance.dataset(str(out / "images.lance"))
    table.delete("row_id = 0")
    table.tags.update("v1", 2)
    with pytest.raises(IndexError_, match="was moved to version 2"):
        retrieval.open(out).fetch([1])


def test_pictures_in_the_index_itself(works: Path, tmp_path: Path, embedder: Embedder) -> None:
    source = Path(shutil.copytree(works, tmp_path / "source"))
    build(source, tmp_path / "index", embedder, Options(keep_bytes=True))
    shutil.rmtree(source)
    row = retrieval.search(retrieval.open(tmp_path / "index"), [clip(embedder)], tensor(picture("7")), 1)[0][0].row
    assert (row.training_id, row.picture, row.lead) == ("07.png", None, False)
    assert row.image == picture("7")


def test_search_under_a_condition_leaves_out_what_does_not_meet_it(made: Path, embedder: Embedder) -> None:
    index = retrieval.open(made)
    query = clip(embedder).pictures(tensor(picture("5")))
    everything = index.search(query, COUNT)[0].row_ids
    some = index.search(query, COUNT, where="row_id >= 30")[0]
    assert list(some.row_ids) == [n for n in everything if n >= 30]
    with pytest.raises(IndexError_, match="cannot be used"):
        index.search(query, 3, where="no_such_column = 1")


def test_a_folder_that_cannot_be_written_is_searched(made: Path, tmp_path: Path, embedder: Embedder) -> None:
    out = Path(shutil.copytree(made, tmp_path / "index"))
    for path in (*out.rglob("*"), out):
        path.chmod(0o555 if path.is_dir() else 0o444)
    listed = sorted(out.rglob("*"))
    assert answers(out, "v1", embedder)[0][0].row.training_id == "05.png"
    assert sorted(out.rglob("*")) == listed
    for path in (out, *out.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_the_perceptual_hash_tells_a_rendering_from_another_picture() -> None:
    one, other = tensor(picture("1")), tensor(picture("2"))
    small = to_picture(one).resize((24, 20))
    own = phash(to_picture(one))
    others = np.array([own, phash(small), phash(to_picture(other))], np.uint64)
    same, reduced, unrelated = distances(own, others)
    assert same == 0
    assert reduced <= 8 < unrelated
