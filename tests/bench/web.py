"""The web edge against floors, in one run: `python -m tests.bench.web`.

Each floor and each of our calls is served by one uvicorn process (uvloop, httptools) and asked by `wrk` over loopback,
in turns, three times; the median counts. Floors, on uvicorn as it comes: a constant Starlette route, and Starlette with
asyncpg inserting or reading one row. PostgreSQL is the embedded one with fsync on. Needs wrk (`apt install wrk`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid4

import asyncpg
import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mediaanalysis import log, migrate
from mediaanalysis.media.download import Downloader
from mediaanalysis.metrics import Metrics
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import embedded
from mediaanalysis.store.pool import Database
from mediaanalysis.store.signals import Signals
from mediaanalysis.structs.requests import Config
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application
from mediaanalysis.web.server import Server

SECONDS = int(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = 3
HISTORY_ROWS = 1_000_000
OWNER = UUID(int=0)
FINISHED = UUID(int=7)
SCRIPT = Path(__file__).with_name("web.lua")
BODY = '{"prompt": "What is it?", "media_url": "http://example.com/a.mp4", "metadata": {"order": 7}}'
JSON = "application/json"
KEY = "ma_of_the_bench"

KEY_ROW = """
    insert into api_keys (name, owner_id, key_hash, prefix, submits_per_minute, polls_per_minute, max_active)
    values ('bench', $1, encode(sha256($2), 'hex'), 'ma_', 1000000000, 1000000000, 0)
"""
FINISHED_ROW = """
    insert into media_analysis_requests
        (id, owner_id, prompt, prompt_hash, status, progress, completed_at, latency_ms, result_summary)
    values ($1, $2, 'p', repeat('0', 64), 'completed', 100, now(), 4200, '{"summary": "A talk.", "topics": ["talk"]}')
"""
HISTORY = """
    insert into media_analysis_requests
        (owner_id, prompt, prompt_hash, media_url, status, progress, media_type, created_at, completed_at,
         latency_ms, priority)
    select $1, 'prompt ' || n, repeat('0', 64), 'http://example.com/' || n,
           case when n % 50 = 0 then 'cancelled' else 'completed' end::media_analysis_status, 100,
           (enum_range(null::media_type_enum))[1 + n % 5], now() - n * interval '1 second', now(), 4200, n % 11
      from generate_series(1, $2::integer) n
"""


class Call(NamedTuple):
    """What is asked: of which application, and how."""

    app: str
    path: str
    method: str = "GET"
    connections: int = 32


CALLS = {
    "floor: constant route": Call("constant", "/"),
    "floor: one-row insert": Call("rows", "/", "POST"),
    "floor: one-row read": Call("rows", "/"),
    "accept": Call("service", "/api/media/analyze", "POST"),
    "accept, with a key": Call("keyed", "/api/media/analyze", "POST"),
    "status, cached": Call("service", f"/api/media/status/{FINISHED}"),
    "status, cached, with a key": Call("keyed", f"/api/media/status/{FINISHED}"),
    "status, not cached": Call("deaf", f"/api/media/status/{FINISHED}"),
    "history, first page of a million": Call("service", "/api/media/history", connections=1),
}
TARGETS = {
    "accept": ("floor: one-row insert", 0.8),
    "status, not cached": ("floor: one-row read", 0.8),
}


class Measure(msgspec.Struct, frozen=True):
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int


class AnyProvider:
    def check(self, _config: Config) -> None:
        """All are fine."""


class Deaf:
    """Nobody listens to the database: nothing may be cached."""

    alive = False

    def subscribe(self, _channel: str, _listener: object) -> None:
        """There will be nothing to hear."""


# ------------------------------------------------------------------------------------------------ what is measured


@asynccontextmanager
async def constant(_settings: Settings, _dsn: str) -> AsyncIterator[ASGIApp]:
    async def answer(_request: Request) -> Response:
        return Response(b'{"status": "ok"}', media_type=JSON)

    yield Starlette(routes=[Route("/", answer)])


@asynccontextmanager
async def rows(_settings: Settings, dsn: str) -> AsyncIterator[ASGIApp]:
    """One row in, one row out, and nothing else: no checks, no job, no audit, no log."""
    async with asyncpg.create_pool(dsn, min_size=5, max_size=50) as pool:

        async def insert(request: Request) -> Response:
            body, row_id = await request.body(), uuid4()
            await pool.execute("insert into floor (id, body) values ($1, $2)", row_id, body.decode())
            return Response(b'{"id": "%s"}' % str(row_id).encode(), status_code=202, media_type=JSON)

        async def read(_request: Request) -> Response:
            row = await pool.fetchrow("select id, body from floor where id = $1", FINISHED)
            return Response(msgspec.json.encode(dict(row)), media_type=JSON)

        yield Starlette(routes=[Route("/", read), Route("/", insert, methods=["POST"])])


@asynccontextmanager
async def service(settings: Settings, dsn: str, access: Access = Access.LOCAL) -> AsyncIterator[ASGIApp]:
    """The real application, its log as JSON at level info."""
    log.configure(style="json", level="info")
    async with await Database.open(settings, dsn) as database, await Signals.open(database) as signals:
        yield application(_services(settings, database, signals), access)


@asynccontextmanager
async def deaf(settings: Settings, dsn: str) -> AsyncIterator[ASGIApp]:
    """The real application as it is while nobody listens: without its cache."""
    log.configure(style="json", level="info")
    async with await Database.open(settings, dsn) as database:
        yield application(_services(settings, database, cast("Signals", Deaf())), Access.LOCAL)


def _services(settings: Settings, database: Database, signals: Signals) -> Services:
    unused = cast("Any", None)
    return Services(
        settings=settings,
        metrics=Metrics(),
        database=database,
        signals=signals,
        storage=Storage.open(None, settings.data_dir),
        sandbox=unused,
        models=unused,
        downloader=Downloader(settings),
        providers=cast("Any", AnyProvider()),
    )


FLOORS = ("constant", "rows")
APPS = {
    "constant": constant,
    "rows": rows,
    "service": service,
    "keyed": partial(service, access=Access.KEYS),
    "deaf": deaf,
}


async def serve(name: str, dsn: str, place: str, port: int) -> None:
    settings = Settings(database_url=dsn, data_dir=Path(place))
    async with APPS[name](settings, dsn) as app:
        server = plain(app) if name in FLOORS else Server(app)
        await server.serve(sockets=[socket.create_server(("127.0.0.1", port), backlog=2048)])


def plain(app: ASGIApp) -> uvicorn.Server:
    """uvicorn without what our server adds."""
    return uvicorn.Server(
        uvicorn.Config(app, loop="none", http="httptools", lifespan="off", access_log=False, log_config=None)
    )


# ------------------------------------------------------------------------------------------------ how it is measured


@contextmanager
def running(name: str, dsn: str, place: Path) -> Iterator[str]:
    """An application in a process of its own; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.web", name, dsn, str(place), str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the application did not start")


def ask(address: str, call: Call) -> Measure:
    wrk = ["wrk", "-t1", f"-c{call.connections}", f"-d{SECONDS}s", "-s", str(SCRIPT), address + call.path]
    asked = {"BENCH_METHOD": call.method, "BENCH_BODY": BODY if call.method == "POST" else "", "BENCH_KEY": KEY}
    output = subprocess.run(wrk, env=os.environ | asked, check=True, capture_output=True, text=True).stdout
    return msgspec.json.decode(output.partition("REPORT ")[2], type=Measure)


async def prepare(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table floor (id uuid primary key, body text, at timestamptz default now())")
    await connection.execute("insert into floor (id, body) values ($1, $2)", FINISHED, BODY)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(FINISHED_ROW, FINISHED, OWNER)
    await connection.execute(KEY_ROW, OWNER, KEY.encode())
    await connection.execute(HISTORY, OWNER, HISTORY_ROWS, timeout=600)
    await connection.execute("vacuum analyze media_analysis_requests", timeout=600)
    await connection.close()


def measure(dsn: str, place: Path) -> dict[str, Measure]:
    """The median round of each call."""
    found: dict[str, list[Measure]] = {name: [] for name in CALLS}
    for _ in range(ROUNDS):
        for app in APPS:
            with running(app, dsn, place) as address:
                for name, call in CALLS.items():
                    if call.app == app:
                        found[name].append(ask(address, call))
    return {name: sorted(rounds, key=lambda each: each.rate)[ROUNDS // 2] for name, rounds in found.items()}


def report(measures: dict[str, Measure]) -> str:
    lines = [f"{'web edge':<34}{'per s':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'failed':>8}"]
    for name, each in measures.items():
        figures = f"{each.rate:>9.0f}{each.p50_ms:>9.2f}{each.p95_ms:>9.2f}{each.p99_ms:>9.2f}{each.failed:>8}"
        lines.append(f"{name:<34}{figures}{_verdict(name, measures)}")
    return "\n".join(lines)


def _verdict(name: str, measures: dict[str, Measure]) -> str:
    if name not in TARGETS:
        return ""
    floor, least = TARGETS[name]
    return f"   {measures[name].rate / measures[floor].rate:.2f} of the floor (at least {least})"


def main() -> None:
    if shutil.which("wrk") is None:
        print("web edge: skipped, needs wrk (apt install wrk)")
        return
    place = Path(tempfile.mkdtemp(prefix="mediaanalysis-bench-"))
    place.chmod(0o755)  # PostgreSQL does not run as root: where we are root, its user must get in
    server = embedded.start(place)
    try:
        migrate.apply(server.dsn)
        asyncio.run(prepare(server.dsn))
        print(report(measure(server.dsn, place)))
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        main()
