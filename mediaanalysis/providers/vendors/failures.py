"""Why a call gave nothing, in the few kinds that decide what happens next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from mediaanalysis.errors import ProviderError
from mediaanalysis.providers.wire import Metered

DETAIL_MAX_CHARACTERS = 300
QUOTA_PAUSE_SECONDS = 300.0
NOT_BILLED = Metered(input_tokens=0, output_tokens=0, cost_usd=0.0)


class Kind(StrEnum):
    """The outcome of a call that failed, as it stands in `Call.outcome`."""

    REJECTED = "rejected"  # our request: the same one will never do
    CREDENTIALS = "credentials"  # the key, or what it may do
    REFUSED = "refused"  # the content, by a filter: another vendor may see it otherwise
    QUOTA = "quota"  # credit or quota is used up
    BUSY = "busy"  # too many requests
    FAILED = "failed"  # the vendor's fault, or the network's
    TIMEOUT = "timeout"
    UNUSABLE = "unusable"  # an answer came, and it is none
    CANCELLED = "cancelled"  # by us: nobody waits for it any more


class Effect(NamedTuple):
    """`next_one`: another provider may be asked. `temporary`: the same one may do later. `sick`: counts against it."""

    code: str
    next_one: bool
    temporary: bool
    sick: bool


EFFECTS: dict[Kind, Effect] = {
    Kind.REJECTED: Effect("provider_rejected", next_one=False, temporary=False, sick=False),
    Kind.CREDENTIALS: Effect("provider_rejected", next_one=False, temporary=False, sick=False),
    Kind.REFUSED: Effect("provider_rejected", next_one=True, temporary=False, sick=False),
    Kind.QUOTA: Effect("provider_failed", next_one=True, temporary=True, sick=False),
    Kind.BUSY: Effect("provider_failed", next_one=True, temporary=True, sick=False),
    Kind.FAILED: Effect("provider_failed", next_one=True, temporary=True, sick=True),
    Kind.TIMEOUT: Effect("provider_failed", next_one=True, temporary=True, sick=True),
    Kind.UNUSABLE: Effect("provider_failed", next_one=True, temporary=True, sick=True),
    Kind.CANCELLED: Effect("provider_failed", next_one=False, temporary=True, sick=False),
}

BY_STATUS: dict[int, Kind] = {
    401: Kind.CREDENTIALS,
    402: Kind.QUOTA,
    403: Kind.CREDENTIALS,
    408: Kind.TIMEOUT,
    409: Kind.FAILED,
    425: Kind.FAILED,
    429: Kind.BUSY,
    451: Kind.REFUSED,
    498: Kind.BUSY,
    499: Kind.FAILED,
    504: Kind.TIMEOUT,
    524: Kind.TIMEOUT,
    529: Kind.BUSY,
}


def of_status(status: int) -> Kind:
    """What an HTTP status says where the body says nothing better."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    if 300 <= status < 400:
        return Kind.UNUSABLE
    return Kind.FAILED if status >= 500 else Kind.REJECTED


class Failure(ProviderError):
    """A call that gave nothing. `metered` is what was billed all the same; None: nobody knows.

    `retry_after_seconds` is the vendor's wish, which all workers heed; `wait_seconds` how long to wait here.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        provider: str,
        retry_after_seconds: float | None = None,
        metered: Metered | None = None,
        request_id: str | None = None,
    ) -> None:
        effect = EFFECTS[kind]
        pause = retry_after_seconds or (QUOTA_PAUSE_SECONDS if kind is Kind.QUOTA else None)
        super().__init__(
            f"{provider}: {detail}",
            provider=provider,
            code=effect.code,
            retryable=effect.temporary,
            retry_after_seconds=pause,
        )
        self.kind = kind
        self.effect = effect
        self.wait_seconds = pause
        self.metered = metered
        self.request_id = request_id


SECRETS = (
    re.compile(r"(?i)\bbearer\s+\S+"),
    re.compile(r"(?i)\b[\w-]*(?:key|token|secret)[=:]\s*[\"']?[^\s\"',;]{6,}"),
    re.compile(r"\b(?:sk|gsk|pk|rk|nvapi|hf|dg)[-_][\w*.-]{6,}"),
    re.compile(r"\b(?:AIza|ya29\.|eyJ)[\w*.-]{8,}"),
    re.compile(r"[\w-]*\*{3,}[\w-]*"),
)
"""What looks like a key, or a part of one: vendors repeat them in their messages."""


def redacted(text: str, secrets: Iterable[str | None] = ()) -> str:
    """One line without keys, short enough to be kept."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    for pattern in SECRETS:
        text = pattern.sub("***", text)
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= DETAIL_MAX_CHARACTERS else f"{line[: DETAIL_MAX_CHARACTERS - 1]}…"
