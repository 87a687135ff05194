"""Every address of the service, in one table, and the application made of it.

Gate               ids, headers, problems, log, metrics                 middleware
  Authentication     keys, signed links, scopes, rates, visitors        access
    StatusFromCache    the busiest call, answered before anything else  polls
      Deadline           nothing waits for ever                         deadline
        Router             the table below
          Resource           method to handler; HEAD, OPTIONS, 405

Where settings ask for them, two layers lie around these: outermost CORS headers (`access.cors`), so that pages may read
every answer, then the client's address from trusted proxies (`access.proxies`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediaanalysis.errors import RequestError
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.store import analyses as store
from mediaanalysis.store.batch import Batch
from mediaanalysis.store.signals import CHANGED
from mediaanalysis.web.access.authentication import Authentication
from mediaanalysis.web.access.browsers import Visitors
from mediaanalysis.web.access.concurrency import Concurrency
from mediaanalysis.web.access.cors import allowed, opened
from mediaanalysis.web.access.keyring import Access, Keyring
from mediaanalysis.web.access.meter import Meter
from mediaanalysis.web.access.proxies import heeding, networks
from mediaanalysis.web.deadline import Deadline
from mediaanalysis.web.description import docs, pages
from mediaanalysis.web.edge import Crew, Edge
from mediaanalysis.web.handlers import analyses, estimates, files, history, links, operations, polls
from mediaanalysis.web.middleware import Gate
from mediaanalysis.web.problems import Refusal
from mediaanalysis.web.responses.cache import Cache
from mediaanalysis.web.responses.changes import Changes
from mediaanalysis.web.responses.outlook import Outlook

Handler = Callable[[Edge, Request], Awaitable[Response]]

# Looked through from the top: what is asked most stands first.
ROUTES: dict[str, dict[str, Handler]] = {
    polls.PATH: {"GET": polls.status},
    "/api/media/analyze": {"POST": analyses.analyze},
    "/api/media/estimate": {"POST": estimates.estimate},
    "/api/media/video": {"POST": analyses.video},
    "/api/media/audio": {"POST": analyses.audio},
    "/api/media/documents": {"POST": analyses.document},
    "/api/media/images": {"POST": analyses.image},
    "/api/media/history": {"GET": history.page},
    "/api/media/{analysis_id}": {"GET": analyses.result, "DELETE": analyses.delete},
    "/api/media/{analysis_id}/retry": {"POST": analyses.retry},
    "/api/media/{analysis_id}/cancel": {"POST": analyses.cancel},
    "/api/media/{analysis_id}/transcript": {"GET": files.transcript},
    "/api/media/{analysis_id}/contact-sheet": {"GET": files.contact_sheet},
    "/api/media/{analysis_id}/frames": {"GET": files.frames},
    "/api/media/{analysis_id}/frames/{n}": {"GET": files.frame},
    "/api/media/{analysis_id}/files/{name}": {"GET": files.file},
    "/api/media/{analysis_id}/links": {"GET": links.links},
    "/health": {"GET": operations.health},
    "/health/ready": {"GET": operations.ready},
    "/metrics": {"GET": operations.metrics},
    "/openapi.json": {"GET": operations.description},
    "/docs": {"GET": docs.docs},
    "/": {"GET": pages.start},
}


class Resource:
    """One address: dispatches on the method, answers OPTIONS, and HEAD as GET without its body."""

    def __init__(self, edge: Edge, handlers: Mapping[str, Handler]) -> None:
        self._edge = edge
        self._handlers = {**handlers, "HEAD": handlers["GET"]} if "GET" in handlers else dict(handlers)
        self._allow = {"allow": ", ".join(sorted({*self._handlers, "OPTIONS"}))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        handler = self._handlers.get(method)
        if handler is not None:
            response = await handler(self._edge, Request(scope, receive))
        elif method == "OPTIONS":
            response = Response(status_code=204, headers=self._allow)
        else:
            raise Refusal(f"{method} is not possible here.", code="method_not_allowed", headers=self._allow)
        await response(scope, receive, _bodiless(send) if method == "HEAD" else send)


def _bodiless(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


async def not_found(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RequestError(f"There is nothing at {scope['path']!r}.", code="not_found")


def _edge(services: Services, access: Access, crew: Crew | None) -> Edge:
    signals = services.signals
    most = services.settings.cache_bytes
    cache = Cache(lambda: signals.connection if signals.alive else None, services.metrics, max_bytes=most)
    changes = Changes()

    def hear(analysis_id: str) -> None:
        cache.forget(analysis_id)
        changes.announce(analysis_id)

    signals.subscribe(CHANGED, hear)
    pool = services.database.pool
    acceptance, statuses = Batch(partial(store.accept, pool)), Batch(partial(store.read_statuses, pool))
    removal = Batch(partial(store.delete, pool))
    keyring, meter = Keyring(services, access), Meter(pool)
    estimates = Concurrency(max(2, services.settings.cpu_slots))
    return Edge(
        services, acceptance, statuses, removal, cache, changes, Outlook(services), keyring, meter, estimates, crew
    )


def application(services: Services, access: Access, crew: Crew | None = None) -> ASGIApp:
    """The HTTP application over open services, which tells how the `crew` is. Made and called inside one event loop."""
    edge = _edge(services, access, crew)
    routes = {path: Route(path, Resource(edge, handlers)) for path, handlers in ROUTES.items()}
    router = Router([*routes.values()], redirect_slashes=False, default=not_found)
    patient = Deadline(router, services.settings.fetch_min_bytes_per_second)
    quick = polls.StatusFromCache(patient, edge.cache, routes[polls.PATH])
    origins = allowed(services.settings.cors_origins)
    known = Authentication(quick, edge.keyring, edge.meter, _visitors(services.settings, origins))
    return opened(heeding(Gate(known, services.metrics), networks(services.settings.trusted_proxies)), origins)


def _visitors(settings: Settings, origins: frozenset[str]) -> Visitors:
    return Visitors(None if settings.allow_without_keys else frozenset({settings.listen_host.lower()}), origins)
