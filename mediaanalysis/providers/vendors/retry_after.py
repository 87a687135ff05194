"""How long a vendor asks to be left alone, in all the forms it may say so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from mediaanalysis.providers.vendors.faults import retry_delay_seconds

MAX_SECONDS = 3600.0
"""No vendor can send us away for longer: a wrong clock there must not stop us for a year."""


def retry_after_seconds(headers: Mapping[str, str], body: Any = None, *, now: datetime | None = None) -> float | None:
    """`retry-after-ms`, `Retry-After` in seconds or as a date, or a delay in the body. None: nothing was said."""
    wish = _milliseconds(headers.get("retry-after-ms"))
    if wish is None:
        wish = _seconds_or_date(headers.get("retry-after"), now or datetime.now(UTC))
    if wish is None:
        wish = retry_delay_seconds(body)
    if wish is None or not math.isfinite(wish) or wish < 0:
        return None
    return min(wish, MAX_SECONDS)


def _milliseconds(text: str | None) -> float | None:
    number = _number(text)
    return None if number is None else number / 1000


def _seconds_or_date(text: str | None, now: datetime) -> float | None:
    number = _number(text)
    if number is not None or not text:
        return number
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
