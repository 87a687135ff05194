"""Analyses: accept, read, retry, cancel, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from mediaanalysis.errors import RequestError
from mediaanalysis.store import analyses as store
from mediaanalysis.store.analyses import Acceptance, Accepted, Author, NewAnalysis, Outcome, Unwanted
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.principals import SUBMIT
from mediaanalysis.structs.requests import AnalysisStatus, MediaType
from mediaanalysis.web import problems
from mediaanalysis.web.access import meter
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.handlers import polls, results
from mediaanalysis.web.problems import Refusal
from mediaanalysis.web.requests import parameters, submissions
from mediaanalysis.web.requests.submissions import Submission
from mediaanalysis.web.responses import answers

MESSAGE = "Accepted. Follow its status at the address in Location."

Move = Callable[[Db, UUID, UUID, Author], Awaitable[Outcome | None]]


async def analyze(edge: Edge, request: Request) -> Response:
    """Media of any kind."""
    return await _accept(edge, request, MediaType.UNKNOWN)


async def video(edge: Edge, request: Request) -> Response:
    return await _accept(edge, request, MediaType.VIDEO)


async def audio(edge: Edge, request: Request) -> Response:
    return await _accept(edge, request, MediaType.AUDIO)


async def document(edge: Edge, request: Request) -> Response:
    return await _accept(edge, request, MediaType.DOCUMENT)


async def image(edge: Edge, request: Request) -> Response:
    return await _accept(edge, request, MediaType.IMAGE)


async def _accept(edge: Edge, request: Request, required: MediaType) -> Response:
    """202 once the analysis and its job are committed. Requests that arrive together share one statement."""
    analysis_id = uuid4()
    key = parameters.idempotency_key(request)
    await edge.outlook.require_room()
    async with submissions.received(edge, request, analysis_id, required) as submission:
        new = _new_analysis(request, analysis_id, submission, key)
        accepted = await edge.acceptance.add(new)
        if accepted.outcome in (Acceptance.REPLAYED, Acceptance.REUSED):
            return await _replay(edge, request, accepted, submission)
        _raise_refused(edge, request, accepted)
    _say_rate(request, accepted)
    edge.services.metrics.analyses_accepted.labels(new.media_type).inc()
    seconds = await edge.outlook.seconds(new.owner_id, new.media_type)
    answer = answers.AcceptedAnswer(analysis_id, new.correlation_id, AnalysisStatus.PENDING, seconds, MESSAGE)
    return answers.reply(answer, 202, _directions(analysis_id))


def _new_analysis(request: Request, analysis_id: UUID, submission: Submission, key: str | None) -> NewAnalysis:
    wanted, upload, author = submission.wanted, submission.upload, parameters.author(request)
    principal = parameters.principal(request)
    return NewAnalysis(
        id=analysis_id,
        correlation_id=request.scope["state"]["correlation_id"],
        owner_id=parameters.owner(request),
        prompt=wanted.prompt,
        prompt_hash=submission.prompt_hash,
        media_url=wanted.media_url,
        original_filename=upload.filename if upload else None,
        source_analysis_id=wanted.source_analysis_id,
        media_type=wanted.media_type,
        priority=wanted.priority,
        config=wanted.config,
        options=wanted.options,
        metadata=wanted.metadata,
        key=key,
        fingerprint=submission.fingerprint if key else None,
        actor=author.actor,
        address=author.address,
        original=upload.as_file() if upload else None,
        bucket_id=principal.bucket(SUBMIT),
        submits_per_minute=principal.limits.submits_per_minute,
        max_active=principal.limits.max_active,
    )


def _raise_refused(edge: Edge, request: Request, accepted: Accepted) -> None:
    principal = parameters.principal(request)
    match accepted.outcome:
        case Acceptance.MISMATCH:
            raise RequestError("The Idempotency-Key was used with another request.", code="idempotency_mismatch")
        case Acceptance.CONFLICT:
            raise RequestError("A request with this Idempotency-Key is under way.", code="idempotency_conflict")
        case Acceptance.SOURCE_MISSING:
            raise RequestError("/source_analysis_id: there is no such analysis.", pointer="/source_analysis_id")
        case Acceptance.RATE_LIMITED:
            edge.meter.refuse(principal, SUBMIT, accepted.wait_seconds)
        case Acceptance.TOO_MANY_ACTIVE:
            raise _too_many_active(principal.limits.max_active)


def _too_many_active(limit: int) -> Refusal:
    return Refusal(
        f"You have {limit} unfinished analyses, which is your limit. Wait for some to end, or cancel them.",
        code="too_many_active",
        headers={"retry-after": str(problems.RETRY_AFTER_SECONDS)},
    )


def _say_rate(request: Request, accepted: Accepted) -> None:
    if accepted.remaining is not None:
        limit = parameters.principal(request).per_minute(SUBMIT)
        request.scope["state"]["headers"] += meter.headers(SUBMIT, limit, accepted.remaining)


async def _replay(edge: Edge, request: Request, accepted: Accepted, submission: Submission) -> Response:
    """The first answer again, about the analysis of then, or the same about one that is under way; what was uploaded
    once more is dropped."""
    await submissions.discard(edge.services, submission.upload)
    assert accepted.analysis_id is not None
    row = await polls.read(edge, accepted.analysis_id, parameters.owner(request))
    seconds = await edge.outlook.seconds(parameters.owner(request), row.media_type)
    answer = answers.AcceptedAnswer(row.id, row.correlation_id, AnalysisStatus.PENDING, seconds, MESSAGE)
    mark = "idempotency-replayed" if accepted.outcome is Acceptance.REPLAYED else "analysis-reused"
    return answers.reply(answer, 202, {**_directions(row.id), mark: "true"})


def _directions(analysis_id: UUID) -> dict[str, str]:
    """Where to look, and when."""
    return {"location": f"{polls.PREFIX}{analysis_id}", "retry-after": str(answers.ASK_AGAIN_SECONDS)}


async def result(edge: Edge, request: Request) -> Response:
    """All that is known of the analysis, whatever it has come to."""
    analysis_id, owner = parameters.analysis_id(request), parameters.owner(request)
    return answers.EncodedResponse(
        await edge.cache.read("result", str(analysis_id), owner, lambda: results.load(edge, analysis_id, owner))
    )


async def retry(edge: Edge, request: Request) -> Response:
    """Run a failed or cancelled analysis again: what its stages finished before is not done twice."""
    return await _moved(edge, request, partial(store.retry, principal=parameters.principal(request)))


async def cancel(edge: Edge, request: Request) -> Response:
    """Stop an unfinished analysis: at once if it waits, within a moment if it runs."""
    return await _moved(edge, request, store.cancel)


async def _moved(edge: Edge, request: Request, move: Move) -> Response:
    outcome = await _change(edge, request, move)
    limits = parameters.principal(request).limits
    if outcome is Outcome.TOO_MANY_ACTIVE:
        raise _too_many_active(limits.max_active)
    if outcome is Outcome.RATE_LIMITED:
        raise meter.refusal(SUBMIT, limits.submits_per_minute, meter.WINDOW_SECONDS / limits.submits_per_minute)
    analysis_id, owner = parameters.analysis_id(request), parameters.owner(request)
    row = await polls.read(edge, analysis_id, owner)
    if outcome in (Outcome.WRONG_STATE, Outcome.EXHAUSTED):
        often = " and was retried as often as possible" if outcome is Outcome.EXHAUSTED else ""
        raise RequestError(f"The analysis is {row.status}{often}.", code="wrong_state")
    return answers.reply(answers.StatusAnswer(**answers.status_fields(row)), 202, _directions(analysis_id))


async def delete(edge: Edge, request: Request) -> Response:
    """Hide the analysis and stop its work."""

    async def remove(_db: Db, analysis_id: UUID, owner: UUID, author: Author) -> Outcome | None:
        return await edge.removal.add(Unwanted(analysis_id, owner, author))

    if await _change(edge, request, remove) is Outcome.GONE:
        raise polls.deleted()
    return Response(status_code=204)


async def _change(edge: Edge, request: Request, change: Move) -> Outcome | None:
    """Make the change, and forget at once what was known before: the announcement of it may take a moment, and where
    the database failed nobody knows whether it was made. None of a retry or cancel means missing or deleted; reading
    the row tells which."""
    analysis_id, owner = parameters.analysis_id(request), parameters.owner(request)
    try:
        outcome = await change(edge.services.database.pool, analysis_id, owner, parameters.author(request))
    finally:
        edge.cache.forget(str(analysis_id), owner)
    if outcome is None:
        await polls.read(edge, analysis_id, owner)
    return outcome
