"""What becomes of a job whose attempt did not succeed. Pure: chance comes in as `draw`, 0 to 1."""

from __future__ import annotations

from mediaanalysis.errors import MediaAnalysisError, ProviderError, ResourceError, StaleJob, StoreError
from mediaanalysis.store.jobs import Abandoned
from mediaanalysis.structs.jobs import Ending, Job

CRASHES_MAX = 3
BACKOFF_FIRST_SECONDS = 5.0
BACKOFF_MAX_SECONDS = 900.0
OUTAGE_SECONDS = 1.0
WISH_MAX_SECONDS = 86_400.0


def of_error(job: Job | Abandoned, error: Exception, draw: float) -> Ending:
    """Retry what may work later, within the attempts allowed; fail the rest.

    StaleJob says that the job is no longer wanted: cancelled, its analysis deleted, or not ours any more. A database
    that went away burns no attempt: that was no fault of the job's.
    """
    if isinstance(error, StaleJob):
        return Ending(job.id, job.fence, "cancel")
    known = error if isinstance(error, MediaAnalysisError) else _unexpected(error)
    if isinstance(known, StoreError) and known.is_away:  # its end is written when the database is back
        return Ending(job.id, job.fence, "defer", OUTAGE_SECONDS * (1 + draw), known.code, known.detail)
    if _is_left_alone(known):
        pause_seconds = min(BACKOFF_MAX_SECONDS, retry_after_seconds(known) or 0) * (1 + draw / 4)
        return Ending(job.id, job.fence, "defer", pause_seconds, known.code, known.detail)
    if not known.retryable or job.attempt >= job.max_attempts:
        return Ending(job.id, job.fence, "fail", code=known.code, message=known.detail)
    wish_seconds = min(WISH_MAX_SECONDS, retry_after_seconds(known) or 0)
    delay_seconds = max(backoff_seconds(job.attempt, draw), wish_seconds)
    return Ending(job.id, job.fence, "retry", delay_seconds, known.code, known.detail)


def of_deadline(job: Job | Abandoned, draw: float) -> Ending:
    error = ResourceError(f"attempt {job.attempt} made no progress for too long", code="deadline")
    return of_error(job, error, draw)


def of_abandoned(job: Abandoned, draw: float) -> Ending:
    """A lost worker is not the job's fault, so the attempt is returned; the third time it is, more likely than not."""
    if not job.lost:
        return of_deadline(job, draw)
    if job.crashes + 1 < CRASHES_MAX:
        return Ending(job.id, job.fence, "crash")
    message = f"the worker was lost {CRASHES_MAX} times while running this"
    return Ending(job.id, job.fence, "fail", code="poison", message=message)


def backoff_seconds(attempt: int, draw: float) -> float:
    """Doubling from five seconds to a quarter of an hour; spread over half of it, so that what failed together does
    not come back together.
    """
    full = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** (attempt - 1))
    return full * (0.5 + draw / 2)


def retry_after_seconds(error: Exception) -> float | None:
    """How long the other side asked to be left alone, where it did."""
    return error.retry_after_seconds if isinstance(error, MediaAnalysisError) else None


def _is_left_alone(error: MediaAnalysisError) -> bool:
    """Nobody was called, since all of them asked for rest: no attempt was made, so none is burnt."""
    return isinstance(error, ProviderError) and error.retryable and not error.calls and bool(error.retry_after_seconds)


def _unexpected(error: Exception) -> MediaAnalysisError:
    """A fault of ours: what it says is for the log, not for the client."""
    return MediaAnalysisError(f"an unexpected fault ({type(error).__name__})", code="internal")
