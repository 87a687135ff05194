"""An analysis that is stopped, or whose worker is killed, in the middle of its work by a program or a model.

The program is a stand-in for ffmpeg that never ends and has a child of its own; the model is the real recogniser.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from mediaanalysis.app import in_process, open_services
from mediaanalysis.sandbox.guard import ENVIRONMENT
from mediaanalysis.settings import Settings
from mediaanalysis.storage.folders import WORK_FOLDER
from mediaanalysis.store import analyses, jobs, workers
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.structs.jobs import Ending
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application
from tests import sounds
from tests.analysis.conftest import finished
from tests.databases import as_operator, own_database
from tests.worker.conftest import eventually

BASE = "http://test"
ENDLESS = {"program": "#!/bin/sh\nsleep 3600 &\nwait\n", "alone": "#!/bin/sh\nexec sleep 3600\n"}
MARK = {"program": "sleep 3600", "alone": "sleep 3600", "model": "children.recogniser"}


@pytest_asyncio.fixture
async def place(server: str, tmp_path: Path) -> AsyncIterator[Settings]:
    with own_database(server, "stopped") as dsn:
        yield Settings(database_url=dsn, data_dir=tmp_path, pool_min=1, stop_grace_seconds=0.2)


@pytest_asyncio.fixture
async def db(place: Settings) -> AsyncIterator[Pool]:
    """To look inside, and to act as an operator does."""
    async with await Database.open(place, as_operator(place.database_url or "")) as database:
        yield database.pool


@asynccontextmanager
async def served(place: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service with a worker, all in this process."""
    service = in_process(place, place.database_url or "")
    async with service as app, httpx.AsyncClient(base_url=BASE, transport=httpx.ASGITransport(app)) as client:
        yield client


@asynccontextmanager
async def front(place: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service without a worker."""
    async with open_services(place, place.database_url or "") as services:
        transport = httpx.ASGITransport(application(services, Access.LOCAL))
        async with httpx.AsyncClient(base_url=BASE, transport=transport) as client:
            yield client


def fake_program(folder: Path, script: str) -> str:
    """A PATH on which `ffmpeg` never ends."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    return f"{program.parent}:{ENVIRONMENT['PATH']}"


def working(parent: psutil.Process, kind: str) -> list[psutil.Process]:
    """What of this kind works below the process."""
    found = []
    for each in parent.children(recursive=True):
        try:
            if MARK[kind] in " ".join(each.cmdline()):
                found.append(each)
        except psutil.Error:
            continue
    return found


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def work_folders(place: Settings) -> list[Path]:
    return [*place.data_dir.rglob(f"{WORK_FOLDER}/*")]


def talk(place: Settings) -> Path:
    return sounds.write(place.data_dir / "talk.flac", sounds.speech_like(6))


async def submit(client: httpx.AsyncClient, path: Path) -> str:
    files = {"file": (path.name, path.read_bytes())}
    accepted = await client.post("/api/media/analyze", data={"prompt": "What is it?"}, files=files)
    return str(accepted.json()["analysis_id"])


@pytest.mark.parametrize("kind", ["program", "model"])
async def test_a_cancel_ends_all_that_works_for_it_within_a_second(
    place: Settings, db: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "program":
        monkeypatch.setitem(ENVIRONMENT, "PATH", fake_program(tmp_path, ENDLESS[kind]))
    async with served(place) as client:
        before = {each.pid for each in working(psutil.Process(), kind)}
        analysis_id = await submit(client, talk(place))
        at_work = await eventually(
            lambda: [each for each in working(psutil.Process(), kind) if each.pid not in before], 20
        )
        assert work_folders(place)
        asked_at = asyncio.get_running_loop().time()
        first, second = await asyncio.gather(*(client.post(f"/api/media/{analysis_id}/cancel") for _ in range(2)))
        assert (first.status_code, second.status_code) == (202, 202)
        await eventually(lambda: not any(map(lives, at_work)))
        status = await finished(client, analysis_id)
        await eventually(lambda: not work_folders(place))
        assert asyncio.get_running_loop().time() - asked_at < 1
        assert status["status"] == "cancelled"
        again = await client.post(f"/api/media/{analysis_id}/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert await db.fetchval("select count(*) from processing_jobs where kind = 'analyze'") == 0
    assert await db.fetchval("select count(*) from media_analysis_results") == 0


async def test_a_cancel_of_what_has_ended_changes_nothing(place: Settings, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("A short text.")
    async with served(place) as client:
        analysis_id = await submit(client, text)
        before = await finished(client, analysis_id)
        answer = await client.post(f"/api/media/{analysis_id}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        after = (await client.get(f"/api/media/{analysis_id}")).json()
    assert (before["status"], after) == ("completed", before)


async def test_a_cancel_while_the_result_is_written_comes_too_late_or_takes_it_back(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the client is told first: in the end there is a whole result, or none."""
    writing, go_on = asyncio.Event(), asyncio.Event()
    real = analyses.complete

    async def slow(*arguments: Any, **fields: Any) -> bool:
        writing.set()
        await go_on.wait()
        return await real(*arguments, **fields)

    monkeypatch.setattr(analyses, "complete", slow)
    text = tmp_path / "text.txt"
    text.write_text("A short text.")
    async with served(place) as client:
        analysis_id = await submit(client, text)
        await writing.wait()
        cancel = asyncio.create_task(client.post(f"/api/media/{analysis_id}/cancel"))
        await asyncio.wait({cancel}, timeout=0.1)
        go_on.set()
        answer, result = await cancel, await finished(client, analysis_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert (result["status"], result["result_text"] is not None) == ("completed", True)


async def start_worker(place: Settings, path: str) -> Process:
    command = (sys.executable, "-m", "mediaanalysis", "worker", "--slots", "2")
    given = {"DATABASE_URL": place.database_url or "", "DATA_DIR": str(place.data_dir), "PATH": path}
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **given}, cwd=root, stdout=DEVNULL, stderr=DEVNULL
    )


async def done(db: Pool) -> dict[str, Any]:
    rows = await db.fetch("select stage, finished_at from analysis_stages where state = 'done'")
    return {row["stage"]: row["finished_at"] for row in rows}


@pytest.mark.parametrize("kind", ["alone", "model"])
async def test_a_killed_worker_leaves_nobody_and_its_work_is_taken_up_where_it_was(
    place: Settings, db: Pool, tmp_path: Path, kind: str
) -> None:
    path = fake_program(tmp_path, ENDLESS[kind]) if kind == "alone" else ENVIRONMENT["PATH"]
    async with front(place) as client:
        doomed = await start_worker(place, path)
        analysis_id = await submit(client, talk(place))
        at_work = await eventually(lambda: working(psutil.Process(doomed.pid), kind), 30)
        known = await done(db)
        assert {"fetch", "probe"} <= set(known)
        doomed.kill()
        await doomed.wait()
        await eventually(lambda: not any(map(lives, at_work)), 1)
        await db.execute("update workers set lease_seconds = 1")
        heir = await start_worker(place, ENVIRONMENT["PATH"])
        result = await finished(client, analysis_id)
        heir.terminate()
        assert await heir.wait() == 0
    assert result["status"] == "completed", result["error_message"]
    assert {stage: at for stage, at in (await done(db)).items() if stage in known} == known
    assert await db.fetchval("select count(*) from media_analysis_results") == 1
    repeated = "select filename from media_files group by filename having count(*) > 1"
    assert await db.fetch(repeated) == []
    ended = "select count(*) from audit_log where record_id = $1 and new_values ->> 'status' = 'completed'"
    assert await db.fetchval(ended, analysis_id) == 1
    assert await db.fetchval("select count(*) from processing_jobs where kind = 'analyze'") == 0


async def test_an_end_that_comes_after_the_cancel_is_dropped(place: Settings, db: Pool, tmp_path: Path) -> None:
    """The worker's own ending raced with the cancel and lost: nothing comes back to life."""
    text = tmp_path / "text.txt"
    text.write_text("A short text.")
    async with front(place) as client:
        analysis_id = await submit(client, text)
        worker = await workers.register(db, ["analyze"], 1, 20)
        [claimed] = await jobs.claim(db, worker, ["analyze"], 1)
        first = await client.post(f"/api/media/{analysis_id}/cancel")
        second = await client.post(f"/api/media/{analysis_id}/cancel")
        assert (first.status_code, second.status_code) == (202, 202)
        assert await jobs.complete(db, [(claimed.job.id, claimed.job.fence)]) == set()
        retry = Ending(claimed.job.id, claimed.job.fence, "retry", 1, "internal", "late")
        assert await jobs.settle(db, [retry]) == {claimed.job.id}
        assert await jobs.settle(db, [retry]) == set()
        status = (await client.get(f"/api/media/status/{analysis_id}")).json()
    assert status["status"] == "cancelled"
