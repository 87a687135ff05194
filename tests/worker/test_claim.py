"""Who is served when: the claim, on the database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest_asyncio

from mediaanalysis.store import jobs, workers
from mediaanalysis.store.jobs import FIRST_LANE, Claimed, Lane
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.jobs import Ending, NewJob

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


@pytest_asyncio.fixture
async def worker(db: Pool) -> int:
    return await workers.register(db, ["work", "chore"], 100, 20)


async def add(db: Pool, count: int, owner: UUID = A, **fields: object) -> None:
    await jobs.enqueue(db, [NewJob(kind=str(fields.pop("kind", "work")), owner_id=owner, **fields)] * count)  # type: ignore[arg-type]


async def claim(db: Pool, worker: int, free: int, served: Lane = FIRST_LANE, **options: object) -> list[Claimed]:
    return await jobs.claim(db, worker, ["work", "chore"], free, served=served, **options)  # type: ignore[arg-type]


def owners(claimed: Sequence[Claimed]) -> Counter[UUID]:
    return Counter(each.job.owner_id for each in claimed)


async def test_a_claim_raises_the_fence_and_counts_the_attempt(db: Pool, worker: int) -> None:
    await add(db, 1, payload={"a": 1})
    [claimed] = await claim(db, worker, 5)
    assert (claimed.job.fence, claimed.job.attempt, claimed.job.payload) == (1, 1, {"a": 1})
    assert await claim(db, worker, 5) == []


async def test_owners_share_a_claim(db: Pool, worker: int) -> None:
    await add(db, 1000, A)
    await add(db, 10, B)
    assert owners(await claim(db, worker, 20)) == {A: 10, B: 10}


async def test_owners_take_turns_when_one_slot_is_free(db: Pool, worker: int) -> None:
    for owner in (A, B, C):
        await add(db, 3, owner)
    served, order = FIRST_LANE, []
    for _ in range(9):
        [claimed] = await claim(db, worker, 1, served)
        served = claimed.lane
        order.append(claimed.job.owner_id)
    assert order == [A, B, C] * 3


async def test_what_one_owner_leaves_the_next_claim_gives_to_others(db: Pool, worker: int) -> None:
    await add(db, 2, A)
    await add(db, 50, B)
    first = await claim(db, worker, 20)
    assert owners(first) == {A: 2, B: 10}
    assert owners(await claim(db, worker, 8)) == {B: 8}


async def test_higher_priority_first_and_waiting_counts(db: Pool, worker: int) -> None:
    await add(db, 1, priority=5, payload={"n": "normal"})
    await add(db, 1, priority=9, payload={"n": "high"})
    await add(db, 1, priority=0, payload={"n": "low but old"})
    await db.execute("update processing_jobs set sort_key = sort_key - interval '10 min' where priority = 0")
    served = [(await claim(db, worker, 1))[0].job.payload["n"] for _ in range(3)]
    assert served == ["low but old", "high", "normal"]


async def test_a_job_for_later_waits_and_blocks_nobody(db: Pool, worker: int) -> None:
    await add(db, 1, delay_seconds=60, priority=10, payload={"n": "later"})
    await add(db, 1, payload={"n": "now"})
    assert [each.job.payload["n"] for each in await claim(db, worker, 5)] == ["now"]


async def test_a_limit_is_exact(db: Pool, operator: Pool, worker: int) -> None:
    await add(db, 50, A)
    await add(db, 50, B)
    await operator.execute("select ops.set_limit($1, 3)", str(A))
    assert owners(await claim(db, worker, 20)) == {A: 3, B: 10}
    again = await claim(db, worker, 5)
    assert owners(again) == {B: 5}


async def test_limits_of_owner_and_kind_hold_together(db: Pool, operator: Pool, worker: int) -> None:
    for owner in (A, B, C):
        await add(db, 10, owner)
        await add(db, 10, owner, kind="chore")
    await operator.execute("select ops.set_limit('work', 4), ops.set_limit('chore', 5), ops.set_limit($1, 2)", str(A))
    for _ in range(10):
        await claim(db, worker, 30)
    ran = await db.fetch(
        "select owner_id, kind, count(*) as n from processing_jobs where state = 'running' group by 1, 2"
    )
    count = {(row["owner_id"], row["kind"]): row["n"] for row in ran}
    assert sum(n for (owner, _), n in count.items() if owner == A) == 2
    assert sum(n for (_, kind), n in count.items() if kind == "work") == 4
    assert sum(n for (_, kind), n in count.items() if kind == "chore") == 5


async def test_a_limit_is_exact_under_competition(db: Pool, operator: Pool) -> None:
    await operator.execute("select ops.set_limit($1, 3), ops.set_limit($2, 2)", str(A), str(B))
    await add(db, 60, A)
    await add(db, 40, B)
    crowd = [await workers.register(db, ["work"], 4, 20) for _ in range(8)]
    most: Counter[UUID] = Counter()

    async def work(worker: int) -> None:
        while await db.fetchval("select exists (select from processing_jobs)"):
            claimed = await claim(db, worker, 4)
            counts = await db.fetch(
                "select owner_id, count(*) as n from processing_jobs where state = 'running' group by 1"
            )
            for row in counts:
                most[row["owner_id"]] = max(most[row["owner_id"]], row["n"])
            if claimed:
                await jobs.complete(db, [(each.job.id, each.job.fence) for each in claimed])

    await asyncio.gather(*map(work, crowd))
    assert most[A] == 3
    assert most[B] == 2


async def test_a_paused_kind_hides_nothing_behind_it(db: Pool, operator: Pool, worker: int) -> None:
    await add(db, 500, A)
    await add(db, 1, A, kind="chore")
    await operator.execute("select ops.pause('work')")
    assert [each.job.kind for each in await claim(db, worker, 5)] == ["chore"]
    await operator.execute("select ops.resume('work')")
    assert len(await claim(db, worker, 5)) == 5


async def test_a_paused_owner_waits(db: Pool, operator: Pool, worker: int) -> None:
    await add(db, 5, A)
    await add(db, 5, B)
    await operator.execute("select ops.pause($1)", str(A))
    assert owners(await claim(db, worker, 15)) == {B: 5}


async def test_only_kinds_that_are_asked_for(db: Pool, worker: int) -> None:
    await add(db, 1, kind="unknown")
    assert await claim(db, worker, 5) == []


async def test_a_worker_that_drains_or_is_unknown_gets_nothing(db: Pool, worker: int) -> None:
    await add(db, 1)
    assert await claim(db, worker + 1, 5) == []
    await workers.drain(db, worker)
    assert await claim(db, worker, 5) == []


async def test_floors_narrow_the_look(db: Pool, worker: int) -> None:
    await add(db, 3, A)
    await add(db, 3, B)
    rows = await db.fetch("select sort_key from processing_jobs where owner_id = $1 order by id", A)
    first = "(select min(id) from processing_jobs)"
    await db.execute(f"update processing_jobs set sort_key = sort_key - interval '1 s' where id = {first}")
    claimed = await claim(db, worker, 10, floors=[(Lane(A, "work"), rows[0]["sort_key"])])
    assert owners(claimed) == {A: 2}


async def test_idle_is_known_only_when_slots_stay_free(db: Pool, worker: int) -> None:
    await add(db, 3)
    idle = "select idle from workers"
    await claim(db, worker, 2)
    assert await db.fetchval(idle) is False
    await claim(db, worker, 2)
    assert await db.fetchval(idle) is True


async def test_claims_side_by_side_share_without_waiting(db: Pool) -> None:
    await add(db, 40)
    crowd = [await workers.register(db, ["work"], 10, 20) for _ in range(4)]
    taken = [
        each.job.id for claimed in await asyncio.gather(*(claim(db, each, 10) for each in crowd)) for each in claimed
    ]
    assert len(taken) == len(set(taken))
    rest = [each.job.id for each in await claim(db, crowd[0], 40)]
    assert sorted(taken + rest) == sorted(set(taken + rest))
    assert len(taken + rest) == 40


async def test_a_released_job_keeps_its_place(db: Pool, worker: int) -> None:
    await add(db, 1, payload={"n": 1})
    await add(db, 1, payload={"n": 2})
    [first] = await claim(db, worker, 1)
    await jobs.settle(db, [Ending(first.job.id, first.job.fence, "release")])
    [again] = await claim(db, worker, 1)
    assert (again.job.payload["n"], again.job.attempt, again.job.fence) == (1, 1, 3)
