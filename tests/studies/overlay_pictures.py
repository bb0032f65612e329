"""Pictures of known truth for the study of the overlay: several kinds of picture, what people do to copies, strangers.

The Debian packages are fetched by name into a folder of the caller's choice and never shipped. Everything else is drawn
here or comes with scikit-image and the samples. A picture belongs to one half, by a digest of its name; all sizes of a
wallpaper, light and dark, are one picture.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from forensics.resources import samples

PACKAGES = ("plasma-workspace-wallpapers", "gnome-backgrounds", "tuxpaint-stamps-default")
SIDE = 448
"""Long side of every picture at most, in pixels."""
Pixels = NDArray[np.uint8]
PHOTOGRAPH, WALLPAPER, STAMP, DRAWING, PAGE = "photograph", "wallpaper", "stamp", "clip art", "text page"
TEXTURE, PLAIN, SERIES = "texture", "nearly plain", "series"
COPIED = (PHOTOGRAPH, WALLPAPER, STAMP, DRAWING, PAGE)
"""Kinds whose pictures are copied and edited."""
_PHOTOGRAPHED = (
    "Autumn",
    "BytheWater",
    "ColdRipple",
    "ColorfulCups",
    "DarkestHour",
    "EveningGlow",
    "FallenLeaf",
    "Grey",
    "Kite",
    "OneStandsOut",
    "Path",
    "SafeLanding",
)
_SERIES, _SIGNS = 8, 24
_SKIMAGE = (
    "astronaut",
    "camera",
    "cat",
    "coffee",
    "coins",
    "moon",
    "rocket",
    "clock",
    "retina",
    "page",
    "hubble_deep_field",
)
_WORDS = [
    "harbour",
    "winter",
    "column",
    "letter",
    "garden",
    "evening",
    "silver",
    "machine",
    "distance",
    "morning",
    "paper",
    "window",
    "river",
    "answer",
    "stone",
    "bridge",
    "market",
    "summer",
    "corner",
    "figure",
    "island",
    "copper",
    "shadow",
    "yellow",
    "measure",
    "history",
    "village",
    "number",
    "signal",
    "forest",
]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with its kind."""

    name: str
    kind: str
    pixels: Pixels

    @property
    def half(self) -> str:
        """`calibration` or `test`."""
        return half_of(self.name)


def half_of(name: str) -> str:
    """The half a name belongs to."""
    return ("calibration", "test")[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2]


@cache
def _creators() -> dict[str, str]:
    rows = (samples() / "reference" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row["creator"] for row in map(json.loads, rows)}


def one_hand(a: str, b: str) -> bool:
    """Whether two pictures, by their names, are by one hand or of one theme and may share a drawn part in truth."""
    kinds = a.split("/")[0], b.split("/")[0]
    if kinds == ("work", "work"):
        one, two = (_creators().get(n.split("/")[1], "") for n in (a, b))
        return one == two != ""
    if kinds == ("stamps", "stamps"):
        return a.rpartition("/")[0] == b.rpartition("/")[0]
    # Every fourth texture is drawn over a regular grid.
    return kinds == ("texture", "texture") and all(int(n.split("/")[1]) % 4 == 3 for n in (a, b))


def fetch(folder: Path) -> Path:
    """The packages, unpacked below a folder; fetched with apt where they are not there yet."""
    root = folder / "packages"
    if not root.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for package in PACKAGES:
            subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True)
        for archive in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(archive), str(root)], check=True)
    return root


def pictures(folder: Path) -> list[Picture]:
    """All pictures of every kind, in an order of their own."""
    root = fetch(folder) / "usr" / "share"
    found = [
        *_wallpapers(root),
        *_skimage(),
        *_stamps(root),
        *_drawings(),
        *_pages(),
        *_textures(),
        *_plain(),
        *_series(),
    ]
    return sorted(found, key=lambda p: (p.kind, p.name))


def sized(picture: Image.Image, side: int = SIDE) -> Pixels:
    """A picture reduced to at most `side` pixels along its long side, transparency on white."""
    if picture.mode in ("RGBA", "LA", "P"):
        picture = picture.convert("RGBA")
        page = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(page, picture)
    shown = picture.convert("RGB")
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(shown)


def _wallpapers(root: Path) -> list[Picture]:
    found = []
    for place in sorted((root / "wallpapers").iterdir()):
        files = sorted((place / "contents" / "images").glob("*.*"), key=lambda p: (p.stat().st_size, p.name))
        if files:
            kind = PHOTOGRAPH if place.name in _PHOTOGRAPHED else WALLPAPER
            found.append(Picture(place.name, kind, sized(Image.open(files[0]))))
    for file in sorted((root / "backgrounds" / "gnome").glob("*-l.*")):
        if file.suffix in (".webp", ".jpg", ".png"):
            found.append(Picture(f"gnome/{file.stem}", WALLPAPER, sized(Image.open(file))))
    return found


def _skimage() -> list[Picture]:
    from skimage import data

    rows = []
    for name in _SKIMAGE:
        pixels = getattr(data, name)()
        shown = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2)
        rows.append(Picture(f"skimage/{name}", PHOTOGRAPH, sized(Image.fromarray(shown[..., :3]))))
    return rows


def _stamps(root: Path) -> list[Picture]:
    found = []
    for file in sorted((root / "tuxpaint" / "stamps").rglob("*.png")):
        if file.stem.endswith(("_mirror", "_flip")):
            continue
        with Image.open(file) as picture:
            if min(picture.size) >= 200 and "symbols" not in file.parts:
                found.append(Picture(f"stamps/{file.relative_to(root / 'tuxpaint' / 'stamps')}", STAMP, sized(picture)))
    return found


def _drawings() -> list[Picture]:
    folder = samples() / "reference"
    files = sorted([*(folder / "works").glob("*.webp"), *(folder / "controls").glob("*.webp")])
    draw = random.Random("drawings")
    return [Picture(f"work/{f.stem}", DRAWING, sized(Image.open(f))) for f in sorted(draw.sample(files, 240))]


def _pages() -> list[Picture]:
    """Pages of one layout with words of their own."""
    return [Picture(f"page/{n}", PAGE, _page(n)) for n in range(60)]


def _page(number: int) -> Pixels:
    draw = random.Random(f"page {number}")
    page = Image.new("RGB", (340, 440), "white")
    pen = ImageDraw.Draw(page)
    head, body = ImageFont.load_default(20), ImageFont.load_default(11)
    pen.text((30, 24), " ".join(draw.sample(_WORDS, 3)).title(), fill="black", font=head)
    pen.line((30, 54, 310, 54), fill=(150, 0, 0), width=2)
    for line in range(23):
        if line != 11:
            words = " ".join(draw.choices(_WORDS, k=7))
            pen.text((30, 64 + 15 * line), words[:46], fill=(20, 20, 20), font=body)
    pen.text((160, 420), str(number), fill="black", font=body)
    return np.asarray(page)


def _textures() -> list[Picture]:
    found = []
    for n in range(24):
        rng = np.random.default_rng(n)
        field = np.zeros((320, 320, 3), np.float32)
        for octave in (4, 8, 16, 32, 64)[n % 3 :]:
            some = rng.normal(0, 1, (octave, octave, 3 if n % 2 else 1)).astype(np.float32)
            field += cv2.resize(some, (320, 320), interpolation=cv2.INTER_CUBIC).reshape(320, 320, -1) / octave**0.5
        field = (field - field.min()) / (field.max() - field.min())
        if n % 4 == 3:
            rows = np.sin(np.linspace(0, 60 + 20 * (n % 5), 320)).astype(np.float32)
            field = 0.5 * field + 0.25 * (1 + rows[:, None, None] * rows[None, :, None])
        found.append(Picture(f"texture/{n}", TEXTURE, np.asarray(255 * np.clip(field, 0, 1), np.uint8)))
    return found


def _plain() -> list[Picture]:
    """One colour, a gradient, or a single simple shape on a ground."""
    return [Picture(f"plain/{n}", PLAIN, _shape(n)) for n in range(80)]


def _shape(number: int) -> Pixels:
    draw = random.Random(f"plain {number}")
    side = draw.choice((320, 400))
    colours = [tuple(draw.randint(0, 255) for _ in range(3)) for _ in range(2)]
    page = Image.new("RGB", (side, side), draw.choice(("white", colours[1])))
    pen = ImageDraw.Draw(page)
    reach = side * draw.uniform(0.22, 0.36)
    x, y = side / 2 + draw.uniform(-8, 8), side / 2 + draw.uniform(-8, 8)
    what = number % 6
    if what == 0:
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colours[0])
    elif what == 1:
        pen.rectangle((x - reach, y - reach * 0.7, x + reach, y + reach * 0.7), fill=colours[0])
    elif what == 2:
        pen.polygon([(x, y - reach), (x - reach, y + reach * 0.8), (x + reach, y + reach * 0.8)], fill=colours[0])
    elif what == 3:
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colours[0], width=int(reach / 4))
    elif what == 4:
        ramp = np.linspace(0, 1, side)[:, None, None] * np.ones((1, side, 1))
        return np.asarray(ramp * np.array(colours[0]) + (1 - ramp) * np.array(colours[1]), np.uint8)
    else:
        pen.line((0, y, side, y + reach / 3), fill=colours[0], width=int(reach / 3))
    return np.asarray(page)


def _series() -> list[Picture]:
    """Signs of one series: one frame, ground and hand, another drawing of the same half in each."""
    found = []
    works = _drawings()
    halves = {half: [w for w in works if w.half == half] for half in ("calibration", "test")}
    for n in range(_SERIES * _SIGNS):
        draw = random.Random(f"series {n // _SIGNS}")
        name = f"series/{n // _SIGNS}/{n % _SIGNS}"
        colour = tuple(draw.randint(0, 200) for _ in range(3))
        page = Image.new("RGB", (360, 360), "white")
        pen = ImageDraw.Draw(page)
        if n // _SIGNS % 2:
            pen.polygon([(180, 14), (14, 340), (346, 340)], fill=(255, 255, 240), outline=colour, width=14)
        else:
            pen.rounded_rectangle((10, 10, 350, 350), 30, fill=colour)
            pen.rounded_rectangle((22, 22, 338, 338), 24, outline="white", width=5)
        ours = halves[half_of(name)]
        inside = Image.fromarray(ours[n % len(ours)].pixels).resize((150, 150))
        page.paste(inside, (105, 160 if n // _SIGNS % 2 else 105))
        found.append(Picture(name, SERIES, np.asarray(page)))
    return found


# What people do to copies -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edit:
    """One way in which a copy differs from its work."""

    name: str
    make: Callable[[Pixels, Pixels, random.Random], tuple[Pixels, float | None]]
    """(work, another picture, draw) -> the disputed picture, and the share of the work's area that it has, if known."""
    whole: bool
    """Whether all of both is the same: the word has to be "corresponds throughout"."""
    within: bool = False
    """Whether one of the two lies whole within the other: likewise."""


def _whole(change: Callable[[Pixels], Pixels]) -> Callable[[Pixels, Pixels, random.Random], tuple[Pixels, float]]:
    return lambda work, _, __: (np.ascontiguousarray(change(work)), 1.0)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Saved as JPEG and opened again."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def scaled(pixels: Pixels, factor: float) -> Pixels:
    """At another size."""
    size = max(16, round(pixels.shape[1] * factor)), max(16, round(pixels.shape[0] * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _hue(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    hue, saturation, value = Image.fromarray(work).convert("HSV").split()
    step = draw.randint(40, 215)
    turned = Image.merge("HSV", (hue.point(lambda h: (h + step) % 256), saturation, value))
    return np.asarray(turned.convert("RGB")), 1.0


def content(work: Pixels) -> tuple[slice, slice]:
    """Rows and columns of a picture without a plain margin; all of it where it has none."""
    edge = np.concatenate([work[0], work[-1], work[:, 0], work[:, -1]])
    differs = np.abs(work.astype(np.int16) - np.median(edge, axis=0)).max(2) > 12
    if not differs.any():
        return slice(0, work.shape[0]), slice(0, work.shape[1])
    rows, columns = (np.flatnonzero(differs.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def share_left(work: Pixels, kept: NDArray[np.bool_]) -> float:
    """Share of the area of a picture, without its plain margin, that an edit left."""
    return float(kept[content(work)].mean())


def crop(work: Pixels, share: float, draw: random.Random) -> Pixels:
    """A part with this share of the area, the proportions kept."""
    return work[_cropped(work, share, draw)]


def _cropped(work: Pixels, share: float, draw: random.Random) -> tuple[slice, slice]:
    height, width = work.shape[:2]
    rows, columns = round(height * share**0.5), round(width * share**0.5)
    top, left = draw.randint(0, height - rows), draw.randint(0, width - columns)
    return slice(top, top + rows), slice(left, left + columns)


def _crop(share: float) -> Callable[[Pixels, Pixels, random.Random], tuple[Pixels, float]]:
    def cropped(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, float]:
        place = _cropped(work, share, draw)
        kept = np.zeros(work.shape[:2], bool)
        kept[place] = True
        return np.ascontiguousarray(work[place]), share_left(work, kept)

    return cropped


def _turned(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, None]:
    angle = draw.choice((-1, 1)) * draw.uniform(5, 25)
    ground = tuple(int(v) for v in np.median(work[0], axis=0))
    return np.asarray(Image.fromarray(work).rotate(angle, Image.Resampling.BICUBIC, fillcolor=ground)), None


def _collage(work: Pixels, other: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    page = np.asarray(Image.fromarray(other).resize((480, 480))).copy()
    small = scaled(work, draw.uniform(0.4, 0.6) * 480 / max(work.shape[:2]))
    top, left = draw.randint(0, 480 - small.shape[0]), draw.randint(0, 480 - small.shape[1])
    page[top : top + small.shape[0], left : left + small.shape[1]] = small
    return page, 1.0


def _screenshot(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    """A page of a program around the picture."""
    height, width = work.shape[:2]
    page = Image.new("RGB", (width + 160, height + 150), draw.choice(("white", (32, 33, 36), (240, 240, 245))))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, width + 160, 34), fill=(60, 64, 70))
    pen.text((12, 9), " ".join(draw.sample(_WORDS, 3)), fill="white", font=ImageFont.load_default(13))
    for line in range(4):
        text = " ".join(draw.sample(_WORDS, 6))
        pen.text((20, height + 70 + 17 * line), text, fill=(120, 120, 120), font=ImageFont.load_default(12))
    page.paste(Image.fromarray(work), (60, 52))
    return np.asarray(page), 1.0


def _telephone(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    """A narrow screen: a line of status, a name, the picture as wide as the screen, a caption, buttons."""
    width, height = 400, 860
    ground, ink = draw.choice((("white", "black"), ((18, 18, 20), "white")))
    page = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(page)
    pen.text((20, 12), f"{draw.randint(0, 23)}:{draw.randint(10, 59)}", fill=ink, font=ImageFont.load_default(15))
    pen.rounded_rectangle((width - 46, 14, width - 18, 26), 3, outline=ink)
    pen.ellipse((16, 46, 52, 82), fill=tuple(draw.randint(40, 220) for _ in range(3)))
    pen.text((62, 54), " ".join(draw.sample(_WORDS, 2)), fill=ink, font=ImageFont.load_default(15))
    shown = scaled(work, min(width / work.shape[1], 600 / work.shape[0]))
    page.paste(Image.fromarray(shown), ((width - shown.shape[1]) // 2, 96))
    for line in range(3):
        text = " ".join(draw.sample(_WORDS, 5))
        pen.text((18, 112 + shown.shape[0] + 18 * line), text, fill=ink, font=ImageFont.load_default(13))
    pen.rectangle((0, height - 54, width, height), fill=(64, 64, 70))
    for button in range(4):
        pen.ellipse((36 + 100 * button, height - 42, 66 + 100 * button, height - 12), outline="white", width=2)
    return np.asarray(page), 1.0


def _site(work: Pixels, other: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    """A page of a site: a bar, a column of links, the picture, text around it, another picture beside it."""
    page = Image.new("RGB", (900, 640), "white")
    pen = ImageDraw.Draw(page)
    small, common = ImageFont.load_default(11), ImageFont.load_default(13)
    pen.rectangle((0, 0, 900, 40), fill=(222, 225, 230))
    pen.rounded_rectangle((100, 8, 700, 32), 11, fill="white")
    pen.text((116, 12), "/".join(draw.sample(_WORDS, 3)), fill="black", font=common)
    for line in range(12):
        pen.text((16, 70 + 26 * line), draw.choice(_WORDS), fill=(0, 0, 170), font=common)
    shown = scaled(work, min(440 / work.shape[1], 340 / work.shape[0]))
    page.paste(Image.fromarray(shown), (150, 70))
    for line in range(8):
        text = " ".join(draw.sample(_WORDS, 8))
        pen.text((150, 90 + shown.shape[0] + 18 * line), text, fill=(30, 30, 30), font=small)
    page.paste(Image.fromarray(cv2.resize(other, (240, 170), interpolation=cv2.INTER_AREA)), (630, 70))
    return np.asarray(page), 1.0


def _photographed(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, None]:
    """A photograph of a screen: perspective, the grid of the screen, uneven light, blur, noise, JPEG."""
    height, width = work.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    seen = work * (0.9 + 0.1 * np.sin(columns * 1.9) * np.sin(rows * 1.7))[..., None]
    room = np.full((height + 80, width + 80, 3), draw.randint(15, 60), np.float64)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + 40 + np.array([[draw.uniform(-22, 22), draw.uniform(-22, 22)] for _ in range(4)], np.float32)
    plane = cv2.getPerspectiveTransform(corners, moved)
    cv2.warpPerspective(seen, plane, (width + 80, height + 80), dst=room, borderMode=cv2.BORDER_TRANSPARENT)
    light = np.linspace(draw.uniform(0.75, 0.95), 1.1, width + 80)[None, :, None]
    room = cv2.GaussianBlur(room * light, (0, 0), 0.9)
    room += np.random.default_rng(draw.randint(0, 9999)).normal(0, 5, room.shape)
    return jpeg(np.asarray(np.clip(room, 0, 255), np.uint8), 75), None


def _text_over(work: Pixels, _: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    page = Image.fromarray(work)
    size = max(14, work.shape[0] // 11)
    font = ImageFont.load_default(size)
    colour = draw.choice(("white", "black", (220, 30, 30)))
    layer = Image.new("L", page.size, 0)
    pen = ImageDraw.Draw(layer)
    for line in range(3):
        place = (draw.randint(0, work.shape[1] // 6), round(work.shape[0] * (0.1 + 0.3 * line)))
        pen.text(place, " ".join(draw.sample(_WORDS, 3)), fill=255, font=font)
    page.paste(colour, (0, 0), layer)
    return np.asarray(page), share_left(work, np.asarray(layer) <= 60)


def _covered(work: Pixels, other: Pixels, draw: random.Random) -> tuple[Pixels, float]:
    """A box over thirty per cent: black, of one colour, or another picture."""
    height, width = work.shape[:2]
    ratio = draw.uniform(0.6, 1.5)
    rows = min(height - 4, round((0.3 * height * width * ratio) ** 0.5))
    columns = min(width - 4, round(0.3 * height * width / rows))
    top, left = draw.randint(0, height - rows), draw.randint(0, width - columns)
    page = work.copy()
    fill = draw.choice(("black", "colour", "picture"))
    page[top : top + rows, left : left + columns] = (
        cv2.resize(other, (columns, rows))
        if fill == "picture"
        else 0
        if fill == "black"
        else [draw.randint(0, 255) for _ in range(3)]
    )
    kept = np.ones((height, width), bool)
    kept[top : top + rows, left : left + columns] = False
    return page, share_left(work, kept)


def changed(work: Pixels, other: Pixels, draw: random.Random) -> tuple[Pixels, tuple[float, float, float, float]]:
    """One thing replaced by a part of another picture, its edge softened; the place as shares of the sides."""
    height, width = work.shape[:2]
    share = draw.uniform(0.06, 0.2)
    rows, columns = round(height * share**0.5), round(width * share**0.5)
    top, left = (draw.randint(round(0.1 * n), round(0.9 * n) - m) for n, m in ((height, rows), (width, columns)))
    thing = cv2.resize(crop(other, 0.5, draw), (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = np.zeros((height, width), np.float32)
    cv2.ellipse(soft, (left + columns // 2, top + rows // 2), (columns // 2, rows // 2), 0, 0, 360, 1, -1)
    soft = cv2.GaussianBlur(soft, (0, 0), 2)[..., None]
    page = work.astype(np.float32)
    full = page.copy()
    full[top : top + rows, left : left + columns] = thing
    place = (left / width, top / height, (left + columns) / width, (top + rows) / height)
    return np.asarray(np.clip(np.rint(full * soft + page * (1 - soft)), 0, 255), np.uint8), place


def redrawn(work: Pixels, amplitude: float, draw: random.Random) -> Pixels:
    """Every place moved smoothly and the tones flattened."""
    rng = np.random.default_rng(draw.randint(0, 2**31))
    height, width = work.shape[:2]
    x, y = (
        cv2.resize(
            rng.normal(0, amplitude * max(height, width), (6, 6)).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(2)
    )
    down, along = np.mgrid[0:height, 0:width].astype(np.float32)
    moved = cv2.remap(work, along + x, down + y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    flat = cv2.bilateralFilter(moved, 9, 60, 9).astype(np.int32) // 48 * 48 + 24
    return np.asarray(np.minimum(flat, 255), np.uint8)


def relit(work: Pixels, draw: random.Random) -> Pixels:
    """Light from one side and another colour of light."""
    height, width = work.shape[:2]
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    turn = draw.uniform(0, 2 * np.pi)
    light = 1 + 0.4 * (across * np.cos(turn) + down * np.sin(turn))
    tint = np.array([draw.uniform(0.8, 1.15) for _ in range(3)])
    return np.asarray(np.clip(work * light[..., None] * tint, 0, 255), np.uint8)


def painted(work: Pixels, _: random.Random) -> Pixels:
    """As if painted: edge-preserving smoothing with strokes."""
    return np.asarray(cv2.stylization(work, sigma_s=30, sigma_r=0.4), np.uint8)


EDITS: Sequence[Edit] = (
    Edit("itself", _whole(lambda x: x), True),
    Edit("mirror", _whole(lambda x: x[:, ::-1]), True),
    Edit("quarter turn", _whole(lambda x: np.rot90(x)), True),
    Edit("recolour", _hue, True),
    Edit("grey", _whole(lambda x: np.stack([cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)] * 3, 2)), True),
    Edit("inverted", _whole(lambda x: 255 - x), True),
    Edit("JPEG 30", _whole(lambda x: jpeg(x, 30)), True),
    Edit("half size", _whole(lambda x: scaled(x, 0.5)), True),
    Edit(
        "padded",
        _whole(lambda x: cv2.copyMakeBorder(x, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(255, 255, 255))),
        True,
    ),
    Edit("screenshot", _screenshot, False, True),
    Edit("screenshot of a telephone", _telephone, False, True),
    Edit("page of a site with another picture", _site, False, True),
    Edit("crop, 12 % cut off", _crop(0.88), False, True),
    Edit("crop to 40 %", _crop(0.40), False, True),
    Edit("turned 5 to 25 degrees", _turned, False),
    Edit("collage", _collage, False, True),
    Edit("photograph of a screen", _photographed, False, True),
    Edit("text over it", _text_over, False),
    Edit("30 % covered", _covered, False),
)
CHANGED, REDRAWN, RELIT, PAINTED = "one thing changed", "redrawn", "lit anew", "painted"
