"""Files as the documented software writes them, made here: one function for each layout."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

USER_COMMENT, EXIF_IFD, MAKE, MODEL = 0x9286, 0x8769, 0x010F, 0x0110


def picture(side: int = 64, mode: str = "RGB") -> Image.Image:
    """A picture with some structure, opaque where it has alpha."""
    y, x = np.mgrid[:side, :side]
    rgb = np.stack([x * 3 % 256, y * 5 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8)
    image = Image.fromarray(rgb, "RGB")
    if mode == "RGBA":
        image.putalpha(255)
    return image


def png(image: Image.Image | None = None, **texts: str) -> bytes:
    """PNG with text entries: tEXt where Latin-1 holds the value, else iTXt, as Pillow decides."""
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_text(key.replace("_dash_", "-"), value)
    buffer = io.BytesIO()
    (image or picture()).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def itxt(**texts: str) -> bytes:
    """PNG with compressed international text."""
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_itxt(key, value, zip=True)
    buffer = io.BytesIO()
    picture().save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def user_comment(text: str, encoding: str = "utf-16-be", container: str = "JPEG") -> bytes:
    """A file with the EXIF tag UserComment in the Unicode character code."""
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"UNICODE\0" + text.encode(encoding)
    buffer = io.BytesIO()
    picture().save(buffer, container, exif=exif)
    return buffer.getvalue()


def xmp(packet: str, container: str = "WEBP") -> bytes:
    """A file with an XMP packet."""
    buffer = io.BytesIO()
    picture().save(buffer, container, xmp=packet.encode())
    return buffer.getvalue()


def exif(tags: dict[int, object], comment: bytes = b"", container: str = "JPEG") -> bytes:
    """A file with EXIF tags as given, and a comment as its bytes."""
    record = Image.Exif()
    for tag, value in tags.items():
        record[tag] = value
    if comment:
        record.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    buffer = io.BytesIO()
    picture().save(buffer, container, exif=record)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes, *, right: bool = True) -> bytes:
    """A chunk of PNG; with a wrong checksum where asked."""
    crc = zlib.crc32(kind + body) ^ (0 if right else 1)
    return len(body).to_bytes(4, "big") + kind + body + crc.to_bytes(4, "big")


def with_chunk(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks put in behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def comfy_webp(graph: dict[str, Any], drawn: dict[str, Any]) -> bytes:
    """ComfyUI's WebP: the graphs in the EXIF tags Model and Make."""
    exif = Image.Exif()
    exif[MODEL] = f"prompt:{json.dumps(graph)}"
    exif[MAKE] = f"workflow:{json.dumps(drawn)}"
    buffer = io.BytesIO()
    picture().save(buffer, "WEBP", exif=exif)
    return buffer.getvalue()


def stealth(text: str, *, alpha: bool, compressed: bool, side: int = 64) -> bytes:
    """PNG with a record in its least significant bits, column by column."""
    place = "png" if alpha else "rgb"
    payload = gzip.compress(text.encode()) if compressed else text.encode()
    signature = f"stealth_{place}{'comp' if compressed else 'info'}".encode()
    stream = signature + (8 * len(payload)).to_bytes(4, "big") + payload
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    pixels = np.array(picture(side, "RGBA" if alpha else "RGB"))
    part = pixels[:, :, 3:] if alpha else pixels[:, :, :3]  # (H, W, 1 or 3)
    columns = part.transpose(1, 0, 2).copy()  # (W, H, 1 or 3): the order of writing
    flat = columns.reshape(-1)
    assert len(bits) <= len(flat), "the picture is too small for the record"
    flat[: len(bits)] = (flat[: len(bits)] & 0xFE) | bits
    pixels[:, :, 3 if alpha else 0 : 4 if alpha else 3] = columns.transpose(1, 0, 2)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def graph(**changes: Any) -> dict[str, Any]:
    """ComfyUI's default graph as executed, with a text box that fed nothing."""
    values = {"seed": 156680208700286, "steps": 20, "cfg": 8.0, "positive": "a hare, ink", "negative": "text"} | changes
    return {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": values["seed"],
                "steps": values["steps"],
                "cfg": values["cfg"],
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["10", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": values["positive"], "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": values["negative"], "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
        "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink.safetensors", "model": ["4", 0]}},
        "11": {"class_type": "CLIPTextEncode", "inputs": {"text": "not connected", "clip": ["4", 1]}},
    }


def workflow() -> dict[str, Any]:
    """The same graph as drawn: widget values by position, links in a table of their own."""
    return {
        "last_node_id": 9,
        "nodes": [
            {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["v1-5-pruned-emaonly.safetensors"]},
            {"id": 5, "type": "EmptyLatentImage", "widgets_values": [512, 768, 1]},
            {
                "id": 6,
                "type": "CLIPTextEncode",
                "inputs": [{"name": "clip", "link": 1}],
                "widgets_values": ["a hare, ink"],
            },
            {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 2}], "widgets_values": ["text"]},
            {
                "id": 3,
                "type": "KSampler",
                "inputs": [
                    {"name": "model", "link": 3},
                    {"name": "positive", "link": 4},
                    {"name": "negative", "link": 5},
                    {"name": "latent_image", "link": 6},
                ],
                "widgets_values": [156680208700286, "randomize", 20, 8, "euler", "normal", 1],
            },
        ],
        "links": [
            [1, 4, 1, 6, 0, "CLIP"],
            [2, 4, 1, 7, 0, "CLIP"],
            [3, 4, 0, 3, 0, "MODEL"],
            [4, 6, 0, 3, 1, "CONDITIONING"],
            [5, 7, 0, 3, 2, "CONDITIONING"],
            [6, 5, 0, 3, 3, "LATENT"],
        ],
    }
