"""A real Ray cluster of three machines (processes on this one), one of them lost: the index does not depend on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pytest
import torch
from PIL import Image

from forensics import retrieval
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.events import Event
from forensics.retrieval import CLIP
from forensics.retrieval.building.build import Options, excluded_rows
from forensics.retrieval.building.build import build as build_alone
from forensics.retrieval.readers.native import LanceIndex

ray = pytest.importorskip("ray", reason="Ray is the extra `forensics[distributed]`")
from forensics.retrieval.ray import distributed, distributed_search  # noqa: E402

pytestmark = pytest.mark.slow

COUNT, UNIT = 60, 3


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Vectors are the same to the last digit with the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures that take a moment to decode, two that are torn, captions for some."""
    root = tmp_path_factory.mktemp("works")
    rng = np.random.default_rng(0)
    for n in range(COUNT):
        small = Image.fromarray(rng.integers(0, 255, (6, 7, 3), dtype=np.uint8))
        small.resize((700, 600), Image.Resampling.BICUBIC).save(root / f"{n:02d}.png", compress_level=1)
        if n % 3:
            (root / f"{n:02d}.txt").write_text(f"caption {n}")
    for n in (7, 31):
        path = root / f"torn{n:02d}.png"
        path.write_bytes((root / f"{n:02d}.png").read_bytes()[:-80])
    return root


@pytest.fixture(scope="module")
def alone(works: Path, tmp_path_factory: pytest.TempPathFactory, embedder: Embedder, one_thread: None) -> LanceIndex:
    out = tmp_path_factory.mktemp("alone") / "index"
    build_alone(works, out, embedder, Options(unit_rows=UNIT))
    return LanceIndex(str(out))


@pytest.fixture(scope="module")
def machines() -> Iterator[object]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    # That a machine is gone shall be noticed within seconds; by default it takes half a minute.
    watch = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 10}
    room = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False, "_system_config": watch}
    cluster = Cluster(initialize_head=True, head_node_args=room)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        cluster.wait_for_nodes()
        yield cluster  # each build connects for itself: what a stopped one has left running ends with its connection
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_machine_lost_during_the_build_changes_nothing(
    works: Path, tmp_path: Path, embedder: Embedder, alone: LanceIndex, machines: object
) -> None:
    out = tmp_path / "index"
    lost = []

    def lose_one(event: Event) -> None:
        if not lost and event.done >= 6:
            lost.append(len(list((out / "partial").glob("*.arrow"))))
            machines.remove_node(sorted(machines.worker_nodes, key=str)[0], allow_graceful=False)  # type: ignore[attr-defined]

    made = distributed.build(
        works, out, embedder, Options(unit_rows=UNIT), address=machines.address, fragment_rows=16, emit=lose_one
    )
    assert 0 < lost[0] < (COUNT + 2) / UNIT, "the machine was lost in the middle"
    index = LanceIndex(str(out))
    assert made.snapshot.count == index.facts.count == COUNT
    assert made.snapshot.rows_digest == alone.snapshot.rows_digest
    assert excluded_rows(out) == excluded_rows(alone.files.uri)
    assert index.table(["row_id", "training_id"]).equals(alone.table(["row_id", "training_id"]))
    assert index.snapshot.dense
    assert index.snapshot.fragments == 4
    assert "all workers gave the same vectors" in index.snapshot.made_by
    retrieval.verify(out)
    written = {p.name for p in (out / "images.lance" / "data").iterdir()}
    named = {
        f.path for fragment in lance.dataset(str(out / "images.lance")).get_fragments() for f in fragment.data_files()
    }
    assert written == named, "what a lost task left behind is gone"

    queries = alone.vectors(CLIP, [3, 41]).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    with distributed_search.open(out, address=machines.address) as shared:  # type: ignore[attr-defined]
        for k in (1, 5, COUNT + 9):
            for ours, theirs in zip(shared.search(queries, k), alone.search(queries, k), strict=True):
                assert ours.row_ids.tolist() == theirs.row_ids.tolist()
                assert ours.scores.tolist() == theirs.scores.tolist(), "to the last digit"
        assert "4 of 4 fragments" in ours.coverage
        chosen = shared.search(queries, 3, where="caption IS NULL OR caption = ''")[0]
        assert (
            chosen.scores.tolist()
            == alone.search(queries, 3, where="caption IS NULL OR caption = ''")[0].scores.tolist()
        )
        with pytest.raises(IndexError_, match="cannot be used"):
            shared.search(queries, 3, where="no such column = 1")


def test_a_build_stopped_on_the_cluster_goes_on_anywhere_and_bytes_and_additions_are_kept(
    works: Path, tmp_path: Path, embedder: Embedder, alone: LanceIndex, machines: object
) -> None:
    out, more = tmp_path / "index", tmp_path / "more"

    def stop(event: Event) -> None:
        if event.done >= 20:
            raise InterruptedError

    options = Options(unit_rows=UNIT, keep_bytes=True)
    with pytest.raises(InterruptedError):
        distributed.build(works, out, embedder, options, address=machines.address, emit=stop)  # type: ignore[attr-defined]
    assert not (out / "snapshots").exists()
    made = build_alone(works, out, embedder, options)
    assert made.resumed >= 20 // UNIT
    assert made.snapshot.rows_digest == alone.snapshot.rows_digest

    more.mkdir()
    (more / "one.png").write_bytes((works / "01.png").read_bytes())
    appended = replace(options, append=True, tag="v2")
    made = distributed.build(more, out, embedder, appended, address=machines.address)
    assert (made.snapshot.count, made.snapshot.fragments) == (COUNT + 1, 2)
    index = LanceIndex(str(out))
    row = next(r for r in index.fetch(range(COUNT + 1)) if r.training_id == "one.png")
    assert row.image == (works / "01.png").read_bytes()
    assert LanceIndex(str(out), "v1").snapshot.rows_digest == alone.snapshot.rows_digest
    retrieval.verify(out, "v1")
    retrieval.verify(out)


def test_what_a_cluster_cannot_do_is_said(works: Path, tmp_path: Path, embedder: Embedder, machines: object) -> None:
    address = machines.address  # type: ignore[attr-defined]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"")
    with pytest.raises(IndexError_, match="No picture of the source could be used"):
        distributed.build(tmp_path / "bad", tmp_path / "index", embedder, address=address)
    assert not (tmp_path / "index").exists()
    torch.set_num_threads(2)
    try:
        with pytest.raises(IndexError_, match="no machine of the cluster has more than 1"):
            distributed.build(works, tmp_path / "index", embedder, address=address)
    finally:
        torch.set_num_threads(1)
    np.save(tmp_path / "x.npy", np.eye(4, dtype=np.float32))
    with (
        pytest.raises(IndexError_, match="is searched on one machine only"),
        distributed_search.open(tmp_path / "x.npy", address=address),
    ):
        pass
