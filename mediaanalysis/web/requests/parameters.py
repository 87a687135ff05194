"""Path, query and header parameters of a request, read and checked. A bad one names itself and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID

from starlette.requests import Request

from mediaanalysis.errors import RequestError
from mediaanalysis.store.analyses import Author
from mediaanalysis.structs.principals import Principal
from mediaanalysis.web.access.proxies import canonical
from mediaanalysis.web.requests.bodies import pointer_to

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?:$|[,;\s])", re.IGNORECASE)
_KEY = re.compile(r"[!-~]{1,255}")
NUMBER_MAX = 999_999_999
"""Of numbers that have no limit of their own."""


def analysis_id(request: Request) -> UUID:
    """The path's analysis. Raises invalid_id."""
    text: str = request.path_params["analysis_id"]
    try:
        return UUID(text)
    except ValueError:
        raise RequestError("An analysis id is a UUID.", code="invalid_id", pointer="/analysis_id") from None


def owner(request: Request) -> UUID:
    found: UUID = request.scope["state"]["owner"]
    return found


def principal(request: Request) -> Principal:
    found: Principal = request.scope["state"]["principal"]
    return found


def author(request: Request) -> Author:
    """Who asks and from where, for the audit log."""
    address = request.client.host if request.client else ""
    return Author(actor=principal(request).name, address=_inet(address))


@lru_cache(maxsize=1024)
def _inet(text: str) -> str:
    """The address as PostgreSQL's `inet` takes it, without the zone of a link-local one; "" for what is no address."""
    return canonical(text.partition("%")[0]) or ""


def wait_seconds(request: Request, at_most: int) -> int:
    """How long the client would wait: `?wait=`, else `Prefer: wait=`; never more than `at_most`."""
    if request.scope["query_string"] and "wait" in request.query_params:
        return min(number(request, "wait", 0, minimum=0), at_most)
    preferred = _WAIT.search(request.headers.get("prefer", ""))
    return min(int(preferred[1]), at_most) if preferred else 0


def idempotency_key(request: Request) -> str | None:
    """The header `Idempotency-Key`: 1 to 255 visible ASCII characters."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise RequestError("Idempotency-Key: 1 to 255 visible ASCII characters.", code="bad_request")
    return key


def bad(name: str, expected: str) -> RequestError:
    return RequestError(f"{name}: expected {expected}.", code="bad_parameter", pointer=pointer_to(name))


def check_known(request: Request, names: Collection[str]) -> None:
    """Raise for a parameter nobody reads: it is a typing error more often than not."""
    for name in request.query_params:
        if name not in names:
            raise bad(name, f"one of {', '.join(names)}")


def number(request: Request, name: str, default: int, *, minimum: int, maximum: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not minimum <= int(text) <= (maximum or NUMBER_MAX):
        raise bad(name, f"a whole number from {minimum}" + (f" to {maximum}" if maximum else ""))
    return int(text)


def choice(request: Request, name: str, choices: Collection[str], default: str | None = None) -> str | None:
    text = request.query_params.get(name, default)
    if text is not None and text not in choices:
        raise bad(name, f"one of {', '.join(choices)}")
    return text


def moment(request: Request, name: str, *, end_of_day: bool = False) -> datetime | None:
    """A time (without zone: UTC), or a date, which means its first or, with `end_of_day`, its last microsecond."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            start = datetime.combine(date.fromisoformat(text), time(), UTC)
            return start + timedelta(days=1, microseconds=-1) if end_of_day else start
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not escaped
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise bad(name, "a date or a time of ISO 8601") from None
