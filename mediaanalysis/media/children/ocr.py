"""Child: the lines of text in a picture, by RapidOCR on onnxruntime with the models in its wheel."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from rapidocr import RapidOCR

from mediaanalysis.errors import MediaError
from mediaanalysis.sandbox.child import serve

Line = tuple[str, float, tuple[int, int, int, int]]

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
ORIENTATION, SIDEWAYS = 0x0112, 5
"""The EXIF tag; from 5 on, width and height are exchanged."""
USEFUL_SIDE = 4000
"""Pixels; a larger picture is made smaller while it is decoded."""
SEARCHED_SIDE = 1600
"""Lines are looked for in a copy of this size and then read at full size: 0.8 s for 1920x1080, print of 14 px found."""
Image.MAX_IMAGE_PIXELS = None  # the bound of the request counts, and is checked before decoding
SURE, SURE_OF_SHORT, SHORT = 0.6, 0.85, 3
"""Leaves, bricks and wheels read as letters lie below, legible print above; they are mostly one or two letters."""


def handle(request: dict[str, Any]) -> list[Line]:
    """`picture`: path; `max_pixels`. Answers (text, confidence 0 to 1, (left, top, right, bottom) in its pixels)."""
    picture, scale = load(request["picture"], request["max_pixels"])
    found: Any = _reader()(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
    if found.boxes is None or found.txts is None:
        return []
    lines = zip(found.txts, found.scores, found.boxes, strict=True)
    return [
        (text.strip(), round(float(score), 3), _corners(box * scale))
        for text, score, box in lines
        if text.strip() and score >= (SURE if len(text.strip()) >= SHORT else SURE_OF_SHORT)
    ]


@cache
def _reader() -> RapidOCR:
    """One thread: the slot this child works in is one core. The default models are those in the wheel: no download."""
    engine = "EngineConfig.onnxruntime"
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.max_side_len": USEFUL_SIDE,
            "Det.limit_type": "max",
            "Det.limit_side_len": SEARCHED_SIDE,
            f"{engine}.intra_op_num_threads": 1,
            f"{engine}.inter_op_num_threads": 1,
        }
    )


def load(path: str, max_pixels: int) -> tuple[Image.Image, float]:
    """The picture upright, opaque, in RGB; and by what its pixels must be multiplied to be those of the file."""
    try:
        picture: Image.Image = Image.open(path, formats=FORMATS)
        if picture.width * picture.height > max_pixels:
            size = f"{picture.width}x{picture.height}"
            raise MediaError(f"The picture has {size} pixels, more than is allowed.", code="media_too_large")
        width = picture.width if picture.getexif().get(ORIENTATION, 1) < SIDEWAYS else picture.height
        picture.draft("RGB", (USEFUL_SIDE, USEFUL_SIDE))
        picture = _opaque(ImageOps.exif_transpose(picture))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise MediaError(f"The picture cannot be decoded ({type(error).__name__}).") from error
    picture.thumbnail((USEFUL_SIDE, USEFUL_SIDE))
    return picture, width / picture.width


def _opaque(picture: Image.Image) -> Image.Image:
    """On white: transparent pictures are mostly made for bright pages."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    above = picture.convert("RGBA")
    below = Image.new("RGBA", above.size, "white")
    return Image.alpha_composite(below, above).convert("RGB")


def _corners(box: Any) -> tuple[int, int, int, int]:
    (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
    return max(0, round(float(left))), max(0, round(float(top))), round(float(right)), round(float(bottom))


if __name__ == "__main__":
    serve(handle)
