"""What the kernel says of real children while they live: every limit of every program that opens media."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mediaanalysis.errors import MediaAnalysisError
from mediaanalysis.media import documents, ffmpeg, pictures, speech, text
from mediaanalysis.providers.local.answer import LocalAnswer
from mediaanalysis.providers.local.speech import LocalSpeech
from mediaanalysis.sandbox import Limits, Reach, Resident, Sandbox

ROWS = {"as": "Max address space", "cpu": "Max cpu time", "fsize": "Max file size", "nofile": "Max open files"}
PROBING = Limits(cpu_seconds=2 * ffmpeg.PROBE_SECONDS)

RESIDENTS: dict[str, Callable[[Sandbox], Resident]] = {
    "documents": lambda sandbox: documents.resident(sandbox, idle_seconds=60),
    "ocr": lambda sandbox: text.resident(sandbox, idle_seconds=60),
    "voice": lambda sandbox: speech.resident(sandbox, idle_seconds=60),
    "recogniser": lambda sandbox: LocalSpeech(sandbox, idle_seconds=60, copies=1)._recogniser,
    "extractor": lambda sandbox: LocalAnswer(sandbox, idle_seconds=60)._extractor,
}
PROGRAMS: dict[str, tuple[Callable[[Sandbox, Path], Awaitable[Any]], Limits]] = {
    "ffprobe": (ffmpeg.describe, PROBING),
    "ffmpeg": (ffmpeg.measure, ffmpeg.limits(300, 0)),
    "pictures": (
        lambda sandbox, path: pictures.ask(sandbox, "probe", reach=Reach(reads=(path,)), path=path, max_pixels=1),
        pictures.LIMITS,
    ),
}


def require_guards(sandbox: Sandbox) -> None:
    if missing := set(sandbox.capabilities.missing) - {"filesystem"}:
        pytest.skip(f"not permitted here: {missing}")


def assert_held(pid: int, limits: Limits) -> None:
    proc = Path(f"/proc/{pid}")
    table = {line[:26].strip(): line[26:].split()[:2] for line in (proc / "limits").read_text().splitlines()}
    wanted = (limits.address_space_bytes, limits.cpu_seconds, limits.file_size_bytes, limits.open_files)
    assert {row: table[row] for row in ROWS.values()} == {
        row: [str(value)] * 2 for row, value in zip(ROWS.values(), wanted, strict=True)
    }
    assert table["Max core file size"] == ["0", "0"]
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapBnd"], 16) == 0 or os.geteuid() != 0
    process = psutil.Process(pid)
    assert process.nice() >= 10
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert set(process.environ()) <= {"PATH", "LANG", "LC_CTYPE"}
    assert (proc / "ns" / "net").readlink() != Path("/proc/self/ns/net").readlink()


@pytest.mark.parametrize("name", RESIDENTS)
async def test_a_child_that_stays(sandbox: Sandbox, name: str) -> None:
    require_guards(sandbox)
    resident = RESIDENTS[name](sandbox)
    with pytest.raises(MediaAnalysisError):
        await resident.call({}, timeout_seconds=20)
    assert resident.idle_children == 1
    assert None not in (resident._limits.cpu_seconds, resident._limits.address_space_bytes)
    assert_held(resident._idle[0]._process.pid, resident._limits)
    await resident.aclose()


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_that_runs(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    """It waits for the first byte of a pipe meanwhile. Opening that for writing returns when it has come so far."""
    require_guards(sandbox)
    run, limits = PROGRAMS[name]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = {child.pid for child in psutil.Process().children()}
    work = asyncio.ensure_future(run(sandbox, pipe))
    writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    (pid,) = {child.pid for child in psutil.Process().children()} - before
    try:
        assert_held(pid, limits)
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, MediaAnalysisError):
            await work
        os.close(writer)
