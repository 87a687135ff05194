"""Files leave when their time is over; rows and bytes agree afterwards, in both directions."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest_asyncio

from mediaanalysis.app import open_services
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.storage.layout import key_of
from mediaanalysis.worker.retention import sweep_files
from tests.analysis.conftest import Analyze

EXPIRE = "update media_files set expires_at = now() - interval '1 second' where request_id = $1 and kind = 'original'"


@pytest_asyncio.fixture
async def services(analysis_settings: Settings, client: httpx.AsyncClient) -> AsyncIterator[Services]:
    """Beside the running service: the sweep is another process's, too."""
    assert analysis_settings.database_url is not None
    async with open_services(analysis_settings, analysis_settings.database_url) as opened:
        yield opened


async def test_an_expired_file_leaves_storage_and_its_row_says_so(
    services: Services, client: httpx.AsyncClient, analyze: Analyze, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Kept for a week.")
    analysis_id = (await analyze(path))["analysis_id"]
    await services.database.pool.execute(EXPIRE, analysis_id)

    would = await sweep_files(services, dry_run=True)
    assert would.expired == 1
    assert (await client.get(f"/api/media/{analysis_id}/files/original.txt")).status_code == 200

    swept = await sweep_files(services)
    assert (swept.expired, swept.expired_bytes) == (1, len("Kept for a week."))
    gone = await client.get(f"/api/media/{analysis_id}/files/original.txt")
    assert (gone.status_code, gone.json()["code"]) == (410, "expired")
    assert (await client.get(f"/api/media/{analysis_id}/files/result.json")).status_code == 200
    assert (await sweep_files(services)).expired == 0


async def test_asking_again_after_the_media_expired_answers_from_what_was_read(
    services: Services, client: httpx.AsyncClient, analyze: Analyze, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    password = uuid4().hex
    path.write_text(f"The password of room 7 is {password}.")
    first = await analyze(path, prompt="Which room?")
    await services.database.pool.execute(EXPIRE, first["analysis_id"])
    await sweep_files(services)
    again = await analyze(source_analysis_id=first["analysis_id"], prompt="What is the password?")
    assert again["status"] == "completed", again["error_message"]
    assert password in again["result_text"]
    assert "original.txt" not in {file["filename"] for file in again["files"]}


async def test_a_stage_that_needs_media_that_is_gone_says_so(
    services: Services, analyze: Analyze, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"Once only {uuid4()}.")
    first = await analyze(path)
    await services.database.pool.execute(EXPIRE, first["analysis_id"])
    forget = "update analysis_stages set input_key = repeat('0', 64) where request_id = $1 and stage = 'pages'"
    await services.database.pool.execute(forget, first["analysis_id"])
    await sweep_files(services)
    again = await analyze(source_analysis_id=first["analysis_id"])
    assert (again["status"], again["error_code"]) == ("failed", "source_missing")


async def test_bytes_that_no_row_knows_leave_once_they_are_old(services: Services) -> None:
    key = key_of("frame", datetime.now(UTC).date(), uuid4(), "frame_001.jpg")
    await services.storage.put_bytes(key, b"left by a crash")
    await sweep_files(services)
    assert await services.storage.size(key) is not None
    path = services.storage.local_path(key)
    assert path is not None
    before = time.time() - 7200
    os.utime(path, (before, before))
    assert (await sweep_files(services, dry_run=True)).orphans == 1
    assert (await sweep_files(services)).orphans == 1
    assert await services.storage.size(key) is None
