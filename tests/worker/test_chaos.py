"""Real worker processes on a PostgreSQL of their own, killed, frozen and cut off at random; seeds are fixed.

However it goes: every job ends exactly once, no limit is exceeded in any snapshot, and in the end nothing is left.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from mediaanalysis.errors import StoreError
from mediaanalysis.settings import Settings
from mediaanalysis.store import jobs
from mediaanalysis.store.embedded import Embedded
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.structs.jobs import NewJob
from tests.databases import SERVICE, as_service
from tests.worker.conftest import eventually

SCRIPT = Path(__file__).with_name("chaos_worker.py")
LIMITED, LIMIT = UUID(int=1), 3
OWNERS = [LIMITED, UUID(int=2), UUID(int=3)]
SLOTS = 4
LEASE_SECONDS = 2.0


class Crew:
    """Worker processes; whoever falls is replaced."""

    def __init__(self, database: Database) -> None:
        self.dsn = as_service(database.dsn)
        self.db = database.pool
        self.members: list[Process] = []

    async def hire(
        self, *, slots: int = SLOTS, grace_seconds: float = 5, lease_seconds: float = LEASE_SECONDS
    ) -> Process:
        arguments = (self.dsn, str(slots), str(lease_seconds), str(grace_seconds))
        member = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), *arguments, stdout=DEVNULL)
        self.members.append(member)
        await eventually(lambda: self.is_known(member.pid), within_seconds=30)
        return member

    async def is_known(self, pid: int) -> bool:
        try:
            return bool(await self.db.fetchval("select exists (select from workers where pid = $1)", pid))
        except StoreError:
            return False

    async def kill(self, member: Process) -> None:
        self.members.remove(member)
        if member.returncode is None:
            member.kill()
            await member.wait()

    async def dismiss(self) -> None:
        for member in self.members.copy():
            await self.kill(member)


@pytest_asyncio.fixture
async def chaos(own_server: Embedded) -> AsyncIterator[Database]:
    async with await Database.open(Settings(pool_min=1, pool_max=4), own_server.dsn) as database:
        for table in ("processing_jobs", "job_failures", "workers", "lanes"):
            await database.pool.execute(f"delete from {table}")
        await database.pool.execute("create table ledger (job_id bigint, fence bigint, pid integer)")
        await database.pool.execute(f"grant insert on ledger to {SERVICE}")
        yield database
        await database.pool.execute("drop table ledger")


@pytest_asyncio.fixture
async def crew(chaos: Database) -> AsyncIterator[Crew]:
    crew = Crew(chaos)
    yield crew
    await crew.dismiss()


async def add_jobs(db: Pool, count: int, chance: random.Random) -> set[int]:
    new = [
        NewJob("work", chance.choice(OWNERS), payload={"seconds": chance.uniform(0.005, 0.05)}) for _ in range(count)
    ]
    return set(await jobs.enqueue(db, new))


async def ledger(db: Pool) -> list[int]:
    return [row["job_id"] for row in await db.fetch("select job_id from ledger")]


async def ended(db: Pool) -> list[int]:
    """Every outcome that was accepted: done with its effect, or given up."""
    return await ledger(db) + [row["job_id"] for row in await db.fetch("select job_id from job_failures")]


async def count_ended(db: Pool) -> int:
    """-1 while the database is away."""
    try:
        return len(await ended(db))
    except StoreError:
        return -1


async def watch_limit(db: Pool) -> int:
    """Until cancelled; the most of the limited owner's jobs that were seen running in one snapshot."""
    most = 0
    running = "select count(*) from processing_jobs where state = 'running' and owner_id = $1"
    while True:
        try:
            most = max(most, await db.fetchval(running, LIMITED))
            assert most <= LIMIT
        except StoreError:
            pass
        await asyncio.sleep(0.01)


async def storm(database: Database, crew: Crew, own_server: Embedded, *, count: int, kills: int, restarts: int) -> None:
    chance, db = random.Random(f"{count} {kills}"), database.pool
    await db.execute("select ops.set_limit($1, $2)", str(LIMITED), LIMIT)
    added = await add_jobs(db, count, chance)
    watching = asyncio.create_task(watch_limit(db))
    for _ in range(3):
        await crew.hire()
    blows = ["kill"] * kills + ["restart"] * restarts + ["freeze"]
    chance.shuffle(blows)
    for number, blow in enumerate(blows, start=1):
        due = count * number // (len(blows) + 2)
        await eventually(lambda due=due: enough(db, due), within_seconds=30)
        await strike(blow, crew, own_server, chance)
    await eventually(lambda: enough(db, count), within_seconds=30)
    assert sorted(await ended(db)) == sorted(added)
    assert not watching.done()
    watching.cancel()
    assert {member.returncode for member in crew.members} == {None}
    await eventually(lambda: db.fetchval("select not exists (select from processing_jobs)"))


async def enough(db: Pool, due: int) -> bool:
    return await count_ended(db) >= due


async def strike(blow: str, crew: Crew, own_server: Embedded, chance: random.Random) -> None:
    victim = chance.choice(crew.members)
    if blow == "kill":
        await asyncio.gather(crew.hire(), crew.kill(victim))
    elif blow == "freeze":
        victim.send_signal(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(LEASE_SECONDS + 2, victim.send_signal, signal.SIGCONT)
    else:
        server = own_server._server
        await asyncio.to_thread(server.pg_ctl, "restart", "--mode=immediate", f"--log={server.log}")


async def test_a_storm(chaos: Database, crew: Crew, own_server: Embedded) -> None:
    await storm(chaos, crew, own_server, count=100, kills=4, restarts=1)


@pytest.mark.slow
async def test_a_long_storm(chaos: Database, crew: Crew, own_server: Embedded) -> None:
    await storm(chaos, crew, own_server, count=300, kills=20, restarts=3)


async def test_a_killed_worker_s_job_is_taken_over_in_seconds(chaos: Database, crew: Crew) -> None:
    db = chaos.pool
    victim = await crew.hire(slots=1, lease_seconds=20)
    await jobs.enqueue(db, [NewJob("work", payload={"seconds": 3600})])
    await eventually(lambda: db.fetchval("select exists (select from processing_jobs where state = 'running')"))
    await crew.hire(slots=1, lease_seconds=20)
    await eventually(lambda: db.fetchval("select count(*) = 2 from workers"))
    await db.execute("update workers set lease_seconds = 5")  # the server came up only just
    await eventually(lambda: db.fetchval("select now() - pg_postmaster_start_time() > interval '5 s'"))
    began = asyncio.get_running_loop().time()
    await crew.kill(victim)
    await eventually(lambda: db.fetchval("select exists (select from processing_jobs where fence = 3)"))
    assert asyncio.get_running_loop().time() - began < 5
    again = await db.fetchrow("select attempt, crashes, state from processing_jobs")
    assert again is not None
    assert tuple(again) == (1, 1, "running")


async def test_a_worker_that_thaws_changes_nothing(chaos: Database, crew: Crew) -> None:
    db = chaos.pool
    frozen = await crew.hire(slots=1)
    [job_id] = await jobs.enqueue(db, [NewJob("work", payload={"seconds": 0.5})])
    await eventually(lambda: db.fetchval("select exists (select from processing_jobs where state = 'running')"))
    frozen.send_signal(signal.SIGSTOP)
    other = await crew.hire(slots=1)
    await eventually(lambda: ledger(db), within_seconds=15)
    await db.execute("select ops.enqueue('work', '{\"seconds\": 0}')")
    await eventually(lambda: db.fetchval("select count(*) = 2 from ledger"))
    frozen.send_signal(signal.SIGCONT)
    await crew.kill(other)
    second = await jobs.enqueue(db, [NewJob("work", payload={"seconds": 0})])
    await eventually(lambda: db.fetchval("select exists (select from ledger where job_id = $1)", second[0]))
    lines = await db.fetch("select pid, fence from ledger where job_id = $1", job_id)
    assert [tuple(line) for line in lines] == [(other.pid, 3)]
    assert await db.fetchval("select pid from ledger where job_id = $1", second[0]) == frozen.pid


async def test_a_stop_under_load_burns_no_attempt(chaos: Database, crew: Crew) -> None:
    db = chaos.pool
    member = await crew.hire(slots=2, grace_seconds=0.3)
    short, long = NewJob("work", payload={"seconds": 0.1}), NewJob("work", payload={"seconds": 3600})
    await jobs.enqueue(db, [long])
    await eventually(lambda: db.fetchval("select exists (select from processing_jobs where state = 'running')"))
    await jobs.enqueue(db, [short] * 20)
    await eventually(lambda: ledger(db))
    member.terminate()
    assert await asyncio.wait_for(member.wait(), 10) == 0
    left = await db.fetch("select state, attempt, crashes from processing_jobs")
    assert {tuple(row) for row in left} == {("queued", 0, 0)}
    assert len(left) + len(await ledger(db)) == 21
    assert await db.fetchval("select count(*) from workers") == 0
