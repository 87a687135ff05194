"""How many status polls the cache answers: `python -m tests.bench.polls [seconds]`.

A hundred clients follow analyses of their own: each submits a text, polls after the second that `Retry-After` asks
for, every other one with the ETag it knows, reads the result when it is there, and begins again. The workers are real,
and so is what changes on the way; the model answers after as long as one does. The figure is the service's own:
`mediaanalysis_cache_lookups_total`.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import sys
import time
from pathlib import Path

import httpx

from mediaanalysis import log, migrate
from mediaanalysis.app import in_process
from mediaanalysis.providers import credentials
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded
from tests.analysis.vendors.fake import GOOD, fake_vendors, said
from tests.bench.load import place

SECONDS = 60
CLIENTS = 100
ANSWER_SECONDS = (5.0, 20.0)
UNFINISHED = {"pending", "processing"}


class Model(httpx.AsyncBaseTransport):
    """Thinks for a while, and answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        await asyncio.sleep(random.uniform(*ANSWER_SECONDS))
        return said(GOOD)


class Client:
    """One after the other until time is up."""

    def __init__(self, http: httpx.AsyncClient, number: int) -> None:
        self._http = http
        self._number = number
        self.polls: list[int] = []
        self.changes: list[int] = []

    async def follow_until(self, end: float) -> None:
        await asyncio.sleep(self._number / CLIENTS)  # they did not come all at once
        turn = 0
        while time.monotonic() < end:
            turn += 1
            content = f"Client {self._number} asks for the {turn}. time.".encode()
            form = {"prompt": "What is asked?"}
            sent = await self._http.post("/api/media/analyze", data=form, files={"file": ("a.txt", content)})
            await self._follow(sent.json()["analysis_id"], float(sent.headers["retry-after"]))

    async def _follow(self, analysis_id: str, wait_seconds: float) -> None:
        seen: list[str] = []
        polls = 0
        while True:
            await asyncio.sleep(wait_seconds)
            tags = {"if-none-match": seen[-1]} if seen and self._number % 2 else {}
            answer = await self._http.get(f"/api/media/status/{analysis_id}", headers=tags)
            polls += 1
            if answer.headers["etag"] not in seen[-1:]:
                seen.append(answer.headers["etag"])
            if answer.status_code == 200 and answer.json()["status"] not in UNFINISHED:
                break
        (await self._http.get(f"/api/media/{analysis_id}")).raise_for_status()
        self.polls.append(polls)
        self.changes.append(len(seen))


def patient_vendors(folder: Path) -> Vendors:
    """One that takes as many calls at once as there are clients, so that nobody waits for a turn."""
    fake_vendors(folder)
    file = folder / "providers.toml"
    file.write_text(file.read_text().replace("calls = 8", f"calls = {CLIENTS}"))
    order = {"TRANSCRIPTION_PROVIDERS": "fake", "ANSWER_PROVIDERS": "fake"}
    return credentials.load({"PROVIDERS_FILE": str(file), **order})


async def measure(folder: Path, seconds: float) -> None:
    log.configure(style="text", level="error")
    server = embedded.start(folder)
    try:
        migrate.apply(server.dsn)
        settings = Settings(database_url=server.dsn, data_dir=folder, worker_slots=CLIENTS)
        async with in_process(settings, server.dsn, patient_vendors(folder), network=Model()) as application:
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(base_url="http://localhost", transport=transport, timeout=60) as http:
                clients = [Client(http, number) for number in range(CLIENTS)]
                end = time.monotonic() + seconds
                await asyncio.gather(*(client.follow_until(end) for client in clients))
                report(clients, (await http.get("/metrics")).text)
    finally:
        server.stop()


def report(clients: list[Client], metrics: str) -> None:
    found = dict(re.findall(r'^mediaanalysis_cache_lookups_total\{outcome="(\w+)"\} (\S+)', metrics, re.MULTILINE))
    hits, misses = float(found["hit"]), float(found["miss"])
    polls = [count for client in clients for count in client.polls]
    changes = statistics.mean(count for client in clients for count in client.changes)
    print(
        f"{len(polls)} analyses of {len(clients)} clients, {statistics.mean(polls):.1f} polls each, which saw "
        f"{changes:.1f} states; cache: {hits:,.0f} hits, {misses:,.0f} misses: "
        f"{100 * hits / (hits + misses):.0f} % (target 60 %)"
    )


if __name__ == "__main__":
    with place() as where:
        asyncio.run(measure(where, float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
