"""The embedded server: started by the first, shared, stopped by the last, in order and by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.sandbox import Capabilities, Limits, Sandbox
from mediaanalysis.store import embedded

USER = """
import sys
from pathlib import Path
from mediaanalysis.store import embedded
server = embedded.start(Path(sys.argv[1]), durable=False)
print(server.dsn, flush=True)
sys.stdin.read()
print(server.stop(), flush=True)
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server as another user")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Outside pytest's own folders, which are closed to the user that PostgreSQL runs as where we are root."""
    place = Path(tempfile.mkdtemp(prefix="mediaanalysis-embedded-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def begin(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until its standard input ends."""
    command = [sys.executable, "-c", USER, str(data_dir)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def one(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_database()").fetchone()
    return row and row[0]


def test_server_is_shared_survives_interrupts_and_kills_and_the_last_stops_it(data_dir: Path) -> None:
    ours = embedded.start(data_dir, durable=False)
    second, third = begin(data_dir), begin(data_dir)
    assert second.stdout is not None
    assert third.stdout is not None
    assert second.stdout.readline().strip() == third.stdout.readline().strip() == ours.dsn
    assert not ours.stop()
    os.killpg(third.pid, signal.SIGKILL)
    third.communicate()
    assert one(ours.dsn) == "mediaanalysis"
    assert second.communicate()[0].strip() == "True"
    with pytest.raises(psycopg.OperationalError):
        one(ours.dsn)


def test_a_server_that_is_killed_is_started_again(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_LOOK_SECONDS", 0.05)
    ours, second = embedded.start(data_dir, durable=False), begin(data_dir)
    assert second.stdout is not None
    assert second.stdout.readline().strip() == ours.dsn
    for _ in range(2):
        os.kill(int((data_dir / "postgresql/cluster/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        until = time.monotonic() + 30
        while True:
            try:
                assert one(ours.dsn) == "mediaanalysis"
                break
            except psycopg.OperationalError:
                assert time.monotonic() < until
                time.sleep(0.02)
    assert not ours.stop()
    answer, _ = second.communicate(timeout=30)
    assert answer.split()[-1] == "True"


def test_interrupt_from_the_terminal_does_not_reach_it_and_data_stays(data_dir: Path) -> None:
    process = begin(data_dir)
    assert process.stdout is not None
    dsn = process.stdout.readline().strip()
    with psycopg.connect(dsn) as connection:
        connection.execute("create table kept ()")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert one(dsn) == "mediaanalysis"
    again = embedded.start(data_dir)
    with psycopg.connect(again.dsn) as connection:
        connection.execute("table kept")
    assert again.stop()


async def test_who_reaches_the_socket_without_the_password_is_refused(data_dir: Path) -> None:
    """As a confined child may where it is of the same user. It cannot read the file with the password."""
    server = embedded.start(data_dir)
    word = urlsplit(server.dsn).password
    assert word is not None
    try:
        assert one(server.dsn) == "mediaanalysis"
        for login in ("postgres", "postgres:wrong", "mediaanalysis"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                one(server.dsn.replace(f"postgres:{word}@", f"{login}@"))
        file = data_dir / "postgresql" / "cluster" / "password"
        assert file.stat().st_mode & 0o777 == 0o600
        for sandbox, seen in ((Sandbox(1), ""), (Sandbox(1, Capabilities()), word)):
            done = await sandbox.run(["sh", "-c", f"echo began; cat {file}"], limits=Limits())
            assert done.stdout.decode() == f"began\n{seen}"
        assert word not in (data_dir / "postgresql" / "log").read_text()
        assert not [process.pid for process in psutil.process_iter(["cmdline"]) if word in str(process.info)]
    finally:
        assert server.stop()


def test_a_cluster_that_trusted_everybody_is_closed_at_its_next_start(data_dir: Path) -> None:
    """Also where it was left running; and again where the file with the password was lost."""
    process = begin(data_dir)
    assert process.stdout is not None
    trusting = process.stdout.readline().strip()
    assert urlsplit(trusting).password is None
    with psycopg.connect(trusting) as connection:
        connection.execute("create table kept ()")
    process.kill()
    process.communicate()
    assert one(trusting) == "mediaanalysis"
    words = set()
    for _ in range(2):
        server = embedded.start(data_dir)
        words.add(urlsplit(server.dsn).password)
        with psycopg.connect(server.dsn) as connection:
            connection.execute("table kept")
        with pytest.raises(psycopg.OperationalError):
            one(trusting)
        assert server.stop()
        (data_dir / "postgresql" / "cluster" / "password").unlink()
    assert len(words - {None}) == 2


def test_long_path_gets_a_short_socket(data_dir: Path) -> None:
    deep = data_dir / ("d" * 100)
    server = embedded.start(deep, durable=False)
    socket_dir = Path(server.dsn.partition("host=")[2])
    try:
        assert one(server.dsn) == "mediaanalysis"
        assert socket_dir.stat().st_mode & 0o077 == 0
    finally:
        assert server.stop()
        shutil.rmtree(socket_dir)


def test_data_dir_that_is_a_file_is_one_line(data_dir: Path) -> None:
    place = data_dir / "file"
    place.touch()
    with pytest.raises(ConfigurationError) as caught:
        embedded.start(place)
    assert caught.value.detail.startswith(f"DATA_DIR={place}: ")
    assert "\n" not in caught.value.detail


def test_damaged_cluster_is_one_line_with_postgres_own_words(data_dir: Path) -> None:
    embedded.start(data_dir, durable=False).stop()
    (data_dir / "postgresql" / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError) as caught:
        embedded.start(data_dir, durable=False)
    assert "\n" not in caught.value.detail
    assert "log" in caught.value.detail


@needs_root
def test_closed_folder_above_the_data_is_named_and_left_closed(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    with pytest.raises(ConfigurationError) as caught:
        embedded.start(data_dir / "inside")
    assert "cannot enter" in caught.value.detail
    assert data_dir.stat().st_mode & 0o777 == 0o700


@needs_root
def test_programs_in_a_closed_folder_are_copied(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    for part in (embedded._PROGRAMS, embedded._LIBRARIES):
        shutil.copytree(embedded._wheel().parents[1] / part, closed / part, symlinks=True)
    monkeypatch.setattr(embedded, "_wheel", lambda: closed / embedded._PROGRAMS)
    server = embedded.start(data_dir / "data", durable=False)
    assert one(server.dsn) == "mediaanalysis"
    assert server.stop()
    assert closed.stat().st_mode & 0o777 == 0o700
