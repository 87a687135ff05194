"""Run a guarded command to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from mediaanalysis.errors import ResourceError
from mediaanalysis.sandbox import landlock
from mediaanalysis.sandbox.guard import ENVIRONMENT, Capabilities, Limits, detect
from mediaanalysis.sandbox.landlock import Reach
from mediaanalysis.sandbox.launch import READ_BYTES, Child, launch
from mediaanalysis.sandbox.reach import around

OUT_OF_MEMORY = "Cannot allocate memory"
NO_SPACE = ("No space left on device", "Disk quota exceeded")
DISK_SECONDS = 60.0

NOTHING = Reach()

OnLine = Callable[[str], None]


class Completed(Struct, frozen=True):
    """How a child ended. `returncode` is negative for a signal; `stderr` is the tail of what it said there."""

    returncode: int
    stdout: bytes
    stderr: str


class Sandbox:
    """Starts every child of this process, at most `cpu_slots` busy ones at a time.

    `work`: the folders below which jobs have theirs. A `Resident`, which works for one after the other, may be let
    into them; every other child is told its own files.
    """

    def __init__(self, cpu_slots: int, capabilities: Capabilities | None = None, work: tuple[Path, ...] = ()) -> None:
        self.capabilities = detect() if capabilities is None else capabilities
        self.work = work
        self._slots = asyncio.Semaphore(cpu_slots)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the CPU slots, for heavy work. `run` and `Resident.call` take one by themselves."""
        async with self._slots:
            yield

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        reach: Reach = NOTHING,
        on_line: OnLine | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Run `argv` to its end, with `reach` of files beyond the system's; a non-zero exit does not raise.

        `on_line` gets each line of stdout as it comes; stdout is then not kept. Raises ResourceError stage_timeout
        or stage_memory when a limit ended it. On that, and on cancel, the whole process group is dead on return.
        """
        async with self.slot():
            started = time.monotonic()
            child = await self.start(argv, limits=limits, reach=reach, stdin=DEVNULL, cwd=cwd)
            try:
                async with asyncio.timeout(limits.wall_seconds):
                    stdout = await _hear(child, limits, on_line)
                    returncode = await child.wait()
            except TimeoutError:
                raise _too_long(limits.wall_seconds) from None
            finally:
                stderr = await child.end()
        _check_limits(returncode, stderr, limits, time.monotonic() - started)
        return Completed(returncode, stdout, stderr)

    async def start(
        self, argv: Sequence[str], *, limits: Limits, reach: Reach, stdin: int = PIPE, cwd: Path | None = None
    ) -> Child:
        """Start `argv` behind all guards; the caller must `end` it. A cancel meanwhile leaves no child."""
        guards = self.capabilities

        def confine() -> None:
            if guards.landlock_version:
                landlock.restrict(guards.landlock_version, around(argv, reach, maps_users=guards.maps_users))

        command = [*guards.prefix(limits), *argv]
        return await launch(command, confine=confine, stdin=stdin, env=ENVIRONMENT, cwd=cwd)


async def _hear(child: Child, limits: Limits, on_line: OnLine | None) -> bytes:
    """Drain stdout, whole or line by line. More than `output_bytes` of it, or of one line, ends the child."""
    kept = bytearray()
    while chunk := await child.stdout.read(READ_BYTES):
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
