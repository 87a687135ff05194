"""Files, signals and TCP as a child sees them. What this kernel does not permit is skipped, and `doctor` says so."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mediaanalysis.sandbox import Capabilities, Limits, Reach, Sandbox
from mediaanalysis.sandbox.landlock import SCOPES_SINCE, TCP_SINCE


@pytest.fixture
def confined(sandbox: Sandbox) -> Sandbox:
    if not sandbox.capabilities.landlock_version:
        pytest.skip("this kernel has no Landlock")
    return sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`own` is the child's, `victim` another's."""
    for name in ("own", "victim"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name} bytes")
    return tmp_path


async def tell(sandbox: Sandbox, script: str, reach: Reach) -> str:
    done = await sandbox.run(["bash", "-c", script], limits=Limits(), reach=reach)
    return done.stdout.decode()


async def test_a_child_reads_what_it_is_told_and_no_more(confined: Sandbox, folder: Path) -> None:
    script = f"cd {folder}; cat own/file victim/file /etc/passwd ~root/.profile; ls victim . /; cat own/../victim/file"
    assert await tell(confined, script, Reach(reads=(folder / "own",))) == "own bytes"
    assert (folder / "victim" / "file").read_text() == "victim bytes", "the thread is confined, not the service"


async def test_a_child_writes_where_it_is_told_plain_files_only(confined: Sandbox, folder: Path) -> None:
    script = f"""cd {folder}/own; echo new > new; mkdir sub; echo x > ../victim/file; echo x > ../victim/new
        rm ../victim/file; ln -s ../victim/file link; ln ../victim/file hard; mkfifo pipe; mknod device c 1 3
        cp /bin/true program; chmod +x program; ./program && echo ran"""
    assert await tell(confined, script, Reach(writes=(folder / "own",))) == ""
    assert {path.name for path in (folder / "own").iterdir()} == {"file", "new", "sub", "program"}
    assert [path.read_text() for path in (folder / "victim").iterdir()] == ["victim bytes"]


async def test_a_link_leads_nowhere(confined: Sandbox, folder: Path) -> None:
    (folder / "own" / "link").symlink_to(folder / "victim" / "file")
    script, reach = f"echo began; cat {folder}/own/link", Reach(writes=(folder / "own",))
    assert await tell(Sandbox(1, Capabilities()), script, reach) == "began\nvictim bytes"
    assert await tell(confined, script, reach) == "began\n"


async def test_the_service_cannot_be_looked_into_or_signalled(confined: Sandbox, folder: Path) -> None:
    """Its environment holds the keys."""
    script = f"echo began; cd /proc/{os.getpid()}; head -c 9 environ; readlink cwd root fd/*; "
    if confined.capabilities.landlock_version >= SCOPES_SINCE:
        script += f"kill -0 {os.getpid()} && echo reached"
    free = await tell(Sandbox(1, Capabilities()), script, Reach())
    assert str(Path.cwd()) in free, "the same words read something where nothing stands in between"
    assert free.endswith("reached\n") == script.endswith("reached")
    assert await tell(confined, script, Reach()) == "began\n"


async def test_tcp_is_closed_also_where_the_network_cannot_be_left(confined: Sandbox) -> None:
    if confined.capabilities.landlock_version < TCP_SINCE:
        pytest.skip("this Landlock knows no TCP")
    heard: list[object] = []
    listener = await asyncio.start_server(lambda *both: heard.append(both), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    script = f"echo GET > /dev/tcp/127.0.0.1/{port} && echo reached"
    for version, answer in ((0, "reached\n"), (confined.capabilities.landlock_version, "")):
        assert await tell(Sandbox(1, Capabilities(landlock_version=version)), script, Reach()) == answer
    listener.close()
    assert len(heard) == 1
