"""Estimates: what a request would cost, from a look at its media. Nothing is analysed, and nothing is kept."""

from __future__ import annotations

from uuid import UUID, uuid4

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from mediaanalysis.analysis.money import appraise
from mediaanalysis.analysis.money.appraise import Known
from mediaanalysis.analysis.money.estimate import Item, Wish
from mediaanalysis.analysis.money.estimate import estimate as price
from mediaanalysis.errors import FetchError, MediaError, ProviderError, RequestError
from mediaanalysis.store import analyses
from mediaanalysis.structs.media import MediaProbe
from mediaanalysis.structs.requests import AnalyzeRequest, MediaType
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.requests import parameters, submissions
from mediaanalysis.web.requests.submissions import Submission
from mediaanalysis.web.responses import answers


class EstimateAnswer(Struct, frozen=True):
    """Who would be called first, how often and with how much: rather more than less. `cost_usd` null: a price is not
    known. `within_budget` is there where the request has `config.max_cost_usd`; false: it would be refused."""

    media: MediaProbe
    items: tuple[Item, ...]
    cost_usd: float | None
    within_budget: bool | None


async def estimate(edge: Edge, request: Request) -> Response:
    """The price of a request, which is checked as if it were to be analysed."""
    async with submissions.received(edge, request, uuid4(), MediaType.UNKNOWN) as submission:
        try:
            known = await _look_in_turn(edge, submission, parameters.owner(request))
        finally:
            await submissions.discard(edge.services, submission.upload)
    return answers.reply(_priced(edge, submission.wanted, known))


async def _look_in_turn(edge: Edge, submission: Submission, owner: UUID) -> Known:
    """Media is fetched and probed by this process, not by a worker: so a few at a time."""
    await edge.estimates.wait(owner)
    with edge.estimates.taken(owner):
        return await _look(edge, submission, owner)


async def _look(edge: Edge, submission: Submission, owner: UUID) -> Known:
    wanted, services = submission.wanted, edge.services
    pointer = "/file" if submission.upload else "/media_url"
    try:
        if submission.upload:
            return Known(await appraise.of_upload(services, submission.upload.stored.key), transcribed=False)
        if wanted.media_url is not None:
            return Known(await appraise.of_url(services, wanted.media_url), transcribed=False)
    except (MediaError, FetchError) as error:
        raise RequestError(f"{error.code}: {error.detail}", code="media_unusable", pointer=pointer) from None
    assert wanted.source_analysis_id is not None
    return await _known(edge, wanted.source_analysis_id, owner, wanted)


async def _known(edge: Edge, analysis_id: UUID, owner: UUID, wanted: AnalyzeRequest) -> Known:
    """Of an earlier analysis. Its transcript counts where the same would be asked of the same recognisers."""
    source = await analyses.read_analysis(edge.services.database.pool, analysis_id, owner)
    if source is None or source.deleted_at:
        raise RequestError("/source_analysis_id: there is no such analysis.", pointer="/source_analysis_id")
    known = await appraise.of_analysis(edge.services, analysis_id)
    same = _listening(AnalyzeRequest("-", config=source.config, options=source.options)) == _listening(wanted)
    return Known(known.probe, known.transcribed and same)


def _listening(wanted: AnalyzeRequest) -> tuple[object, ...]:
    config = wanted.config
    return config.transcription_provider, config.transcription_model, config.language, wanted.options.partial


def _priced(edge: Edge, wanted: AnalyzeRequest, known: Known) -> EstimateAnswer:
    if known.probe is None:
        raise RequestError("The source analysis has not looked at its media yet.", code="not_ready")
    _require_type(wanted, known.probe)
    wish = Wish(wanted.prompt, wanted.config, wanted.options, known.transcribed)
    try:
        found = price(edge.services.providers, known.probe, wish)
    except ProviderError as error:
        raise RequestError(error.detail, pointer="/config") from None
    limit_usd, cost_usd = wanted.config.max_cost_usd, found.cost_usd
    within = None if limit_usd is None else cost_usd is not None and cost_usd <= limit_usd
    return EstimateAnswer(known.probe, found.items, cost_usd, within)


def _require_type(wanted: AnalyzeRequest, found: MediaProbe) -> None:
    if wanted.media_type not in (MediaType.UNKNOWN, found.media_type):
        detail = f"media_type_mismatch: {wanted.media_type} was required, but the content is {found.media_type}."
        raise RequestError(detail, code="media_unusable", pointer="/media_type")
