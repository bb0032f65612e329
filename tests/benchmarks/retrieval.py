"""Time and memory of exact and approximate search: `python -m tests.benchmarks.retrieval --rows 1000000 --work DIR`.

Clustered unit vectors (2,000 clusters, Pareto weights, 512 numbers) in a Lance table, beside FAISS Flat and
IVF in the same run, so that the load of the machine is the same for all. Every part runs in a process of its own, so
that its peak memory is its own. The last part builds an index of the embedded works and compares its pace with that of
the models alone. Prints one JSON object a line, each with the load of the machine when the part began;
where others use the machine too, processor time (CPU) says more than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION, CLUSTERS, BLOCK = 512, 2000, 50_000
SPACES, INSIDE = 16, 64
QUERIES, K = 100, 20
BROWSED = 300
"""Held-out queries of the approximate search."""
PICTURES = 512
"""Pictures of the part that builds an index."""
PARTS = ("build", "ingest", "exact", "faiss", "train", "approximate")


def blocks(rows: int, seed: int = 1) -> Iterator[NDArray[np.float32]]:
    """The vectors, block by block; the same for one number of rows and one seed.

    A cluster is a centre, a spread in one of `SPACES` subspaces of 64 dimensions, and a little noise in all: what
    embeddings of pictures look like, and what makes neighbours differ in distance at all.
    """
    shape = np.random.default_rng(0)
    centres = shape.standard_normal((CLUSTERS, DIMENSION)).astype(np.float32)
    weights = shape.pareto(1.2, CLUSTERS) + 0.05
    weights /= weights.sum()
    spaces = np.linalg.qr(shape.standard_normal((SPACES, DIMENSION, INSIDE)))[0].astype(np.float32)
    rng = np.random.default_rng(seed)
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        chosen = np.sort(rng.choice(CLUSTERS, count, p=weights))
        made = centres[chosen] + 0.05 * rng.standard_normal((count, DIMENSION), dtype=np.float32)
        for space in range(SPACES):
            here = chosen % SPACES == space
            made[here] += 2 * rng.standard_normal((int(here.sum()), INSIDE), dtype=np.float32) @ spaces[space].T
        made = made[rng.permutation(count)]
        yield made / np.linalg.norm(made, axis=1, keepdims=True)


def queries(count: int = QUERIES) -> NDArray[np.float32]:
    """Held out: drawn as the rows are, with another seed."""
    return next(blocks(BLOCK, seed=2))[:count]


def ingest(work: Path, rows: int) -> None:
    """Write the table and its snapshot."""
    import lance
    import pyarrow as pa

    from forensics.retrieval import CLIP
    from forensics.retrieval.base import Column
    from forensics.retrieval.building import build
    from forensics.retrieval.building.files import Files
    from forensics.retrieval.building.table import Record, batch, schema

    columns = (Column(CLIP, "made up", "d" * 64, "none", DIMENSION, "float16"),)
    wanted = schema(columns, blobs=False)

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for block in blocks(rows):
            records = [Record(f"row {start + i}", sha256=f"{start + i:064x}") for i in range(len(block))]
            yield batch(records, {CLIP: block}, columns, start, blobs=False)
            start += len(block)

    began = time.perf_counter()
    lance.write_dataset(
        batches(),
        str(work / "index" / "images.lance"),
        schema=wanted,
        data_storage_version="2.1",
        max_rows_per_file=1 << 18,
    )
    written = time.perf_counter() - began
    said = build.Statement("benchmark", columns, "", "Made up.", "made up", "", "made up")
    build.take(Files(str(work / "index")), said, "v1", [])
    print(json.dumps({"part": "ingest", "seconds": written, "with snapshot": time.perf_counter() - began}))


def exact(work: Path) -> None:
    """Open, one query, a hundred queries."""
    began = time.perf_counter()
    import lance  # noqa: F401 - imports are not the search

    from forensics import retrieval
    from forensics.retrieval.readers import native  # noqa: F401

    imported = time.perf_counter() - began
    began = time.perf_counter()
    index = retrieval.open(work / "index")
    opened = time.perf_counter() - began
    asked = queries()
    single, used = [], time.process_time()
    for i in range(3):
        began = time.perf_counter()
        index.search(asked[i : i + 1], K)
        single.append(time.perf_counter() - began)
    used = (time.process_time() - used) / 3
    began, used_batch = time.perf_counter(), time.process_time()
    found = index.search(asked, K)
    whole, used_batch = time.perf_counter() - began, time.process_time() - used_batch
    np.save(work / "found.npy", np.stack([h.row_ids for h in found]))
    print(
        json.dumps(
            {
                "part": "exact",
                "open s": opened,
                "imports s": imported,
                "single query s": sorted(single),
                "single query CPU s": used,
                "batch of 100, ms a query": 1000 * whole / QUERIES,
                "batch of 100, CPU ms a query": 1000 * used_batch / QUERIES,
                "peak MB": _peak(),
            }
        )
    )


def train(work: Path) -> None:
    """Train and build the approximate index."""
    from forensics.retrieval.building import approximate as browsing

    began = time.perf_counter()
    made = browsing.make(str(work / "index"), "v1-browse")
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "part": "train",
                "seconds": seconds,
                "kind": made.ann[0].kind,
                "partitions": made.ann[0].partitions,
                "peak MB": _peak(),
            }
        )
    )


def approximate(work: Path) -> None:
    """Recall and latency of the approximate index against the exact search."""
    from forensics.retrieval.readers.native import LanceIndex
    from forensics.schema import encode

    asked = queries(BROWSED)
    for probes in (None, 4, 16, 24, 32):
        index = LanceIndex(str(work / "index"))
        params = {} if probes is None else {"nprobes": probes}
        index.measure_recall(asked[:20], K, params)  # the first queries read centroids and codebook
        report = index.measure_recall(asked, K, params)
        print(json.dumps({"part": "approximate", **encode(report), "peak MB": _peak()}), flush=True)


def build_pace() -> None:
    """Pictures a second: of the models alone, of reading and the models, and of a whole build."""
    import tempfile

    from forensics import resources
    from forensics.device import choose
    from forensics.embedders.copies import open_descriptor
    from forensics.embedders.open_clip import Embedder
    from forensics.pictures.intake import decode
    from forensics.pictures.tensors import to_tensor
    from forensics.retrieval import encoders
    from forensics.retrieval.building.build import Options, build
    from forensics.retrieval.building.units import BATCH

    reference, cpu = resources.samples() / "reference", choose("cpu", "fp32")
    embedder = Embedder.open(str(reference / "openclip"), cpu)
    descriptor: Any = open_descriptor(str(reference / "copydescriptor"), cpu)
    paths = sorted((reference / "works").iterdir())[:PICTURES]
    for name, used in (("embedder", None), ("embedder and copy descriptor", descriptor)):
        models = [encoders.clip(embedder), *([encoders.copies(used)] if used else [])]
        bare = read = 0.0
        for start in range(0, len(paths), BATCH):
            began = time.perf_counter()
            pictures = [to_tensor(decode(p.read_bytes(), p.name).picture) for p in paths[start : start + BATCH]]
            decoded = time.perf_counter()
            for model in models:
                model.encode([model.prepare(picture) for picture in pictures])
            done = time.perf_counter()
            bare, read = bare + done - decoded, read + done - began
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "works"
            source.mkdir()
            for path in paths:
                shutil.copy(path, source)
            began = time.perf_counter()
            made = build(source, Path(folder) / "index", embedder, Options(descriptor=used, unit_rows=256))
            whole = time.perf_counter() - began
        count = made.snapshot.count
        print(
            json.dumps(
                {
                    "part": "build",
                    "models": name,
                    "pictures": count,
                    "models alone, images/s": count / bare,
                    "reading and models one after the other, images/s": count / read,
                    "whole build, images/s": count / whole,
                    "share of the models alone": bare / whole,
                }
            )
        )


def faiss_beside(work: Path, rows: int) -> None:
    """FAISS Flat and IVF over the same rows."""
    import faiss

    asked = queries()
    truth = np.load(work / "found.npy")
    flat = faiss.IndexFlatIP(DIMENSION)
    for block in blocks(rows):
        flat.add(block)
    began, used = time.perf_counter(), time.process_time()
    flat.search(asked[:1], K)
    one, used = time.perf_counter() - began, time.process_time() - used
    began, used_batch = time.perf_counter(), time.process_time()
    same = flat.search(asked, K)[1]
    many, used_batch = time.perf_counter() - began, time.process_time() - used_batch
    agree = float(np.mean([len(set(a) & set(b)) / K for a, b in zip(truth, same, strict=True)]))
    print(
        json.dumps(
            {
                "part": "FAISS Flat",
                "single query s": one,
                "single query CPU s": used,
                "batch of 100, ms a query": 1000 * many / QUERIES,
                "batch of 100, CPU ms a query": 1000 * used_batch / QUERIES,
                "rows in common with the exact search": agree,
                "peak MB": _peak(),
            }
        )
    )
    lists = max(16, rows // 1000)
    quantizer = faiss.IndexFlatIP(DIMENSION)
    ivf = faiss.IndexIVFFlat(quantizer, DIMENSION, lists, faiss.METRIC_INNER_PRODUCT)
    ivf.cp.seed, ivf.nprobe = 1, 4
    ivf.train(next(blocks(BLOCK)))
    for block in blocks(rows):
        ivf.add(block)
    began = time.perf_counter()
    found = np.concatenate([ivf.search(asked[i : i + 1], K)[1] for i in range(QUERIES)])
    each = (time.perf_counter() - began) / QUERIES
    recall = float(np.mean([len(set(a) & set(b)) / K for a, b in zip(truth, found, strict=True)]))
    print(json.dumps({"part": "FAISS IVF", "lists": lists, "nprobe": 4, "ms a query": 1000 * each, "recall": recall}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="parts to run, in this order")
    arguments = parser.parse_args()
    if arguments.part is None:
        for part in arguments.parts:
            load = f"{os.getloadavg()[0]:.1f}"
            print(json.dumps({"rows": arguments.rows, "cores": os.cpu_count(), "load": load}), flush=True)
            command = [sys.executable, "-m", "tests.benchmarks.retrieval", "--part", part]
            subprocess.run([*command, "--rows", str(arguments.rows), "--work", str(arguments.work)], check=True)
    elif arguments.part == "ingest":
        ingest(arguments.work, arguments.rows)
    elif arguments.part == "exact":
        exact(arguments.work)
    elif arguments.part == "approximate":
        approximate(arguments.work)
    elif arguments.part == "train":
        train(arguments.work)
    elif arguments.part == "build":
        build_pace()
    else:
        faiss_beside(arguments.work, arguments.rows)


if __name__ == "__main__":
    main()
