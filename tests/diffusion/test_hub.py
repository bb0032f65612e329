"""Checkpoints by their name on a hub, tried against a server that speaks the hub's interface on the loopback address.

The client library reads its address and cache when it is loaded, so every trial is a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from forensics.diffusion import identify
from forensics.diffusion.hub import AUTOENCODER, CHECKPOINT, chosen
from tests.diffusion import tiny
from tests.diffusion.hub_server import LARGE, Hub, serving

NAME = "some-publisher/some-model"
FIRST, NEWEST = "1" * 40, "2" * 40
UNET = "unet/diffusion_pytorch_model.safetensors"
_ASK = """
import json, sys
from forensics.diffusion import identify
from forensics.errors import CheckpointError
try:
    found = identify(sys.argv[1])
    print(json.dumps({"digest": found.digest, "facts": {f.name: f.value for f in found.facts}, "name": found.name}))
except CheckpointError as exc:
    print(json.dumps({"message": exc.message, "hint": exc.hint}))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("hub")
    made = {
        FIRST: tiny.write_checkpoint(root / "first"),
        NEWEST: tiny.write_checkpoint(root / "newest", "v_prediction"),
    }
    for folder in made.values():  # what a repository holds beside, and what is not to be fetched
        (folder / "README.md").write_text("a card")
        (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"other")
        (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
        (folder / "pipeline.py").write_text("raise SystemExit('was run')")
    return made


@pytest.fixture
def hub(folders: dict[str, Path]) -> Iterator[Hub]:
    with serving(Hub({NAME: folders}, {"v1.0": FIRST})) as running:
        yield running


def _ask(hub: Hub, cache: Path, location: str = NAME, **environment: str) -> dict[str, object]:
    own = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "5",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, location],
        cwd=Path(__file__).parents[2],
        env=inherited | own | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip(), done.stderr
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _plain(folder: Path, to: Path) -> str:
    """The digest of the same checkpoint without what is not fetched."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.fp16.*", "*.bin", "*.py", "*.md"))
    return identify(str(to)).digest


def test_the_newest_is_fetched_and_its_commit_said(hub: Hub, folders: dict[str, Path], tmp_path: Path) -> None:
    answer = _ask(hub, tmp_path / "cache")
    assert answer["digest"] == _plain(folders[NEWEST], tmp_path / "plain"), answer
    assert answer["facts"]["commit of the hub repository"] == NEWEST  # type: ignore[index]
    fetched = hub.fetched()
    assert UNET in fetched
    assert not [f for f in fetched if f.endswith((".bin", ".py", ".md")) or "fp16" in f]
    # Once it is there the hub is not asked again.
    hub.asked.clear()
    assert _ask(hub, tmp_path / "cache")["digest"] == answer["digest"]
    assert hub.asked == []


@pytest.mark.parametrize("revision", ["v1.0", FIRST])
def test_a_revision_is_the_one_that_is_examined(
    hub: Hub, folders: dict[str, Path], tmp_path: Path, revision: str
) -> None:
    answer = _ask(hub, tmp_path / "cache", f"{NAME}@{revision}")
    assert answer["digest"] == _plain(folders[FIRST], tmp_path / "plain"), answer
    assert answer["facts"]["commit of the hub repository"] == FIRST  # type: ignore[index]


def test_what_breaks_off_goes_on_where_it_broke_off(hub: Hub, folders: dict[str, Path], tmp_path: Path) -> None:
    large = tmp_path / "large"
    shutil.copytree(folders[NEWEST], large)
    tensors = load_file(large / UNET)
    save_file(tensors | {"more": torch.zeros(LARGE // 4 + 50_000)}, large / UNET)
    hub.repositories[NAME] = {NEWEST: large}
    hub.cut = 1
    answer = _ask(hub, tmp_path / "cache")
    assert answer["digest"] == _plain(large, tmp_path / "plain"), answer
    assert [r for _, path, r in hub.asked if path.endswith(UNET) and r] == [f"bytes={LARGE}-"]
    for folder in (large, tmp_path / "plain", tmp_path / "cache"):
        shutil.rmtree(folder)


def test_what_is_there_in_part_is_completed_and_refused_offline(
    hub: Hub, folders: dict[str, Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    whole = _ask(hub, cache)
    lost = cache / "hub" / "models--some-publisher--some-model" / "snapshots" / NEWEST / UNET
    lost.resolve().unlink()
    lost.unlink()
    refused = _ask(hub, cache, HF_HUB_OFFLINE="1")
    assert "in part only (unet" in str(refused["message"]), refused
    assert "HF_HUB_OFFLINE forbids" in str(refused["message"])
    assert "Unset HF_HUB_OFFLINE" in str(refused["hint"])
    hub.asked.clear()
    assert _ask(hub, cache)["digest"] == whole["digest"]
    assert hub.fetched() == [UNET]
    assert _ask(hub, cache, HF_HUB_OFFLINE="1")["digest"] == whole["digest"]


def test_offline_and_nothing_there(hub: Hub, tmp_path: Path) -> None:
    answer = _ask(hub, tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert "not in the local hub cache" in str(answer["message"])
    assert f"hf download {NAME}" in str(answer["hint"])
    assert hub.asked == []


def test_what_is_gated_says_so_and_opens_to_whoever_may(hub: Hub, tmp_path: Path) -> None:
    hub.gated, hub.token = {NAME}, "hf_" + "a" * 34
    answer = _ask(hub, tmp_path / "cache")
    assert "is gated" in str(answer["message"]), answer
    assert "hf auth login" in str(answer["hint"])
    assert "digest" in _ask(hub, tmp_path / "cache", HF_TOKEN=hub.token)


@pytest.mark.parametrize(
    ("location", "told", "remedy"),
    [
        ("some-publisher/no-model", "neither a path nor on the hub", "Check the spelling"),
        (f"{NAME}@v9", "no revision 'v9'", "a branch, a tag or a whole commit"),
    ],
)
def test_what_is_not_there(hub: Hub, tmp_path: Path, location: str, told: str, remedy: str) -> None:
    answer = _ask(hub, tmp_path / "cache", location)
    assert told in str(answer["message"]), answer
    assert remedy in str(answer["hint"])


def test_a_repository_of_something_else(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("a card")
    hub.repositories["some-publisher/other"] = {NEWEST: tmp_path / "other"}
    assert "holds no diffusers pipeline" in str(_ask(hub, tmp_path / "cache", "some-publisher/other")["message"])


def test_a_variant_is_fetched_where_nothing_else_is_there() -> None:
    files = ["model_index.json", "unet/config.json", "unet/a.fp16.safetensors", "vae/a.safetensors"]
    more = ["vae/a.fp16.safetensors", "unet/a.bin", "run.py", "safety_checker/model.safetensors"]
    assert chosen([*files, *more], CHECKPOINT) == files
    assert chosen(["config.json", "diffusion_pytorch_model.safetensors", "x.py"], AUTOENCODER) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]
