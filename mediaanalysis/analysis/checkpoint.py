"""One stage: take over what was already done, else run it and keep the outcome, fenced, before the next one starts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mediaanalysis import log
from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Artifact, Ledger, Produced, Stage
from mediaanalysis.errors import WARNINGS, BudgetError, MediaAnalysisError, StaleJob, StoreError
from mediaanalysis.storage import faults
from mediaanalysis.storage.layout import RETENTION_DAYS
from mediaanalysis.store import files, stages
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.stages import Reusable, StageEnd
from mediaanalysis.structs.media import Notice

Output = TypeVar("Output")

_log = log.get("analysis")


async def pass_stage(context: Context, stage: Stage[Any]) -> None:
    """Leave the stage behind: skipped, taken over or run. Raises what the stage raised, unless it may be missing."""
    if stage.wanted(context):
        key = stage.input_key(context)
        found = await stages.find_reusable(context.db, context.analysis.owner_id, context.analysis.id, stage.name, key)
        if found is None or not await _take_over(context, stage, key, found):
            await _run_or_warn(context, stage, key)
    await context.report(stage, 1)


async def _take_over(context: Context, stage: Stage[Output], key: str, found: Reusable) -> bool:
    """Use a finished stage of this or another analysis of the owner; False where its files are gone."""
    if found.request_id != context.analysis.id:
        copies = await _copy_files(context, stage, found)
        if copies is None:
            return False
        output = msgspec.convert(found.output, stage.output)
        await _keep(context, stage, output, copies, StageEnd.reused(stage.name, key, found))
    _accept(context, stage, msgspec.convert(found.output, stage.output))
    _log.info("stage_reused", stage=stage.name, reused_from=str(found.request_id))
    return True


async def _run_or_warn(context: Context, stage: Stage[Any], key: str) -> None:
    try:
        await _run(context, stage, key)
    except (StaleJob, BudgetError):
        raise
    except MediaAnalysisError as error:
        last = context.job.attempt >= context.job.max_attempts
        is_away = isinstance(error, StoreError) and error.is_away
        if stage.warning is None or is_away or (error.retryable and not last):
            raise
        context.failures.append(error)
        context.notices.append(Notice(stage.warning, f"{WARNINGS[stage.warning]} {error.detail}", stage.name))


async def _run(context: Context, stage: Stage[Output], key: str) -> None:
    watch = _Stopwatch.start()
    await context.report(stage, 0)
    await _require(stages.start(context.db, context.analysis.id, context.job, stage.name, key))
    try:
        with faults.filling():
            produced = await stage.run(context)
            kept = await asyncio.gather(*(_store(context, stage, artifact) for artifact in produced.artifacts))
    except MediaAnalysisError as error:
        end = StageEnd.failed(stage.name, key, error.code, watch.duration_ms)
        await stages.finish(context.db, context.analysis.id, context.job, end)
        _observe(context, stage, watch, "failed")
        raise
    end = _done(stage, key, produced, watch)
    await _keep(context, stage, produced.output, list(kept), end)
    _observe(context, stage, watch, "done")
    _accept(context, stage, produced.output)


def _done(stage: Stage[Output], key: str, produced: Produced[Output], watch: _Stopwatch) -> StageEnd:
    ledger: Ledger = produced.ledger
    return StageEnd(
        stage=stage.name,
        state="done",
        input_key=key if stage.reusable(produced.output) else None,
        output=msgspec.to_builtins(produced.output),
        provider=ledger.provider,
        model=ledger.model,
        input_tokens=ledger.input_tokens,
        output_tokens=ledger.output_tokens,
        cost_usd=ledger.cost_usd,
        duration_ms=watch.duration_ms,
    )


async def _keep(context: Context, stage: Stage[Output], output: Output, kept: list[NewFile], end: StageEnd) -> None:
    """Checkpoint, files and the stage's own rows: all or nothing, and nothing if the fence moved on."""
    async with context.services.database.transaction() as connection:
        await _require(stages.finish(connection, context.analysis.id, context.job, end))
        await files.add(connection, context.analysis.id, kept)
        if stage.record is not None:
            await stage.record(connection, context, output)


def _accept(context: Context, stage: Stage[Output], output: Output) -> None:
    context.outputs[stage.name] = output
    for notice in getattr(output, "notices", ()):
        context.notices.append(msgspec.structs.replace(notice, stage=notice.stage or stage.name))


async def _require(write: Any) -> None:
    if not await write:
        raise StaleJob("the job was taken away from this worker", code="internal")


async def _store(context: Context, stage: Stage[Any], artifact: Artifact) -> NewFile:
    """Put a file where its kind belongs; its key is ours, made of the analysis and the file's number."""
    assert stage.file_kind is not None
    key = context.key(stage.file_kind, artifact.filename)
    stored = await context.services.storage.put_file(key, Path(artifact.path))
    return NewFile(
        kind=stage.file_kind,
        filename=artifact.filename,
        storage_path=key,
        size_bytes=stored.size_bytes,
        checksum=stored.checksum,
        mime_type=artifact.mime_type,
        retention_days=RETENTION_DAYS[stage.file_kind],
        width=artifact.width,
        height=artifact.height,
        at_seconds=artifact.at_seconds,
    )


async def _copy_files(context: Context, stage: Stage[Any], found: Reusable) -> list[NewFile] | None:
    """Copies of the files a finished stage left, or None if any is gone."""
    if stage.file_kind is None:
        return []
    rows = await files.list_kind(context.db, found.request_id, stage.file_kind)
    if any(row.deleted_at for row in rows):
        return None
    return list(await asyncio.gather(*(_copy(context, stage.file_kind, row) for row in rows)))


async def _copy(context: Context, kind: str, row: files.FileRow) -> NewFile:
    key = context.key(kind, row.filename)
    await context.services.storage.copy(row.storage_path, key)
    return NewFile.copied(row, key)


def _observe(context: Context, stage: Stage[Any], watch: _Stopwatch, state: str) -> None:
    context.services.metrics.stage_seconds.labels(stage.name, state).observe(watch.duration_ms / 1000)
    _log.info("stage_finished", stage=stage.name, state=state, duration_ms=watch.duration_ms)


@dataclass(frozen=True, slots=True)
class _Stopwatch:
    started: float

    @classmethod
    def start(cls) -> _Stopwatch:
        return cls(time.monotonic())

    @property
    def duration_ms(self) -> int:
        return round(1000 * (time.monotonic() - self.started))
