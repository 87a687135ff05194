"""Children that stay: each holds a model in its own memory, answers calls, and leaves when nobody asks.

A call is one msgpack frame out and one back over the child's stdin and stdout (`child.py` has the other end).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import msgspec

from mediaanalysis.errors import MediaError, ResourceError
from mediaanalysis.sandbox.child import HEADER, Reply, pack
from mediaanalysis.sandbox.guard import Limits
from mediaanalysis.sandbox.landlock import Reach
from mediaanalysis.sandbox.launch import Child
from mediaanalysis.sandbox.reach import IMPORT_ROOT
from mediaanalysis.sandbox.runner import NOTHING, OUT_OF_MEMORY, Sandbox

NO_MEMORY = (OUT_OF_MEMORY, "MemoryError", "bad_alloc", "out of memory")


class Death(ResourceError):
    """The child died while it worked on a call."""


class Resident:
    """At most `copies` children running `python -m module`, started on first use, gone after `idle_seconds`.

    `limits.wall_seconds` is not used: every call has its own time limit. `limits.cpu_seconds` is for a child's whole
    life: one that used half of them leaves after its call. Close with `aclose`.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        module: str,
        *,
        idle_seconds: float,
        limits: Limits,
        reach: Reach = NOTHING,
        copies: int = 1,
    ) -> None:
        self._sandbox = sandbox
        self._argv = (sys.executable, "-m", module)
        self._idle_seconds = idle_seconds
        self._limits = limits
        self._reach = reach
        self._permits = asyncio.Semaphore(copies)
        self._idle: list[_Child] = []

    async def call(self, payload: dict[str, Any], *, timeout_seconds: float) -> Any:
        """The handler's answer to `payload` (plain msgpack types both ways).

        Raises what the handler raised (MediaError, ResourceError); ResourceError stage_timeout after
        `timeout_seconds` of work; stage_memory or stage_crashed, both final, when two children died of this call one
        after the other: once may be the machine's fault. Then, and on cancel, the child is dead on return and the next
        call gets a fresh one.
        """
        async with self._permits, self._sandbox.slot():
            try:
                reply = await self._ask(payload, timeout_seconds)
            except Death:
                reply = await self._ask(payload, timeout_seconds)
        return _open(reply)

    @property
    def idle_children(self) -> int:
        return len(self._idle)

    async def aclose(self) -> None:
        """End the idle children. Calls that still run end their own when they are cancelled."""
        while self._idle:
            await self._idle.pop().end()

    async def _ask(self, payload: dict[str, Any], timeout_seconds: float) -> Reply:
        child = self._rested() or await self._start()
        try:
            async with asyncio.timeout(timeout_seconds):
                reply = await child.ask(payload, self._limits.output_bytes)
        except TimeoutError:
            await child.end()
            raise ResourceError(f"A model took longer than {timeout_seconds:g} s.", code="stage_timeout") from None
        except (EOFError, ConnectionError, msgspec.DecodeError):
            raise await child.post_mortem() from None
        except BaseException:
            await child.end()
            raise
        if self._limits.cpu_seconds is not None and reply.cpu_seconds > self._limits.cpu_seconds / 2:
            await child.end()
        else:
            child.rest(self._idle_seconds, self._idle)
        return reply

    def _rested(self) -> _Child | None:
        """A child that waited for work and did not die meanwhile."""
        while self._idle:
            child = self._idle.pop()
            child.wake()
            if child.lives:
                return child
        return None

    async def _start(self) -> _Child:
        started = self._sandbox.start(self._argv, limits=self._limits, reach=self._reach, cwd=IMPORT_ROOT)
        return _Child(await started)


class _Child:
    """One child, and the clock that sends it home."""

    def __init__(self, process: Child) -> None:
        self._process = process
        self._leave: asyncio.TimerHandle | None = None

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def ask(self, payload: dict[str, Any], max_bytes: int) -> Reply:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        stdin.write(pack(payload))
        await stdin.drain()
        size = HEADER.unpack(await stdout.readexactly(HEADER.size))[0]
        if size > max_bytes:
            raise ResourceError("A model said more than it may.", code="stage_memory")
        return msgspec.msgpack.decode(await stdout.readexactly(size), type=Reply)

    def rest(self, idle_seconds: float, idle: list[_Child]) -> None:
        """Join `idle`, and leave it and this world after `idle_seconds`."""

        def leave() -> None:
            idle.remove(self)
            self._process.kill()

        idle.append(self)
        self._leave = asyncio.get_running_loop().call_later(idle_seconds, leave)

    def wake(self) -> None:
        if self._leave is not None:
            self._leave.cancel()

    async def end(self) -> str:
        self.wake()
        return await self._process.end()

    async def post_mortem(self) -> Death:
        """End it; the error says how it died, and carries its last words as a note for the log."""
        said = await self.end()
        error = _cause(self._process.returncode, said)
        error.add_note(f"exit {self._process.returncode}: {said[-2000:]}")
        return error


def _cause(returncode: int | None, said: str) -> Death:
    """A SIGKILL is the kernel's, for memory or for CPU time."""
    if returncode == -signal.SIGKILL or any(words in said for words in NO_MEMORY):
        return Death("A program needed more memory or time than it may use on this media.", code="stage_memory")
    return Death("A program died while it worked on this media.", code="stage_crashed")


def _open(reply: Reply) -> Any:
    if reply.code is None:
        return reply.value
    kind = MediaError if reply.media else ResourceError
    error = kind(reply.detail, code=reply.code)
    if reply.trace:
        error.add_note(reply.trace)
    raise error
