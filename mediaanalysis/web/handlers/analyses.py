"""Analyses: accept, read, retry, cancel, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from mediaanalysis.errors import RequestError
from mediaanalysis.store import analyses as store
from mediaanalysis.store.analyses import Acceptance, Accepted, Author, NewAnalysis, Outcome
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.requests import AnalysisStatus, MediaType
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.handlers import polls, results
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
    async with submissions.received(edge.services, request, analysis_id, required) as submission:
        new = _new_analysis(request, analysis_id, submission, key)
        accepted = await edge.acceptance.add(new)
        if accepted.outcome is Acceptance.REPLAYED:
            return await _replay(edge, request, accepted, submission)
        _raise_refused(accepted.outcome)
    edge.services.metrics.analyses_accepted.labels(new.media_type).inc()
    seconds = await edge.outlook.seconds(new.owner_id, new.media_type)
    answer = answers.AcceptedAnswer(analysis_id, new.correlation_id, AnalysisStatus.PENDING, seconds, MESSAGE)
    return answers.reply(answer, 202, _directions(analysis_id))


def _new_analysis(request: Request, analysis_id: UUID, submission: Submission, key: str | None) -> NewAnalysis:
    wanted, upload, author = submission.wanted, submission.upload, parameters.author(request)
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
    )


def _raise_refused(outcome: Acceptance) -> None:
    if outcome is Acceptance.MISMATCH:
        raise RequestError("The Idempotency-Key was used with another request.", code="idempotency_mismatch")
    if outcome is Acceptance.CONFLICT:
        raise RequestError("A request with this Idempotency-Key is under way.", code="idempotency_conflict")
    if outcome is Acceptance.SOURCE_MISSING:
        raise RequestError("/source_analysis_id: there is no such analysis.", pointer="/source_analysis_id")


async def _replay(edge: Edge, request: Request, accepted: Accepted, submission: Submission) -> Response:
    """The first answer again, about the analysis of then; what was uploaded once more is dropped."""
    await submissions.discard(edge.services, submission.upload)
    assert accepted.analysis_id is not None
    row = await polls.read(edge, accepted.analysis_id, parameters.owner(request))
    seconds = await edge.outlook.seconds(parameters.owner(request), row.media_type)
    answer = answers.AcceptedAnswer(row.id, row.correlation_id, AnalysisStatus.PENDING, seconds, MESSAGE)
    return answers.reply(answer, 202, {**_directions(row.id), "idempotency-replayed": "true"})


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
    return await _moved(edge, request, store.retry)


async def cancel(edge: Edge, request: Request) -> Response:
    """Stop an unfinished analysis: at once if it waits, within a moment if it runs."""
    return await _moved(edge, request, store.cancel)


async def _moved(edge: Edge, request: Request, move: Move) -> Response:
    outcome = await _change(edge, request, move)
    analysis_id, owner = parameters.analysis_id(request), parameters.owner(request)
    row = await polls.read(edge, analysis_id, owner)
    if outcome in (Outcome.WRONG_STATE, Outcome.EXHAUSTED):
        often = " and was retried as often as possible" if outcome is Outcome.EXHAUSTED else ""
        raise RequestError(f"The analysis is {row.status}{often}.", code="wrong_state")
    return answers.reply(answers.StatusAnswer(**answers.status_fields(row)), 202, _directions(analysis_id))


async def delete(edge: Edge, request: Request) -> Response:
    """Hide the analysis and stop its work."""
    if await _change(edge, request, store.delete) is Outcome.GONE:
        raise polls.deleted()
    return Response(status_code=204)


async def _change(edge: Edge, request: Request, change: Move) -> Outcome | None:
    """Make the change, and forget at once what was known before: the announcement of it may take a moment. None of a
    retry or cancel means missing or deleted; reading the row tells which."""
    analysis_id, owner = parameters.analysis_id(request), parameters.owner(request)
    outcome = await change(edge.services.database.pool, analysis_id, owner, parameters.author(request))
    edge.cache.forget(str(analysis_id))
    if outcome is None:
        await polls.read(edge, analysis_id, owner)
    return outcome
