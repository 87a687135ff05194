"""PDF by pdfium: text and pictures of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pypdfium2
from PIL.Image import Image
from pypdfium2 import PdfDocument, PdfiumError, PdfPage
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_LoadMemDocument64

from mediaanalysis.errors import MediaError
from mediaanalysis.media.children.page_text import Bounds, Found, clean
from mediaanalysis.structs.media import Page

DOTS_PER_INCH = 150
LONGEST_SIDE = 2000
"""Pixels: A4 at 170 dots per inch, enough to recognise small print. A page a kilometre wide is no larger."""
MAX_PICTURES = 20
MAX_SCANNED = 100
"""Pictures of pages with text are for people; scanned pages need theirs to be read."""
NOTHING = b"nothing"
ENCRYPTED = "The PDF is encrypted: remove its password and send it again."
FEWEST_CHARACTERS = 8
"""A page with pictures and fewer characters (a stamped number) is taken for a scan."""


def count(path: Path) -> int:
    with _open(path) as document:
        return len(document)


def read(path: Path, bounds: Bounds) -> Found:
    with _open(path) as document:
        pages: list[Page] = []
        left = bounds.max_characters
        wanted = min(len(document), bounds.max_pages)
        cut = False
        for number in range(1, wanted + 1):
            page = _read_page(document, number, bounds.into, left, sum(page.scanned for page in pages))
            cut = cut or len(page.text) > left
            pages.append(page if len(page.text) <= left else _shortened(page, left))
            left -= len(pages[-1].text)
        return Found(pages, len(document), cut, clean(document.get_metadata_value("Title")) or None)


@contextmanager
def _open(path: Path) -> Iterator[PdfDocument]:
    """pdfium says of a document that opens without pages what it said of the last one that did not open, perhaps
    another client's: so let that be one of ours, which is no PDF."""
    FPDF_LoadMemDocument64(NOTHING, len(NOTHING), None)
    try:
        with closing(PdfDocument(path)) as document:
            if len(document) == 0:
                raise MediaError("The PDF has no pages.")
            yield document
    except PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD:
            raise MediaError(ENCRYPTED, code="media_encrypted") from None
        raise MediaError("The PDF is damaged: it cannot be opened.") from error


def _read_page(document: PdfDocument, number: int, into: Path, left: int, scanned_before: int) -> Page:
    """A page that pdfium cannot load is an empty one: the others are still worth reading."""
    try:
        page = document[number - 1]
    except PdfiumError:
        return Page(number, "")
    with closing(page):
        text = _text(page) if left > 0 else ""
        scanned = left > 0 and len("".join(text.split())) < FEWEST_CHARACTERS and _has_pictures(page)
        if number > MAX_PICTURES and not (scanned and scanned_before < MAX_SCANNED):
            return Page(number, text, scanned=scanned)
        filename = f"page_{number:03d}.{'jpg' if scanned else 'png'}"
        width, height = _picture(page, into / filename)
        return Page(number, text, filename, width, height, scanned)


def _text(page: PdfPage) -> str:
    with closing(page.get_textpage()) as text:
        return clean(text.get_text_bounded())


def _has_pictures(page: PdfPage) -> bool:
    """Pictures, or outlines: some programs write letters as paths."""
    kinds = (pypdfium2.raw.FPDF_PAGEOBJ_IMAGE, pypdfium2.raw.FPDF_PAGEOBJ_PATH, pypdfium2.raw.FPDF_PAGEOBJ_FORM)
    return next(page.get_objects(filter=kinds, max_depth=2), None) is not None


def _picture(page: PdfPage, path: Path) -> tuple[int, int]:
    width, height = page.get_size()
    scale = min(DOTS_PER_INCH / 72, LONGEST_SIDE / max(width, height, 1))
    with closing(page.render(scale=scale)) as bitmap:
        picture: Image = bitmap.to_pil().convert("RGB")
    picture.save(path, quality=85) if path.suffix == ".jpg" else picture.save(path)
    return picture.size


def _shortened(page: Page, left: int) -> Page:
    return Page(page.number, page.text[:left], page.filename, page.width, page.height, page.scanned)
