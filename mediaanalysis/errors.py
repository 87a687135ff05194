"""Every error this program raises on purpose, in one tree:

    MediaAnalysisError            code, detail (public text: says what to change), retryable
    ├── RequestError              the client's request; carries a JSON pointer where one value is at fault
    ├── MediaError                the media itself cannot be used; the same bytes will fail again
    ├── FetchError                the URL did not give the media; retryable by cause
    ├── ProviderError             a provider failed; carries its name and how long to stay away
    ├── ResourceError             this machine ran out of something (disk, time, memory); another attempt may do
    ├── BudgetError               doing it would cost more than the request allows; nothing was spent on it
    ├── StoreError                the database is away, or refuses
    ├── StaleJob                  the job was taken away from this worker: drop the work, write nothing
    └── ConfigurationError        the operator's settings; its detail is the one line to print

`CODES` is the stable list clients program against; README repeats it and a test compares. A code's HTTP status is
the status of the response that carries it; codes of analyses that fail in the background have none (they stand in
`error_code`). Raise with a code from the list: an unknown one is a programming error and raises KeyError.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Code(NamedTuple):
    """HTTP status (None: only ever an analysis's `error_code`), title, whether the same request may work later."""

    status: int | None
    title: str
    retryable: bool = False


CODES: dict[str, Code] = {
    # the request
    "bad_json": Code(400, "The body is not valid JSON"),
    "bad_multipart": Code(400, "The body is not valid multipart/form-data"),
    "bad_request": Code(400, "The request is malformed"),
    "missing_field": Code(400, "A required field is missing"),
    "bad_parameter": Code(400, "A query parameter is invalid"),
    "invalid_id": Code(400, "The id is not a UUID"),
    "invalid_value": Code(422, "A value is not allowed"),
    "unknown_field": Code(422, "A field is not known"),
    "unknown_provider": Code(422, "The provider is not available"),
    "not_supported": Code(422, "This is not supported"),
    "url_not_allowed": Code(422, "The URL may not be fetched"),
    "media_unusable": Code(422, "The media cannot be fetched or read"),
    "idempotency_mismatch": Code(422, "The idempotency key was used with another request"),
    "idempotency_conflict": Code(409, "A request with this idempotency key is being accepted", True),
    "unauthorized": Code(401, "A valid API key is needed"),
    "forbidden": Code(403, "This is not permitted"),
    "link_invalid": Code(403, "The link is not valid, or no longer"),
    "not_found": Code(404, "Not found"),
    "method_not_allowed": Code(405, "The method is not allowed here"),
    "wrong_state": Code(409, "The analysis is in another state"),
    "not_ready": Code(409, "The analysis has not come this far yet", True),
    "deleted": Code(410, "The analysis was deleted"),
    "expired": Code(410, "The file was removed after its retention time"),
    "body_too_large": Code(413, "The body is too large"),
    "head_too_large": Code(431, "The head of the request is too large"),
    "unsupported_content_type": Code(415, "The content type is not supported"),
    "request_timeout": Code(408, "The body came too slowly", True),
    "range_not_satisfiable": Code(416, "The range lies outside the file"),
    "rate_limited": Code(429, "Too many requests", True),
    "too_many_active": Code(429, "Too many analyses are unfinished", True),
    # this service
    "internal": Code(500, "Internal error", True),
    "database_unavailable": Code(503, "The database is not reachable", True),
    "storage_unavailable": Code(503, "The file storage is not reachable", True),
    "timeout": Code(503, "The request took too long", True),
    "busy": Code(503, "Too much is asked at once", True),
    "disk_full": Code(507, "The disk is nearly full", True),
    "queue_full": Code(503, "The queue is full", True),
    "shutting_down": Code(503, "The service is stopping", True),
    # the media
    "media_empty": Code(None, "The file is empty"),
    "media_unsupported": Code(None, "The kind of file is not supported"),
    "media_type_mismatch": Code(None, "The content is of another media type than required"),
    "media_damaged": Code(None, "The file is damaged"),
    "media_truncated": Code(None, "The file ends early"),
    "media_encrypted": Code(None, "The file is encrypted"),
    "media_too_long": Code(None, "The media is longer than allowed"),
    "media_too_large": Code(None, "The media is larger than allowed"),
    "converter_missing": Code(None, "No converter for this kind of file is installed"),
    # fetching
    "fetch_refused": Code(None, "The URL may not be fetched"),
    "fetch_not_found": Code(None, "The URL answered that there is nothing"),
    "fetch_failed": Code(None, "The URL could not be fetched", True),
    "fetch_timeout": Code(None, "The URL took too long", True),
    "fetch_too_slow": Code(None, "The URL sent too slowly", True),
    "fetch_too_large": Code(None, "The URL sends more than allowed"),
    "fetch_incomplete": Code(None, "The URL sent less than it declared", True),
    "fetch_redirects": Code(None, "The URL redirects too often"),
    "source_missing": Code(None, "The media of the source analysis is gone"),
    # work
    "provider_failed": Code(None, "The provider failed", True),
    "provider_rejected": Code(None, "The provider refused the input"),
    "budget_exceeded": Code(None, "It would cost more than allowed"),
    "stage_timeout": Code(None, "A stage took too long", True),
    "stage_memory": Code(None, "A stage needed more memory than allowed"),
    "stage_crashed": Code(None, "A program died of this media, twice"),
    "stage_failed": Code(None, "A stage failed", True),
    "deadline": Code(None, "The analysis took too long", True),
    "poison": Code(None, "The worker died three times while running this"),
}

WARNINGS: dict[str, str] = {
    "media_truncated": "The file ends before its declared duration; what could be decoded was used.",
    "duration_unknown": "The container declares no duration; it was measured.",
    "timestamps_broken": "The media has gaps or jumps in its timestamps.",
    "no_speech": "The sound was heard and holds no speech.",
    "channels_cancel": "The channels cancel each other when mixed; one channel was used.",
    "transcription_failed": "The sound could not be transcribed.",
    "frames_failed": "No frame could be decoded.",
    "text_unreadable": "Text could not be read in some pictures.",
    "pages_limited": "The document has more pages than are read.",
    "text_limited": "The document has more text than is kept.",
    "scanned": "The document holds pictures of text; it was read by recognition.",
    "several_audio_tracks": "The media has several audio tracks; one was chosen.",
    "animation_limited": "The animation has more pictures than are looked at.",
    "made_up_cut": "The recogniser repeated itself or made up words where nobody spoke; they were cut.",
    "part_lost": "A part of the sound could not be transcribed; the transcript has a gap there.",
    "speakers_by_part": "Speakers were told apart within parts of the sound only: their labels begin with the part.",
    "answered_in_parts": "There was more than the model takes at once; it was read in parts.",
    "pictures_limited": "The model takes fewer pictures than there are frames; some were not shown to it.",
    "cost_unknown": "The price of a model that was used is not known, and so neither is the cost.",
}


class MediaAnalysisError(Exception):
    """`detail` is public: it names what was found and what to change, and never a secret or a path of this machine.
    `retry_after_seconds`: when the same may work, where that is known; for what was asked of others, their own wish."""

    default_code = "internal"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.retryable = CODES[self.code].retryable if retryable is None else retryable
        self.retry_after_seconds = retry_after_seconds


class RequestError(MediaAnalysisError):
    """`pointer` is an RFC 6901 JSON pointer to the value at fault, or None."""

    default_code = "invalid_value"

    def __init__(self, detail: str, *, code: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.pointer = pointer


class MediaError(MediaAnalysisError):
    default_code = "media_damaged"


class FetchError(MediaAnalysisError):
    default_code = "fetch_failed"


class ProviderError(MediaAnalysisError):
    """`calls` is the path taken before it was given up: `structs.usage.Call`, billed ones included."""

    default_code = "provider_failed"
    calls: tuple[Any, ...] = ()

    def __init__(
        self,
        detail: str,
        *,
        provider: str,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail, code=code, retryable=retryable, retry_after_seconds=retry_after_seconds)
        self.provider = provider


class ResourceError(MediaAnalysisError):
    default_code = "stage_failed"


class BudgetError(MediaAnalysisError):
    default_code = "budget_exceeded"


class StoreError(MediaAnalysisError):
    """`is_away`: the database cannot be reached or takes no writes, whatever it is asked. Not so where it was merely
    busy, slow, or refused this statement."""

    default_code = "database_unavailable"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
        is_away: bool = False,
    ) -> None:
        super().__init__(detail, code=code, retryable=retryable, retry_after_seconds=retry_after_seconds)
        self.is_away = is_away


class StaleJob(MediaAnalysisError):
    """The fence moved on: another worker, a cancel or the deadline took the job. Nothing may be written any more."""


class ConfigurationError(MediaAnalysisError):
    """Shown to the operator as one line; the process ends with a non-zero exit."""
