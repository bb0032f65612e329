"""Building on a Ray cluster: the same units, the same rows, the same digest of the rows as on one machine.

Ray Data embeds the units of the source, wherever there is room; each is put down as a file beside the index, so a unit
whose machine is lost is embedded again and one that is finished never is. The rows are then numbered here, tasks write
the fragments of the table, and only this process commits them. Source and index must lie where every machine reaches
them: a shared folder or an object store.
"""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from forensics import __version__
from forensics.device import noise
from forensics.embedders.open_clip import Embedder
from forensics.errors import ForensicsError, IndexError_
from forensics.events import Emit, ignore
from forensics.retrieval.building import build as building
from forensics.retrieval.building import snapshot, units
from forensics.retrieval.building.build import FRAGMENT_ROWS, Assembly, Built, Job, Meter, Options
from forensics.retrieval.building.files import Files, absolute
from forensics.retrieval.building.snapshot import TABLE
from forensics.retrieval.building.sources import Source, open_source
from forensics.retrieval.building.units import Summary
from forensics.retrieval.encoders import Encoder
from forensics.retrieval.ray import cluster
from forensics.retrieval.readers.layout import Excluded

_PROBES = 4
"""Pictures of noise that every worker embeds, so that workers whose vectors differ are found and named."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every worker is told."""

    key: str
    """Of this build: a worker that has its models keeps them from one unit to the next."""
    uri: str
    job: Job
    source: Source


@dataclass(frozen=True, slots=True)
class Worker:
    """What a unit's rows may depend on beyond the source and the models."""

    version: str
    machine: str
    probe: str
    """SHA-256 of the vectors of fixed pictures."""


def build(
    source: Path | str,
    out: Path | str,
    embedder: Embedder,
    options: Options | None = None,
    *,
    address: str,
    emit: Emit = ignore,
    fragment_rows: int = FRAGMENT_ROWS,
) -> Built:
    """Build an index on a Ray cluster, or go on with a build that was stopped, here or on one machine.

    Args:
        source: as `forensics.retrieval.building.build.build` takes it; reachable from every machine by this very name.
        out: likewise.
        embedder: loaded here and sent to the workers, as is the descriptor.
        address: of the cluster (`forensics.retrieval.ray.cluster.connected`).
        fragment_rows: most rows of a fragment: what tasks write, and what a search is shared out by.
        options, emit: see there.

    Raises:
        IndexError_: as there; or no cluster, or one that cannot do it.
    """
    how = (options or Options()).named(source)
    snapshot.check_tag(how.tag)
    files = Files(absolute(out))
    job = building.plan(embedder, how.descriptor, how.dtype, keep_bytes=how.keep_bytes)
    before = building.begin(files, how.tag, job, how.append)
    opened = open_source(absolute(source), how.where, digests=how.digests, unit_rows=how.unit_rows)
    with cluster.connected(address) as ray:
        _check_room(ray, job)
        building.resume(files, opened, job, how.tag)
        kept = {n for n in range(len(opened.units)) if files.size(units.name(n)) is not None}
        work = Work(uuid.uuid4().hex, files.uri, job, opened)
        try:
            summaries, workers = _embed(
                ray, work, Meter(emit, opened.total), kept, {"num_gpus": 1} if embedder.on_gpu else {}
            )
        except IndexError_:
            if not files.names(units.PARTIAL)[1:]:  # nothing but the plan: the source was unusable
                building.discard(files, before)
            raise
        return building.finish(
            building.Begun(files, opened, job, before, len(kept)),
            how,
            summaries=summaries,
            how=_made_by(ray, job, workers),
            write=partial(_write, ray, fragment_rows),
        )


def _check_room(ray: Any, job: Job) -> None:
    most = max(cluster.processors(ray), default=0)
    if most < job.threads:
        raise IndexError_(
            f"A unit is embedded with {job.threads} threads, and no machine of the cluster has more than {most}.",
            hint=f"Set OMP_NUM_THREADS={most} or less, here and for a build on one machine that is to agree with it.",
        )


def _embed(
    ray: Any, work: Work, meter: Meter, kept: set[int], resources: dict[str, int]
) -> tuple[list[Summary], list[Worker]]:
    """All units, embedded or found finished."""
    from ray.data import range as numbers

    count = len(work.source.units)
    reference = ray.put(work)
    stream = numbers(count, override_num_blocks=count).map_batches(
        _unit, fn_args=(reference, work.key), batch_size=None, num_cpus=work.job.threads, **resources
    )
    found: dict[int, Summary] = {}
    workers: set[Worker] = set()
    try:
        for table in stream.iter_batches(batch_size=None, batch_format="pyarrow"):
            for row in table.to_pylist():
                if row["error"]:
                    raise IndexError_(row["error"], hint=row["hint"])
                excluded = tuple(Excluded(**e) for e in json.loads(row["excluded"]))
                number = row["number"]
                remarks = tuple(json.loads(row["remarks"]))
                found[number] = Summary(tuple(row["names"]), tuple(row["paths"]), excluded, remarks, row["uncaptioned"])
                worker = Worker(**json.loads(row["worker"]))
                if worker.version != __version__:
                    raise IndexError_(
                        f"A machine of the cluster holds forensics {worker.version}, this one {__version__}.",
                        hint="Install one version on all.",
                    )
                workers.add(worker)
                for used in (*[True] * len(row["names"]), *[False] * len(excluded)):
                    meter(used, fresh=number not in kept)
    except ray.exceptions.RayError as exc:
        raise cluster.lost(exc) from exc
    return [found[n] for n in range(count)], sorted(workers, key=lambda w: (w.machine, w.probe))


_ANSWER = pa.schema(
    [
        ("number", pa.int64()),
        ("uncaptioned", pa.int64()),
        *((name, pa.list_(pa.string())) for name in ("names", "paths")),
        *((name, pa.string()) for name in ("excluded", "remarks", "error", "hint", "worker")),
    ]
)
_HERE: dict[str, tuple[Work, Worker]] = {}
"""In a worker's process: what it was told last."""


def _unit(rows: Mapping[str, Any], reference: Any, key: str) -> pa.Table:
    """In a worker: embed the units of these numbers, or find them finished, and say what they hold."""
    work, worker = _told(reference, key)
    answers = []
    for number in map(int, rows["id"]):
        answer = {"number": number, "names": [], "paths": [], "excluded": "[]", "error": "", "hint": ""}
        answer |= {"remarks": "[]", "uncaptioned": 0}
        try:
            made = units.summary(_made(work, number))
            answer |= {"names": list(made.names), "paths": list(made.paths)}
            answer["excluded"] = json.dumps([asdict(e) for e in made.excluded])
            answer |= {"remarks": json.dumps(made.remarks), "uncaptioned": made.uncaptioned}
        except ForensicsError as exc:  # said, not raised: Ray would try it again and wrap it up
            answer |= {"error": exc.message, "hint": exc.hint}
        answers.append(answer | {"worker": json.dumps(asdict(worker))})
    return pa.Table.from_pylist(answers, schema=_ANSWER)


def _told(reference: Any, key: str) -> tuple[Work, Worker]:
    if key not in _HERE:
        import ray

        work: Work = ray.get(reference)
        torch.set_num_threads(work.job.threads)
        _HERE.clear()
        _HERE[key] = work, _worker(work.job.encoders)
    return _HERE[key]


def _worker(encoders: Sequence[Encoder]) -> Worker:
    vectors = hashlib.sha256()
    pictures = (noise((_PROBES, 3, 64, 64), 0, "worker probe") / 4 + 0.5).clamp(0, 1)
    for encoder in encoders:
        vectors.update(np.ascontiguousarray(encoder.pictures(pictures)).tobytes())
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"
    return Worker(__version__, machine, vectors.hexdigest())


def _made(work: Work, number: int) -> units.Unit:
    files = Files(work.uri)
    if not building.is_planned(files):
        raise IndexError_(
            f"The machine {platform.node()} of the cluster does not see {work.uri}.",
            hint="The index must lie in a folder that all machines share, or in an object store.",
        )
    found = units.load(files, number)
    if found is None:
        job = work.job
        found = units.embed(work.source.units[number](), job.encoders, job.columns, keep_bytes=job.keep_bytes)
        units.save(files, number, found)
    return found


def _made_by(ray: Any, job: Job, workers: Sequence[Worker]) -> str:
    kinds = len({w.probe for w in workers})
    agreed = "all workers gave the same vectors for the same pictures"
    differ = f"workers gave {kinds} different vectors for the same pictures, in their last digits"
    machines = " and ".join(dict.fromkeys(w.machine for w in workers))
    return f"{building.made_by(job)}; Ray {ray.__version__}: {agreed if kinds == 1 else differ} ({machines})"


def _write(ray: Any, fragment_rows: int, assembly: Assembly, wanted: pa.Schema, append: bool) -> None:
    """Tasks write fragments, this process commits them: until then the table does not have them."""
    import lance

    if not append:
        assembly.files.delete(TABLE)  # of a build that was stopped while it wrote
    address = assembly.files.address(TABLE)
    calls = [(assembly.files.uri, group, wanted) for group in _groups(assembly, fragment_rows)]
    fragments = [fragment for made in cluster.run(ray, _fragments, calls) for fragment in made]
    if append:
        there = lance.dataset(address)
        operation = lance.LanceOperation.Append(fragments)
        done = lance.LanceDataset.commit(there, operation, read_version=there.version)
    else:
        done = lance.LanceDataset.commit(address, lance.LanceOperation.Overwrite(wanted, fragments))
    # A task that was lost and run again has left files that no version names.
    done.cleanup_old_versions(
        older_than=timedelta(days=36500), delete_unverified=True, error_if_tagged_old_versions=False
    )


Piece = tuple[int, list[int], int]
"""A unit's number, the places of its rows that are kept, and the row id of the first."""


def _groups(assembly: Assembly, fragment_rows: int) -> Iterator[list[Piece]]:
    """Units in order, as many to a fragment as fit in whole."""
    group: list[Piece] = []
    rows = 0
    for number, (keep, start) in enumerate(zip(assembly.keep, assembly.starts, strict=True)):
        if group and rows + len(keep) > fragment_rows:
            yield group
            group, rows = [], 0
        if keep:
            group.append((number, keep, start))
            rows += len(keep)
    if group:
        yield group


def _fragments(uri: str, group: list[Piece], wanted: pa.Schema) -> list[Any]:
    """In a worker: write these units' rows as fragments; nothing is committed."""
    from lance.fragment import write_fragments

    files = Files(uri)
    batches = (building.place_rows(files, number, keep, start, wanted) for number, keep, start in group)
    return list(
        write_fragments(
            pa.RecordBatchReader.from_batches(wanted, batches),
            files.address(TABLE),
            schema=wanted,
            data_storage_version=building.storage(wanted),
            max_rows_per_file=FRAGMENT_ROWS,
        )
    )
