"""Folders made with plain FAISS and Parquet: opened, searched, probed, and refused where the metadata are another's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from forensics import retrieval
from forensics.cli import main
from forensics.embedders.open_clip import Embedder
from forensics.errors import ExitCode, IndexError_
from forensics.retrieval import CLIP
from forensics.retrieval.building.convert import import_from
from forensics.retrieval.encoders import clip
from forensics.retrieval.readers.faiss_folder import FaissFolder
from tests.contracts.test_retrieval_contract import plain, unit, vectors_with_ties
from tests.retrieval.test_build import picture, tensor

faiss = pytest.importorskip("faiss", reason="FAISS is the extra `forensics[faiss]`")
COUNT = 96
"""Pictures; three files of metadata."""


def index_of(vectors: np.ndarray, kind: str, **settings: object) -> object:
    index = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    inner = faiss.try_extract_index_ivf(index)
    if isinstance(faiss.downcast_index(inner) if inner else None, faiss.IndexIVFPQ):
        # Simulated annealing of the codes, for a filter that nothing here uses: seconds a sub-quantiser.
        faiss.downcast_index(inner).do_polysemous_training = False
    # A rotation is trained with 256 centroids whatever the codes have: more points than there are pictures.
    more = unit(np.random.default_rng(1).standard_normal((1000, vectors.shape[1])))
    index.train(np.concatenate([vectors, more]))
    index.add(vectors)
    return index


def write_rows(folder: Path, rows: list[dict[str, object]], files: int = 3, suffix: str = ".parquet") -> None:
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    for number, chosen in enumerate(np.array_split(np.arange(len(rows)), files)):
        table = pa.Table.from_pylist([rows[i] for i in chosen])
        path = folder / "metadata" / f"metadata_{number:04d}{suffix}"
        if suffix == ".parquet":
            pq.write_table(table, path, row_group_size=20)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=20)


def random_folder(folder: Path, kind: str, *, suffix: str = ".parquet", raw: bool = False) -> Path:
    """A thousand random vectors, ties among them; leads without pictures."""
    vectors, ids = vectors_with_ties()
    write_rows(
        folder, [{"key": i, "url": f"https://example.org/{i}", "caption": f"caption {i}"} for i in ids], suffix=suffix
    )
    faiss.write_index(index_of(vectors, kind), str(folder / "image.index"))
    if raw:
        (folder / "img_emb").mkdir()
        for number, part in enumerate(np.array_split(vectors, 3)):
            np.save(folder / "img_emb" / f"img_emb_{number}.npy", part)
    return folder


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> tuple[Path, np.ndarray]:
    """Pictures in a folder, and their vectors."""
    root = tmp_path_factory.mktemp("pictures")
    for n in range(COUNT):
        (root / f"{n:02d}.png").write_bytes(picture(str(n)))
    return root, clip(embedder).pictures([tensor(picture(str(n))) for n in range(COUNT)])


@pytest.fixture
def folder(shown: tuple[Path, np.ndarray], tmp_path: Path) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        rows = [{"image_path": f"{n:02d}.png", "caption": f"row {n}"} for n in range(COUNT)]
        write_rows(tmp_path / "f", rows)
        faiss.write_index(index_of(shown[1], kind), str(tmp_path / "f" / "image.index"))
        return tmp_path / "f"

    return make


def shuffle(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(table.num_rows)), path)


def exchange(folder: Path) -> None:
    first, second = sorted((folder / "metadata").iterdir())[:2]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


@pytest.mark.parametrize(
    ("kind", "first", "eighth"), [("Flat", 1.0, 1.0), ("IVF4,PQ8x4", 0.6, 0.9), ("OPQ8,IVF4,PQ8x4", 0.6, 0.9)]
)
def test_what_the_rows_name_is_compared_with_the_vectors_and_a_shuffled_file_is_refused(
    kind: str,
    first: float,
    eighth: float,
    folder: Callable[[str], Path],
    shown: tuple[Path, np.ndarray],
    embedder: Embedder,
) -> None:
    made = folder(kind)
    index = retrieval.open(made, pictures=shown[0])
    assert isinstance(index, FaissFolder)
    retrieval.prove(index, clip(embedder))
    said = {f.name: f.value for f in index.info().facts.facts}["metadata describe the vectors"]
    assert "of 64 rows, drawn from all files, agree" in said
    assert index.info().columns[0].digest == embedder.digest
    # Which row a coarse quantiser names first for one query hangs on the last bits of its training, and so on the
    # processor; how many queries find their own row does not. By chance 1 and 8 of 96 would.
    found = index.search(shown[1], 8, mode="ann", params={"nprobes": 4, "refine": 8})
    named = [[row.caption for row in index.fetch(h.row_ids)] for h in found]
    assert np.mean([rows[0] == f"row {n}" for n, rows in enumerate(named)]) >= first
    assert np.mean([f"row {n}" in rows for n, rows in enumerate(named)]) >= eighth

    shuffle(sorted((made / "metadata").iterdir())[1])
    with pytest.raises(IndexError_, match="do not describe its vectors"):
        retrieval.prove(retrieval.open(made, pictures=shown[0]), clip(embedder))


def test_exchanged_files_and_another_model_are_refused(
    folder: Callable[[str], Path], shown: tuple[Path, np.ndarray], embedder: Embedder, tmp_path: Path
) -> None:
    from forensics import device
    from tests.contracts.tiny_open_clip import save_tiny_open_clip

    made = folder("Flat")
    other = Embedder.open(str(save_tiny_open_clip(tmp_path / "other", seed=1)), device.choose("cpu"))
    with pytest.raises(IndexError_, match="do not describe its vectors") as told:
        retrieval.prove(retrieval.open(made, pictures=shown[0]), clip(other))
    assert "another model made the vectors" in told.value.hint
    exchange(made)
    with pytest.raises(IndexError_, match="do not describe its vectors"):
        retrieval.search(retrieval.open(made, pictures=shown[0]), [clip(embedder)], [tensor(picture("5"))], 3)


def test_the_command_line_searches_such_a_folder_and_refuses_a_shuffled_one(
    folder: Callable[[str], Path], shown: tuple[Path, np.ndarray], embedder: Embedder, tmp_path: Path
) -> None:
    from tests.contracts.tiny_open_clip import save_tiny_open_clip

    made, model = folder("Flat"), str(save_tiny_open_clip(tmp_path / "model"))
    query = tmp_path / "q.png"
    query.write_bytes(picture("17"))
    command = [
        "index",
        "search",
        str(made),
        str(query),
        "--clip",
        model,
        "--pictures",
        str(shown[0]),
        "--json",
        "-k",
        "2",
    ]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["caption"], first["similarity"]) == ("row 17", pytest.approx(1, abs=1e-6))
    shuffle(sorted((made / "metadata").iterdir())[0])
    done = CliRunner().invoke(main, command)
    assert done.exit_code == ExitCode.INDEX
    assert "do not describe its vectors" in done.stderr
    told = CliRunner().invoke(main, ["index", "info", str(made)]).stdout
    assert "not offered: pictures, citable snapshots, search under a condition" in told
    assert "metadata describe the vectors: not shown" in told


def test_a_quantised_folder_without_pictures_is_browsed_on_the_users_word(
    folder: Callable[[str], Path], tmp_path: Path
) -> None:
    from tests.contracts.tiny_open_clip import save_tiny_open_clip

    made, model = folder("IVF4,PQ8x4"), str(save_tiny_open_clip(tmp_path / "model"))
    query = tmp_path / "q.png"
    query.write_bytes(picture("17"))
    command = ["index", "search", str(made), str(query), "--clip", model, "--json", "-k", "5"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == ExitCode.INDEX
    assert "does not record which model" in done.stderr
    done = CliRunner().invoke(main, [*command, "--stated"])
    assert done.exit_code == ExitCode.INDEX
    assert "does not offer exact search" in done.stderr
    done = CliRunner().invoke(main, [*command, "--stated", "--browse"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert "row 17" in [row["caption"] for row in rows]
    assert all(-1 <= row["similarity"] <= 1 and row["lead"] and row["mode"] == "ann" for row in rows)
    assert "The similarities are estimates" in done.stderr


def test_a_folder_that_kept_its_vectors_becomes_an_index_that_can_be_cited(
    folder: Callable[[str], Path], shown: tuple[Path, np.ndarray], embedder: Embedder, tmp_path: Path
) -> None:
    made, out = folder("Flat"), tmp_path / "out"
    taken = import_from(made, str(out), pictures=shown[0], encoder=clip(embedder))
    assert "64 rows, drawn from all files, agree" in taken.source
    first, second = retrieval.open(made, pictures=shown[0]), retrieval.open(out)
    ours, theirs = (i.search(shown[1][[4, 70]], 9) for i in (first, second))
    assert [h.row_ids.tolist() for h in ours] == [h.row_ids.tolist() for h in theirs]
    assert [h.scores.tolist() for h in ours] == [h.scores.tolist() for h in theirs], "the same float32 vectors"
    retrieval.check_model(second.info(), clip(embedder))
    retrieval.verify(out)
    with pytest.raises(IndexError_, match="does not offer the vectors as they were"):
        import_from(random_folder(tmp_path / "q", "IVF16,PQ8"), str(tmp_path / "no"))


@pytest.mark.parametrize(("kind", "raw"), [("Flat", False), ("IVF16,Flat", False), ("IVF16,PQ8", True)])
def test_where_the_vectors_were_kept_the_search_is_exact(tmp_path: Path, kind: str, raw: bool) -> None:
    vectors, ids = vectors_with_ties()
    index = retrieval.open(random_folder(tmp_path / "f", kind, raw=raw, suffix=".arrow"))
    assert index.info().capabilities.exact
    queries = np.concatenate([unit(np.random.default_rng(2).standard_normal((2, 24))), vectors[[3, 900]]])
    for query, found in zip(queries, retrieval.search_vectors(index, {CLIP: queries}, 45), strict=True):
        expected = plain(vectors, ids, query, 45)
        assert [h.row.training_id for h in found] == [name for name, _ in expected]
        assert [h.similarity for h in found] == pytest.approx([s for _, s in expected], abs=1e-14)
        assert all(h.row.lead for h in found)
    report = index.measure_recall(unit(np.random.default_rng(6).standard_normal((40, 24))), 10, {"nprobes": 16})
    assert report.mean >= 0.9, "all partitions are read, and candidates are compared again with the vectors"
    assert report.low <= report.mean <= report.high
    with pytest.raises(IndexError_, match="nothing to verify"):
        index.verify()
    with pytest.raises(IndexError_, match="search under a condition"):
        index.search(queries, 3, where="caption = 'x'")


def test_a_quantised_index_claims_neither_exactness_nor_recall(tmp_path: Path) -> None:
    vectors, _ = vectors_with_ties()
    index = retrieval.open(random_folder(tmp_path / "f", "IVF16,PQ8"))
    with pytest.raises(IndexError_, match="does not offer exact search"):
        index.search(vectors[:1], 5)
    with pytest.raises(IndexError_, match="recall is not measurable"):
        index.measure_recall(vectors[:5])
    found = index.search(vectors[:1], 50, mode="ann", params={"nprobes": 16})[0]
    assert (found.mode, len(found.row_ids)) == ("ann", 50)
    assert 0 in found.row_ids
    assert "how many it misses is not known" in found.coverage
    assert index.scores(vectors[0], [0, 1], CLIP) == [None, None]
    assert "not measurable" in {f.name: f.value for f in index.info().facts.facts}["recall"]


def test_the_layout_of_laion_opens_wherever_it_was_moved(tmp_path: Path) -> None:
    """Inverted lists on disk in a file of their own, an order of their own, metadata as Arrow files."""
    from faiss.contrib.ondisk import merge_ondisk

    vectors, ids = vectors_with_ties()
    rows = [{"url": f"https://example.org/{i}", "caption": f"caption {i}"} for i in ids]
    write_rows(tmp_path / "made", rows, suffix=".arrow")
    order = np.random.default_rng(8).permutation(len(vectors))  # vector at place p is that of row order[p]
    target = tmp_path / "made" / "image.index"
    target.mkdir()
    block = index_of(vectors[order], "IVF16,Flat")
    faiss.write_index(block, str(tmp_path / "block.index"))
    empty = faiss.clone_index(block)
    empty.reset()
    merge_ondisk(empty, [str(tmp_path / "block.index")], str(target / "merged_index.ivfdata"))
    faiss.write_index(empty, str(target / "populated.index"))
    np.save(tmp_path / "made" / "ivf_old_to_new_mapping.npy", np.argsort(order))
    (tmp_path / "made").rename(tmp_path / "moved")
    index = retrieval.open(tmp_path / "moved")
    query = unit(np.random.default_rng(2).standard_normal((1, 24)))[0]
    expected = plain(vectors, [f"https://example.org/{i}" for i in ids], query, 9)
    for mode in ("exact", "ann"):
        found = index.search(query[None], 9, mode=mode, params={"nprobes": 16})[0]
        assert [r.training_id for r in index.fetch(found.row_ids)] == [name for name, _ in expected], mode


def test_wrong_numbers_and_damaged_files_are_refused(tmp_path: Path) -> None:
    folder = random_folder(tmp_path / "f", "Flat", raw=True)
    last = sorted((folder / "metadata").iterdir())[-1]
    whole = last.read_bytes()
    pq.write_table(pq.read_table(last).slice(1), last)
    with pytest.raises(IndexError_, match="holds 1000 vectors, and there are 999 rows of metadata"):
        retrieval.open(folder)
    last.write_bytes(whole[:-9])
    with pytest.raises(IndexError_, match="not readable"):
        retrieval.open(folder)
    last.write_bytes(whole)
    np.save(folder / "img_emb" / "img_emb_9.npy", np.ones((1, 24), np.float32))
    with pytest.raises(IndexError_, match="there are 1001 vectors beside it"):
        retrieval.open(folder)
    (folder / "img_emb" / "img_emb_9.npy").unlink()
    np.save(folder / "ivf_old_to_new_mapping.npy", np.zeros(1000, np.int64))
    with pytest.raises(IndexError_, match="not an order of 1000 rows"):
        retrieval.open(folder)
    for path in (folder / "metadata").iterdir():
        path.unlink()
    with pytest.raises(IndexError_, match="no Parquet or Arrow"):
        retrieval.open(folder)
    (folder / "image.index").write_bytes(b"garbage")
    with pytest.raises(IndexError_, match="not a readable FAISS index"):
        retrieval.open(folder)
