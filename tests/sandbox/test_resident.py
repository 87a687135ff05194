from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from mediaanalysis.errors import MediaError, ResourceError
from mediaanalysis.sandbox import Limits, Reach, Resident, Sandbox
from mediaanalysis.sandbox.child import HEADER, Reply, answer, pack
from tests.sandbox import resident_child

ECHO = {"do": "echo"}


@pytest.fixture
async def resident(sandbox: Sandbox) -> AsyncIterator[Resident]:
    made = Resident(sandbox, resident_child.__name__, idle_seconds=60, limits=Limits(output_bytes=1_000_000))
    yield made
    await made.aclose()


async def ask(resident: Resident, **payload: object) -> object:
    return await resident.call(payload, timeout_seconds=20)


async def test_one_child_answers_call_after_call(resident: Resident) -> None:
    first, second = [await ask(resident, do="echo", bytes=b"\0\xff") for _ in range(2)]
    assert first == second
    assert first["bytes"] == b"\0\xff"
    assert first["pid"] != os.getpid()


async def test_at_most_copies_children(sandbox: Sandbox) -> None:
    resident = Resident(sandbox, resident_child.__name__, idle_seconds=60, limits=Limits(), copies=2)
    answers = await asyncio.gather(*(resident.call(ECHO, timeout_seconds=20) for _ in range(6)))
    assert len({answer["pid"] for answer in answers}) == 2
    await resident.aclose()
    assert resident.idle_children == 0


@pytest.mark.parametrize(
    ("payload", "kind", "code"),
    [
        ({"do": "refuse"}, MediaError, "media_damaged"),
        ({"do": "fail"}, ResourceError, "stage_failed"),
        ({"do": "starve"}, ResourceError, "stage_memory"),
    ],
)
async def test_errors_travel_and_the_child_stays(resident: Resident, payload, kind, code) -> None:
    before = await ask(resident, do="echo")
    with pytest.raises(kind) as caught:
        await resident.call(payload, timeout_seconds=20)
    assert caught.value.code == code
    assert await ask(resident, do="echo") == before


@pytest.mark.parametrize(
    ("payload", "code", "retryable", "seconds"),
    [
        ({"do": "die"}, "stage_crashed", False, 20),
        ({"do": "be killed"}, "stage_memory", False, 20),
        ({"do": "flood", "size": 2_000_000}, "stage_memory", False, 20),
        ({"do": "hang"}, "stage_timeout", True, 0.3),
    ],
)
async def test_a_broken_child_is_replaced(
    resident: Resident, payload, code, retryable, seconds, gone: Callable[[int], bool]
) -> None:
    before = await ask(resident, do="echo")
    with pytest.raises(ResourceError) as caught:
        await resident.call(payload, timeout_seconds=seconds)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert gone(before["pid"])
    assert (await ask(resident, do="echo"))["pid"] != before["pid"]


async def test_a_death_that_may_be_the_machines_fault_is_tried_once_more(sandbox: Sandbox, tmp_path: Path) -> None:
    limits, reach = Limits(), Reach(writes=(tmp_path,))
    resident = Resident(sandbox, resident_child.__name__, idle_seconds=60, limits=limits, reach=reach)
    assert await ask(resident, do="die once", mark=str(tmp_path / "died")) == "alive"
    await resident.aclose()


async def test_a_child_that_used_half_of_its_time_leaves(sandbox: Sandbox, gone: Callable[[int], bool]) -> None:
    limits = Limits(cpu_seconds=2)
    resident = Resident(sandbox, resident_child.__name__, idle_seconds=60, limits=limits)
    first = await ask(resident, do="echo")
    assert resident.idle_children == 1
    await ask(resident, do="work", seconds=1.0)
    assert resident.idle_children == 0
    assert gone(first["pid"])


async def test_a_death_is_explained_in_the_log_only(resident: Resident) -> None:
    with pytest.raises(ResourceError) as caught:
        await ask(resident, do="die")
    assert "talks too much" in caught.value.__notes__[0]
    assert "talks too much" not in caught.value.detail


async def test_cancel_ends_the_child(resident: Resident, gone: Callable[[int], bool]) -> None:
    pid = (await ask(resident, do="echo"))["pid"]
    work = asyncio.create_task(ask(resident, do="hang"))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert gone(pid)


async def test_an_idle_child_leaves(sandbox: Sandbox, gone: Callable[[int], bool]) -> None:
    resident = Resident(sandbox, resident_child.__name__, idle_seconds=0.01, limits=Limits())
    pid = (await ask(resident, do="echo"))["pid"]
    assert await asyncio.to_thread(gone, pid)
    assert resident.idle_children == 0
    assert (await ask(resident, do="echo"))["pid"] != pid
    await resident.aclose()


async def test_a_child_that_died_while_idle_costs_no_call(resident: Resident) -> None:
    pid = (await ask(resident, do="echo"))["pid"]
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while resident._idle[0].lives:
            await asyncio.sleep(0)
    assert (await ask(resident, do="echo"))["pid"] != pid


def test_the_childs_end_of_the_wire() -> None:
    sink = io.BytesIO()
    answer(io.BytesIO(pack(ECHO) + pack({"do": "fail"})), sink, resident_child.handle)
    sink.seek(0)
    replies = []
    while header := sink.read(HEADER.size):
        replies.append(msgspec.msgpack.decode(sink.read(HEADER.unpack(header)[0]), type=Reply))
    assert replies[0].value == {"pid": os.getpid(), "bytes": None}
    assert (replies[1].code, "KeyError" in replies[1].trace) == ("stage_failed", True)
