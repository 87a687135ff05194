"""Documents: PDF, Word, text, Markdown, CSV and HTML. All parsing happens in a guarded child."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from mediaanalysis.errors import WARNINGS, ResourceError
from mediaanalysis.sandbox import Limits, Reach, Resident, Sandbox
from mediaanalysis.structs.media import Document, Identity, MediaProbe, Notice, Page

if TYPE_CHECKING:
    from mediaanalysis.media.limits import MediaLimits

PROBE_SECONDS = 30
READ_SECONDS = 180
LIMITS = Limits(file_size_bytes=64 * 1024**2, cpu_seconds=4 * READ_SECONDS)
"""No page picture comes near it."""


class Found(Struct):
    """What the child answers: `children/page_text.Found`, which the service does not import."""

    pages: tuple[Page, ...]
    page_count: int
    text_cut: bool
    title: str | None


def resident(sandbox: Sandbox, *, idle_seconds: float, copies: int = 1) -> Resident:
    """The children that read documents: with a single one, a hostile document would keep the others waiting."""
    module = "mediaanalysis.media.children.documents"
    reach = Reach(writes=sandbox.work)
    return Resident(sandbox, module, idle_seconds=idle_seconds, limits=LIMITS, reach=reach, copies=copies)


async def probe(reader: Resident, path: Path, identity: Identity, limits: MediaLimits) -> MediaProbe:
    """What the document is. `pages` is None where the format knows no pages.

    Raises MediaError media_encrypted, media_damaged or converter_missing.
    """
    request = {**_request(path, identity, limits), "count": True}
    pages = await _ask(reader, request, PROBE_SECONDS)
    return MediaProbe(
        media_type=identity.media_type,
        mime_type=identity.mime_type,
        format=identity.extension,
        size_bytes=path.stat().st_size,  # noqa: ASYNC240 - a local file
        pages=pages,
    )


async def read(reader: Resident, path: Path, identity: Identity, limits: MediaLimits, *, into: Path) -> Document:
    """The document's text by page; formats without pages are given by section.

    Pages of a PDF leave their pictures `page_001.png` (scanned ones `.jpg`) in `into`: the first 20, and scanned ones
    up to 100. More pages or characters than `limits` allow are left out, with a notice. Raises MediaError
    media_encrypted, media_damaged, media_too_large or converter_missing.
    """
    request = {**_request(path, identity, limits), "into": str(into)}
    found = msgspec.convert(await _ask(reader, request, READ_SECONDS), Found)
    return Document(found.pages, found.title, tuple(_notices(found)))


async def _ask(reader: Resident, request: dict[str, Any], seconds: float) -> Any:
    """A document that took too long would do so again: that is final, or it held a reader five times as long."""
    try:
        return await reader.call(request, timeout_seconds=seconds)
    except ResourceError as error:
        error.retryable = error.retryable and error.code != "stage_timeout"
        raise


def _request(path: Path, identity: Identity, limits: MediaLimits) -> dict[str, Any]:
    return {
        "path": str(path),
        "extension": identity.extension,
        "max_pages": limits.max_pages,
        "max_characters": limits.max_characters,
    }


def _notices(found: Found) -> list[Notice]:
    read, scanned = len(found.pages), [page for page in found.pages if page.scanned]
    pictured = sum(page.filename is not None for page in scanned)
    said = {
        "pages_limited": f"{read} of {found.page_count} were read." if read < found.page_count else "",
        "text_limited": "The rest was left out." if found.text_cut else "",
        "scanned": f"{pictured} of {len(scanned)} scanned pages can be read." if scanned else "",
    }
    return [Notice(code, f"{WARNINGS[code]} {detail}") for code, detail in said.items() if detail]
