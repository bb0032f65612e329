"""Textual inversions: files of a few vectors that stand for a word of a prompt, read and fitted from headers alone.

Gal et al. 2022. An embedding is part of the generator as it is examined, as a LoRA is: its digest is among the files,
and what it could hold by itself is stated in bits. `embedding_words` puts the vectors behind the word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forensics.case import Checkpoint, Fact, FileDigest
from forensics.diffusion import lora
from forensics.diffusion.families import Family, family
from forensics.diffusion.headers import PICKLES, Header, combined_digest, file_digest, read_header
from forensics.diffusion.layers import Layers, layers_of
from forensics.diffusion.provenance import metadata_facts
from forensics.errors import CheckpointError
from forensics.path_names import there

FOLDER = "embedding"
"""First part of the name under which the file's digest stands in the checkpoint."""
_MOST = 512
"""Vectors of one embedding; no text encoder that is examined has a longer window."""
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}
_KEYED = {"clip_l": "clip_l", "clip_g": "clip_g", "t5xxl": "t5", "t5": "t5"}
"""Names of tensors that say whose vectors they are, as programs for several text encoders write them."""
_SINGLE = ("emb_params", "string_to_param.*")
"""Names of the one tensor that web user interfaces write; the second is that of a pickle that was converted."""
_ASIDE = ("string_to_token.",)
_WORD = re.compile(r"[^\s:/\\]{1,80}\Z")
_WIDTHS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 1280: "Stable Diffusion XL"}


@dataclass(frozen=True, slots=True)
class Embedding:
    """What a file holds, and for which text encoders of the checkpoint."""

    path: Path
    word: str
    """How a prompt names it; upper and lower case are the same."""
    tensors: Mapping[str, str]
    """Component -> name of the tensor (n, d) or (d,)."""
    vectors: int
    """n, the same for every text encoder: tokens that the word counts as."""
    bits: int
    """Bits of the vectors as the file stores them: no more than that can they hold of any picture."""
    unaware: tuple[str, ...]
    """Text encoders that the file holds nothing for: they read the word as the letters it is made of."""
    metadata: Mapping[str, str]

    @property
    def file(self) -> tuple[str, Path]:
        """Name under which the file stands in the checkpoint, and the file. Another word makes another generator."""
        return f"{FOLDER}/{self.word}/{self.path.name}", self.path


def attach(checkpoint: Checkpoint, given: Sequence[str], path: Path) -> Checkpoint:
    """The checkpoint with embeddings in its name, digest and facts.

    Args:
        given: files, each with an optional word behind a colon: `FILE:WORD`.
        path: where the checkpoint lies.

    Raises:
        CheckpointError: no such file, a pickle, damaged, no embedding, not made for the checkpoint, or two of one word.
    """
    found = read_all(checkpoint, given, path)
    digests = tuple(file_digest(e.file[1], e.file[0]) for e in found)
    files = (*checkpoint.files, *digests)
    facts = [fact for e, digest in zip(found, digests, strict=True) for fact in _facts(e, digest)]
    return replace(
        checkpoint,
        name=" + ".join([checkpoint.name, *(f"word “{e.word}”" for e in found)]),
        files=files,
        digest=combined_digest(files),
        facts=(*checkpoint.facts, *facts),
        embeddings=tuple(given),
    )


def read_all(checkpoint: Checkpoint, given: Sequence[str], path: Path) -> tuple[Embedding, ...]:
    """The embeddings for a checkpoint, from headers. Raises CheckpointError: see `attach`."""
    if not given:
        return ()
    row, layers = family(checkpoint.family), layers_of(checkpoint, path)
    found = tuple(_read(each, row, _encoders(layers)) for each in given)
    words = [e.word.casefold() for e in found]
    if twice := next((w for w in words if words.count(w) > 1), ""):
        raise CheckpointError(
            f"Two embeddings are for the same word {twice!r}.", hint="Name one of them otherwise: `FILE:WORD`."
        )
    return found


def _encoders(layers: Layers) -> dict[str, int]:
    """Text encoder -> width of the vector of a token."""
    widths = {}
    for name, own in layers.items():
        tables = [shape for layer, shape in own.items() if layer.endswith(("token_embedding", "shared"))]
        if name.startswith("text_encoder") and tables:
            widths[name] = tables[0][-1]
    return widths


def split(given: str) -> tuple[str, str]:
    """File and word; the word is empty where none is named. A path that is there is never taken apart."""
    location, colon, word = given.rpartition(":")
    if not colon or there(Path(given).expanduser()) or "/" in word or "\\" in word:
        return given, ""
    return location, word


def of_checkpoint(checkpoint: Checkpoint, path: Path) -> tuple[Embedding, ...]:
    """The embeddings named for a checkpoint and those bundled with its LoRAs. Raises CheckpointError: see `attach`."""
    return (*read_all(checkpoint, checkpoint.embeddings, path), *_bundled(checkpoint, path)[0])


def attach_bundled(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The checkpoint with what is to be said of words that its LoRA files bring along.

    Their digests are those of the files, which the checkpoint has already.

    Raises:
        CheckpointError: a word that an embedding named beside it has too.
    """
    found, left = _bundled(checkpoint, path)
    named = {e.word.casefold() for e in read_all(checkpoint, checkpoint.embeddings, path)}
    words = [e.word.casefold() for e in found]
    if twice := next((w for w in words if w in named or words.count(w) > 1), ""):
        raise CheckpointError(
            f"Two embeddings are for the same word {twice!r}, one of them bundled with a LoRA.",
            hint="Name the other one otherwise: `--embedding FILE:WORD`.",
        )
    digests = {file.path.rpartition("/")[2].partition(" at strength ")[0]: file for file in checkpoint.files}
    facts = [fact for e in found for fact in _facts(e, digests[e.path.name])]
    return replace(checkpoint, facts=(*checkpoint.facts, *facts, *left))


def _bundled(checkpoint: Checkpoint, path: Path) -> tuple[tuple[Embedding, ...], tuple[Fact, ...]]:
    """Words that LoRA files bring along, and those left out with the reason."""
    if not checkpoint.lora:
        return (), ()
    row, widths = family(checkpoint.family), _encoders(layers_of(checkpoint, path))
    found, left = [], []
    for given in checkpoint.lora:
        file = lora.read(given, row).path
        header = read_header(file)
        for word, names in _words_in(header).items():
            own = Header(
                {inner: header.shapes[name] for inner, name in names.items()},
                {},
                {inner: header.kinds[name] for inner, name in names.items()},
            )
            try:
                made = _made(file, own, word, row, widths)
            except CheckpointError as exc:
                left.append(
                    Fact(f"word “{word}” of prompts", f"bundled with the LoRA {file.name}, left out: {exc.message}")
                )
                continue
            found.append(replace(made, tensors={part: names[inner] for part, inner in made.tensors.items()}))
    return tuple(found), tuple(left)


def _words_in(header: Header) -> dict[str, dict[str, str]]:
    """Word -> name of each of its tensors without what stands before -> its name in the file."""
    words: dict[str, dict[str, str]] = {}
    for name in header.shapes:
        if name.startswith(lora.BUNDLED):
            rest = name.removeprefix(lora.BUNDLED)
            inner = next((end for end in (*_SINGLE, *_KEYED) if rest.endswith(f".{end}")), rest.rpartition(".")[2])
            words.setdefault(rest.removesuffix(inner).removesuffix("."), {})[inner] = name
    return words


def _read(given: str, row: Family, widths: Mapping[str, int]) -> Embedding:
    location, word = split(given)
    path = Path(location).expanduser()
    if path.suffix.lower() in PICKLES and path.is_file():
        raise CheckpointError(
            f"{path.name} is a pickle file and was not opened: loading it would run code from it.",
            hint=f"Run `forensics weights convert {path.name}`, which reads the tensors and runs no code, and give the "
            ".safetensors file that it writes.",
        )
    if not path.is_file():
        raise CheckpointError(f"There is no embedding at {location}.", hint="Give a .safetensors file, `FILE:WORD`.")
    return _made(path, read_header(path), word, row, widths)


def _made(path: Path, header: Header, word: str, row: Family, widths: Mapping[str, int]) -> Embedding:
    """The embedding of the tensors of a header. Raises CheckpointError: see `attach`."""
    tensors, own = _tensors(path.name, header, row, widths)
    word = word or own or path.stem
    if not _WORD.match(word) or not word.isprintable():
        raise CheckpointError(
            f"{word[:80]!r} cannot be a word of a prompt.",
            hint="Name one of at most 80 characters without spaces, colons and strokes: `FILE:WORD`.",
        )
    shapes = {name: header.shapes[tensor] for name, tensor in tensors.items()}
    counts = {1 if len(shape) == 1 else shape[0] for shape in shapes.values()}
    if len(counts) != 1 or not 1 <= max(counts) <= _MOST:
        raise CheckpointError(
            f"{path.name} holds {' and '.join(map(str, sorted(counts)))} vectors for its text encoders.",
            hint=f"An embedding holds the same number for each, 1 to {_MOST}: fetch it again.",
        )
    return Embedding(
        path,
        word,
        tensors,
        max(counts),
        sum(math.prod(header.shapes[t]) * _BITS[header.kinds[t]] for t in tensors.values()),
        tuple(name for name in widths if name not in tensors),
        header.metadata,
    )


def _tensors(file: str, header: Header, row: Family, widths: Mapping[str, int]) -> tuple[dict[str, str], str]:
    """Text encoder -> tensor, and the word that the file names by itself, if any."""
    names = [name for name in header.shapes if not name.startswith(_ASIDE)]
    vectors = all(len(header.shapes[n]) in (1, 2) and header.kinds[n] in _BITS for n in names)
    keyed = bool(names) and all(name in _KEYED for name in names)
    if not names or not vectors or (len(names) > 1 and not keyed):
        raise CheckpointError(
            f"{file} is not a textual inversion: it holds {len(header.shapes)} tensor"
            f"{'' if len(header.shapes) == 1 else 's'}"
            f"{f', the first {min(header.shapes)!r}' if header.shapes else ''}.",
            hint="Give an embedding of a few vectors. A LoRA is named with --lora, a checkpoint with --checkpoint.",
        )
    found: dict[str, str] = {}
    for name in names:
        for encoder in [e for e in widths if _is(_KEYED.get(name, ""), e, row)]:
            found.setdefault(encoder, name)
    needed = [name for name in widths if row.parts[name].startswith("CLIP")] or list(widths)
    fits = all(header.shapes[t][-1] == widths[e] for e, t in found.items())
    # XL's refiner has the second encoder alone, and leaves aside what a file holds for the first.
    nowhere = row.name != "sdxl" and any(n.startswith("clip") and n not in found.values() for n in names)
    short = any(name not in found for name in needed) or (not keyed and len(needed) > 1)
    if not found or not fits or nowhere or short:
        raise _misfit(file, header, row, names)
    own = names[0] if not keyed and names[0] not in _SINGLE else ""
    return {name: found[name] for name in widths if name in found}, own


def _is(key: str, encoder: str, row: Family) -> bool:
    """Whether a text encoder is the one that a tensor's name means; without a name every one may be."""
    kind = "t5" if row.parts[encoder].startswith("T5") else "clip_g" if encoder == "text_encoder_2" else "clip_l"
    return not key or key == kind


def _misfit(file: str, header: Header, row: Family, names: Sequence[str]) -> CheckpointError:
    widths = {header.shapes[name][-1] for name in names}
    made_for = "Stable Diffusion XL" if "clip_g" in names else _WIDTHS.get(next(iter(widths)), "")
    held = ", ".join(f"{name}: vectors of {header.shapes[name][-1]} numbers" for name in names)
    return CheckpointError(
        f"The embedding {file} does not fit the text encoders of the checkpoint ({row.title}); it holds {held}.",
        hint=f"Give the checkpoint that it was made for{f', one of {made_for}' if made_for else ''}.",
    )


def _facts(found: Embedding, digest: FileDigest) -> list[Fact]:
    name = f"word “{found.word}” of prompts"
    vectors = "one vector" if found.vectors == 1 else f"{found.vectors} vectors"
    encoders = " and ".join(e.replace("_", " ") for e in found.tensors)
    rows = [
        Fact(
            name,
            f"textual inversion {found.path.name}, SHA-256 {digest.sha256}: {vectors} for the {encoders}, "
            f"{found.bits:,} bits as stored; part of the generator as examined. A prompt that does not hold the word "
            "is read without it",
        )
    ]
    if found.unaware:
        unaware = " and ".join(e.replace("_", " ") for e in found.unaware)
        rows.append(Fact(name, f"the file holds nothing for the {unaware}, which reads the word letter by letter"))
    return [*rows, *metadata_facts(found.metadata, f"embedding {found.path.name} metadata")]
