"""What a client submits: the body in either form, an uploaded file straight into storage, and the rules that types
cannot say. Bytes that were stored for a request that is then refused are removed again."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.requests import Request

from mediaanalysis.errors import MediaError, RequestError
from mediaanalysis.media.identify import HEAD_BYTES, identify
from mediaanalysis.services import Services
from mediaanalysis.storage import layout
from mediaanalysis.storage.storage import Stored
from mediaanalysis.storage.streams import peek
from mediaanalysis.store.files import NewFile
from mediaanalysis.structs.principals import UPLOAD
from mediaanalysis.structs.requests import AnalyzeRequest, MediaType
from mediaanalysis.web.access.meter import Meter
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.problems import Refusal
from mediaanalysis.web.requests import bodies, multipart, parameters

FORM_OVERHEAD_BYTES = 4 * 1024 * 1024
UNDECLARED_STEP_BYTES = 8 * 1024 * 1024
UNKNOWN_EXTENSION = "bin"
UNKNOWN_TYPE = "application/octet-stream"
TAKEN_TYPES = "application/json, multipart/form-data"


class Upload(Struct, frozen=True):
    """A file in storage. `filename` is text to show; `mime_type` is what its first bytes say."""

    stored: Stored
    filename: str | None
    mime_type: str

    def as_file(self) -> NewFile:
        """Its row, which is written together with the analysis."""
        return NewFile(
            kind="original",
            filename=self.stored.key.rpartition("/")[2],
            storage_path=self.stored.key,
            size_bytes=self.stored.size_bytes,
            checksum=self.stored.checksum,
            mime_type=self.mime_type,
            retention_days=layout.RETENTION_DAYS["original"],
        )


class Submission(Struct, frozen=True):
    """A request that may be accepted."""

    wanted: AnalyzeRequest
    upload: Upload | None

    @property
    def media_identity(self) -> str:
        """What names the media: the same words, the same media."""
        if self.upload:
            return f"sha256:{self.upload.stored.checksum}"
        return f"url:{self.wanted.media_url}" if self.wanted.media_url else f"analysis:{self.wanted.source_analysis_id}"

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of media, prompt and what shapes the answer: equal for equal work."""
        wanted = self.wanted
        options = msgspec.structs.replace(wanted.options, reuse=False)
        return _digest([self.media_identity, wanted.media_type, wanted.prompt, wanted.config, options])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole request, whatever its form was."""
        return _digest([self.media_identity, self.wanted])


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


@asynccontextmanager
async def received(edge: Edge, request: Request, analysis_id: UUID, required: MediaType) -> AsyncIterator[Submission]:
    """The checked submission; refused unread while the database is offline. If it is refused, its upload is removed;
    but if what is done inside fails in another way (the database, the time limit), it may have been committed all the
    same: then the sweep of orphans decides."""
    services = edge.services
    services.database.health.require()
    uploads: list[Upload] = []
    try:
        wanted = await _read(edge, request, analysis_id, uploads)
        submission = Submission(_checked(services, wanted, required, bool(uploads)), uploads[0] if uploads else None)
    except BaseException:
        await discard(services, *uploads)
        raise
    try:
        yield submission
    except RequestError:
        await discard(services, *uploads)
        raise


async def discard(services: Services, *uploads: Upload | None) -> None:
    """Remove what was stored for nothing."""
    await services.storage.delete([upload.stored.key for upload in uploads if upload])


async def _read(edge: Edge, request: Request, analysis_id: UUID, uploads: list[Upload]) -> AnalyzeRequest:
    bodies.check_coding(request)
    kind = bodies.content_type(request)
    if kind == "application/json" or kind.endswith("+json"):
        return await bodies.read_json(request)
    if kind != "multipart/form-data":
        raise Refusal(f"Send {TAKEN_TYPES}.", code="unsupported_content_type", headers={"accept-post": TAKEN_TYPES})
    return await _read_form(edge, request, analysis_id, uploads)


async def _read_form(edge: Edge, request: Request, analysis_id: UUID, uploads: list[Upload]) -> AnalyzeRequest:
    services = edge.services
    limit = services.settings.upload_max_bytes

    async def store(part: multipart.Part, chunks: AsyncIterator[bytes]) -> None:
        head, whole = await peek(chunks, HEAD_BYTES)
        extension, mime_type = _look(head)
        key = layout.key_of("original", datetime.now(UTC).date(), analysis_id, f"original.{extension}")
        stored = await services.storage.put_stream(key, whole, max_bytes=limit)
        services.metrics.upload_bytes.inc(stored.size_bytes)
        uploads.append(Upload(stored, multipart.display_name(part.filename), mime_type))

    declared = bodies.declared_bytes(request, limit + FORM_OVERHEAD_BYTES)
    services.storage.check_room(declared)
    chunks = _metered(edge.meter, request, bodies.chunks(request, limit + FORM_OVERHEAD_BYTES), declared)
    chunks = _while_needed(services, chunks)
    return await multipart.read(chunks, request.headers["content-type"], store)


async def _while_needed(services: Services, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, as long as there is a database to accept what they belong to: otherwise they would only fill the
    disk. Raises StoreError."""
    async for chunk in chunks:
        services.database.health.require()
        yield chunk


async def _metered(meter: Meter, request: Request, chunks: AsyncIterator[bytes], declared: int) -> AsyncIterator[bytes]:
    """The chunks, paid for by the owner before they are read: as declared, or in steps where nothing is declared."""
    principal = parameters.principal(request)
    await meter.take(principal, UPLOAD, declared)
    paid = declared
    async for chunk in chunks:
        paid -= len(chunk)
        if paid < 0:
            await meter.take(principal, UPLOAD, UNDECLARED_STEP_BYTES)
            paid += UNDECLARED_STEP_BYTES
        yield chunk


def _look(head: bytes) -> tuple[str, str]:
    """Extension and MIME type by content. What cannot be used is stored all the same: its analysis says why."""
    try:
        identity = identify(head)
    except MediaError:
        return UNKNOWN_EXTENSION, UNKNOWN_TYPE
    return identity.extension, identity.mime_type


def _checked(services: Services, wanted: AnalyzeRequest, required: MediaType, has_file: bool) -> AnalyzeRequest:
    """The request with its media type settled."""
    if not wanted.prompt.strip():
        raise RequestError("/prompt: is blank; say what is to be found out.", pointer="/prompt")
    sources = [has_file, wanted.media_url is not None, wanted.source_analysis_id is not None]
    if not any(sources):
        detail = "Send media_url, source_analysis_id, or a file as multipart/form-data."
        raise RequestError(detail, code="missing_field", pointer="/media_url")
    if sum(sources) > 1:
        raise RequestError("Name the media once: media_url, source_analysis_id or file.", pointer="/media_url")
    if wanted.callback_url is not None:
        raise RequestError("callback_url is not supported yet.", code="not_supported", pointer="/callback_url")
    if wanted.media_url is not None:
        services.downloader.validate_url(wanted.media_url)
    services.providers.check(wanted.config)
    if required is MediaType.UNKNOWN:
        return wanted
    if wanted.media_type not in (MediaType.UNKNOWN, required):
        raise RequestError(f"/media_type: must be {required} here.", pointer="/media_type")
    return msgspec.structs.replace(wanted, media_type=required)
