"""Workers are killed in the middle of a call, again and again: no call that was answered is made a second time."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from pathlib import Path

import httpx
import pytest

from mediaanalysis.app import open_services
from mediaanalysis.settings import Settings
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application
from tests.analysis.conftest import finished
from tests.analysis.vendors.fake import fake_vendors
from tests.databases import own_database

MODULE = "tests.analysis.vendors.mortal_worker"
ROOT = Path(__file__).parents[3]


async def _worker(dsn: str, folder: Path, nth: int) -> Process:
    arguments = (dsn, str(folder), str(folder / "ledger"), str(nth))
    return await asyncio.create_subprocess_exec(sys.executable, "-m", MODULE, *arguments, cwd=ROOT, stdout=DEVNULL)


@pytest.mark.parametrize("deaths", [(3,), pytest.param((3, 2), marks=pytest.mark.slow)])
async def test_killed_workers_repeat_nothing_that_was_paid_for(
    server: str, talk: Path, tmp_path: Path, deaths: tuple[int, ...]
) -> None:
    with own_database(server, "mortal") as dsn:
        settings = Settings(database_url=dsn, data_dir=tmp_path, pool_min=1)
        async with open_services(settings, dsn, fake_vendors(tmp_path)) as services:
            transport = httpx.ASGITransport(application(services, Access.LOCAL))
            async with httpx.AsyncClient(base_url="http://test", transport=transport) as client:
                files = {"file": ("talk.flac", talk.read_bytes())}
                accepted = await client.post("/api/media/analyze", data={"prompt": "What is it?"}, files=files)
                for nth in deaths:
                    doomed = await _worker(dsn, tmp_path, nth)
                    assert await doomed.wait() < 0
                    await services.database.pool.execute("update workers set lease_seconds = 1")
                last = await _worker(dsn, tmp_path, 0)
                result = await finished(client, accepted.json()["analysis_id"])
                last.terminate()
                await last.wait()
    assert result["status"] == "completed"
    paid = Counter((tmp_path / "ledger").read_text().splitlines())
    assert sum(paid.values()) == 5
    assert set(paid.values()) == {1}, paid
    done = [call for call in result["calls"] if call["outcome"] == "done"]
    assert len(done) == 5
    assert len(result["transcript"]["words"]) > 75
