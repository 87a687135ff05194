"""Run a guarded command to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec import Struct

from mediaanalysis.errors import ResourceError
from mediaanalysis.sandbox.guard import ENVIRONMENT, Capabilities, Limits, detect

READ_BYTES = 65_536
TAIL_BYTES = 16_384
OUT_OF_MEMORY = "Cannot allocate memory"
NO_SPACE = ("No space left on device", "Disk quota exceeded")
DISK_SECONDS = 60.0

OnLine = Callable[[str], None]


class Completed(Struct, frozen=True):
    """How a child ended. `returncode` is negative for a signal; `stderr` is the tail of what it said there."""

    returncode: int
    stdout: bytes
    stderr: str


class Sandbox:
    """Starts every child of this process, at most `cpu_slots` busy ones at a time."""

    def __init__(self, cpu_slots: int, capabilities: Capabilities | None = None) -> None:
        self.capabilities = detect() if capabilities is None else capabilities
        self._slots = asyncio.Semaphore(cpu_slots)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the CPU slots, for heavy work. `run` and `Resident.call` take one by themselves."""
        async with self._slots:
            yield

    async def run(
        self, argv: Sequence[str], *, limits: Limits, on_line: OnLine | None = None, cwd: Path | None = None
    ) -> Completed:
        """Run `argv` to its end; a non-zero exit does not raise.

        `on_line` gets each line of stdout as it comes; stdout is then not kept. Raises ResourceError stage_timeout
        or stage_memory when a limit ended it. On that, and on cancel, the whole process group is dead on return.
        """
        async with self.slot():
            started = time.monotonic()
            process = await self.start(argv, limits=limits, stdin=DEVNULL, cwd=cwd)
            stderr = asyncio.create_task(tail(process))
            try:
                async with asyncio.timeout(limits.wall_seconds):
                    stdout = await _hear(process, limits, on_line)
                    returncode = await process.wait()
            except TimeoutError:
                raise _too_long(limits.wall_seconds) from None
            finally:
                await end(process)
                await stderr
        _check_limits(returncode, stderr.result(), limits, time.monotonic() - started)
        return Completed(returncode, stdout, stderr.result())

    async def start(
        self, argv: Sequence[str], *, limits: Limits, stdin: int = PIPE, cwd: Path | None = None
    ) -> Process:
        """Start `argv` in a session of its own; the caller must `end` it. A cancel meanwhile leaves no child."""
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self.capabilities.prefix(limits), *argv,
                stdin=stdin, stdout=PIPE, stderr=PIPE, env=ENVIRONMENT, cwd=cwd, start_new_session=True,
            )
        )  # fmt: skip
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            await asyncio.gather(end(process), tail(process))
            raise


async def end(process: Process) -> None:
    """Kill the process group if its leader still lives, and reap it. What it wrote is thrown away, so no TERM first.

    asyncio may call a process ended only when its pipes are, and one that is full is not read any more: empty it.
    """
    kill(process)
    while process.stdout is not None and await process.stdout.read(READ_BYTES):
        pass
    await process.wait()


def kill(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def tail(process: Process) -> str:
    """Drain stderr, keeping its end."""
    assert process.stderr is not None
    kept = b""
    while chunk := await process.stderr.read(READ_BYTES):
        kept = (kept + chunk)[-TAIL_BYTES:]
    return kept.decode(errors="replace")


async def _hear(process: Process, limits: Limits, on_line: OnLine | None) -> bytes:
    """Drain stdout, whole or line by line. More than `output_bytes` of it, or of one line, ends the child."""
    assert process.stdout is not None
    kept = bytearray()
    while chunk := await process.stdout.read(READ_BYTES):
        kept += chunk
        if on_line is not None:
            *lines, rest = bytes(kept).split(b"\n")
            kept = bytearray(rest)
            for line in lines:
                on_line(line.decode(errors="replace"))
        if len(kept) > limits.output_bytes:
            raise ResourceError("A program said more than it may about this file.", code="stage_memory")
    return bytes(kept)


def _check_limits(returncode: int, stderr: str, limits: Limits, elapsed_seconds: float) -> None:
    """Tell a child that a limit ended from one that failed by itself."""
    if returncode == -signal.SIGXFSZ:
        raise ResourceError("A program wrote a larger file than it may.", code="stage_memory")
    if any(words in stderr for words in NO_SPACE):  # ffmpeg may go on, with what it could write
        raise ResourceError("The disk is full.", code="disk_full", retry_after_seconds=DISK_SECONDS)
    most_cpu_seconds = elapsed_seconds * (os.cpu_count() or 1)
    if returncode == -signal.SIGKILL and limits.cpu_seconds is not None and most_cpu_seconds >= limits.cpu_seconds:
        raise _too_long(limits.cpu_seconds)
    if returncode == -signal.SIGKILL or (returncode != 0 and OUT_OF_MEMORY in stderr):
        raise ResourceError("A program needed more memory than it may use.", code="stage_memory")


def _too_long(seconds: float) -> ResourceError:
    return ResourceError(f"A program ran longer than its {seconds:g} s.", code="stage_timeout")
