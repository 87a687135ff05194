"""What damaged media goes through, and what must hold afterwards."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from mediaanalysis.app import in_process, open_services
from mediaanalysis.errors import CODES
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.storage.layout import WORK_FOLDER
from mediaanalysis.worker.retention import sweep_files
from tests.fuzz.mutations import Mutant

AT_ONCE = 16
ALL_OF_IT_EVERY = 10
"""Recognising text and drawing the sheet take longer than all the rest; pictures and sound take turns."""
STAY = ("postgres", *(f"children.{model}" for model in ("documents", "ocr", "voice", "recogniser", "extractor")))
"""The database, and the models that wait for more."""
EXPIRE = "update media_files set expires_at = now() - interval '1 second' where expires_at is not null"
KEPT = "select storage_path from media_files where deleted_at is null"
FAULTS = """
    select stage, error_code, null::text as detail from analysis_stages where request_id = $1 and error_code is not null
    union all
    select stage, error_code, error_message from media_analysis_requests where id = $1 and error_code is not null
"""


@dataclass(frozen=True, slots=True)
class Ended:
    mutant: Mutant
    analysis_id: str
    status: str
    faults: tuple[tuple[str, str, str | None], ...]

    @property
    def broken(self) -> bool:
        """Not ended as promised: nothing is tried again, or blamed on us, that is the media's fault."""
        return self.status not in {"completed", "failed"} or any(
            code == "poison" or code not in CODES or CODES[code].retryable for _, code, _ in self.faults
        )

    def __str__(self) -> str:
        return f"{self.mutant}: {self.status} {list(self.faults)}"


@dataclass(frozen=True, slots=True)
class Ordeal:
    client: httpx.AsyncClient
    services: Services
    """Beside the running service, as another process's."""

    async def pass_all(self, mutants: Sequence[Mutant]) -> list[Ended]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def pass_one(mutant: Mutant) -> Ended:
            async with turns:
                return await self._pass(mutant)

        return list(await asyncio.gather(*map(pass_one, mutants)))

    async def _pass(self, mutant: Mutant) -> Ended:
        fields = {"prompt": "Which room?", "options": json.dumps(_options(mutant.number))}
        accepted = await self.client.post("/api/media/analyze", data=fields, files={"file": ("mutant", mutant.data)})
        assert accepted.status_code == 202, f"{mutant}: {accepted.text}"
        analysis_id = accepted.json()["analysis_id"]
        status = await self.end(analysis_id)
        faults = [tuple(row) for row in await self.services.database.pool.fetch(FAULTS, analysis_id)]
        return Ended(mutant, analysis_id, status, tuple(faults))

    async def end(self, analysis_id: str) -> str:
        status = "pending"
        while status in {"pending", "processing"}:
            answer = await self.client.get(f"/api/media/status/{analysis_id}", params={"wait": 30})
            status = answer.json()["status"]
        return status

    async def clear(self, analysis_ids: Sequence[str]) -> list[str]:
        """Delete them all, let their time be over, and name what is left that should not be: jobs, files, folders."""
        answers = await asyncio.gather(*(self.client.delete(f"/api/media/{each}") for each in analysis_ids))
        left = [answer.text for answer in answers if answer.status_code != 204]
        db = self.services.database.pool
        await db.execute(EXPIRE)
        await sweep_files(self.services)
        left += [str(dict(row)) for row in await db.fetch("select * from processing_jobs where kind = 'analyze'")]
        storage, kept = self.services.settings.data_dir / "storage", {path for (path,) in await db.fetch(KEPT)}
        left += [str(path) for path in _files(storage) if str(path.relative_to(storage)) not in kept]
        return left + [str(path) for path in storage.glob(f"{WORK_FOLDER}/*")]

    async def health(self) -> dict[str, Any]:
        answer = await self.client.get("/health/ready")
        found: dict[str, Any] = answer.json()
        return found


def _options(number: int) -> dict[str, int | bool]:
    whole, sees, hears = number % ALL_OF_IT_EVERY == 0, number % 3 != 1, number % 3 != 2
    wanted = {"extract_frames": sees, "transcribe_audio": hears, "read_text": whole, "generate_contact_sheet": whole}
    return {"frame_count": 2, **wanted}


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Ordeal]:
    dsn = settings.database_url or ""
    async with in_process(settings, dsn) as app, open_services(settings, dsn) as services:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(base_url="http://test", transport=transport, timeout=300) as client:
            yield Ordeal(client, services)


def programs() -> set[int]:
    """Children of this process, and theirs, that were started for one file."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            command = " ".join(child.cmdline())
            if not any(name in command for name in STAY):
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def memory_bytes() -> int:
    """What this process holds."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
