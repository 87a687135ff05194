"""Word documents: paragraphs, lists and tables in order, one section per main heading.

A docx knows no pages: they are made by who prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from docx.document import Document
from docx.opc.part import PartFactory
from docx.oxml.ns import qn
from docx.package import Package
from docx.parts.document import DocumentPart

from mediaanalysis.errors import MediaError
from mediaanalysis.media.children.page_text import Bounds, Found, sections

MAX_UNPACKED_BYTES = 256 * 1024**2
MAX_MEMBERS = 10_000
PARAGRAPH, ROW, CELL, TEXT = qn("w:p"), qn("w:tr"), qn("w:tc"), qn("w:t")
MARKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""Says again, for old programs, what stands beside it."""
SECTION_STYLES = ("Title", "Heading 1")
OTHER_KINDS = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
"""With macros, which nothing here looks at, and templates. python-docx knows plain documents only."""
for kind in OTHER_KINDS:
    PartFactory.part_type_for[kind] = DocumentPart


def read(path: Path, bounds: Bounds) -> Found:
    try:
        _require_modest(path)
        document = Package.open(str(path)).main_document_part.document
        return sections(_sections(document), bounds, title=document.core_properties.title)
    except (MediaError, MemoryError):
        raise
    except Exception as error:  # a dozen kinds, of zipfile, lxml and python-docx: what they do not expect is damage
        raise MediaError("The Word document is damaged: it cannot be opened.") from error


def _require_modest(path: Path) -> None:
    """Refuse a zip bomb by what its directory declares; what it hides from there fails at the first read."""
    with ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise MediaError("The Word document unpacks to more than is allowed.", code="media_too_large")


def _sections(document: Document) -> Iterator[str]:
    """The text before the first main heading, then one text for each."""
    headings = {style.style_id for style in document.styles if style.name in SECTION_STYLES}
    lines: list[str] = []
    for line, style in _lines(document.element.body):
        if style in headings and lines:
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    yield "\n".join(lines)


def _lines(body: Any) -> Iterator[tuple[str, str | None]]:
    """Paragraphs with their style, and rows of tables, wherever they stand: also in content controls and text boxes.

    Walks the XML itself: python-docx's own iteration leaves those out, and takes quadratic time for tables.
    """
    for element in body.iter(PARAGRAPH, ROW):
        if next(element.iterancestors(ROW, FALLBACK), None) is not None:
            continue
        if element.tag == ROW:
            yield " | ".join(" ".join(map(_text, cell.iter(PARAGRAPH))).strip() for cell in element.iter(CELL)), None
        else:
            yield _text(element), element.style


def _text(paragraph: Any) -> str:
    """Its text as it stands: insertions are in, deletions (which are `w:delText`) are not."""
    return "".join(MARKS.get(part.tag) or part.text or "" for part in paragraph.iter(TEXT, *MARKS))
