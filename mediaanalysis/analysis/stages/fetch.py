"""Fetch: the media's bytes into storage, hashed on the way, known by their first bytes and never by name or header."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Produced, Stage
from mediaanalysis.errors import MediaError
from mediaanalysis.media.identify import HEAD_BYTES, identify
from mediaanalysis.storage.layout import RETENTION_DAYS
from mediaanalysis.storage.storage import Storage
from mediaanalysis.storage.streams import peek
from mediaanalysis.store import analyses, files, stages
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Connection
from mediaanalysis.structs.media import Identity


class Original(Struct, frozen=True):
    """The media as it came: its size and SHA-256, and what its first bytes say it is.

    `key` is its place in storage, None where only its earlier stages are left.
    """

    key: str | None
    identity: Identity
    size_bytes: int
    checksum: str


async def _run(context: Context) -> Produced[Original]:
    stored = await files.find_original(context.db, context.analysis.id)
    if stored is not None:
        return Produced(await _stored(context, stored))
    if context.analysis.source_analysis_id is not None:
        return Produced(await _copy(context))
    return Produced(await _download(context))


async def _copy(context: Context) -> Original:
    """The media of the analysis that is asked again, copied, so that each analysis may be deleted alone.

    Where its bytes were removed after their retention time, what was seen, heard and read in them still answers.
    """
    assert context.analysis.source_analysis_id is not None
    source = await _source(context, context.analysis.source_analysis_id)
    if source.key is None:
        return source
    key = context.key("original", f"original.{source.identity.extension}")
    try:
        await context.services.storage.copy(source.key, key)
    except FileNotFoundError:
        return msgspec.structs.replace(source, key=None)
    return msgspec.structs.replace(source, key=key)


async def _source(context: Context, source_id: UUID) -> Original:
    """The media of another analysis, which may itself be waiting still: an upload is there all the same."""
    outputs = await stages.read_outputs(context.db, source_id)
    if "fetch" in outputs:
        return msgspec.convert(outputs["fetch"], Original)
    stored = await files.find_original(context.db, source_id)
    if stored is not None:
        return await _stored(context, stored)
    is_waiting = await analyses.read_work(context.db, source_id) is not None
    detail = "the source analysis has not its media: wait until it was fetched, or send the media itself"
    raise MediaError(detail, code="source_missing", retryable=is_waiting)


async def _stored(context: Context, row: files.FileRow) -> Original:
    identity = identify(await _head(context.services.storage, row.storage_path))
    return Original(row.storage_path, identity, row.size_bytes, row.checksum)


async def _download(context: Context) -> Original:
    analysis, services = context.analysis, context.services
    assert analysis.media_url is not None
    async with services.downloader.open(analysis.media_url) as download:
        head, chunks = await peek(context.watched(download, FETCH), HEAD_BYTES)
        identity = identify(head)
        key = context.key("original", f"original.{identity.extension}")
        stored = await services.storage.put_stream(key, chunks, max_bytes=services.settings.upload_max_bytes)
    return Original(key, identity, stored.size_bytes, stored.checksum)


async def _head(storage: Storage, key: str) -> bytes:
    """The first bytes of a stored file; empty for an empty one."""
    return b"".join([block async for block in storage.read(key, 0, HEAD_BYTES)]) if await storage.size(key) else b""


async def _record(connection: Connection, context: Context, original: Original) -> None:
    """An upload's row was written when it was accepted."""
    rows = [await _describe(context, original)]
    if original.key and await files.find_original(connection, context.analysis.id) is None:
        rows.append(
            NewFile(
                kind="original",
                filename=original.key.rpartition("/")[2],
                storage_path=original.key,
                size_bytes=original.size_bytes,
                checksum=original.checksum,
                mime_type=original.identity.mime_type,
                retention_days=RETENTION_DAYS["original"],
            )
        )
    await files.add(connection, context.analysis.id, rows)


async def _describe(context: Context, original: Original) -> NewFile:
    """`metadata.json` beside the original: whoever finds the bytes can tell what they are and where they came from."""
    analysis = context.analysis
    about = {
        "analysis_id": analysis.id,
        "accepted_at": analysis.created_at,
        "media_url": analysis.media_url,
        "original_filename": analysis.original_filename,
        "source_analysis_id": analysis.source_analysis_id,
        "mime_type": original.identity.mime_type,
        "size_bytes": original.size_bytes,
        "checksum": original.checksum,
    }
    key = context.key("metadata", "metadata.json")
    stored = await context.services.storage.put_bytes(key, msgspec.json.format(msgspec.json.encode(about)))
    return NewFile(
        kind="metadata",
        filename="metadata.json",
        storage_path=key,
        size_bytes=stored.size_bytes,
        checksum=stored.checksum,
        mime_type="application/json",
        retention_days=RETENTION_DAYS["metadata"],
    )


FETCH = Stage(
    name="fetch",
    version=1,
    weight=10,
    output=Original,
    run=_run,
    parameters=lambda context: context.analysis.id,
    record=_record,
)
