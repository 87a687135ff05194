"""Parts of a stage: each is a checkpoint of its own, so that what was paid for is not paid for again.

A part's calls of providers and its checkpoint are written together: a crash leaves both or neither.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from mediaanalysis import log
from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Stage
from mediaanalysis.errors import MediaAnalysisError, StaleJob
from mediaanalysis.store import provider_calls, stages
from mediaanalysis.store.pool import Db
from mediaanalysis.store.stages import Reusable, StageEnd
from mediaanalysis.structs.usage import Call, total

Output = TypeVar("Output")

_log = log.get("analysis")


class Part(Struct, frozen=True):
    """One part of a stage. `number` counts from 1; `parameters` are all that its output depends on, besides media."""

    stage: Stage[Any]
    number: int
    parameters: Any

    def key(self, context: Context) -> str:
        """SHA-256 over all that decides the output, hexadecimal."""
        named = (self.stage.name, self.stage.version, "part", context.media_checksum, self.parameters)
        return sha256(msgspec.json.encode(named, order="deterministic")).hexdigest()


Run = Callable[[list[Call]], Awaitable[Output]]
"""Does a part. The list it is given gets each call of a provider as it ends, whatever comes of the part."""


async def pass_part(context: Context, part: Part, output: type[Output], run: Run[Output]) -> Output:
    """What the part gives: as it was kept, or done now and kept. What `run` raises is put on record, and raised."""
    key = part.key(context)
    analysis = context.analysis
    found = await stages.find_reusable(context.db, analysis.owner_id, analysis.id, part.stage.name, key)
    if found is not None:
        return await _take_over(context, part, key, found, output)
    started = time.monotonic()
    if not await stages.start(context.db, analysis.id, context.job, part.stage.name, key, part.number):
        raise StaleJob("the job was taken away from this worker")
    calls: list[Call] = []
    try:
        given = await run(calls)
    except MediaAnalysisError as error:
        end = StageEnd.failed(part.stage.name, key, error.code, _milliseconds(started), part.number)
        await _keep(context, part, end, calls)
        raise
    except asyncio.CancelledError:
        await asyncio.shield(_record(context.db, context, part, calls))
        raise
    await _keep(context, part, _done(part, key, given, calls, started), calls)
    return given


async def _take_over(context: Context, part: Part, key: str, found: Reusable, output: type[Output]) -> Output:
    if found.request_id != context.analysis.id:
        end = StageEnd.reused(part.stage.name, key, found, part.number)
        await _keep(context, part, end, ())
    _log.info("part_reused", stage=part.stage.name, chunk=part.number, reused_from=str(found.request_id))
    return msgspec.convert(found.output, output)


def _done(part: Part, key: str, given: Any, calls: Sequence[Call], started: float) -> StageEnd:
    usage, last = total(tuple(calls)), calls[-1] if calls else None
    return StageEnd(
        stage=part.stage.name,
        state="done",
        input_key=key,
        chunk=part.number,
        output=msgspec.to_builtins(given),
        provider=last.provider if last else None,
        model=last.model if last else None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
        duration_ms=_milliseconds(started),
    )


async def _keep(context: Context, part: Part, end: StageEnd, calls: Sequence[Call]) -> None:
    """Ledger and checkpoint in one transaction, also while the attempt is being stopped: the money is spent.

    Raises StaleJob where the job is no longer ours: then there is no checkpoint, but the ledger stands.
    """
    if not await asyncio.shield(_written(context, part, end, calls)):
        raise StaleJob("the job was taken away from this worker")


async def _written(context: Context, part: Part, end: StageEnd, calls: Sequence[Call]) -> bool:
    async with context.services.database.transaction() as connection:
        await _record(connection, context, part, calls)
        return await stages.finish(connection, context.analysis.id, context.job, end)


async def _record(db: Db, context: Context, part: Part, calls: Sequence[Call]) -> None:
    """Put calls on record."""
    for call in calls:
        await provider_calls.add(db, context.analysis.id, part.stage.name, part.number, call)


def _milliseconds(started: float) -> int:
    return round(1000 * (time.monotonic() - started))
