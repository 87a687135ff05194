"""An analysis from its job to its result: the first stages, the branches of its media type side by side, the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from mediaanalysis import log
from mediaanalysis.analysis import kinds
from mediaanalysis.analysis.checkpoint import pass_stage
from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.kinds import Branch
from mediaanalysis.analysis.money.estimate import Estimate, Wish, estimate
from mediaanalysis.analysis.stages.answer import ANSWER
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.analysis.stages.pages import PAGES
from mediaanalysis.analysis.stages.probe import PROBE, require_type
from mediaanalysis.analysis.stages.read_text import READ_TEXT
from mediaanalysis.analysis.stages.transcribe import TRANSCRIBE
from mediaanalysis.errors import WARNINGS, ProviderError
from mediaanalysis.services import Services
from mediaanalysis.store import analyses, results, stages
from mediaanalysis.store.pool import Connection
from mediaanalysis.structs.jobs import Job
from mediaanalysis.structs.media import Notice

PERCEIVING: Branch = (FRAMES, TRANSCRIBE, READ_TEXT, PAGES)

Finish = Callable[[Connection], Awaitable[None]]


async def analyze(services: Services, job: Job) -> Finish | None:
    """Run the analysis of a job. The returned function writes the result inside the transaction that ends the job.

    Raises MediaAnalysisError as the stage that could not be done without did. None: the analysis is gone.
    """
    assert job.request_id is not None
    analysis = await analyses.read_work(services.database.pool, job.request_id)
    if analysis is None:
        return None
    log.bind(correlation_id=str(analysis.correlation_id), analysis_id=str(analysis.id))
    async with services.storage.workspace(analysis.id) as folder:
        context = Context(services, job, analysis, folder)
        await _run(context)
        return _finish(context)


async def _run(context: Context) -> None:
    await _pass_all(context, kinds.FIRST)
    probe = context.need(PROBE)
    require_type(context, probe)
    context.progress.expect(kinds.stages(probe.media_type))
    await context.report(PROBE, 1, media_type=probe.media_type)
    await _require_budget(context)
    await _side_by_side(context, kinds.BRANCHES[probe.media_type])
    _require_something(context)
    await _pass_all(context, kinds.LAST)


async def _pass_all(context: Context, branch: Branch) -> None:
    for stage in branch:
        await pass_stage(context, stage)


async def _side_by_side(context: Context, branches: tuple[Branch, ...]) -> None:
    """Run the branches together; the first failure stops the others and is raised as it was."""
    try:
        async with asyncio.TaskGroup() as group:
            for branch in branches:
                group.create_task(_pass_all(context, branch))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _require_budget(context: Context) -> None:
    """Refuse before anything is spent. A transcript that is there already costs nothing again."""
    analysis = context.analysis
    if analysis.config.max_cost_usd is None:
        return
    key = TRANSCRIBE.input_key(context)
    found = await stages.find_reusable(context.db, analysis.owner_id, analysis.id, TRANSCRIBE.name, key)
    wish = Wish(analysis.prompt, analysis.config, analysis.options, transcribed=found is not None)
    _estimated(context, wish).require(analysis.config.max_cost_usd)


def _estimated(context: Context, wish: Wish) -> Estimate:
    """Where nobody can transcribe, nothing is spent on it: that failure is the stage's."""
    providers, probe = context.services.providers, context.need(PROBE)
    try:
        return estimate(providers, probe, wish)
    except ProviderError:
        return estimate(providers, probe, msgspec.structs.replace(wish, transcribed=True))


def _require_something(context: Context) -> None:
    """An analysis that neither saw, heard nor read anything because its stages failed has failed."""
    if context.failures and all(context.of(stage) is None for stage in PERCEIVING):
        raise context.failures[0]


def _finish(context: Context) -> Finish:
    answer, analysis_id = context.need(ANSWER), context.analysis.id

    async def finish(connection: Connection) -> None:
        media_type = context.need(PROBE).media_type
        cost_usd = await results.put(connection, analysis_id, context.analysis.prompt, media_type, answer)
        unknown = [Notice("cost_unknown", WARNINGS["cost_unknown"])] if cost_usd is None else []
        await analyses.complete(
            connection,
            analysis_id,
            summary={"summary": answer.summary, "topics": list(answer.topics)},
            model=answer.model,
            warnings=[*context.notices, *unknown],
        )

    return finish
