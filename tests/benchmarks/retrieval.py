"""Time and memory of exact search: `python -m tests.benchmarks.retrieval --rows 1000000 --work DIR`.

Clustered unit vectors (2,000 Gaussians, Pareto weights, 512 numbers) in a Lance table, beside FAISS Flat and
IVF in the same run, so that the load of the machine is the same for all. Every part runs in a process of its own, so
that its peak memory is its own. Prints one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIMENSION, CLUSTERS, BLOCK = 512, 2000, 50_000
QUERIES, K = 100, 20


def blocks(rows: int) -> Iterator[NDArray[np.float32]]:
    """The vectors, block by block; the same for one number of rows."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((CLUSTERS, DIMENSION)).astype(np.float32)
    weights = rng.pareto(1.2, CLUSTERS) + 0.05
    weights /= weights.sum()
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        chosen = centres[rng.choice(CLUSTERS, count, p=weights)]
        made = chosen + 0.7 * rng.standard_normal((count, DIMENSION), dtype=np.float32)
        yield made / np.linalg.norm(made, axis=1, keepdims=True)


def queries() -> NDArray[np.float32]:
    """Held out: rows of the first block, moved."""
    rng = np.random.default_rng(2)
    made = next(blocks(BLOCK))[:QUERIES] + 0.02 * rng.standard_normal((QUERIES, DIMENSION), dtype=np.float32)
    unit: NDArray[np.float32] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def ingest(work: Path, rows: int) -> None:
    """Write the table and its snapshot."""
    import lance
    import pyarrow as pa

    from forensics.retrieval import CLIP, build
    from forensics.retrieval.base import Column
    from forensics.retrieval.files import Files
    from forensics.retrieval.table import Record, batch, schema

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
    from forensics import retrieval

    began = time.perf_counter()
    index = retrieval.open(work / "index")
    opened = time.perf_counter() - began
    import lance  # noqa: F401 - its import is not the search

    imported = time.perf_counter() - began - opened
    asked = queries()
    single = []
    for i in range(3):
        began = time.perf_counter()
        index.search(asked[i : i + 1], K)
        single.append(time.perf_counter() - began)
    began = time.perf_counter()
    found = index.search(asked, K)
    whole = time.perf_counter() - began
    np.save(work / "found.npy", np.stack([h.row_ids for h in found]))
    print(
        json.dumps(
            {
                "part": "exact", "open s": opened, "import of Lance s": imported, "single query s": sorted(single),
                "batch of 100, ms a query": 1000 * whole / QUERIES, "peak MB": _peak(),
            }
        )
    )  # fmt: skip


def faiss_beside(work: Path, rows: int) -> None:
    """FAISS Flat and IVF over the same rows."""
    import faiss

    asked = queries()
    truth = np.load(work / "found.npy")
    flat = faiss.IndexFlatIP(DIMENSION)
    for block in blocks(rows):
        flat.add(block)
    began = time.perf_counter()
    flat.search(asked[:1], K)
    one = time.perf_counter() - began
    began = time.perf_counter()
    same = flat.search(asked, K)[1]
    many = time.perf_counter() - began
    agree = float(np.mean([len(set(a) & set(b)) / K for a, b in zip(truth, same, strict=True)]))
    print(json.dumps({"part": "FAISS Flat", "single query s": one, "batch of 100, ms a query": 1000 * many / QUERIES,
                      "rows in common with the exact search": agree, "peak MB": _peak()}))  # fmt: skip
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--part", choices=("ingest", "exact", "faiss"))
    arguments = parser.parse_args()
    if arguments.part is None:
        print(json.dumps({"rows": arguments.rows, "load": os.getloadavg()[0], "cores": os.cpu_count()}), flush=True)
        for part in ("ingest", "exact", "faiss"):
            command = [sys.executable, "-m", "tests.benchmarks.retrieval", "--part", part]
            subprocess.run([*command, "--rows", str(arguments.rows), "--work", str(arguments.work)], check=True)
    elif arguments.part == "ingest":
        ingest(arguments.work, arguments.rows)
    elif arguments.part == "exact":
        exact(arguments.work)
    else:
        faiss_beside(arguments.work, arguments.rows)


if __name__ == "__main__":
    main()
