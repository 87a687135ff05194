from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from mediaanalysis.errors import ResourceError
from mediaanalysis.sandbox import Capabilities, Limits, Reach, Sandbox, detect
from mediaanalysis.sandbox.launch import _Pipe

SPAWN_AND_TELL = "sleep 60 & echo $! $$; wait"
CHECKOUT = Path(__file__).parents[2]


async def test_answers_with_output_and_code(sandbox: Sandbox) -> None:
    done = await sandbox.run(["sh", "-c", "echo out; echo err >&2; exit 3"], limits=Limits())
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", "err\n")


async def test_child_sees_nothing_of_ours(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    done = await sandbox.run(["env"], limits=Limits())
    assert {line.split(b"=")[0] for line in done.stdout.splitlines()} == {b"PATH", b"LANG"}
    assert (await sandbox.run(["cat"], limits=Limits())).stdout == b""


async def test_guards_are_in_force(sandbox: Sandbox) -> None:
    if sandbox.capabilities.missing:
        pytest.skip(f"not permitted here: {sandbox.capabilities.missing}")
    limits = Limits(address_space_bytes=2**28, cpu_seconds=7, file_size_bytes=2**20, open_files=99)
    script = "tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/self/limits; nice; grep NoNewPrivs /proc/self/status"
    said = (await sandbox.run(["sh", "-c", script], limits=limits)).stdout.decode()
    table = {line[:26].strip(): line[26:].split()[:2] for line in said.splitlines()}
    assert said.split()[0] == "lo"
    assert "eth0" not in said
    assert table["Max address space"] == [str(2**28)] * 2
    assert table["Max cpu time"] == ["7", "7"]
    assert table["Max file size"] == [str(2**20)] * 2
    assert table["Max open files"] == ["99", "99"]
    assert table["Max core file size"] == ["0", "0"]
    assert said.splitlines()[-2:] == ["10", "NoNewPrivs:\t1"]


async def test_runs_where_nothing_is_permitted() -> None:
    bare = Sandbox(1, Capabilities())
    assert bare.capabilities.missing == ("network", "parent_death", "limits", "nice", "filesystem")
    assert (await bare.run(["echo", "plain"], limits=Limits())).stdout == b"plain\n"


def test_a_normal_user_loses_the_network_too() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    script = "from mediaanalysis.sandbox import detect; print(detect().network)"
    tried = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", script],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tried.returncode != 0 or tried.stdout.strip() == "()":
        pytest.skip("user namespaces, or the checkout, are closed to other users here")
    assert "--map-root-user" in tried.stdout
    assert "--map-root-user" not in detect().network


async def test_time_out_kills_the_whole_group(sandbox: Sandbox, gone: Callable[[int], bool]) -> None:
    lines: list[str] = []
    with pytest.raises(ResourceError) as caught:
        await sandbox.run(["sh", "-c", SPAWN_AND_TELL], limits=Limits(wall_seconds=0.3), on_line=lines.append)
    assert caught.value.code == "stage_timeout"
    assert all(gone(int(pid)) for pid in lines[0].split())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_cancel_kills_the_whole_group(new_loop: Callable[[], asyncio.AbstractEventLoop], gone: Callable[[int], bool]):
    async def scenario() -> str:
        told: asyncio.Queue[str] = asyncio.Queue()
        sandbox = Sandbox(1)
        work = asyncio.create_task(sandbox.run(["sh", "-c", SPAWN_AND_TELL], limits=Limits(), on_line=told.put_nowait))
        pids = await told.get()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        async with asyncio.timeout(1), sandbox.slot():
            return pids

    with asyncio.Runner(loop_factory=new_loop) as runner:
        pids = runner.run(scenario())
    assert all(gone(int(pid)) for pid in pids.split())


def test_a_number_that_is_another_s_by_now_is_not_closed(tmp_path: Path) -> None:
    """uvloop closes the descriptor below a pipe, and then the pipe: between the two a thread may open a file."""
    reading, writing = os.pipe()
    pipe = _Pipe(os.fdopen(reading, "rb", buffering=0))
    with (tmp_path / "of another").open("wb") as file:
        os.dup2(file.fileno(), pipe.fileno())
        pipe.close()
        os.write(pipe.fileno(), b"open")
    os.close(pipe.fileno())
    os.close(writing)


def test_a_pipe_that_is_still_its_own_is_closed() -> None:
    reading, writing = os.pipe()
    pipe = _Pipe(os.fdopen(reading, "rb", buffering=0))
    pipe.close()
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"nobody reads")
    os.close(writing)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_cancel_at_any_moment_leaves_no_child(new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path):
    """Cancelled after every possible number of loop turns: also between the fork and our hearing of it."""
    marker = f"60.{os.getpid()}{tmp_path.name[-1]}"

    async def scenario() -> None:
        sandbox = Sandbox(4)
        for turns in range(12):
            work = asyncio.create_task(sandbox.run(["sleep", marker], limits=Limits()))
            for _ in range(turns):
                await asyncio.sleep(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())
    assert subprocess.run(["pgrep", "-f", f"sleep {marker}"], capture_output=True, check=False).stdout == b""


async def test_too_much_output_ends_it(sandbox: Sandbox) -> None:
    with pytest.raises(ResourceError) as caught:
        await sandbox.run(["yes"], limits=Limits(output_bytes=100_000))
    assert caught.value.code == "stage_memory"


async def test_lines_are_not_kept(sandbox: Sandbox) -> None:
    lines: list[str] = []
    done = await sandbox.run(["seq", "200000"], limits=Limits(output_bytes=100_000), on_line=lines.append)
    assert (len(lines), lines[-1], done.stdout) == (200_000, "200000", b"")


async def test_stderr_keeps_its_end(sandbox: Sandbox) -> None:
    done = await sandbox.run(["sh", "-c", "seq 100000 >&2"], limits=Limits())
    assert done.stderr.endswith("99999\n100000\n")
    assert len(done.stderr) < 20_000


@pytest.mark.parametrize(
    ("argv", "limits", "code"),
    [
        (["sh", "-c", "while :; do :; done"], Limits(cpu_seconds=1), "stage_timeout"),
        (["sh", "-c", "kill -KILL $$"], Limits(), "stage_memory"),
        (["sh", "-c", "echo Cannot allocate memory >&2; exit 1"], Limits(), "stage_memory"),
        (["dd", "if=/dev/zero", "of=big", "bs=64k", "count=9"], Limits(file_size_bytes=100_000), "stage_memory"),
    ],
)
async def test_limits_are_told_apart(sandbox: Sandbox, tmp_path: Path, argv: list[str], limits: Limits, code: str):
    with pytest.raises(ResourceError) as caught:
        await sandbox.run(argv, limits=limits, reach=Reach(writes=(tmp_path,)), cwd=tmp_path)
    assert caught.value.code == code


async def test_slots_bound_what_runs_at_once() -> None:
    sandbox = Sandbox(1)
    async with sandbox.slot():
        waiting = asyncio.create_task(sandbox.run(["true"], limits=Limits()))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
    assert (await waiting).returncode == 0


def test_kill_9_of_the_parent_leaves_no_child(gone: Callable[[int], bool]) -> None:
    """A child of `run` and a resident one, told by the parent that is then killed without a word."""
    script = """
import asyncio
from mediaanalysis.sandbox import Limits, Resident, Sandbox
async def main():
    sandbox = Sandbox(2)
    resident = Resident(sandbox, "tests.sandbox.resident_child", idle_seconds=60, limits=Limits())
    print((await resident.call({"do": "echo"}, timeout_seconds=20))["pid"], flush=True)
    await sandbox.run(["sh", "-c", "echo $$; exec sleep 60"], limits=Limits(),
                      on_line=lambda line: print(line, flush=True))
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(gone(pid) for pid in pids)
