"""The composition root: everything that is opened and closed is opened and closed here, in one order."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypeVar

import msgspec
import uvloop
from starlette.types import ASGIApp

from mediaanalysis.analysis.pipeline import analyze
from mediaanalysis.media import documents, speech, text
from mediaanalysis.media.download import Downloader
from mediaanalysis.metrics import Metrics, watch_event_loop
from mediaanalysis.providers import Providers
from mediaanalysis.providers.cooling import Cooling
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.providers.providers import Agreed
from mediaanalysis.providers.turns import Turns
from mediaanalysis.providers.vendors.client import Network
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.services import Models, Services
from mediaanalysis.settings import Settings
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import embedded, lanes, provider_turns
from mediaanalysis.store.pool import Database, Db
from mediaanalysis.store.signals import Signals
from mediaanalysis.structs.jobs import Job
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.connection_limit import capacity
from mediaanalysis.web.routes import application
from mediaanalysis.web.server import Server
from mediaanalysis.worker import Handler, Worker
from mediaanalysis.worker.retention import sweep_files
from mediaanalysis.worker.sweep import sweep_jobs

Result = TypeVar("Result")


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The database to use: the given one, or the embedded server, running while inside."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    server = embedded.start(settings.data_dir)
    try:
        yield server.dsn
    finally:
        server.stop()


def ask_database(settings: Settings, dsn: str, ask: Callable[[Db], Awaitable[Result]]) -> Result:
    """What a command does with the database alone, over one connection."""

    async def asking() -> Result:
        few = msgspec.structs.replace(settings, pool_min=1, pool_max=1)
        async with await Database.open(few, dsn) as database:
            return await ask(database.pool)

    return uvloop.run(asking())


@asynccontextmanager
async def open_services(
    settings: Settings, dsn: str, vendors: Vendors | None = None, *, network: Network | None = None
) -> AsyncIterator[Services]:
    """Everything the edges need, closed in the reverse order. No `vendors`: the local provider alone.

    `network` stands for what lies between us and the vendors, in tests.
    """
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        storage = Storage.open(settings.storage_url, settings.data_dir)
        sandbox = await asyncio.to_thread(Sandbox, settings.cpu_slots, work=(storage.work_folder,))
        database = await stack.enter_async_context(await Database.open(settings, dsn))
        lag = asyncio.create_task(watch_event_loop(metrics))
        stack.callback(lag.cancel)
        downloader = Downloader(settings)
        stack.push_async_callback(downloader.aclose)
        yield Services(
            settings=settings,
            metrics=metrics,
            database=database,
            signals=await stack.enter_async_context(await Signals.open(database)),
            storage=storage,
            sandbox=sandbox,
            models=await _models(stack, sandbox, settings),
            downloader=downloader,
            providers=await stack.enter_async_context(
                Providers.open(settings, sandbox, metrics, vendors, agreed=_agreed(database), network=network)
            ),
        )


def _agreed(database: Database) -> Agreed:
    """What holds for a provider over all workers: one that asked to be left alone is, and calls are counted."""
    db = database.pool

    async def cool(provider: str, seconds: float, reason: str) -> None:
        await lanes.cool_provider(db, provider, seconds, reason)

    async def cooling() -> Mapping[str, float]:
        return await lanes.cooling_providers(db)

    async def take(provider: str, job: Job) -> int | None:
        return await provider_turns.take(db, provider, job)

    async def give_back(turns: Sequence[int]) -> None:
        await provider_turns.give_back(db, turns)

    return Agreed(Cooling(cool, cooling), Turns(take, give_back))


async def _models(stack: AsyncExitStack, sandbox: Sandbox, settings: Settings) -> Models:
    idle = settings.model_idle_seconds
    models = Models(
        documents=documents.resident(sandbox, idle_seconds=idle, copies=settings.cpu_slots),
        text=text.resident(sandbox, idle_seconds=idle),
        voice=speech.resident(sandbox, idle_seconds=idle),
    )
    for resident in (models.documents, models.text, models.voice):
        stack.push_async_callback(resident.aclose)
    return models


def worker_for(services: Services) -> Worker:
    """The worker of this process, with what it does for each kind of job."""
    handlers: dict[str, Handler] = {
        "analyze": lambda job, _control: analyze(services, job),
        "sweep_files": lambda _job, _control: _sweep(services),
        "sweep_jobs": lambda _job, _control: sweep_jobs(services.database),
    }
    worker = Worker(services, handlers)
    services.metrics.worker_slots.set(worker.slots)
    services.metrics.worker_busy.set_function(lambda: worker.health().running)
    return worker


async def _sweep(services: Services) -> None:
    await sweep_files(services)


async def serve(
    settings: Settings,
    dsn: str,
    listener: socket.socket,
    vendors: Vendors | None,
    access: Access,
    greet: Callable[[], None],
) -> None:
    """Serve until a signal: stop taking requests and claiming jobs together, let both end, close in order.

    `greet` is called when everything is open: nothing is announced that then fails.
    """
    async with open_services(settings, dsn, vendors) as services:
        collect_seldom()
        worker = worker_for(services) if settings.worker_slots else None
        most = capacity(settings.connections_max)
        server = Server(application(services, access, worker.health if worker else None), most)
        _stop_on_signal(server.stop, *([worker.stop] if worker else []))
        greet()
        async with asyncio.TaskGroup() as group:
            if worker:
                group.create_task(worker.run())
            group.create_task(server.serve(sockets=[listener]))


async def work(settings: Settings, dsn: str, vendors: Vendors | None = None) -> None:
    """Run jobs until a signal."""
    async with open_services(settings, dsn, vendors) as services:
        collect_seldom()
        worker = worker_for(services)
        _stop_on_signal(worker.stop)
        await worker.run()


@asynccontextmanager
async def in_process(
    settings: Settings, dsn: str, vendors: Vendors | None = None, *, network: Network | None = None
) -> AsyncIterator[ASGIApp]:
    """The whole service without a socket, for the command line and tests: the application, with a worker behind it."""
    async with open_services(settings, dsn, vendors, network=network) as services:
        worker = worker_for(services)
        running = asyncio.create_task(worker.run())
        try:
            yield application(services, Access.LOCAL, worker.health)
        finally:
            worker.stop()
            await running


def collect_seldom() -> None:
    """For a process that serves or works. The collector of cycles looks at what was loaded never again, and at what is
    new less often: by default it takes a fifth of the time of a busy worker."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _stop_on_signal(*stops: Callable[[], None]) -> None:
    def stop() -> None:
        for each in stops:
            each()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
