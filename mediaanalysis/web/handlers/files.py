"""Artifacts: files out of storage with ranges and entity tags, the list of frames, the transcript in four forms.

What a file may do in a browser is decided here, never by who uploaded it: no sniffing, no script, no page rendered.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mediaanalysis.errors import RequestError
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import files, transcriptions
from mediaanalysis.store.files import FileRow
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.handlers import polls
from mediaanalysis.web.problems import Refusal
from mediaanalysis.web.requests import parameters
from mediaanalysis.web.responses import answers, ranges, subtitles

ISOLATION = {"content-security-policy": "default-src 'none'; sandbox"}
CROSS_ORIGIN = "cross-origin-resource-policy"
SHOWN_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "audio/",
    "video/",
    "text/plain",
    "application/json",
)

TRANSCRIPT_FORMS = {
    "json": ("application/json", answers.encode),
    "txt": ("text/plain; charset=utf-8", lambda transcript: f"{transcript.text}\n".encode()),
    "srt": ("application/x-subrip; charset=utf-8", lambda transcript: subtitles.srt(transcript).encode()),
    "vtt": ("text/vtt; charset=utf-8", lambda transcript: subtitles.vtt(transcript).encode()),
}


async def transcript(edge: Edge, request: Request) -> Response:
    """What was said, as JSON, plain text, SubRip or WebVTT."""
    form = parameters.choice(request, "format", TRANSCRIPT_FORMS, "json")
    media_type, render = TRANSCRIPT_FORMS[form or "json"]
    analysis_id, is_final = await _analysis(edge, request)
    found = await transcriptions.get(edge.services.database.pool, analysis_id)
    if found is None:
        raise _missing("The analysis has no transcript.", is_final)
    return answers.EncodedResponse(answers.encoded(render(found), is_final=is_final, media_type=media_type))


async def frames(edge: Edge, request: Request) -> Response:
    """The frames and the times they are shown at."""
    analysis_id, _ = await _analysis(edge, request)
    rows = enumerate(await _frames(edge, analysis_id), start=1)
    listed = tuple(_frame(n, analysis_id, row) for n, row in rows if row.deleted_at is None)
    return answers.reply(answers.FramesAnswer(analysis_id, listed))


async def frame(edge: Edge, request: Request) -> Response:
    """Frame `n`, counted from 1."""
    analysis_id, is_final = await _analysis(edge, request)
    rows, n = await _frames(edge, analysis_id), request.path_params["n"]
    number = int(n) if re.fullmatch(r"[0-9]{1,9}", n) else 0
    if not 1 <= number <= len(rows):
        raise _missing(f"The analysis has {len(rows)} frames.", is_final)
    return await _serve(edge, request, rows[number - 1])


async def contact_sheet(edge: Edge, request: Request) -> Response:
    analysis_id, is_final = await _analysis(edge, request)
    found = await files.find(edge.services.database.pool, analysis_id, "contact_sheet.jpg")
    return await _serve(edge, request, _present(found, "contact sheet", is_final))


async def file(edge: Edge, request: Request) -> Response:
    """A file by the name it is listed under. The name only looks a row up; it is never a path."""
    analysis_id, is_final = await _analysis(edge, request)
    name: str = request.path_params["name"]
    found = None if "\0" in name else await files.find(edge.services.database.pool, analysis_id, name)
    return await _serve(edge, request, _present(found, "file of this name", is_final))


async def _analysis(edge: Edge, request: Request) -> tuple[UUID, bool]:
    """The analysis, if it is there and the client's, and whether it has ended."""
    analysis_id = parameters.analysis_id(request)
    return analysis_id, (await polls.current(edge, analysis_id, parameters.owner(request))).is_final


async def _frames(edge: Edge, analysis_id: UUID) -> list[FileRow]:
    """In the order of time; of a name that was written again, the latest."""
    rows = await files.list_kind(edge.services.database.pool, analysis_id, "frame")
    latest = {row.filename: row for row in rows}
    return sorted(latest.values(), key=lambda row: (row.at_seconds or 0, row.filename))


def _frame(n: int, analysis_id: UUID, row: FileRow) -> answers.FrameAnswer:
    return answers.FrameAnswer(
        n=n,
        filename=row.filename,
        at_seconds=row.at_seconds,
        width=row.width,
        height=row.height,
        size_bytes=row.size_bytes,
        checksum=row.checksum,
        url=f"/api/media/{analysis_id}/frames/{n}",
    )


def _present(row: FileRow | None, what: str, is_final: bool) -> FileRow:
    if row is None:
        raise _missing(f"The analysis has no {what}.", is_final)
    return row


def _missing(detail: str, is_final: bool) -> RequestError:
    """Not there, or not there yet."""
    return RequestError(detail, code="not_found" if is_final else "not_ready")


async def _serve(edge: Edge, request: Request, row: FileRow) -> Response:
    """The file, the range asked for, or 304."""
    if row.deleted_at is not None:
        raise RequestError("The file was removed after its retention time.", code="expired")
    etag = f'"{row.checksum}"'
    # Whoever gave a signed link out meant it to be shown elsewhere.
    origin = "cross-origin" if request.scope["state"].get("linked") else "same-origin"
    headers = {
        **ISOLATION,
        CROSS_ORIGIN: origin,
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
    }
    if ranges.matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    span = _span(request, etag, row.size_bytes)
    start, end = (span.start, span.end) if span else (0, row.size_bytes)
    if span:
        headers["content-range"] = f"bytes {start}-{end - 1}/{row.size_bytes}"
    headers["content-length"] = str(end - start)
    headers["content-disposition"] = disposition(row)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=row.mime_type)
    body = await _opened(edge.services.storage, row.storage_path, start, end)
    return StreamingResponse(body, status_code=206 if span else 200, headers=headers, media_type=row.mime_type)


def _span(request: Request, etag: str, size: int) -> ranges.Span | None:
    """`Range` has a meaning for GET alone."""
    if request.method != "GET":
        return None
    try:
        return ranges.requested(request.headers.get("range"), request.headers.get("if-range"), etag, size)
    except ranges.Unsatisfiable:
        raise Refusal(
            f"The file has {size} bytes.", code="range_not_satisfiable", headers={"content-range": f"bytes */{size}"}
        ) from None


def disposition(row: FileRow) -> str:
    """Shown in place if it is of a harmless kind, else a download; the name for old and for new browsers (RFC 6266)."""
    kind = "inline" if row.mime_type.startswith(SHOWN_TYPES) else "attachment"
    name = row.original_path if row.kind == "original" and row.original_path else row.filename
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\%' else "_" for letter in name
    )
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def _opened(storage: Storage, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes, with the first of them already read: a file that is gone is an answer, not a broken connection."""
    if start == end:
        return _chain(b"", None)
    rest = storage.read(key, start, end)
    try:
        return _chain(await anext(rest, b""), rest)
    except FileNotFoundError:
        raise RequestError("The file is no longer in storage.", code="expired") from None


async def _chain(first: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield first
    if rest is not None:
        async for chunk in rest:
            yield chunk
