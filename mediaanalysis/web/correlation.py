"""What ties a request to others of its client: the correlation id, and the trace it is a part of."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4


def correlation(headers: Mapping[bytes, bytes]) -> UUID:
    """`X-Correlation-ID` if it is a UUID, else the trace id of a well-formed `traceparent`, else a new one."""
    given = _uuid(headers.get(b"x-correlation-id", b""))
    if given is None and (trace := trace_parent(headers)):
        given = UUID(trace[3:35].decode())
    return given or uuid4()


def trace_parent(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The `traceparent` header (W3C: version-trace-parent-flags in lower-case hex, no zero ids), if well-formed."""
    given = headers.get(b"traceparent", b"")
    parts = given.split(b"-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or parts[0] == b"ff":
        return None
    is_hex = not given.replace(b"-", b"").strip(b"0123456789abcdef")
    return given if is_hex and parts[1].strip(b"0") and parts[2].strip(b"0") else None


def _uuid(text: bytes) -> UUID | None:
    try:
        return UUID(text.decode("ascii")) if len(text) in (32, 36) else None
    except ValueError:
        return None
