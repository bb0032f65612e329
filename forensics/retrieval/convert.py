"""Between the native index and the embeddings layout of clip-retrieval: in, to make it citable; out, to share it.

The layout has one column of vectors, so those of the copy descriptor stay behind on the way out.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from forensics.errors import IndexError_
from forensics.retrieval import build as building
from forensics.retrieval import snapshot, table
from forensics.retrieval.base import CLIP
from forensics.retrieval.files import Files
from forensics.retrieval.folder import Folder
from forensics.retrieval.layout import Manifest
from forensics.retrieval.native import LanceIndex
from forensics.retrieval.snapshot import TABLE, Snapshot
from forensics.retrieval.writer import Record, Writer

_ROWS = 4096


def export_to(uri: str, out: Path, at: str | None = None) -> Manifest:
    """Write a snapshot as an embeddings folder with our manifest.

    Raises:
        IndexError_: the folder exists, or the index cannot be used.
    """
    if out.exists():
        raise IndexError_(f"{out} exists and is not overwritten.", hint="Choose another folder, or move it aside.")
    index = LanceIndex(uri, at)
    s = index.snapshot
    first = s.columns[0]
    names = [
        "training_id",
        "path",
        "caption",
        "creator",
        "sha256",
        "source_sha256",
        "url",
        "licence",
        "width",
        "height",
    ]
    out.mkdir(parents=True)
    try:
        writer = Writer(out, first.dimension, first.dtype)
        for batch in index.dataset.scanner(columns=[*names, CLIP], batch_size=_ROWS).to_batches():
            records = [_record(values) for values in batch.select(names).to_pylist()]
            writer.add(records, table.matrix(batch.column(CLIP)))
        return writer.close(
            name=s.name,
            embedder=first.embedder,
            embedder_digest=first.digest,
            preprocessing=first.preprocessing,
            built=s.built,
            coverage=s.coverage,
            source=f"{s.source}; snapshot {s.tag}, digest of the rows {s.rows_digest}",
            pictures=index.pictures.as_posix() if index.pictures else ".",
        )
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _record(values: dict[str, Any]) -> Record:
    digests = {n: values[n].hex() if isinstance(values[n], bytes) else "" for n in ("sha256", "source_sha256")}
    return Record(
        training_id=str(values["training_id"]),
        image_path=str(values["path"] or ""),
        caption=str(values["caption"] or ""),
        creator=str(values["creator"] or ""),
        url=str(values["url"] or ""),
        licence=str(values["licence"] or ""),
        width=values["width"] or 0,
        height=values["height"] or 0,
        **digests,
    )


def import_from(folder: Path, out: str, *, embedder: str = "", embedder_digest: str = "", tag: str = "v1") -> Snapshot:
    """Make a native index of an embeddings folder: the same rows, now with a snapshot.

    Without our manifest the model is what the user states, and digests of pictures in the metadata are taken as those
    of the bytes as fetched.

    Raises:
        IndexError_: something is there, or the folder cannot be used.
    """
    snapshot.check_tag(tag)
    files = Files(out)
    if files.exists():
        raise IndexError_(f"{out} exists and is not overwritten.", hint="Choose another folder, or move it aside.")
    source = Folder(folder, embedder=embedder, embedder_digest=embedder_digest)
    column = source.columns[0]
    if column.dtype not in ("float16", "float32"):
        raise IndexError_(f"{folder} holds {column.dtype} vectors.", hint="Store them as float16 or float32.")
    wanted = table.schema(source.columns, blobs=False)

    def batches() -> Iterator[pa.RecordBatch]:
        for numbers, block in source.blocks(CLIP, _ROWS):
            records = []
            for row in source.fetch([int(n) for n in numbers]):
                known = source.manifest is not None
                records.append(
                    table.Record(
                        row.training_id,
                        caption=row.caption,
                        creator=row.creator,
                        sha256=row.sha256 if known else "",
                        source_sha256="" if known or len(row.sha256) != 64 else row.sha256,
                        path=row.picture.relative_to(source.pictures).as_posix() if row.picture else "",
                        url=row.url,
                        licence=row.licence,
                    )
                )
            yield table.batch(records, {CLIP: np.asarray(block)}, source.columns, int(numbers[0]), blobs=False)

    import lance

    files.make()
    lance.write_dataset(batches(), files.address(TABLE), schema=wanted, data_storage_version=building.storage(wanted))
    facts = source.info().facts
    said = building.Statement(
        name=facts.name,
        columns=source.columns,
        built=facts.built,
        coverage=facts.coverage,
        source=f"imported from the embeddings folder {folder.name}: {facts.source}",
        pictures=source.pictures.as_posix(),
        made_by="as the imported folder holds them; not computed again",
    )
    return building.take(files, said, tag, source.manifest.excluded if source.manifest else ())
