"""Start a child from a thread of its own, which confines itself first and then waits for the child's end.

A thread, since what confines is inherited from the thread that starts: the service itself stays free, and no second
program has to be started in between. It lives as long as its child, whose parent-death signal watches it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from asyncio import AbstractEventLoop, Future, StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

READ_BYTES = 65_536
TAIL_BYTES = 16_384
ESCAPED_SECONDS = 1.0
"""Who left the group of a dead child may keep its pipes open: so long they are waited for."""

Popen = subprocess.Popen[bytes]


class _Pipe:
    """A pipe as transports take it, closed once. uvloop closes the descriptor and then the file: by then its number may
    be that of a client's connection, or of a file that another thread has just opened."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        with pipe:
            self._number = os.dup(pipe.fileno())
        self._made = os.fstat(self._number)

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._number), self._made):
                os.close(self._number)


class Child:
    """A program that was started. Whoever starts one must `end` it."""

    def __init__(self, process: Popen, ended: Future[None]) -> None:
        self.pid = process.pid
        self.stdin: StreamWriter | None = None
        self.stdout = StreamReader()
        self._process = process
        self._ended = ended
        self._stderr = StreamReader()
        self._tail = asyncio.ensure_future(self._drain_stderr())
        self._transports: list[asyncio.BaseTransport] = []
        ended.add_done_callback(self._reap)

    @property
    def returncode(self) -> int | None:
        """None while it lives; negative for a signal."""
        return self._process.returncode

    async def wait(self) -> int:
        await asyncio.shield(self._ended)
        return self._reap()

    def kill(self) -> None:
        """Kill its process group, if it lives."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> str:
        """Kill the group, reap it, and answer the end of what it said on stderr. What it wrote is thrown away, so
        no TERM first."""
        self.kill()
        await self.wait()
        await asyncio.wait((asyncio.ensure_future(self._drain_stdout()), self._tail), timeout=ESCAPED_SECONDS)
        for transport in self._transports:
            transport.close()
        return await self._tail

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for pipe, reader in ((self._process.stdout, self.stdout), (self._process.stderr, self._stderr)):
            protocol = StreamReaderProtocol(reader)
            transport, _ = await loop.connect_read_pipe(lambda it=protocol: it, _Pipe(pipe))  # type: ignore[misc]
            self._transports.append(transport)
        if (pipe := self._process.stdin) is not None:
            held = _Pipe(pipe)
            writing, written = await loop.connect_write_pipe(lambda: StreamReaderProtocol(StreamReader()), held)
            self._transports.append(writing)
            self.stdin = StreamWriter(writing, written, None, loop)

    def _reap(self, _ended: Future[None] | None = None) -> int:
        """First kill what it left in its group: the number is not given to another before it is reaped."""
        self.kill()
        return self._process.wait()

    async def _drain_stdout(self) -> None:
        while await self.stdout.read(READ_BYTES):
            pass

    async def _drain_stderr(self) -> str:
        kept = b""
        while chunk := await self._stderr.read(READ_BYTES):
            kept = (kept + chunk)[-TAIL_BYTES:]
        return kept.decode(errors="replace")


async def launch(
    argv: Sequence[str], *, confine: Callable[[], None], stdin: int, env: dict[str, str], cwd: Path | None
) -> Child:
    """Start `argv` in a session of its own, with pipes for what it says, from a thread that called `confine`.

    A cancel meanwhile leaves no child. Raises OSError where it cannot be started: FileNotFoundError, say.
    """
    options = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": env, "cwd": cwd}
    starting = asyncio.ensure_future(_launch(lambda: _start(argv, confine, options)))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await (await starting).end()
        raise


def _start(argv: Sequence[str], confine: Callable[[], None], options: dict[str, Any]) -> Popen:
    confine()
    return subprocess.Popen(argv, bufsize=0, start_new_session=True, **options)  # noqa: S603 - our own command lines


async def _launch(start: Callable[[], Popen]) -> Child:
    loop = asyncio.get_running_loop()
    started: Future[Popen] = loop.create_future()
    ended: Future[None] = loop.create_future()
    Thread(target=_attend, args=(loop, start, started, ended), name="child", daemon=True).start()
    child = Child(await started, ended)
    await child.connect()
    return child


def _attend(loop: AbstractEventLoop, start: Callable[[], Popen], started: Future[Popen], ended: Future[None]) -> None:
    """The life of the thread. The child is not reaped here: as a zombie it keeps its number for who kills it."""
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        try:
            process = start()
        except OSError as error:
            loop.call_soon_threadsafe(started.set_exception, error)
        else:
            loop.call_soon_threadsafe(started.set_result, process)
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            loop.call_soon_threadsafe(ended.set_result, None)
