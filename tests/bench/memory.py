"""Whether memory stays flat: `python -m tests.bench.memory [analyses]`, 10,000 unless told.

Small texts, and 16x16 pictures among them, go through one `serve` with workers and the local provider. The memory of
the process and of its children is looked at all the while, and compared: the first quarter of the analyses with the
last one. Afterwards no child, no work folder and no job may be left.
"""

from __future__ import annotations

import asyncio
import io
import os
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import httpx
import psutil
from PIL import Image

from tests.bench.service import ended, server

ANALYSES = 10_000
CLIENTS = 12
PICTURE_EVERY = 10
SAMPLE_EVERY = 50
WARM_SHARE = 0.05
"""Of the analyses; until then code is loaded and caches fill. They are not compared."""

SETTINGS = {"WORKER_SLOTS": "8", "MODEL_IDLE_SECONDS": "10", "QUEUE_MAX_JOBS": "0", "CACHE_BYTES": "1000000"}
"""The cache is full before the first quarter is over: what grows then is a leak."""


class Sample(NamedTuple):
    analyses: int
    own_bytes: int
    children_bytes: int
    children: int
    descriptors: int


class Run:
    """The analyses, by as many clients at once, and what was seen meanwhile."""

    def __init__(self, client: httpx.AsyncClient, process: psutil.Process, analyses: int) -> None:
        self.samples: list[Sample] = []
        self.endings: dict[str, int] = {}
        self._client = client
        self._process = process
        self._left = iter(range(analyses))
        self._done = 0

    async def go(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._one_after_another())

    async def _one_after_another(self) -> None:
        for number in self._left:
            status = await self._analyze(number)
            self.endings[status] = self.endings.get(status, 0) + 1
            self._done += 1
            if self._done % SAMPLE_EVERY == 0:
                self.samples.append(look(self._process, self._done))

    async def _analyze(self, number: int) -> str:
        file = ("p.png", picture(number)) if number % PICTURE_EVERY == 0 else ("t.txt", text(number))
        form = {"prompt": "What is said?", "options": '{"frame_count": 1}'}
        answer = await self._client.post("/api/media/analyze", data=form, files={"file": file})
        answer.raise_for_status()
        return str((await ended(self._client, answer.json()["analysis_id"]))["status"])


def text(number: int) -> bytes:
    return f"Order {number} was sent on Monday. It arrived after {number % 9 + 2} days.\n".encode()


def picture(number: int) -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 251, number // 251 % 251, number % 241)).save(into, "PNG")
    return into.getvalue()


def look(process: psutil.Process, analyses: int) -> Sample:
    sizes = [size(child) for child in process.children(recursive=True)]
    return Sample(analyses, process.memory_info().rss, sum(sizes), len(sizes), process.num_fds())


def size(process: psutil.Process) -> int:
    """0 for one that has just ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def report(samples: list[Sample]) -> None:
    warm = [each for each in samples if each.analyses >= samples[-1].analyses * WARM_SHARE]
    quarter = max(2, len(warm) // 4)
    for name in ("own_bytes", "children_bytes", "children", "descriptors"):
        values = [getattr(each, name) for each in warm]
        unit = 1e6 if name.endswith("bytes") else 1
        first, last = (statistics.median(part) / unit for part in (values[:quarter], values[-quarter:]))
        slope = statistics.linear_regression([each.analyses for each in warm], values).slope * 1000 / unit
        about = name.replace("_bytes", ", MB")
        print(f"  {about:<14} first quarter {first:8.1f}, last {last:8.1f}, {slope:+.2f} per 1,000 analyses")


async def until_idle(process: psutil.Process) -> int:
    """The children that are left once resident ones had time to leave."""
    for _ in range(60):
        if not process.children(recursive=True):
            return 0
        await asyncio.sleep(0.5)
    return len(process.children(recursive=True))


async def measure(url: str, process: psutil.Process, place: Path, analyses: int) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
        run, began = Run(client, process, analyses), perf_counter()
        await run.go()
        took = perf_counter() - began
        endings = ", ".join(f"{count:,} {status}" for status, count in run.endings.items())
        print(f"{endings} in {took:.0f} s: {analyses / took:.1f} per s, load average {os.getloadavg()[0]:.1f}")
        report(run.samples)
        folders = len(list((place / "data" / "storage" / "temp").iterdir()))
        print(f"left over: {await until_idle(process)} children, {folders} work folders, {await jobs(client)} jobs")
        print(f"  own, MB at rest afterwards: {process.memory_info().rss / 1e6:.1f}")


async def jobs(client: httpx.AsyncClient) -> int:
    lines = (await client.get("/metrics")).text.splitlines()
    counted = [line for line in lines if line.startswith('mediaanalysis_queue_jobs{kind="analyze"')]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in counted))


def main() -> None:
    analyses = int(sys.argv[1]) if len(sys.argv) > 1 else ANALYSES
    with tempfile.TemporaryDirectory(prefix="mediaanalysis-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # PostgreSQL runs as its own user where we are root
        with server(place, **SETTINGS) as (url, process):
            asyncio.run(measure(url, process, place, analyses))


if __name__ == "__main__":
    main()
