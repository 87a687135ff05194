"""Program: one request as JSON in its argument, one answer as JSON on stdout. Looks into images, draws the sheet.

What it writes is drawn anew as plain RGB JPEG: no position, name or thumbnail of the original is carried over.
"""

from __future__ import annotations

import errno
import json
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFile, ImageFont, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
MAX_PICTURES = 500
PIXEL_BUDGET = 500_000_000
"""Of an animation so many pictures and pixels are looked at: seven of 8000 x 8000, which take ten seconds."""
DAMAGED = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
DEFAULT_PICTURE_SECONDS = 0.1
FRAME_QUALITY, SHEET_QUALITY = 88, 85
BACKGROUND, INK = (18, 20, 24), (236, 239, 244)


class Unusable(Exception):
    """Code and public words of a MediaError."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Shown size, format, mode; `pictures`: how many an animation has."""
    with _open(request) as image:
        width, height = _shown_size(image)
        pictures = getattr(image, "n_frames", 1)
        return {
            "format": image.format, "mode": image.mode, "width": width, "height": height,
            "pictures": pictures, "looked": _looked(image, pictures),
        }  # fmt: skip


def frames(request: dict[str, Any]) -> dict[str, Any]:
    """Write up to `count` pictures, evenly spaced in time, as `frame_001.jpg` … in `into`; answer their true times."""
    with _open(request) as image:
        times = list(_times(image))
        picked = _spread(times, request["count"])
        made = [_write(image, picture, number, request) for number, picture in enumerate(picked, 1)]
        shown = [(*frame, times[picture]) for frame, picture in zip(made, picked, strict=True)]
        return {"frames": shown, "cut": ImageFile.LOAD_TRUNCATED_IMAGES}


def sheet(request: dict[str, Any]) -> dict[str, Any]:
    """Draw the tiles on one picture: `tiles` are file, label, and its box; the label stands below, in the middle."""
    folder = Path(request["folder"])
    canvas = Image.new("RGB", (request["width"], request["height"]), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(request["label_height"] * 0.66)
    for name, label, (x, y, width, height) in request["tiles"]:
        with Image.open(folder / name, formats=["JPEG"]) as image:
            image.draft("RGB", (width, height))
            canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.01), (x, y))
        middle = (x + width / 2, y + height + request["label_height"] / 2)
        draw.text(middle, label, fill=INK, font=font, anchor="mm")
    canvas.save(folder / request["filename"], quality=SHEET_QUALITY)  # .jpg: named, Pillow would load all its formats
    return {}


def shrink(request: dict[str, Any]) -> dict[str, Any]:
    """Write each of `paths`, pictures that were made here, under its name in `into`, no side longer than `side`."""
    side = request["side"]
    for path, name in zip(request["paths"], request["names"], strict=True):
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            image.draft("RGB", (side, side))
            plain = image.convert("RGB")
            plain.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
            plain.save(Path(request["into"]) / name, "JPEG", quality=SHEET_QUALITY)
    return {}


def _open(request: dict[str, Any]) -> Image.Image:
    """Open without decoding, and refuse by size first."""
    Image.MAX_IMAGE_PIXELS = None  # ours is the limit, and it says so
    try:
        image = Image.open(request["path"], formats=FORMATS)
    except DAMAGED as error:
        raise Unusable("media_damaged", "The picture cannot be opened: it is damaged.") from error
    if image.width * image.height > request["max_pixels"]:
        size = f"{image.width} x {image.height} pixels; at most {request['max_pixels']:,} are read."
        raise Unusable("media_too_large", f"The picture has {size}")
    return image


def _shown_size(image: Image.Image) -> tuple[int, int]:
    """After the rotation that EXIF asks for."""
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


def _looked(image: Image.Image, pictures: int) -> int:
    return max(1, min(pictures, MAX_PICTURES, PIXEL_BUDGET // (image.width * image.height)))


def _times(image: Image.Image) -> Iterator[float]:
    """When each picture is shown that is looked at. Decodes them in order: there is no other way to know."""
    at = 0.0
    for picture in range(_looked(image, getattr(image, "n_frames", 1))):
        if not _seek(image, picture) and picture:
            return
        yield round(at, 3)
        at += image.info.get("duration", 0) / 1000 or DEFAULT_PICTURE_SECONDS


def _seek(image: Image.Image, picture: int) -> bool:
    try:
        image.seek(picture)
        image.load()
    except DAMAGED:
        return False
    return True


def _spread(times: list[float], count: int) -> list[int]:
    """Pictures on show at `count` evenly spaced moments, each once."""
    ends = [*(later for _, later in pairwise(times)), 2 * times[-1] - (times[-2] if len(times) > 1 else 0) or 1.0]
    wanted = [ends[-1] * (n + 0.5) / count for n in range(count)]
    return sorted({next(i for i, end in enumerate(ends) if end > at) for at in wanted})


def _write(image: Image.Image, picture: int, number: int, request: dict[str, Any]) -> tuple[str, int, int]:
    name = f"frame_{number:03}.jpg"
    plain = _plain(_decode(image, picture, request))
    plain.thumbnail((request["max_side"], request["max_side"]), Image.Resampling.BICUBIC)
    plain.save(Path(request["into"]) / name, "JPEG", quality=FRAME_QUALITY)
    return name, plain.width, plain.height


def _decode(image: Image.Image, picture: int, request: dict[str, Any]) -> Image.Image:
    """The picture, upright. A file that ends early gives what it has, and sets the flag that says so."""
    if picture or getattr(image, "n_frames", 1) > 1:
        image.seek(picture)
    try:
        image.load()
    except DAMAGED:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        image = _open(request)
        image.load()
    return ImageOps.exif_transpose(image)


def _plain(image: Image.Image) -> Image.Image:
    """RGB on white, whatever the mode was."""
    if image.mode.startswith("I"):  # 16 bits a channel: converting clips them, so scale first
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(opaque, mask=opaque.getchannel("A"))
    return image.convert("RGB")


COMMANDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "probe": probe,
    "frames": frames,
    "sheet": sheet,
    "shrink": shrink,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return COMMANDS[request["do"]](request)
    except Unusable as error:
        code, detail = error.args
        return {"code": code, "detail": detail}
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the parent reads of it on stderr
        return {"code": "media_damaged", "detail": "The picture cannot be decoded: it is damaged."}
    except MemoryError:
        return {"code": "media_too_large", "detail": "The picture needs more memory than it may use."}


if __name__ == "__main__":
    json.dump(answer(json.loads(sys.argv[1])), sys.stdout)
