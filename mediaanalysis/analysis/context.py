"""What one run of an analysis knows and may do. Stages read it; `checkpoint` and `pipeline` write it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from mediaanalysis.analysis.money.purse import Purse
from mediaanalysis.analysis.progress import Progress, Step
from mediaanalysis.errors import MediaAnalysisError, MediaError, StaleJob
from mediaanalysis.media.limits import MediaLimits
from mediaanalysis.services import Services
from mediaanalysis.storage import layout
from mediaanalysis.store import analyses
from mediaanalysis.structs.jobs import Job
from mediaanalysis.structs.media import Notice

if TYPE_CHECKING:
    from mediaanalysis.media.download import Download
    from mediaanalysis.settings import Settings
    from mediaanalysis.store.analyses import Work
    from mediaanalysis.store.pool import Pool

Output = TypeVar("Output")
Gives_co = TypeVar("Gives_co", covariant=True)

REPORT_EVERY_SECONDS = 0.5
"""Progress inside a stage is written no more often: each report is a row version."""


class Giving(Step, Protocol[Gives_co]):
    """A stage, seen from here: it has given, or will give, an output of this type."""

    @property
    def output(self) -> type[Gives_co]: ...


def media_limits(settings: Settings) -> MediaLimits:
    """How much of a medium is looked at."""
    return MediaLimits(
        max_seconds=settings.media_max_seconds,
        max_pixels=settings.media_max_pixels,
        max_pages=settings.document_max_pages,
        max_characters=settings.document_max_characters,
    )


@dataclass(slots=True)
class Context:
    services: Services
    job: Job
    analysis: Work
    folder: Path
    progress: Progress = field(default_factory=Progress)
    outputs: dict[str, Any] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    failures: list[MediaAnalysisError] = field(default_factory=list)
    purse: Purse = field(default_factory=Purse)
    _original: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reported_at: float = 0

    @property
    def db(self) -> Pool:
        return self.services.database.pool

    @property
    def limits(self) -> MediaLimits:
        return media_limits(self.services.settings)

    @property
    def media_checksum(self) -> str:
        """SHA-256 of the media; empty before it was fetched."""
        original = self.outputs.get("fetch")
        return original.checksum if original else ""

    def of(self, stage: Giving[Output]) -> Output | None:
        """What a stage gave; None if it was not wanted, or failed and the analysis went on."""
        return cast("Output | None", self.outputs.get(stage.name))

    def need(self, stage: Giving[Output]) -> Output:
        """What a stage gave, which this kind of analysis always runs before."""
        return cast("Output", self.outputs[stage.name])

    async def original(self) -> Path:
        """The media on disk: linked or downloaded into the work folder, once."""
        original = self.outputs["fetch"]
        async with self._original:
            return await self._on_disk(original.key, f"original.{original.identity.extension}")

    async def picture(self, filename: str) -> Path:
        """A frame or page picture on disk, made in this run or kept from an earlier one."""
        kind = "page" if filename.startswith("page_") else "frame"
        return await self._on_disk(self.key(kind, filename), filename)

    def key(self, kind: str, filename: str) -> str:
        """Where a file of this analysis lies in storage."""
        return layout.key_of(kind, self.analysis.created_at.date(), self.analysis.id, filename)

    async def _on_disk(self, key: str | None, filename: str) -> Path:
        path = self.folder / filename
        if path.exists():
            return path
        with suppress(FileNotFoundError):
            if key is not None:
                return await self.services.storage.fetch(key, path)
        detail = "the media was removed after its retention time: send it again"
        raise MediaError(detail, code="source_missing")

    async def report(self, stage: Step, fraction: float, *, media_type: str | None = None) -> None:
        """Write where the analysis stands. Raises StaleJob where this worker has lost the job."""
        percent = self.progress.update(stage, fraction)
        self._reported_at = time.monotonic()
        if not await analyses.advance(self.db, self.analysis.id, self.job, stage.name, percent, media_type):
            raise StaleJob(f"job {self.job.id} was taken away from this worker", code="internal")

    def reporter(self, stage: Step) -> Callable[[float], Awaitable[None]]:
        """A callback for progress inside a stage, which writes only every so often."""

        async def report(fraction: float) -> None:
            if time.monotonic() - self._reported_at >= REPORT_EVERY_SECONDS:
                await self.report(stage, fraction)

        return report

    async def watched(self, download: Download, stage: Step) -> AsyncIterator[bytes]:
        """The chunks of a download, reported as they come."""
        report, received = self.reporter(stage), 0
        async for chunk in download.chunks:
            received += len(chunk)
            if download.declared_bytes:
                await report(received / download.declared_bytes)
            yield chunk
