"""Hash one, use another: every kind of input that is exchanged during a run is noticed, also when it is put back."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` from any working directory

from forensics import diffusion, examination, inputs, weights
from forensics.case import Absent
from forensics.device import choose
from forensics.diffusion import autoencoder
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import CheckpointError, ForensicsError, IndexError_, VerificationError, WeightsError
from forensics.events import Event
from forensics.folder import Ledger, verify
from forensics.resources import samples
from forensics.settings import resolve

REFERENCE = samples() / "reference"
CPU = choose("cpu", "fp32")


def copied(folder: str, to: Path) -> Path:
    return Path(shutil.copytree(REFERENCE / folder, to / Path(folder).name, symlinks=False))


def exchange(path: Path) -> None:
    """Other bytes of equal size under the same name and with the same times, by renaming."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[-1] ^= 1
    beside = path.with_name(path.name + ".other")
    beside.write_bytes(bytes(data))
    os.utime(beside, ns=(times.st_atime_ns, times.st_mtime_ns))
    beside.replace(path)


def there_and_back(path: Path) -> None:
    """The first file is kept aside, another one lies in its place for a moment, and the first comes back."""
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    path.write_bytes(b"another")
    path.unlink()
    aside.rename(path)


def removed(path: Path) -> None:
    path.unlink()


def checkpoint(tmp: Path) -> Path:
    root = copied("twin-a", tmp)
    diffusion.identify(str(root))
    return next((root / "unet").glob("*.safetensors"))


def configuration(tmp: Path) -> Path:
    root = copied("twin-a", tmp)
    diffusion.identify(str(root))
    return root / "scheduler" / "scheduler_config.json"


def tokenizer(tmp: Path) -> Path:
    root = copied("twin-a", tmp)
    diffusion.identify(str(root))
    return next((root / "tokenizer").glob("*.json"))


def lora(tmp: Path) -> Path:
    path = Path(shutil.copy(next((REFERENCE).rglob("*lora*.safetensors")), tmp / "lora.safetensors"))
    diffusion.identify(str(REFERENCE / "twin-a"), lora=str(path))
    return path


def other_autoencoder(tmp: Path) -> Path:
    root = copied("twin-a/vae", tmp)
    autoencoder.beside(diffusion.identify(str(REFERENCE / "twin-a")), None, (str(root),))
    return next(root.glob("*.safetensors"))


def meaning(tmp: Path) -> Path:
    root = copied("openclip", tmp)
    assert not isinstance(Embedder.open(str(root), CPU), Absent)
    return next(root.glob("*.safetensors"))


def descriptor(tmp: Path) -> Path:
    root = copied("copydescriptor", tmp)
    assert not isinstance(open_descriptor(str(root), CPU), Absent)
    return root / "model.safetensors"


def auxiliary(tmp: Path) -> Path:
    path = Path(shutil.copy(next(REFERENCE.rglob("*.safetensors")), tmp / "weights"))
    weights.sha256_file(path)
    return path


def index(tmp: Path) -> Path:
    root = copied("index", tmp)
    inputs.tree(root, IndexError_)
    return max((p for p in root.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


KINDS: dict[str, tuple[Callable[[Path], Path], type[ForensicsError]]] = {
    "weights of a checkpoint": (checkpoint, CheckpointError),
    "noise schedule": (configuration, CheckpointError),
    "tokenizer": (tokenizer, CheckpointError),
    "LoRA": (lora, CheckpointError),
    "another autoencoder": (other_autoencoder, CheckpointError),
    "open_clip model": (meaning, WeightsError),
    "copy descriptor": (descriptor, WeightsError),
    "auxiliary weights": (auxiliary, WeightsError),
    "training index": (index, IndexError_),
}


@pytest.mark.parametrize("change", [exchange, there_and_back, removed])
@pytest.mark.parametrize("kind", KINDS)
def test_input_exchanged_after_it_was_hashed_is_noticed(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    prepare, error = KINDS[kind]
    with inputs.watching() as watch:
        path = prepare(tmp_path)
        assert len(watch) > 0
        inputs.check()  # as it is, nothing is wrong
        change(path)
        with pytest.raises(error, match=f"{path.name} changed after it was hashed"):
            inputs.check()


def test_exchanged_weights_are_not_even_loaded(tmp_path: Path) -> None:
    root = copied("twin-a", tmp_path)
    with inputs.watching():
        found = diffusion.identify(str(root))
        exchange(next((root / "unet").glob("*.safetensors")))
        with pytest.raises(CheckpointError, match="changed after it was hashed"):
            diffusion.load(found, CPU)


def test_examination_whose_input_was_exchanged_ends_without_a_case(tmp_path: Path) -> None:
    """The model of subject agreement is exchanged while the pictures are measured; everything else goes on."""
    clip = copied("openclip", tmp_path)
    victim = next(clip.glob("*.safetensors"))
    done: list[str] = []

    def meanwhile(event: Event) -> None:
        if event.stage == "compare" and not done:
            exchange(victim)
            done.append(event.stage)

    picture = samples() / "disputed" / "control.png"
    resolved = resolve({"clip": str(clip), "profile": "quick"})
    with pytest.raises(WeightsError, match="changed after it was hashed"):
        examination.compare(
            picture, (samples() / "disputed" / "manner.png",), tmp_path / "case", resolved, emit=meanwhile
        )
    assert done
    with pytest.raises(VerificationError, match="is incomplete: the examination that began at"):
        verify(tmp_path / "case")


def test_stored_item_exchanged_in_the_case_folder_is_noticed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "case")
    item, _ = ledger.receive(samples() / "disputed" / "control.png", "Q1", "disputed")
    assert ledger.as_received(item)
    exchange(ledger.folder / "data" / item.stored)
    with pytest.raises(ForensicsError, match="changed while the examination ran"):
        ledger.as_received(item)
