"""What the hot statements read with half a million rows in the table: in pages, so that the load does not matter.

The plans inside `claim_jobs` cannot be explained from outside; what they touch can be counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mediaanalysis.store import statements, workers
from mediaanalysis.store.pool import Connection, Database, Pool

ROWS = 500_000
"""A scan of them touches more pages than any bound below allows."""
NOBODY = "row('00000000-0000-0000-0000-000000000000', '', null)::lane_floor"
OWNER = "('00000000-0000-0000-0000-' || lpad(({})::text, 12, '0'))::uuid"


@pytest_asyncio.fixture(scope="module")
async def crowd(process_database: Database, process_operator: Database) -> AsyncIterator[Pool]:
    """A thousand owners with five hundred waiting jobs each, and statistics that know nothing of them."""
    db = process_database.pool
    await process_operator.pool.execute("truncate processing_jobs")  # and with it what other tests left in its indexes
    await process_operator.pool.execute("analyze processing_jobs")
    owner = OWNER.format("n % 1000")
    await db.execute(
        f"insert into processing_jobs (kind, owner_id) select 'work', {owner} from generate_series(1, {ROWS}) n"
    )
    yield db
    await process_operator.pool.execute("truncate processing_jobs")


@pytest_asyncio.fixture(params=["auto", "force_generic_plan"])
async def connection(crowd: Pool, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """A transaction that is rolled back."""
    async with crowd.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"set local plan_cache_mode = {request.param}")
        yield connection
        await transaction.rollback()
        await connection.execute("deallocate hot")


async def pages(connection: Connection, statement: str, *arguments: str) -> int:
    """Pages that a prepared statement touches at its seventh run, when the choice of its plan has settled."""
    names = statements.load("jobs").blocks
    body = names[statement].sql if statement in names else statement
    await connection.execute(f"prepare hot as {body}")
    call = f"execute hot ({', '.join(arguments)})" if arguments else "execute hot"
    for _ in range(6):
        await connection.execute(f"savepoint before; {call}; rollback to before")
    plan = json.loads(await connection.fetchval(f"explain (analyze, buffers, format json) {call}"))[0]
    assert not re.search(r'"Seq Scan"[^{}]*"Relation Name": "processing_jobs"', json.dumps(plan))
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def claim(connection: Connection, free: int) -> int:
    worker = await workers.register(connection, ["work"], 10, 20)
    return await pages(connection, "claim", str(worker), "'{work}'", str(free), NOBODY, "'{}'")


@pytest.mark.parametrize(("free", "most"), [(1, 100), (10, 500), (100, 6000)])
async def test_a_claim_reads_what_it_takes(connection: Connection, free: int, most: int) -> None:
    assert await claim(connection, free) < most


async def test_limits_cost_a_look_at_those_that_matter(connection: Connection) -> None:
    await connection.execute(
        f"insert into lanes select 'owner', {OWNER.format('n')}::text, 4 from generate_series(0, 999) n"
    )
    assert await claim(connection, 10) < 1200


async def test_a_held_back_backlog_is_hopped_over(connection: Connection) -> None:
    await connection.execute("insert into lanes values ('kind', 'work', null, 'infinity', 'test')")
    await connection.execute(f"insert into processing_jobs (kind, owner_id) values ('chore', {OWNER.format('1000')})")
    worker = await workers.register(connection, ["work", "chore"], 10, 20)
    arguments = (str(worker), "'{work,chore}'", "1", NOBODY, "'{}'")
    assert await pages(connection, "claim", *arguments) < 1000 * 6


@pytest.mark.parametrize("statement", ["complete", "settle", "extend_deadline", "find_abandoned"])
async def test_ends_of_jobs_find_them_by_number(connection: Connection, statement: str) -> None:
    worker = await workers.register(connection, ["work"], 10, 20)
    taken = await connection.fetch(f"select * from claim_jobs({worker}, '{{work}}', 20, {NOBODY}, '{{}}')")
    ids = [row["id"] for row in taken]
    endings = json.dumps([{"id": each, "fence": 1, "verb": "release"} for each in ids])
    arguments = {
        "complete": (f"array{ids}", f"array{[1] * len(ids)}"),
        "settle": (f"'{endings}'",),
        "extend_deadline": (str(ids[0]), "1"),
    }
    assert await pages(connection, statement, *arguments.get(statement, ())) < 400


async def test_a_beat_looks_at_running_jobs_only(connection: Connection) -> None:
    worker = await workers.register(connection, ["work"], 10, 20)
    await connection.fetch(f"select * from claim_jobs({worker}, '{{work}}', 20, {NOBODY}, '{{}}')")
    assert await pages(connection, statements.load("workers").beat, str(worker)) < 600
