"""Collections as others leave them: img2dataset's shards, plain `.npy` files, and sources behind an address."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forensics import retrieval
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.retrieval import CLIP
from forensics.retrieval.building.build import build, excluded_rows
from forensics.retrieval.encoders import clip
from forensics.retrieval.readers.arrays import Arrays
from forensics.retrieval.readers.native import LanceIndex
from forensics.retrieval.readers.shards import Shards
from tests.contracts.test_retrieval_contract import plain, unit, vectors_with_ties
from tests.retrieval.test_build import picture, tensor
from tests.retrieval.test_faiss_folder import faiss, index_of, shuffle, write_rows

COUNT = 48


def key(n: int) -> str:
    return f"{n // 24:05d}{n % 24:04d}"


def downloaded(n: int) -> bytes:
    """The bytes before img2dataset resized them: other ones than those stored."""
    return b"before resizing " + picture(str(n))


@pytest.fixture(scope="module", params=["packed", "loose"])
def shards(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of 24 pictures, and three rows that were not downloaded."""
    root = tmp_path_factory.mktemp("shards")
    for shard in range(2):
        numbers = range(24 * shard, 24 * shard + 24)
        rows = [
            {
                "key": key(n),
                "url": f"https://example.org/{n}",
                "caption": f"row {n}",
                "status": "success",
                "sha256": hashlib.sha256(downloaded(n)).hexdigest(),
            }
            for n in numbers
        ]
        rows += [{"key": f"{shard:05d}9{i:03d}", "status": "failed_to_download"} for i in range(shard + 1)]
        pq.write_table(pa.Table.from_pylist(rows), root / f"{shard:05d}.parquet")
        if request.param == "packed":
            with tarfile.open(root / f"{shard:05d}.tar", "w") as archive:
                for n in numbers:
                    info = tarfile.TarInfo(f"{key(n)}.png")
                    info.size = len(picture(str(n)))
                    archive.addfile(info, io.BytesIO(picture(str(n))))
        else:
            (root / f"{shard:05d}").mkdir()
            for n in numbers:
                (root / f"{shard:05d}" / f"{key(n)}.png").write_bytes(picture(str(n)))
    return root


def test_shards_give_pictures_and_both_digests_and_say_that_they_hold_no_vectors(shards: Path) -> None:
    index = retrieval.open(shards)
    assert isinstance(index, Shards)
    info = index.info()
    assert info.facts.count == COUNT
    assert {f.name: f.value for f in info.facts.facts}["not downloaded"] == "failed_to_download: 3"
    assert info.capabilities.sentence == (
        "pictures; not offered: exact search, stored vectors, citable snapshots, search under a condition"
    )
    for number, row in zip([47, 0], index.fetch([47, 0]), strict=True):
        assert row.caption == f"row {number}"
        assert row.image == picture(str(number))
        assert row.sha256 == hashlib.sha256(picture(str(number))).hexdigest()
        assert row.source_sha256 == hashlib.sha256(downloaded(number)).hexdigest()
        assert not row.lead
    with pytest.raises(IndexError_, match="pictures and no vectors"):
        index.search(np.zeros((1, 16), np.float32), 1)
    with pytest.raises(IndexError_, match="no digests"):
        index.verify()
    with pytest.raises(IndexError_, match="no row 48"):
        index.fetch([48])


def test_rows_of_a_faiss_folder_are_probed_with_the_pictures_of_its_shards(
    shards: Path, tmp_path: Path, embedder: Embedder
) -> None:
    vectors = clip(embedder).pictures([tensor(picture(str(n))) for n in range(COUNT)])
    write_rows(tmp_path, [{"image_path": key(n), "caption": f"row {n}"} for n in range(COUNT)])
    faiss.write_index(index_of(vectors, "Flat"), str(tmp_path / "image.index"))
    index = retrieval.open(tmp_path, pictures=shards)
    hit = retrieval.search(index, [clip(embedder)], [tensor(picture("30"))], 1)[0][0]
    assert (hit.row.caption, hit.row.image) == ("row 30", picture("30"))
    assert hit.row.sha256 == hashlib.sha256(picture("30")).hexdigest()
    assert hit.row.source_sha256 == hashlib.sha256(downloaded(30)).hexdigest()
    shuffle(tmp_path / "metadata" / "metadata_0002.parquet")
    with pytest.raises(IndexError_, match="do not describe its vectors"):
        retrieval.prove(retrieval.open(tmp_path, pictures=shards), clip(embedder))


def test_an_address_gives_the_rows_of_the_path_that_it_means(shards: Path, tmp_path: Path, embedder: Embedder) -> None:
    """Through fsspec, whose address `local://` means this machine: the code an object store goes through."""
    loose = tmp_path / "folder"
    loose.mkdir()
    for n in range(6):
        (loose / f"{n}.png").write_bytes(picture(str(n)))
        (loose / f"{n}.txt").write_text(f"caption {n}")
    (loose / "torn.png").write_bytes(picture("3")[:-80])
    for source in (shards, loose):
        made = [tmp_path / f"{source.name}-{how}" for how in ("path", "address")]
        build(source, made[0], embedder)
        build(f"local://{source}", made[1], embedder)
        first, second = (LanceIndex(str(m)) for m in made)
        assert first.snapshot.rows_digest == second.snapshot.rows_digest
        assert first.table(["training_id", "caption"]).equals(second.table(["training_id", "caption"]))
        assert excluded_rows(made[0]) == excluded_rows(made[1])
        assert f"at local://{source}" in second.snapshot.source
        assert all(row.picture is None for row in second.fetch([0, 1])), "it lies elsewhere"
    for wrong in ("nowhere://x/y", f"local://{tmp_path}/missing", f"local://{loose}/0.png"):
        with pytest.raises(IndexError_):
            build(wrong, tmp_path / "no", embedder)


@pytest.mark.parametrize("single", [True, False])
def test_vectors_in_npy_files_are_searched_exactly(tmp_path: Path, single: bool) -> None:
    vectors, ids = vectors_with_ties()
    for number, part in enumerate([np.arange(1000)] if single else np.array_split(np.arange(1000), 3)):
        np.save(tmp_path / f"part{number}.npy", vectors[part])
        if number < 2:
            rows = [{"key": ids[i], "caption": f"caption {ids[i]}"} for i in part]
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"part{number}.parquet")
    index = retrieval.open(tmp_path / "part0.npy" if single else tmp_path, embedder="m", embedder_digest="d" * 64)
    assert isinstance(index, Arrays)
    queries = np.concatenate([unit(np.random.default_rng(3).standard_normal((2, 24))), vectors[[3]]])
    names = ids if single else ids[:667] + [f"2:{i}" for i in range(333)]
    for query, hits in zip(queries, retrieval.search_vectors(index, {CLIP: queries}, 30), strict=True):
        expected = plain(vectors, names, query, 30)
        assert [h.row.training_id for h in hits] == [name for name, _ in expected]
        assert [h.similarity for h in hits] == pytest.approx([s for _, s in expected], abs=1e-14)
    assert "not offered: pictures, citable snapshots" in index.info().capabilities.sentence
    np.save(tmp_path / "part0.npy", 2 * vectors)
    with pytest.raises(IndexError_):
        retrieval.open(tmp_path / "part0.npy")
