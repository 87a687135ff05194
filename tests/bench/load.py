"""A hundred users for a minute: `python -m tests.bench.load [seconds]`.

They submit, poll, read the history and delete (1 : 7 : 1 : 1; see load.lua), against one `serve` as it comes, its log
as JSON at level info, its workers idle. First nobody needs a key; then everyone has one, with limits. Each time as fast
as the service answers, and then with users who pause. The load is wrk's: what a Python client would take of two cores
is missing from the service. Needs wrk (`apt install wrk`); for one's own installation there is deploy/locustfile.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from tests.bench.service import server
from tests.bench.web import Measure

SECONDS = 60
USERS = 100
PAUSES_MS = (0, 40)
LIMITS = "submit=1000000,poll=10000000,active=10000"
SCRIPT = Path(__file__).with_name("load.lua")
SETTINGS = {"WORKER_SLOTS": "0", "LOG_LEVEL": "info", "LOG_FORMAT": "json"}


class Line(NamedTuple):
    """An answer: when it came (seconds since 1970), its status, `stale`, `silent` (503 without Retry-After) or `-`, and
    the id that was accepted."""

    at: float
    status: int
    mark: str
    accepted: str


class Processor:
    """Seconds of processor that the service and its database have used since this was made."""

    def __init__(self, process: psutil.Process, folder: Path) -> None:
        number = (folder / "data" / "postgresql" / "cluster" / "postmaster.pid").read_text().split()[0]
        self._watched = {"service": process, "database": psutil.Process(int(number))}
        self._before = self._used()

    def _used(self) -> dict[str, float]:
        return {name: sum(map(_seconds, _family(process))) for name, process in self._watched.items()}

    def per(self, requests: int) -> str:
        used = self._used()
        each = {name: 1000 * (used[name] - self._before[name]) / requests for name in used}
        return ", ".join(f"{name} {spent:.2f} ms" for name, spent in each.items())


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


class Load:
    """Users at work, in a process of their own."""

    def __init__(self, url: str, journal: Path, *, seconds: int, key: str = "", pause_ms: int = 0) -> None:
        self._journal = journal
        command = ["wrk", "-t1", f"-c{USERS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), url]
        given = {"BENCH_JOURNAL": str(journal), "BENCH_KEY": key, "BENCH_PAUSE_MS": str(pause_ms)}
        self._process = subprocess.Popen(command, env=os.environ | given, stdout=subprocess.PIPE, text=True)

    def end(self) -> tuple[Measure, list[Line]]:
        """Wait for the end; what was measured, and every answer."""
        said, _ = self._process.communicate()
        measure = msgspec.json.decode(said.partition("REPORT ")[2], type=Measure)
        with self._journal.open() as lines:
            return measure, [_line(line) for line in lines]


def _line(text: str) -> Line:
    at, status, mark, accepted = text.rstrip("\n").split(" ")
    return Line(float(at), int(status), mark, accepted)


@contextmanager
def place() -> Iterator[Path]:
    """A folder that PostgreSQL, which does not run as root, can reach."""
    with tempfile.TemporaryDirectory(prefix="mediaanalysis-bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def make_key(folder: Path, rate: str = LIMITS) -> str:
    """A key of the running service in this folder."""
    command = [sys.executable, "-m", "mediaanalysis", "keys", "create", "bench", "--rate", rate]
    more = {"DATA_DIR": str(folder / "data"), "LOG_LEVEL": "error"}
    done = subprocess.run(command, env=os.environ | more, check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


def report(name: str, measure: Measure, lines: list[Line]) -> None:
    statuses = Counter(line.status for line in lines)
    said = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    errors = measure.failed + sum(count for status, count in statuses.items() if status >= 400)
    times = f"p50 {measure.p50_ms:.1f}  p95 {measure.p95_ms:.1f}  p99 {measure.p99_ms:.1f} ms"
    print(f"  {name:<36}{measure.rate:>7,.0f}/s  {times}  errors {errors}  ({said})", flush=True)


def main() -> None:
    if shutil.which("wrk") is None:
        print("load: skipped, needs wrk (apt install wrk)")
        return
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    print(f"{USERS} users for {seconds} s (target: at least 2,000/s and p95 below 50 ms; floor: 100/s)")
    for keyed in (False, True):
        for pause_ms in PAUSES_MS:
            with place() as folder, server(folder, log=subprocess.DEVNULL, **SETTINGS) as (url, process):
                key = make_key(folder) if keyed else ""
                processor = Processor(process, folder)
                load = Load(url, folder / "journal", seconds=seconds, key=key, pause_ms=pause_ms)
                name = ("with a key" if keyed else "without keys") + (f", pauses of {pause_ms} ms" if pause_ms else "")
                measure, lines = load.end()
                report(name, measure, lines)
                print(f"  {'':<36}processor for each request: {processor.per(len(lines))}", flush=True)
    print(f"  load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
