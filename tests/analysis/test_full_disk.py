"""A disk that is full in the middle of a stage: the attempt fails, its files are freed, another is made when there is
room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from mediaanalysis.settings import Settings
from mediaanalysis.storage import disk
from mediaanalysis.store.pool import Database, Pool
from tests import sounds
from tests.analysis.test_interruptions import front, served, submit, work_folders
from tests.databases import as_operator, own_database
from tests.worker.conftest import eventually

LEFT_BYTES = 8 * 1024
FAILED = "select state = 'queued' and last_error like 'disk_full:%' from processing_jobs"
HEARD = "select exists (select from analysis_stages where stage = 'audio' and state = 'done')"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, where we may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def resize(place: Settings, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place.data_dir)], check=True)


@pytest.fixture
def place(server: str, small_disk: Path) -> Iterator[Settings]:
    with own_database(server, "full") as dsn:
        yield Settings(database_url=dsn, data_dir=small_disk, pool_min=1, stop_grace_seconds=0.2)


@pytest_asyncio.fixture
async def db(place: Settings) -> AsyncIterator[Pool]:
    async with await Database.open(place, as_operator(place.database_url or "")) as database:
        yield database.pool


async def test_the_attempt_fails_cleanly_and_another_one_is_made(place: Settings, db: Pool, tmp_path: Path) -> None:
    talk = sounds.write(tmp_path / "talk.flac", sounds.speech_like(6))
    async with front(place) as client:
        await submit(client, talk)
        resize(place, str(disk.usage(place.data_dir).used_bytes + LEFT_BYTES))
        assert (await client.get("/health/ready")).json()["parts"]["disk"]["state"] == "failed"
        files = {"file": ("talk.flac", talk.read_bytes())}
        refused = await client.post("/api/media/analyze", data={"prompt": "What?"}, files=files)
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
    async with served(place) as client:
        await eventually(lambda: db.fetchval(FAILED), within_seconds=20)
        assert work_folders(place) == []
        resize(place, "1g")
        await db.execute("update processing_jobs set run_at = now(), sort_key = now()")
        await eventually(lambda: db.fetchval(HEARD), within_seconds=20)
