"""The status of an analysis: the call that is made most. Answered from the cache before anything else is set up,
held back while a client waits for news (`?wait=`, `Prefer: wait=`), read from the database otherwise."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mediaanalysis.errors import RequestError
from mediaanalysis.store import jobs
from mediaanalysis.store.analyses import Status
from mediaanalysis.store.jobs import Place
from mediaanalysis.structs.requests import AnalysisStatus
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.requests import parameters
from mediaanalysis.web.responses import answers, ranges
from mediaanalysis.web.responses.cache import STATUS_SECONDS, Answer, Cache

PATH = "/api/media/status/{analysis_id}"
PREFIX = PATH.removesuffix("{analysis_id}")
WAIT_MAX_SECONDS = 30
LOST_HINT_SECONDS = 5.0
POSITION_SECONDS = 1.0


class StatusFromCache:
    """ASGI layer in front of the router: a plain `GET` of a status that the cache has is answered at once."""

    def __init__(self, app: ASGIApp, cache: Cache, route: BaseRoute) -> None:
        self._app = app
        self._cache = cache
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(PREFIX) and scope["method"] == "GET" and not scope["query_string"]:
            answer = self._cache.get("status", path[len(PREFIX) :], scope["state"]["owner"])
            if answer is not None and (answer.is_final or not _would_wait(scope)):
                scope["route"] = self._route
                await answers.deliver(answer, scope, send)
                return
        await self._app(scope, receive, send)


def _would_wait(scope: Scope) -> bool:
    return any(name == b"prefer" for name, _ in scope["headers"])


async def status(edge: Edge, request: Request) -> Response:
    """Where the analysis stands; with a wait, as soon as that is news to the client (who says with `If-None-Match`
    what it knows), and at once if the analysis has ended."""
    analysis_id, owner = parameters.analysis_id(request), parameters.owner(request)
    seconds = parameters.wait_seconds(request, WAIT_MAX_SECONDS)
    answer = await current(edge, analysis_id, owner)
    condition = request.headers.get("if-none-match")
    if seconds and not answer.is_final and (condition is None or ranges.matches(condition, answer.etag)):
        answer = await _changed(edge, analysis_id, owner, answer, seconds)
    return answers.EncodedResponse(answer)


async def current(edge: Edge, analysis_id: UUID, owner: UUID) -> Answer:
    """The encoded status; the last known one while the database is away. Raises not_found and deleted."""
    return await edge.cache.read("status", str(analysis_id), owner, lambda: _load(edge, analysis_id, owner))


async def _changed(edge: Edge, analysis_id: UUID, owner: UUID, known: Answer, seconds: float) -> Answer:
    """The first answer that differs from the known one, or the one when time is up. Looks again now and then, since a
    hint may be lost."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    with edge.changes.watching(str(analysis_id)) as changed:
        while True:
            changed.clear()
            answer = await current(edge, analysis_id, owner)
            left = until - clock()
            if answer.etag != known.etag or left <= 0:
                return answer
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOST_HINT_SECONDS)):
                    await changed.wait()


async def read(edge: Edge, analysis_id: UUID, owner: UUID) -> Status:
    """The row, to be shown. Raises not_found and deleted."""
    row = await edge.statuses.add((analysis_id, owner))
    if row is None or row.deleted_at:
        edge.cache.forget(str(analysis_id), owner)
        raise missing(row)
    edge.cache.saw(str(analysis_id), row.updated_at)
    return row


def missing(row: Status | None) -> RequestError:
    """There is none, or there was one."""
    return RequestError("There is no such analysis.", code="not_found") if row is None else deleted()


def deleted() -> RequestError:
    return RequestError("The analysis was deleted.", code="deleted")


def is_final(status: AnalysisStatus) -> bool:
    return status not in (AnalysisStatus.PENDING, AnalysisStatus.PROCESSING)


async def _load(edge: Edge, analysis_id: UUID, owner: UUID) -> Answer:
    """A place in line changes without a word from the database, so that of a waiting analysis is kept for a moment."""
    row = await read(edge, analysis_id, owner)
    if row.status is not AnalysisStatus.PENDING:
        answer = answers.StatusAnswer(**answers.status_fields(row))
        final = is_final(row.status)
        return answers.encoded(answer, is_final=final, keep_seconds=STATUS_SECONDS, version=row.updated_at)
    place = await jobs.read_place(edge.services.database.pool, analysis_id)
    waiting = answers.StatusAnswer(**answers.status_fields(row) | _outlook(place))
    return answers.encoded(waiting, is_final=False, keep_seconds=POSITION_SECONDS, version=row.updated_at)


def _outlook(place: Place | None) -> dict[str, Any]:
    """What can be said about the wait."""
    if place is None:
        return {}
    said = {"queue_position": place.ahead + 1}
    if place.estimated_seconds is not None:
        said["estimated_time"] = math.ceil(place.estimated_seconds)
    return said
