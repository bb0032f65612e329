"""What weight files say of their origin: stored whole, read into bounded tables, logged where it names a digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from forensics import diffusion, folder, schema
from forensics.case import Checkpoint
from forensics.diffusion import autoencoder, pickles, provenance
from forensics.folder import Ledger
from forensics.stages.context import Models
from forensics.stages.stated import CONVERTED, stated
from tests.diffusion import families, tiny

SUBSETS = [{"subsets": [{"image_dir": "10_hare", "img_count": 25, "num_repeats": 10, "class_tokens": "hare by ink"}]}]
FREQUENCY = {"10_hare": {f"tag {n:03}": n for n in range(1, 200)}}
MERGED = {
    "a" * 64: {"name": "base.safetensors", "sd_merge_recipe": None},
    "b" * 64: {"name": "mix.safetensors", "sd_merge_recipe": {"primary_model_hash": "c", "multiplier": 0.3}},
}
SAID = {
    "ss_datasets": json.dumps(SUBSETS),
    "ss_tag_frequency": json.dumps(FREQUENCY),
    "ss_bucket_info": json.dumps({"buckets": {"0": {"resolution": [512, 768], "count": 40}}}),
    "sd_merge_models": json.dumps(MERGED),
    "modelspec.title": "Hares in ink",
}


def _lora(path: Path, metadata: dict[str, str]) -> str:
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    pair = {f"{layer}.lora_down.weight": torch.ones(2, 8), f"{layer}.lora_up.weight": torch.ones(8, 2)}
    save_file(pair, path, metadata=metadata)
    return str(path)


def _models(checkpoint: Checkpoint) -> Models:
    return Models(checkpoint, None, autoencoder.beside(checkpoint, None, ()))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("sd") / "sd")


def test_the_metadata_is_an_exhibit_and_a_table(root: Path, tmp_path: Path) -> None:
    found = diffusion.identify(str(root), lora=_lora(tmp_path / "hares.safetensors", SAID))
    ledger = Ledger(tmp_path / "case")
    said = stated(_models(found), ledger).checkpoint.statements
    ledger.done()
    assert [s.file for s in said] == ["lora/hares.safetensors"]
    kept = folder.stored(tmp_path / "case", said[0].exhibit.path).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == said[0].exhibit.sha256
    assert json.loads(kept)["metadata"] == SAID
    tables = {t.title: t for t in said[0].tables}
    pictures = tables["Pictures of the training"]
    assert pictures.rows == (("10_hare", "25", "10", "250", "hare by ink"),)
    tags = tables["Tags of the pictures of the training"]
    assert (tags.rows[0], len(tags.rows), tags.left_out) == (("tag 199", "199"), provenance.TAGS, 199 - provenance.TAGS)
    assert tables["Models that were merged"].rows[1] == ("mix.safetensors", "b" * 64, "multiplier 0.3")
    assert tables["Sizes of the pictures of the training"].rows == (("512 × 768", "40"),)


def test_both_digests_of_a_conversion_are_in_the_log_and_the_case(tmp_path: Path) -> None:
    root = families.WRITERS["flux-dev"](tmp_path / "base")
    whole = tmp_path / "received.ckpt"
    torch.save({"state_dict": load_file(root / "transformer" / "diffusion_pytorch_model.safetensors")}, whole)
    done = pickles.convert(whole, tmp_path / "network.safetensors")
    found = diffusion.identify(str(tmp_path / "network.safetensors"), wishes=diffusion.Wishes(base=str(root)))
    ledger = Ledger(tmp_path / "case")
    statement = stated(_models(found), ledger).checkpoint.statements[0]
    ledger.done()
    assert statement.converted_from == done.source.sha256 == hashlib.sha256(whole.read_bytes()).hexdigest()
    entry = next(e for e in ledger.custody if e.action == CONVERTED)
    assert (entry.item, entry.sha256) == ("network.safetensors", done.source.sha256)
    assert done.made.sha256 in {f.sha256 for f in found.files}
    assert any(done.source.sha256 in fact.value and "word of the file itself" in fact.value for fact in found.facts)


HOSTILE = {
    "no JSON": {"ss_tag_frequency": "{"},
    "deep": {"ss_tag_frequency": "[" * 5000 + "]" * 5000},
    "of another shape": {"ss_tag_frequency": "[1]", "sd_merge_models": '{"a": 3}', "ss_datasets": '{"a": {}}'},
    "no numbers": {"ss_tag_frequency": '{"a": {"b": "c"}}', "ss_bucket_info": '{"buckets": {"0": {"count": 1e400}}}'},
    "long numbers": {"ss_tag_frequency": '{"a": {"b": ' + "9" * 6000 + "}}"},
    "long names": {"ss_tag_frequency": json.dumps({"a" * 9000: {"b" * 90000: 1, "c\x1b[31m\n": 2}})},
    "many folders": {"ss_dataset_dirs": json.dumps({f"f{n}": {"img_count": 1, "n_repeats": 1} for n in range(9000)})},
    "many entries": {f"key {n}": "v" for n in range(3000)},
    "a key of any length": {"k" * 100_000: "v", "line\nbreak\x00": "v"},
    "a digest that is none": {"converted_from_sha256": "../" * 40 + "<b>"},
    "a recipe of another program": {"sd_merge_recipe": json.dumps({"alpha": 0.5, "model_a": "x" * 9000, "n": [1]})},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_stranger_wrote_is_bounded(root: Path, tmp_path: Path, name: str) -> None:
    found = diffusion.identify(str(root), lora=_lora(tmp_path / "x.safetensors", HOSTILE[name]))
    ledger = Ledger(tmp_path / "case")
    made = stated(_models(found), ledger).checkpoint
    ledger.done()
    assert (
        json.loads(folder.stored(tmp_path / "case", made.statements[0].exhibit.path).read_bytes())["metadata"]
        == HOSTILE[name]
    )
    text = schema.canonical(replace(made, files=())).decode("utf-8")
    assert len(text) < 60_000
    assert "\x1b" not in text
    assert all(len(t.columns) == len(row) for s in made.statements for t in s.tables for row in t.rows)
    assert all(cell.isprintable() for s in made.statements for t in s.tables for row in t.rows for cell in row)
    assert not any(e.action == CONVERTED for e in ledger.custody)
