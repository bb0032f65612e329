"""From samples as stored to 8-bit sRGB, with a sentence for every step and for what was left undone.

What a file declares is taken from the file (`containers`), since a decoder may drop a profile without a word. A
declaration that is not followed is stated with what following it would change.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from forensics.errors import ImageError
from forensics.pictures.containers import Container

_GREY_INTEGER = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
"""Colour space of a profile -> Pillow's mode of the samples it describes."""
_DISPLAY_GAMMA = 1 / 2.2
_FLOAT_WHITES = ((1.0, 1.0), (16.0, None), (255.0, 255.0), (4096.0, None), (65535.0, 65535.0))
"""(largest value up to which, white): ranges in between could be either, so they are refused."""
_UNSPECIFIED = 2
_PRIMARIES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_TRANSFERS = {1: "BT.709", 8: "linear", 13: "sRGB", 14: "BT.2020", 16: "PQ (HDR)", 18: "HLG (HDR)"}
_TO_XYZ = {  # columns: red, green, blue primary in XYZ at D65; ITU-R BT.2020 and SMPTE EG 432-1
    9: ((0.636958, 0.144617, 0.168881), (0.262700, 0.677998, 0.059302), (0.000000, 0.028073, 1.060985)),
    12: ((0.486571, 0.265668, 0.198217), (0.228975, 0.691739, 0.079287), (0.000000, 0.045113, 1.043944)),
}
_ADOBE = ((0.57667, 0.18556, 0.18823), (0.29734, 0.62736, 0.07529), (0.02703, 0.07069, 0.99134))
"""As above, of Adobe RGB (1998), whose transfer is the power 563/256."""
_TO_SRGB = ((3.240970, -1.537383, -0.498611), (-0.969244, 1.875968, 0.041555), (0.055630, -0.203977, 1.056972))


def to_srgb(image: Image.Image, container: Container, name: str, steps: list[str]) -> Image.Image:
    """The picture as 8-bit sRGB, mode RGB.

    Args:
        image: loaded and upright.
        container: what the file declares.
        name: for messages.
        steps: sentences are added to it.

    Raises:
        ImageError: samples whose white is stated nowhere.
    """
    profile = container.profile or image.info.get("icc_profile") or b""
    if isinstance(profile, str):
        profile = b""
    if image.mode in _GREY_INTEGER or image.mode == "F":
        image = _to_8_bits(image, name, bool(profile), steps)
    opaque, alpha = _parted(image)
    coloured = _coloured(opaque, profile, container, steps)
    if alpha is None:
        return coloured
    steps.append("The file has an alpha channel; the picture was laid on white.")
    ground = Image.new("RGB", coloured.size, "white")
    ground.paste(coloured, mask=alpha)
    return ground


def _parted(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours, and the alpha channel where there is one. Palettes are looked up."""
    if image.has_transparency_data:
        if image.mode in ("LA", "La"):
            whole = image.convert("LA") if image.mode == "La" else image
            return whole.getchannel("L"), whole.getchannel("A")
        whole = image.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    if image.mode == "P":
        return image.convert("RGB"), None
    return (image.convert("L") if image.mode == "1" else image), None


def _coloured(image: Image.Image, profile: bytes, container: Container, steps: list[str]) -> Image.Image:
    if image.mode == "LAB":
        return _lab(image, profile, steps)
    if profile:
        converted = _apply_profile(image, profile, steps)
        if converted is not None:
            return converted
    elif container.profile_declared:
        steps.append("A colour profile is embedded and cannot be read; the values were taken as sRGB.")
    elif image.mode == "CMYK":
        mark = ", as inverted, as Adobe writes them: the file does not say so" if _unmarked(container) else ""
        steps.append(f"CMYK without a colour profile was converted by the decoder's plain formula{mark}.")
    elif not _declared_otherwise(image, container, steps):
        steps.append("No colour profile is embedded; the values were taken as sRGB.")
    return image if image.mode == "RGB" else image.convert("RGB")


def _unmarked(container: Container) -> bool:
    return container.kind == "JPEG" and container.adobe_transform is None


def _lab(image: Image.Image, profile: bytes, steps: list[str]) -> Image.Image:
    named = " by the embedded profile" if profile else ""
    steps.append(f"Colours were converted from CIE L*a*b* (white point D50){named} to sRGB.")
    source = ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None  # inPlace was not asked for
    return converted


def _apply_profile(image: Image.Image, profile: bytes, steps: list[str]) -> Image.Image | None:
    """The picture through its profile, or None where that cannot be; both are stated."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        description = (ImageCms.getProfileDescription(source) or "unnamed").strip()
        wanted = _SPACES.get(source.profile.xcolor_space, "")
        if wanted == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if wanted != image.mode and not (image.mode in ("I;16",) and wanted == "L"):
            raise ValueError(f"it describes {source.profile.xcolor_space.strip()}, the samples are {image.mode}")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as exc:
        steps.append(f"The embedded colour profile could not be applied ({exc}); the values were taken as sRGB.")
        return None
    steps.append(f"Colours were converted from the embedded profile ({description}) to sRGB.")
    return converted


# Depth


def _to_8_bits(image: Image.Image, name: str, profiled: bool, steps: list[str]) -> Image.Image:
    """Grey samples of more than 8 bits. With a profile, 16 bits are kept for the colour engine."""
    samples = np.asarray(image)
    low, high = float(samples.min()), float(samples.max())
    white = _float_white(samples, name) if image.mode == "F" else _integer_white(image, low, high, name)
    if image.mode.startswith("I;16") and _white_is_zero(image):
        samples = np.asarray(white - samples.astype(np.float64)).astype(np.uint16)
        steps.append("The file stores white as zero; the samples were turned round.")
    if profiled and image.mode != "F" and white == 65535:
        steps.append(f"Sample values from {low:g} to {high:g} of 16 bits were reduced to 8 bits, with 65535 as white.")
        return Image.fromarray(samples.astype(np.uint16))
    stated = f"Sample values from {low:g} to {high:g} were scaled to 8 bits with {white:g} as white"
    if image.mode == "F":
        stated += ", which the range suggests and the file does not state"
    steps.append(f"{stated}.")
    scaled = np.clip(np.rint(samples.astype(np.float64) * (255.0 / white)), 0, 255)
    return Image.fromarray(scaled.astype(np.uint8))


def _white_is_zero(image: Image.Image) -> bool:
    """TIFF's PhotometricInterpretation 0, which the decoder follows for 8 bits and forgets for 16."""
    return isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(262) == 0


def _float_white(samples: NDArray[np.float32], name: str) -> float:
    if not np.isfinite(samples).all():
        raise ImageError(
            f"{name} holds samples that are no numbers.", hint="Export the picture as 8-bit or 16-bit samples."
        )
    low, high = float(samples.min()), float(samples.max())
    white = next((w for top, w in _FLOAT_WHITES if high <= top), None) if low >= 0 else None
    if white is None:
        raise ImageError(
            f"{name} holds sample values from {low:g} to {high:g}, and no white is stated for them.",
            hint="Export the picture as 8-bit or 16-bit samples by a documented step.",
        )
    return white


def _integer_white(image: Image.Image, low: float, high: float, name: str) -> float:
    if low < 0:
        raise ImageError(
            f"{name} holds negative sample values, from {low:g}, and no white is stated for them.",
            hint="Export the picture as 8-bit or 16-bit samples by a documented step.",
        )
    bits = 16
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        stated = image.tag_v2.get(258, 16)
        bits = int(max(stated) if isinstance(stated, tuple) else stated)
    if image.mode == "I" and bits == 32:
        if high <= 255:
            return 255.0
        if high > 65535:
            raise ImageError(
                f"{name} holds 32-bit samples up to {high:g}, and no white is stated for them.",
                hint="Export the picture as 8-bit or 16-bit samples by a documented step.",
            )
        return 65535.0
    return float(2 ** min(bits, 16) - 1)


# Declarations that are not followed


def _declared_otherwise(image: Image.Image, container: Container, steps: list[str]) -> bool:
    """State declarations of transfer and primaries where they are not sRGB's, with what they would change."""
    if container.code_points is not None:
        return _code_points(image, container, steps)
    if container.colours_in_exif:
        steps.append(_by_exif(image, container.colours_in_exif))
        return True
    if container.gamma and not container.srgb and abs(container.gamma - _DISPLAY_GAMMA) > 0.01:
        gamma = container.gamma
        effect = _effect(image, lambda v: v ** (1 / gamma), lambda linear: linear)
        steps.append(
            f"The file states another gamma than sRGB's (gAMA {gamma:g}, usual is 0.45455); it was not applied and the "
            f"values were taken as sRGB. {effect}"
        )
        return True
    return False


def _by_exif(image: Image.Image, stated: str) -> str:
    if stated != "Adobe RGB":
        return (
            "EXIF states that the colours are not sRGB's, and not which they are (uncalibrated); no colour profile is "
            "embedded, and the values were taken as sRGB."
        )
    matrix = np.array(_TO_SRGB) @ np.array(_ADOBE)
    effect = _effect(image, lambda v: v ** (563 / 256), lambda linear: linear @ matrix.T)
    return (
        "EXIF states the colours of Adobe RGB, and no colour profile is embedded; that was not applied and the values "
        f"were taken as sRGB. {effect}"
    )


def _code_points(image: Image.Image, container: Container, steps: list[str]) -> bool:
    primaries, transfer = (container.code_points or (2, 2))[:2]
    if primaries in (1, _UNSPECIFIED) and transfer in (1, 6, 13, 14, 15, _UNSPECIFIED):
        return False
    named = f"{_PRIMARIES.get(primaries, primaries)} with {_TRANSFERS.get(transfer, transfer)}"
    effect = "How the picture would look by that rule is not computed here."
    if primaries in (*_TO_XYZ, 1) and transfer in (1, 8, 13, 14):
        matrix = np.array(_TO_SRGB) @ np.array(_TO_XYZ[primaries]) if primaries != 1 else np.eye(3)
        effect = _effect(image, (lambda v: v) if transfer == 8 else _linear, lambda linear: linear @ matrix.T)
    steps.append(
        f"The file states other colours than sRGB's ({container.code_points_in}: {named}); that was not applied and "
        "the values were taken as "
        f"sRGB. {effect}"
    )
    return True


Transfer = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _effect(image: Image.Image, to_linear: Transfer, change: Transfer) -> str:
    """By how much the samples would differ, in words."""
    small = image.convert("RGB")
    small.thumbnail((512, 512), Image.Resampling.NEAREST)
    before = np.asarray(small, dtype=np.float64) / 255  # (H, W, 3)
    linear = np.clip(change(to_linear(before)), 0, 1)
    after = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    difference = np.abs(after - before) * 255
    return (
        f"Applying it would change the samples by {difference.mean():.0f} of 255 levels on average, at most "
        f"{difference.max():.0f}."
    )


def _linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
