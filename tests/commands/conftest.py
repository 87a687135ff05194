"""The program as an operator runs it: a process of its own, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from mediaanalysis.__main__ import main

Run = Callable[..., subprocess.CompletedProcess[str]]

KEPT = {"PATH", "HOME", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE"}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the user PostgreSQL runs as may enter, too; pytest's own are closed to it where we are root."""
    with tempfile.TemporaryDirectory(prefix="mediaanalysis-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def environment(place: Path) -> dict[str, str]:
    """Nothing of the caller's, a data directory for this test, text logs."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return {**kept, "DATA_DIR": str(place / "data"), "LOG_FORMAT": "text"}


@pytest.fixture
def run_here(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """In this process, without the second that a new one takes: for what is refused before anything begins."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patched:
            patched.setattr(os, "environ", {**environment, **variables})
            try:
                code = main(arguments)
            except SystemExit as end:
                code = int(str(end.code))
        structlog.reset_defaults()  # it writes where this test's output went
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mediaanalysis", *arguments],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call
