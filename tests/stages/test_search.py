"""The search stage on the shipped index: neighbours with pictures, and a citation that can be checked."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps

from forensics import device, resources, retrieval
from forensics.case import Absent, IndexFacts
from forensics.controls.cache import Cache
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.protocol import PROFILES
from forensics.retrieval import citation, encoders, parts
from forensics.retrieval.local import DEFAULT, FEATURES, Bench
from forensics.stages import elsewhere, known_items, search
from forensics.stages.works import ControlGroup, Work, read
from tests import support

SAMPLES = resources.samples()


@pytest.fixture(scope="module")
def sources() -> search.Sources:
    cpu = device.choose("cpu")
    index = retrieval.open(SAMPLES / "reference" / "index")
    embedder = search.open_embedder(str(SAMPLES / "reference" / "openclip"), cpu)
    return search.Sources(index, embedder, search.copies_of(index, cpu), "cpu fp32", native_px=128)


@pytest.fixture(scope="module")
def controls() -> ControlGroup:
    paths = sorted((SAMPLES / "reference" / "controls").iterdir())[:2]
    digests = tuple(hashlib.sha256(p.read_bytes()).hexdigest() for p in paths)
    none = Absent("facts", "They are of no interest here.")
    return ControlGroup(none, tuple(Work.of(p.name, read(p)) for p in paths), digests)


def test_neighbours_come_with_pictures_and_a_citation(
    tmp_path: Path, sources: search.Sources, controls: ControlGroup
) -> None:
    disputed = Work.of("Q1", read(SAMPLES / "disputed" / "memorised.png"))
    quick = PROFILES["quick"]
    cache = Cache(tmp_path / "cache")
    among = support.context(tmp_path / "case", protocol=quick, controls=controls, cache=cache)
    found = search.search(support.received(disputed, sha256="ab" * 32), sources, among)
    assert isinstance(found.facts, IndexFacts)
    assert len(found.neighbours) == quick.neighbours == len(found.pictures)
    assert len(found.control_top) == 2
    assert found.said is not None
    said = {f.name: f.value for f in (*found.facts.facts, *found.said.facts)}
    assert "all 1587 rows" in said["Compared"]
    assert len(said["digest of the rows"]) == 64
    assert said["Query image"] == "SHA-256 " + "ab" * 32
    assert said["Known-item test"].startswith("30 works of this index")
    first = found.neighbours[0]
    assert [(s.model, s.nearest) for s in first.scores[:2]] == [("meaning", True), ("copies", True)]
    assert first.scores[0].cosine == first.similarity
    by_name = {r.of: r for r in found.said.repeats}
    assert list(by_name) == ["Q1", "N1", "N2", "N3"]
    assert first.training_id in by_name["Q1"].cluster
    assert by_name["Q1"].stated == by_name["N1"].stated == 256
    assert found.copies is not None
    assert found.copies[0] > 0.85 > max(found.copies[1])


@pytest.mark.parametrize("name", ["control.png", "manner.png"])
def test_the_words_and_the_ranked_cosine_do_not_depend_on_the_size_of_the_picture(
    name: str, tmp_path: Path, sources: search.Sources, controls: ControlGroup
) -> None:
    received, found = Work.of("Q1", read(SAMPLES / "disputed" / name)), []
    saved_small = Work.of("Q1", to_picture(received.at(sources.native_px).pixels))
    assert saved_small.pixels.shape[-1] < received.pixels.shape[-1]
    for disputed in (received, saved_small):
        among = support.context(tmp_path / str(len(found)), protocol=PROFILES["quick"], controls=controls)
        found.append(search.search(support.received(disputed), sources, among))
    large, small = found
    assert large.namesake is not None
    assert small.namesake is not None
    assert large.namesake.training_id == small.namesake.training_id
    assert large.own_top is not None
    assert small.own_top is not None
    assert large.own_top.row == small.own_top.row
    assert large.own_top.similarity == pytest.approx(small.own_top.similarity, abs=1e-3)


def test_a_picture_that_was_copied_names_the_work_and_no_other_does(
    tmp_path: Path, sources: search.Sources, controls: ControlGroup
) -> None:
    disputed = Work.of("Q1", read(SAMPLES / "disputed" / "manner.png"))
    among = support.context(tmp_path, protocol=PROFILES["quick"], controls=controls)
    found = search.search(support.received(disputed), sources, among)
    third = found.neighbours[2]
    named = dataclasses.replace(found, copy_of=(third.exhibit or "",)).namesake
    assert named is not None
    assert (named.training_id, named.caption) == (third.training_id, third.caption)
    assert named.source == "caption of neighbour N3, of which the picture is a copy"
    assert found.namesake is not None
    assert found.namesake.training_id != third.training_id


def test_answers_for_controls_are_kept_under_the_digest_of_the_snapshot(
    tmp_path: Path, sources: search.Sources, controls: ControlGroup
) -> None:
    assert not isinstance(sources.index, Absent)
    assert not isinstance(sources.embedder, Absent)
    models = [encoders.clip(sources.embedder), *sources.copies]
    anew = elsewhere.firsts(sources.index, models, controls, None, "cpu fp32")
    cache = Cache(tmp_path)
    assert elsewhere.firsts(sources.index, models, controls, cache, "cpu fp32") == anew
    assert (cache.hits, cache.misses) == (0, 2)
    assert elsewhere.firsts(sources.index, models, controls, cache, "cpu fp32") == anew
    assert (cache.hits, cache.misses) == (2, 2)
    entry = sorted(tmp_path.glob("??/*.json"))[0]
    entry.write_text(entry.read_text().replace(sources.index.info().facts.digest, "0" * 64))
    assert elsewhere.firsts(sources.index, models, controls, cache, "cpu fp32") == anew
    assert (cache.hits, cache.misses) == (3, 3)
    assert "damaged" in cache.notes[0]
    exact = sources.index.search(models[1].pictures([controls.works[0].pixels]), 1, column=models[1].column)[0]
    assert anew[0][models[1].column].row == exact.row_ids[0]


def test_a_work_in_a_collage_and_a_mirrored_one_are_found_by_their_parts(sources: search.Sources) -> None:
    assert not isinstance(sources.index, Absent)
    work = read(SAMPLES / "disputed" / "memorised.png").resize((128, 128))
    others = [read(p).resize((128, 128)) for p in sorted((SAMPLES / "reference" / "controls").iterdir())[5:8]]
    collage = Image.new("RGB", (256, 256))
    for place, picture in enumerate((others[0], others[1], work, others[2])):
        collage.paste(picture, (place % 2 * 128, place // 2 * 128))
    copies = sources.copies[0]
    whole = sources.index.search(copies.pictures([to_tensor(work)]), 1, column=copies.column)[0].row_ids[0]
    for picture in (collage, ImageOps.mirror(work)):
        found = parts.search(sources.index, copies, to_tensor(picture), 3)
        assert found.row_ids[0] == whole
        assert list(found.scores) == sorted(found.scores, reverse=True)
    odd = torch.rand(1, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    turned = [turn(odd) for turn in parts.ORIENTATIONS.values()]
    assert {tuple(t.shape[2:]) for t in turned} == {(7, 9), (9, 7)}
    assert len({t.numpy().tobytes() for t in (odd, *turned)}) == 8


def test_candidates_are_laid_over_and_ordered_by_one_score(sources: search.Sources) -> None:
    assert not isinstance(sources.index, Absent)
    assert not isinstance(sources.embedder, Absent)
    work = read(SAMPLES / "disputed" / "memorised.png").resize((128, 128))
    under = read(sorted((SAMPLES / "reference" / "controls").iterdir())[7]).resize((284, 284))
    under.paste(work, (120, 31))
    models = [encoders.clip(sources.embedder), *sources.copies]
    whole = retrieval.search(sources.index, models, to_tensor(work), 1)[0][0].row.training_id
    bench = Bench(FEATURES.load(DEFAULT)())
    laid = retrieval.search(sources.index, models, to_tensor(under), 5, bench=bench)[0]
    plain = retrieval.search(sources.index, models, to_tensor(under), 5)[0]
    assert laid[0].row.training_id == plain[0].row.training_id == whole
    assert laid[0].places is not None
    assert laid[0].places >= 6 > (laid[1].places or 0)
    assert all(hit.places is None for hit in plain)
    for hits in (laid, plain):
        scores = [hit.fused for hit in hits]
        assert None not in scores
        assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
    facts = {
        f.name: f.value
        for f in citation.query_facts(
            sources.index, "", {m.column: m.pictures([to_tensor(work)])[0] for m in models}, 5
        )
    }
    assert "Vectors of copies" not in facts
    assert facts["Laid over"] == citation.NOT_LAID


def test_an_index_without_vectors_of_copies_is_laid_over_all_the_same(sources: search.Sources) -> None:
    assert not isinstance(sources.index, Absent)
    assert not isinstance(sources.embedder, Absent)
    picture = to_tensor(ImageOps.mirror(read(SAMPLES / "disputed" / "memorised.png").resize((128, 128))))
    model = encoders.clip(sources.embedder)
    alone = retrieval.search(sources.index, [model], picture, 20)[0]
    assert [hit.similarity for hit in alone] == sorted((hit.similarity for hit in alone), reverse=True)
    assert {hit.fused for hit in alone} == {None}
    bench = Bench(FEATURES.load(DEFAULT)())
    laid = retrieval.search(sources.index, [model], picture, 20, bench=bench)[0]
    assert laid[0].places is not None
    assert laid[0].places >= 6
    facts = {
        f.name: f.value
        for f in citation.query_facts(sources.index, "", {model.column: model.pictures([picture])[0]}, 20, bench, laid)
    }
    assert facts["Vectors of copies"] == citation.NO_COPIES
    assert "RootSIFT" in facts["Laid over"]
    assert "cells" in facts["Order"]
    assert "copies" not in facts["Order"]


def test_without_a_test_of_these_rows_none_is_claimed(sources: search.Sources, tmp_path: Path) -> None:
    assert not isinstance(sources.index, Absent)
    info = sources.index.info()
    assert known_items.fact(dataclasses.replace(info, rows_digest="0" * 64)).value == known_items.NONE
    assert known_items.fact(dataclasses.replace(info, rows_digest="")).value == known_items.NONE
    assert known_items.fact(info, tmp_path / "missing.json").value == known_items.NONE
