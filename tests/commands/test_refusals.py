"""What is wrong is said in one line, with what to do, and a non-zero exit."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.databases import own_database


def _one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    lines = [line for line in done.stderr.splitlines() if line.startswith("mediaanalysis: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def test_a_taken_port(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _one_line(run("serve", "--port", str(port)))
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_an_unreachable_database(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    line = _one_line(run("migrate", DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none"))
    assert "DATABASE_URL" in line


@pytest.mark.parametrize("url", ["mysql://u:sesame@h/x", "postgresql:/u:sesame@h/x", "u:sesame@h/x"])
def test_a_database_url_of_another_form_is_refused_without_being_shown(run_here: Run, url: str) -> None:
    done = run_here("migrate", DATABASE_URL=url)
    assert "postgresql://" in _one_line(done)
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",), ("analyze", __file__)])
def test_a_machine_without_ffmpeg(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    line = _one_line(run(*command, PATH=str(tmp_path), LISTEN_PORT="1"))
    assert "ffmpeg and ffprobe not found: install ffmpeg" in line


def test_a_reader_that_leaves_early(environment: dict[str, str]) -> None:
    """`doctor --settings | true`: what nobody reads is no fault to speak of."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "mediaanalysis", "doctor", "--settings"]
    done = subprocess.run(command, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.stderr == ""


def test_a_schema_that_is_behind(run: Run, server: str) -> None:
    with own_database(server, "behind", migrated=False) as dsn:
        line = _one_line(run("serve", "--port", "0", DATABASE_URL=dsn))
    assert "make migrate" in line


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WORKER_SLOTS", "many", "WORKER_SLOTS='many'"),
        ("LISTEN_PORT", "70000", "LISTEN_PORT='70000'"),
        ("LOG_FORMAT", "xml", "auto"),
        ("DATABASE_URL_FILE", "/nowhere", "DATABASE_URL_FILE=/nowhere"),
    ],
)
def test_a_wrong_setting(run_here: Run, variable: str, value: str, says: str) -> None:
    assert says in _one_line(run_here("doctor", "--settings", **{variable: value}))


def test_a_data_directory_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = _one_line(run("migrate", DATA_DIR=str(tmp_path / "file" / "data")))
    assert "DATA_DIR" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_data_directory(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "DATA_DIR" in _one_line(run("migrate", DATA_DIR=str(tmp_path / "data")))


def test_a_worker_without_slots(run: Run) -> None:
    assert "WORKER_SLOTS" in _one_line(run("worker", "--slots", "0"))


def test_a_file_that_is_not_there(run: Run) -> None:
    assert "no such file" in _one_line(run("analyze", "nowhere.mp4", "--prompt", "x"))


def test_wrong_usage_shows_the_usage(run_here: Run) -> None:
    done = run_here("serve", "--prot", "1")
    assert done.returncode == 2
    assert "usage: mediaanalysis" in done.stderr
