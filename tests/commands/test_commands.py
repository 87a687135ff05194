"""Each command does its work, on the embedded server or on a given one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from mediaanalysis.store import embedded
from tests.commands.conftest import Run
from tests.databases import own_database

SENTENCE = "The harbour of Genoa handles two million containers a year. Its lighthouse is from 1543."


def test_help_names_every_command(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("serve", "worker", "migrate", "analyze", "sweep", "doctor", "psql"):
        assert f"    {command}" in done.stdout
        assert run(command, "--help").returncode == 0


def test_one_life_of_the_embedded_server(run: Run, place: Path) -> None:
    """Migrate down and up, look at it in psql, analyze alone, sweep, ask the doctor; nothing stays running."""
    server = embedded.start(place / "data")  # the commands join it: nine starts would take long
    assert "applied 0001" in run("migrate").stdout
    assert "nothing to do" in run("migrate").stdout
    assert "undone 0" in run("migrate", "--rollback").stdout
    assert "applied 0" in run("migrate").stdout

    counted = run("psql", "-tAc", "select count(*) from media_analysis_requests")
    assert counted.stdout.strip() == "0"
    shown = run("psql", "-c", "\\! tr '\\0' ' ' < /proc/$PPID/cmdline").stdout
    assert "dbname=mediaanalysis" in shown, "psql's own command line"
    assert str(urlsplit(server.dsn).password) not in shown

    text = place / "genoa.txt"
    text.write_text(SENTENCE)
    done = run("analyze", str(text), "--prompt", "How many containers?", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["media_type"] == "document"
    assert "two million containers" in result["result_text"]

    swept = run("sweep", "--dry-run")
    assert swept.stdout.startswith("would remove 0 expired files")
    assert run("sweep").stdout.startswith("removed 0 expired files")

    seen = run("doctor")
    assert seen.returncode == 0, seen.stdout
    assert "up to date" in seen.stdout
    assert "DATABASE_POOL_MAX" in seen.stdout
    assert server.stop()
    assert not _left_running(place)


def test_serve_says_where_it_is_and_ctrl_c_leaves_no_process(environment: dict[str, str], place: Path) -> None:
    with _started(environment, "serve", "--migrate", "--port", "0") as process:
        greeting = _until(process, "Ctrl-C stops")
        url = re.search(r"serving +(http://\S+)", greeting)
        assert url is not None
        assert str(place) in greeting
        assert httpx.get(f"{url[1]}/health", trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert not _left_running(place)


def test_worker_stops_on_sigterm(environment: dict[str, str], server: str, place: Path) -> None:
    with own_database(server, "work") as dsn, _started({**environment, "DATABASE_URL": dsn}, "worker") as process:
        _until(process, "Ctrl-C stops")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in {0, 130}
    assert not _left_running(place)


@contextmanager
def _started(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mediaanalysis", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(process: subprocess.Popen[str], word: str) -> str:
    """What it has said when it says the word."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(said)


def _left_running(place: Path) -> list[str]:
    """Processes that still have the place in their command line, this one left out."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(place) in words and process.info["pid"] != os.getpid():
            found.append(words)
    return found
