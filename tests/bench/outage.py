"""The database killed and restarted under load: `python -m tests.bench.outage`.

A hundred users (load.lua) while the children of a PostgreSQL of our own get SIGKILL, and later it is stopped at once
and left away for a while. Every 202 is looked up afterwards: none may be lost. Recovery is counted from the moment the
database takes connections again to the first submission that is accepted, and to accepting as many as before
(90 % of them in half a second). Meanwhile what was read before is served as stale, and submissions get 503.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import psycopg

from mediaanalysis.store import embedded
from mediaanalysis.store.embedded import Embedded
from tests.bench.load import SETTINGS, Line, Load, place
from tests.bench.service import server

SECONDS = 60
CALM_SECONDS, AWAY_SECONDS = 10.0, 8.0
WINDOW_SECONDS = 0.5
ASKED = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}


class Outage:
    """A PostgreSQL that nobody else starts again, and the blows it gets."""

    def __init__(self, own: Embedded) -> None:
        self._own = own
        own._stopping.set()
        own._keeper.join()

    def kill_children(self) -> None:
        """As the kernel does where memory ends: PostgreSQL throws everybody out and recovers."""
        number = (self._own._server.cluster / "postmaster.pid").read_text().split()[0]
        for child in psutil.Process(int(number)).children():
            with suppress(psutil.NoSuchProcess):  # a neighbour's death ends them all
                child.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        self._own._server.pg_ctl("stop", "--mode=immediate")

    def start(self) -> None:
        embedded._start(self._own._server, durable=True)

    def until_back(self) -> float:
        """When it took a connection again, in seconds since 1970."""
        while True:
            try:
                psycopg.connect(self._own.dsn).close()
            except psycopg.OperationalError:
                time.sleep(0.01)
            else:
                return time.time()


def probe(url: str, known: str) -> str:
    """What callers hear while the database is away."""
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
        write = client.post("/api/media/analyze", json=ASKED)
        read = client.get(f"/api/media/status/{known}")
        health, ready = client.get("/health"), client.get("/health/ready")
    return (
        f"  meanwhile: submission {write.status_code} (Retry-After {write.headers.get('retry-after')}), "
        f"known status {read.status_code} (Age {read.headers.get('age')}, "
        f"Cache-Status {read.headers.get('cache-status')}), health {health.status_code}, ready {ready.status_code}"
    )


def known_analysis(url: str) -> str:
    """One that was accepted and read."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        found = str(client.post("/api/media/analyze", json=ASKED).json()["analysis_id"])
        client.get(f"/api/media/status/{found}").raise_for_status()
    return found


def accepted_rates(lines: list[Line], begin: float, end: float) -> list[tuple[float, float]]:
    """Submissions accepted per second in each window: when it began, and how many."""
    counts = Counter(
        int((line.at - begin) / WINDOW_SECONDS) for line in lines if line.accepted and begin <= line.at < end
    )
    windows = int((end - begin) / WINDOW_SECONDS)
    return [(begin + number * WINDOW_SECONDS, counts[number] / WINDOW_SECONDS) for number in range(windows)]


def recovery(name: str, lines: list[Line], struck_at: float, back_at: float) -> None:
    usual = statistics.mean(rate for _, rate in accepted_rates(lines, struck_at - 4, struck_at))
    after = [line for line in lines if line.at >= back_at]
    first = next(line.at for line in after if line.accepted) - back_at
    rates = accepted_rates(lines, back_at, lines[-1].at)
    full = next((at + WINDOW_SECONDS - back_at for at, rate in rates if rate >= 0.9 * usual), None)
    statuses = Counter(
        f"{line.status} stale" if line.mark == "stale" else str(line.status)
        for line in lines
        if struck_at <= line.at < back_at + first
    )
    said = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    print(
        f"  {name}: away {back_at - struck_at:.1f} s; accepts again after {first:.2f} s, "
        f"{'never' if full is None else f'{full:.1f} s'} until 90 % of {usual:.0f}/s (target 5 s); meanwhile {said}"
    )


def lost(dsn: str, accepted: list[str]) -> tuple[int, int]:
    """Of the accepted analyses: how many are not there, and how many wait without a job."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            """
            select count(*) filter (where analysis.id is null),
                   count(*) filter (where analysis.status = 'pending' and job.id is null)
            from unnest(%s::uuid[]) as given (id)
            left join media_analysis_requests analysis on analysis.id = given.id
            left join processing_jobs job on job.request_id = given.id
            """,
            [accepted],
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def strike(outage: Outage, meanwhile: Callable[[], None]) -> list[tuple[str, float, float]]:
    """Both blows; when each fell, and when the database was back."""
    time.sleep(CALM_SECONDS)
    killed_at = time.time()
    outage.kill_children()
    time.sleep(0.05)  # until the postmaster has noticed
    killed = ("children killed", killed_at, outage.until_back())
    time.sleep(CALM_SECONDS)
    stopped_at = time.time()
    outage.stop()
    time.sleep(AWAY_SECONDS)
    meanwhile()
    outage.start()
    return [killed, ("stopped at once", stopped_at, outage.until_back())]


def measure(folder: Path, own: Embedded) -> None:
    settings = SETTINGS | {"DATABASE_URL": own.dsn}
    with server(folder, log=subprocess.DEVNULL, **settings) as (url, _):
        known = known_analysis(url)
        load = Load(url, folder / "journal", seconds=SECONDS)
        blows = strike(Outage(own), lambda: print(probe(url, known)))
        measure, lines = load.end()
    for blow in blows:
        recovery(blow[0], lines, blow[1], blow[2])
    accepted = [line.accepted for line in lines if line.accepted]
    missing, jobless = lost(own.dsn, accepted)
    silent = sum(line.mark == "silent" for line in lines)
    print(
        f"  accepted {len(accepted):,}, lost {missing}, without a job {jobless}; 503 without Retry-After {silent}; ",
        end="",
    )
    others = Counter(line.status for line in lines if line.status >= 400 and line.status != 503)
    print(f"other errors {dict(others)}, connections lost {measure.failed}; load average {os.getloadavg()[0]:.1f}")


def main() -> None:
    if shutil.which("wrk") is None:
        print("outage: skipped, needs wrk (apt install wrk)")
        return
    with place() as folder:
        own = embedded.start(folder)
        try:
            measure(folder, own)
        finally:
            own.stop()


if __name__ == "__main__":
    main()
