"""Word documents by python-docx: paragraphs, lists and tables in order, one section per main heading.

A docx knows no pages: they are made by who prints it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import docx
from docx.document import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.exceptions import InvalidXmlError
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import XMLSyntaxError

from mediaanalysis.errors import MediaError
from mediaanalysis.media.children.page_text import Bounds, Found, sections

MAX_UNPACKED_BYTES = 256 * 1024**2
MAX_MEMBERS = 10_000
DAMAGED = (BadZipFile, zlib.error, PackageNotFoundError, XMLSyntaxError, InvalidXmlError, LookupError, ValueError)
SECTION_STYLES = ("Title", "Heading 1")


def read(path: Path, bounds: Bounds) -> Found:
    try:
        _require_modest(path)
        document = docx.Document(str(path))
        return sections(_sections(document), bounds, title=document.core_properties.title)
    except DAMAGED as error:
        raise MediaError("The Word document is damaged: it cannot be opened.") from error


def _require_modest(path: Path) -> None:
    """Refuse a zip bomb by what its directory declares; what it hides from there fails at the first read."""
    with ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise MediaError("The Word document unpacks to more than is allowed.", code="media_too_large")


def _sections(document: Document) -> Iterator[str]:
    """The text before the first main heading, then one text for each."""
    lines: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph) and _is_heading(block) and lines:
            yield "\n".join(lines)
            lines = []
        lines.append(block.text if isinstance(block, Paragraph) else _rows(block))
    yield "\n".join(lines)


def _is_heading(paragraph: Paragraph) -> bool:
    style = paragraph.style
    return style is not None and style.name in SECTION_STYLES


def _rows(table: Table) -> str:
    """A row is a line, its cells apart by a bar; a merged cell is said once."""
    return "\n".join(" | ".join(dict.fromkeys(cell.text.strip() for cell in row.cells)) for row in table.rows)
