"""Child: text and page pictures of a document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mediaanalysis.errors import MediaError
from mediaanalysis.media.children import docx, page_text, pdf, plain
from mediaanalysis.media.children.page_text import Found
from mediaanalysis.sandbox.child import serve

Reader = Callable[[Path, page_text.Bounds], Found]

READERS: dict[str, Reader] = {
    "pdf": pdf.read,
    "docx": docx.read,
    "txt": plain.read_text,
    "csv": plain.read_text,
    "md": plain.read_markdown,
    "html": plain.read_html,
}
COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")


def handle(request: dict[str, Any]) -> Any:
    """`path`, `extension` (as identified) and either `count`: True, for the number of pages (None where the format
    has none), or `into` (folder for pictures), `max_pages`, `max_characters`, for a `Found`."""
    path, extension = Path(request["path"]), request["extension"]
    if extension not in READERS:
        raise _unreadable(path, extension)
    if request.get("count"):
        return pdf.count(path) if extension == "pdf" else None
    bounds = page_text.Bounds(Path(request["into"]), request["max_pages"], request["max_characters"])
    return READERS[extension](path, bounds)


def _unreadable(path: Path, extension: str) -> MediaError:
    """Office's encrypted packages look like its old formats from outside."""
    head = path.read_bytes()[: 16 * 1024**2]
    if head.startswith(COMPOUND_FILE) and ENCRYPTED_PACKAGE in head:
        return MediaError("The document is encrypted: remove its password and send it again.", code="media_encrypted")
    known = ", ".join(READERS)
    return MediaError(f".{extension} needs a converter that is not installed: send {known}.", code="converter_missing")


if __name__ == "__main__":
    serve(handle)
