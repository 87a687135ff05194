"""Coroutines that end, raise or stall are started again, and it shows."""

from __future__ import annotations

import asyncio

import pytest

from mediaanalysis.worker import watch
from mediaanalysis.worker.watch import Watch
from tests.worker.conftest import eventually


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("STALL_SECONDS", 0.05), ("TICK_SECONDS", 0.01), ("PAUSE_SECONDS", 0.01)):
        monkeypatch.setattr(watch, name, seconds)


async def kept(body: object) -> tuple[Watch, asyncio.Task[None]]:
    part = Watch("part")
    return part, asyncio.create_task(part.keep(body))  # type: ignore[arg-type]


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_stalls_is_cancelled_and_started_again() -> None:
    begun = 0

    async def stall_once(part: Watch) -> None:
        nonlocal begun
        begun += 1
        part.busy()
        if begun == 2:
            part.idle()
        await asyncio.Event().wait()

    part, task = await kept(stall_once)
    await eventually(lambda: part.fault == "stalled")
    await eventually(lambda: begun == 2 and part.fault is None)
    assert part.restarts == 1
    await stop(task)


async def test_one_that_waits_is_left_alone() -> None:
    async def wait(part: Watch) -> None:
        part.idle()
        await asyncio.sleep(0.2)

    part, task = await kept(wait)
    await asyncio.sleep(0.1)
    assert (part.restarts, part.fault) == (0, None)
    await eventually(lambda: part.fault == "ended")
    await stop(task)


async def test_stopping_stops_what_is_kept() -> None:
    stopped = asyncio.Event()

    async def body(_part: Watch) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    _, task = await kept(body)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await stop(task)
    assert stopped.is_set()
