"""`media_analysis_requests`: what clients ask for, from acceptance to outcome. See `sql/analyses.sql`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.faults import answered_within
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.jobs import Job
from mediaanalysis.structs.media import Notice
from mediaanalysis.structs.principals import LOCAL, SUBMIT, Principal
from mediaanalysis.structs.requests import AnalysisStatus, Config, MediaType, Options

_SQL = statements.load("analyses")


class Author(Struct, frozen=True):
    """Who changes something, and from which address: for the audit log."""

    actor: str = ""
    address: str = ""


SERVICE = Author()
"""The service itself: the audit log names the process."""


class Unwanted(Struct, frozen=True):
    """An analysis to be deleted, whose, and by whom."""

    id: UUID
    owner_id: UUID
    author: Author = SERVICE


class NewAnalysis(Struct, frozen=True, kw_only=True):
    """A checked request. `original` is the file that came with it, already in storage; else the media is fetched.

    `prompt_hash` and `fingerprint` are SHA-256, hexadecimal: of media identity, prompt and config, and of the whole
    request. `key` is the client's Idempotency-Key and needs the fingerprint. `submits_per_minute` (counted in
    `bucket_id`) and `max_active` are the caller's limits; 0: none.
    """

    id: UUID
    correlation_id: UUID
    owner_id: UUID
    prompt: str
    prompt_hash: str
    media_url: str | None = None
    original_filename: str | None = None
    source_analysis_id: UUID | None = None
    media_type: MediaType = MediaType.UNKNOWN
    priority: int = 5
    config: Config = Config()
    options: Options = Options()
    metadata: dict[str, Any] = {}
    callback_url: str | None = None
    key: str | None = None
    fingerprint: str | None = None
    actor: str | None = None
    address: str | None = None
    original: NewFile | None = None
    bucket_id: UUID | None = None
    submits_per_minute: int = 0
    max_active: int = 0


class Acceptance(StrEnum):
    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    MISMATCH = "mismatch"
    CONFLICT = "conflict"
    SOURCE_MISSING = "source_missing"
    REUSED = "reused"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_ACTIVE = "too_many_active"


class Accepted(Struct, frozen=True):
    """What became of one request. `analysis_id` is the new analysis, or the one the idempotency key stands for, or the
    one that already works on the same question. `remaining`: what is left of the owner's rate, None without a limit;
    `wait_seconds`: until the next may be submitted."""

    outcome: Acceptance
    analysis_id: UUID | None
    remaining: int | None = None
    wait_seconds: float = 0


class Status(Struct, frozen=True, kw_only=True):
    """Where an analysis stands."""

    id: UUID
    correlation_id: UUID
    status: AnalysisStatus
    progress: int
    stage: str | None
    media_type: MediaType
    media_url: str | None
    original_filename: str | None
    result_summary: dict[str, Any] | None
    error_code: str | None
    error_message: str | None
    retry_count: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    deleted_at: datetime | None


class Analysis(Status, frozen=True, kw_only=True):
    """All that is known of an analysis itself."""

    owner_id: UUID
    source_analysis_id: UUID | None
    prompt: str
    priority: int
    config: Config
    options: Options
    model_used: str | None
    latency_ms: int | None
    warnings: tuple[Notice, ...]
    metadata: dict[str, Any]
    callback_url: str | None


class Work(Struct, frozen=True, kw_only=True):
    """What a worker needs to run an analysis. `required_type` is unknown where the client left it open."""

    id: UUID
    correlation_id: UUID
    owner_id: UUID
    source_analysis_id: UUID | None
    media_url: str | None
    original_filename: str | None
    prompt: str
    required_type: MediaType
    config: Config
    options: Options
    callback_url: str | None
    created_at: datetime


STATUS_SECONDS = 5.0
"""Time for a look that takes milliseconds: whoever asks has better to hear that nobody answers."""
ATTEMPTS = 5
"""As often a change that meets another one is tried."""


class Outcome(StrEnum):
    """What became of a client's wish to change an analysis."""

    RATE_LIMITED = "rate_limited"
    TOO_MANY_ACTIVE = "too_many_active"
    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    RETRIED = "retried"
    DELETED = "deleted"
    GONE = "gone"
    WRONG_STATE = "wrong_state"
    EXHAUSTED = "exhausted"


async def accept(db: Db, requests: Sequence[NewAnalysis]) -> list[Accepted]:
    """Accept requests in one round trip, each for itself; what is `accepted` is committed and queued. In their order.

    Outside a transaction, to be quick. Meant for `Batch`, which gathers the requests that arrive together.
    """
    records = await db.fetch(_SQL.accept, requests)
    return rows.every(records, Accepted)


async def read_statuses(db: Db, wanted: Sequence[tuple[UUID, UUID]]) -> list[Status | None]:
    """Where each (analysis, owner) stands, in their order: None where the owner has no such analysis; a deleted one is
    there, with that status. One round trip, meant for `Batch`: those who ask together share it."""
    async with answered_within(STATUS_SECONDS):
        records = await db.fetch(_SQL.read_statuses, *zip(*wanted, strict=True))
    found: list[Status | None] = [None] * len(wanted)
    for record in records:
        found[record["position"] - 1] = rows.one(record, Status)
    return found


async def read_analysis(db: Db, analysis_id: UUID, owner_id: UUID) -> Analysis | None:
    """None where the owner has no such analysis; a deleted one is there, with that status."""
    return rows.one(await db.fetchrow(_SQL.read_analysis, analysis_id, owner_id), Analysis)


async def read_work(db: Db, analysis_id: UUID) -> Work | None:
    """None where nobody waits for it any more."""
    return rows.one(await db.fetchrow(_SQL.read_work, analysis_id), Work)


async def advance(
    db: Db, analysis_id: UUID, job: Job, stage: str, progress: int, media_type: str | None = None
) -> bool:
    """Say where the work stands, in percent. The first report starts the analysis. False: the job was taken away."""
    report = {"stage": stage, "progress": progress, "media_type": media_type}
    return await db.fetchval(_SQL.advance, analysis_id, job.id, job.fence, report) is not None


async def complete(
    db: Db, analysis_id: UUID, *, summary: dict[str, Any], model: str, warnings: Sequence[Notice]
) -> bool:
    """Finish it, inside the transaction that ends the job under its fence. False: cancelled or deleted meanwhile."""
    notices = msgspec.to_builtins(warnings)
    return await db.fetchval(_SQL.complete, analysis_id, summary, model, notices) is not None


async def cancel(db: Db, analysis_id: UUID, owner_id: UUID, author: Author = SERVICE) -> Outcome | None:
    """`cancelled` at once, `cancelling` by its worker, or `wrong_state`. None: no such analysis."""
    return await _settled(db, _SQL.cancel, analysis_id, owner_id, author)


async def delete(db: Db, unwanted: Sequence[Unwanted]) -> list[Outcome | None]:
    """`deleted`, or `gone` if it was before, for each in their order; None: the owner has no such analysis. One round
    trip, meant for `Batch`: those that come together share a commit. What met another change is tried again."""
    said: list[str | None] = [None] * len(unwanted)
    left = list(range(len(unwanted)))
    for attempt in range(1, ATTEMPTS + 1):
        asked = [_asked(unwanted[place], last=attempt == ATTEMPTS) for place in left]
        for record in await db.fetch(_SQL.delete, *zip(*asked, strict=True)):
            said[left[record["position"] - 1]] = record["outcome"]
        left = [place for place in left if said[place] == "moved"]
        if not left:
            break
    return [_outcome(each) for each in said]


def _asked(unwanted: Unwanted, *, last: bool) -> tuple[UUID, UUID, str, str, bool]:
    return unwanted.id, unwanted.owner_id, unwanted.author.actor, unwanted.author.address, last


async def retry(
    db: Db, analysis_id: UUID, owner_id: UUID, author: Author = SERVICE, principal: Principal = LOCAL
) -> Outcome | None:
    """`retried`, `wrong_state`, `exhausted` after ten times, or refused by the principal's limits: `rate_limited` or
    `too_many_active`. None: no such analysis."""
    limits = {"bucket_id": principal.bucket(SUBMIT), **msgspec.structs.asdict(principal.limits)}
    return _outcome(await db.fetchval(_SQL.retry, analysis_id, owner_id, author.actor, author.address, limits))


async def _settled(db: Db, statement: str, analysis_id: UUID, owner_id: UUID, author: Author) -> Outcome | None:
    """A statement waits for the change before it, but sees jobs as they were when it began: where that tells, again."""
    for attempt in range(1, ATTEMPTS + 1):
        last = attempt == ATTEMPTS
        value = await db.fetchval(statement, analysis_id, owner_id, author.actor, author.address, last)
        if value != "moved":
            break
    return _outcome(value)


def _outcome(value: str | None) -> Outcome | None:
    return None if value is None else Outcome(value)
