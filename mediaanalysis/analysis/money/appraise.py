"""Media looked at before it is analysed, to tell what that would cost: fetched, probed, and not kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from mediaanalysis.analysis.context import media_limits
from mediaanalysis.media import documents, probe
from mediaanalysis.media.identify import HEAD_BYTES, identify
from mediaanalysis.services import Services
from mediaanalysis.storage import streams
from mediaanalysis.store import stages
from mediaanalysis.structs.media import MediaProbe
from mediaanalysis.structs.requests import MediaType


class Known(Struct, frozen=True):
    """`probe` None: it has not come so far."""

    probe: MediaProbe | None
    transcribed: bool


async def of_upload(services: Services, key: str) -> MediaProbe:
    """What lies in storage. Raises MediaError."""
    async with services.storage.workspace(uuid4()) as folder:
        return await _probe(services, await services.storage.fetch(key, folder / "media"))


async def of_url(services: Services, url: str) -> MediaProbe:
    """What a URL gives, which is fetched whole: some media tell what they are at their end. Raises FetchError and
    MediaError."""
    async with services.storage.workspace(uuid4()) as folder, services.downloader.open(url) as download:
        services.storage.check_room(download.declared_bytes or 0)
        await streams.write_new(folder / "media", download.chunks)
        return await _probe(services, folder / "media")


async def of_analysis(services: Services, analysis_id: UUID) -> Known:
    """What an analysis found out already."""
    outputs = await stages.read_outputs(services.database.pool, analysis_id)
    probe_ = msgspec.convert(outputs["probe"], MediaProbe) if "probe" in outputs else None
    return Known(probe_, transcribed="transcribe" in outputs)


async def _probe(services: Services, path: Path) -> MediaProbe:
    identity = identify(await asyncio.to_thread(_head, path))
    limits = media_limits(services.settings)
    if identity.media_type is MediaType.DOCUMENT:
        return await documents.probe(services.models.documents, path, identity, limits)
    return await probe.probe(services.sandbox, path, identity, limits)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
