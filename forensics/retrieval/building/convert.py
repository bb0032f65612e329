"""Between the native index and the layouts of others: in, to make them citable; out, to share it.

The embeddings layout has one column of vectors, so those of the copy descriptor stay behind on the way out.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from forensics import retrieval
from forensics.errors import IndexError_
from forensics.retrieval.base import CLIP, Row, not_offered
from forensics.retrieval.building import build as building
from forensics.retrieval.building import snapshot, table
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.snapshot import TABLE, Snapshot
from forensics.retrieval.building.writer import Record, Said, Writer
from forensics.retrieval.encoders import Encoder
from forensics.retrieval.readers.faiss_folder import FaissFolder
from forensics.retrieval.readers.folder import Folder
from forensics.retrieval.readers.layout import Manifest
from forensics.retrieval.readers.native import LanceIndex

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
            Said(
                name=s.name,
                embedder=first.embedder,
                embedder_digest=first.digest,
                preprocessing=first.preprocessing,
                built=s.built,
                coverage=s.coverage,
                source=f"{s.source}; snapshot {s.tag}, digest of the rows {s.rows_digest}",
                pictures=index.pictures.as_posix() if index.pictures else ".",
            )
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


def import_from(
    folder: Path,
    out: str,
    *,
    embedder: str = "",
    embedder_digest: str = "",
    pictures: Path | None = None,
    encoder: Encoder | None = None,
    tag: str = "v1",
) -> Snapshot:
    """Make a native index of a collection that keeps its vectors: the same rows, now with a snapshot.

    Args:
        folder: an embeddings folder, a FAISS folder, or `.npy` files.
        out: folder or address, made anew.
        embedder: what made the vectors, where the folder does not record it.
        embedder_digest: likewise.
        pictures: of a FAISS folder's rows (`forensics.retrieval.open`).
        encoder: lets a FAISS folder show that its rows describe its vectors, and that this model made them.
        tag: of the snapshot.

    Raises:
        IndexError_: something is there, or the folder cannot be used.
    """
    snapshot.check_tag(tag)
    files = Files(out)
    files.address(TABLE)  # what would fail at the end fails now
    if files.exists():
        raise IndexError_(f"{out} exists and is not overwritten.", hint="Choose another folder, or move it aside.")
    source = retrieval.open(folder, embedder=embedder, embedder_digest=embedder_digest, pictures=pictures)
    if not isinstance(source, Folder | FaissFolder):
        raise IndexError_(f"{folder} is not imported.", hint="`forensics index build` makes an index of pictures.")
    if not source.info().capabilities.vectors:
        raise not_offered(folder.name, "the vectors as they were")
    if encoder is not None:
        retrieval.prove(source, encoder)
    column = source.columns[0]
    if column.dtype not in ("float16", "float32"):
        raise IndexError_(f"{folder} holds {column.dtype} vectors.", hint="Store them as float16 or float32.")
    wanted = table.schema(source.columns, blobs=False)

    def batches() -> Iterator[pa.RecordBatch]:
        seen: set[str] = set()
        for numbers, block in source.blocks(CLIP, _ROWS):
            rows = source.fetch([int(n) for n in numbers])
            records = [_imported(r, int(n), source.pictures, seen) for n, r in zip(numbers, rows, strict=True)]
            yield table.batch(records, {CLIP: np.asarray(block)}, source.columns, int(numbers[0]), blobs=False)

    import lance

    files.make()
    lance.write_dataset(batches(), files.address(TABLE), schema=wanted, data_storage_version=building.storage(wanted))
    facts = source.info().facts
    manifest = source.manifest if isinstance(source, Folder) else None
    shown = "" if isinstance(source, Folder) else f"; rows describe vectors: {source.aligned.sentence}"
    said = building.Statement(
        name=facts.name,
        columns=source.columns,
        built=facts.built,
        coverage=facts.coverage,
        source=f"imported from the folder {folder.name}: {facts.source}{shown}",
        pictures=source.pictures.as_posix(),
        made_by="as the imported folder holds them; not computed again",
    )
    return building.take(files, said, tag, manifest.excluded if manifest else ())


def _imported(row: Row, number: int, pictures: Path, seen: set[str]) -> table.Record:
    """Ids are unique in an index; where they are not in the folder, the row's number is added."""
    name = row.training_id if row.training_id not in seen else f"{row.training_id} (row {number})"
    seen.add(name)
    return table.Record(
        name,
        caption=row.caption,
        creator=row.creator,
        sha256=row.sha256,
        source_sha256=row.source_sha256 if len(row.source_sha256) == 64 else "",
        path=row.picture.relative_to(pictures).as_posix() if row.picture else "",
        url=row.url,
        licence=row.licence,
    )
