"""Parameters hidden in least significant bits: the layout of the stealth PNG information extension and of NovelAI.

Bits are read column by column from the alpha channel, or from red, green and blue in turn. A signature of 15 letters is
followed by the length in bits (32 bits, most significant first) and the text, plain or compressed by gzip.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forensics.pictures.metadata import arguments, comfyui, novelai, swarmui, webui
from forensics.pictures.metadata.base import GeneratorMetadata, document, text

_SIGNATURES = {
    b"stealth_pnginfo": ("alpha", False),
    b"stealth_pngcomp": ("alpha", True),
    b"stealth_rgbinfo": ("colour", False),
    b"stealth_rgbcomp": ("colour", True),
}
_LETTERS = 15
_MAX_BYTES = 4_000_000
"""Of the text after expansion: a few bytes of gzip can expand to more than memory holds."""


def read(image: Image.Image) -> list[GeneratorMetadata]:
    """The hidden record of a picture with its pixels as stored; nothing where no signature is found.

    Only modes whose samples are stored unchanged are looked at: RGBA, LA and RGB with 8 bits.
    """
    found = []
    for place, samples in _planes(image).items():
        height, _, channels = samples.shape
        enough = -(-_LETTERS * 8 // (height * channels))  # columns that hold the signature: most pictures have none
        signature = _bytes(_bits(samples[:, :enough])[: _LETTERS * 8])
        kind = _SIGNATURES.get(signature)
        if kind is None or kind[0] != place:
            continue
        channel = "the alpha channel" if place == "alpha" else "red, green and blue"
        source = f"least significant bits of {channel}, signature {signature.decode()}"
        payload = _payload(_bits(samples)[_LETTERS * 8 :], compressed=kind[1])
        if payload is None:
            problem = "The signature is there, but the text behind it is damaged."
            found.append(GeneratorMetadata("stealth record", source, problems=(problem,)))
        else:
            found += _records(payload, source)
    return found


def _planes(image: Image.Image) -> dict[str, NDArray[np.uint8]]:
    """Samples (H, W, C) whose least significant bits may hold a text, by place."""
    if image.mode not in ("RGBA", "LA", "RGB"):
        return {}
    pixels = np.asarray(image)  # (H, W, C)
    planes = {}
    if image.mode in ("RGBA", "LA"):
        planes["alpha"] = pixels[:, :, -1:]
    if image.mode in ("RGBA", "RGB"):
        planes["colour"] = pixels[:, :, :3]
    return planes


def _bits(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Least significant bits in the order in which they were written: column by column."""
    return samples.transpose(1, 0, 2).reshape(-1) & np.uint8(1)


def _bytes(bits: NDArray[np.uint8]) -> bytes:
    return np.packbits(bits).tobytes()


def _payload(bits: NDArray[np.uint8], *, compressed: bool) -> str | None:
    if len(bits) < 32:
        return None
    length = int.from_bytes(_bytes(bits[:32]), "big")
    if length % 8 or not 0 < length <= len(bits) - 32:
        return None
    data = _bytes(bits[32 : 32 + length])
    if compressed:
        expander = zlib.decompressobj(wbits=31)  # the gzip container
        try:
            data = expander.decompress(data, _MAX_BYTES)
        except zlib.error:
            return None
        if not expander.eof:
            return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _records(payload: str, source: str) -> list[GeneratorMetadata]:
    """The hidden text through the readers of open texts: it is one of their layouts under one of their names."""
    parsed = document(payload)
    entries = {"parameters": payload} if parsed is None else {str(key): text(value) for key, value in parsed.items()}
    for reader in (novelai.read, webui.read, arguments.read, swarmui.read, comfyui.read):
        named = reader(entries) or (reader({"parameters": payload}) if parsed is not None else [])
        if named:
            return [replace(record, source=source, entry="") for record in named]
    problem = f"The text has no known layout: {payload[:2000]}"
    return [GeneratorMetadata("unknown software", source, problems=(problem,))]
