"""A small CLIP-style byte-level BPE, trained on the captions of training-role works only.

Radford et al. 2021 (CLIP) use a lower-cased byte-pair encoding whose words end in `</w>`. All 256 bytes are in the
vocabulary, alone and as the end of a word, so every prompt can be written. The end token has the highest number:
open_clip finds the end of a text with `argmax`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from samples.recipe.data import read_manifest

VOCABULARY = 2048
CONTEXT = 32
START, END = "<|startoftext|>", "<|endoftext|>"
#: The splitting rule of CLIP's tokenizer.
PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train(captions: Iterable[str], size: int = VOCABULARY) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges; the same for the same captions but for merges of equal count."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    merges_wanted = size - 2 * len(alphabet) - 2
    trainer = trainers.BpeTrainer(
        # the trainer counts single symbols as vocabulary: ask for more and cut
        vocab_size=size + 2 * len(alphabet),
        min_frequency=2,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator(list(captions), trainer)
    merges = [(str(a), str(b)) for a, b in json.loads(bpe.to_str())["model"]["merges"]][:merges_wanted]
    symbols = [*alphabet, *(f"{c}</w>" for c in alphabet), *dict.fromkeys(a + b for a, b in merges), START, END]
    return {symbol: number for number, symbol in enumerate(symbols)}, merges


def save(vocabulary: dict[str, int], merges: list[tuple[str, str]], folder: Path) -> CLIPTokenizer:
    """Write the tokenizer folder (vocab.json, merges.txt, tokenizer.json and its configuration)."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)
    tokenizer.save_pretrained(folder)
    # the files that older releases of transformers read
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tokenizer


def load(work: Path) -> CLIPTokenizer:
    """The tokenizer of a work folder."""
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    return tokenizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tokenizer`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))


def run(args: argparse.Namespace) -> None:
    """Train on the training captions and save."""
    works = read_manifest(args.samples)
    vocabulary, merges = train(work.caption for work in works if work.role == "training")
    tokenizer = save(vocabulary, merges, args.work / "tokenizer")
    lengths = [len(tokenizer(work.caption).input_ids) for work in works]
    print(
        f"tokenizer: {len(vocabulary)} tokens; captions of {min(lengths)} to {max(lengths)} tokens, both ends included"
    )
