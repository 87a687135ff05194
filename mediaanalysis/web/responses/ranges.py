"""Conditional and partial requests, pure (RFC 9110 §13 and §14)."""

from __future__ import annotations

import re

from msgspec import Struct

_SINGLE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,19})-(\d{0,19})", re.IGNORECASE)


class Span(Struct, frozen=True):
    """Bytes `start` up to, and without, `end`."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range is well-formed and lies outside."""


def matches(condition: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names the entity tag. Weak comparison, as that header has it."""
    if not condition:
        return False
    return condition.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))


def requested(header: str | None, if_range: str | None, etag: str, size: int) -> Span | None:
    """The one range asked for, or None for the whole: no header, another version (`If-Range` compares strongly, and a
    date never matches), not well-formed, or several ranges, which a server may answer with the whole.
    Raises Unsatisfiable."""
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    found = _SINGLE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return _suffix(int(found[2]), size)
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return Span(start, min(last + 1, size))


def _suffix(length: int, size: int) -> Span:
    if length == 0 or size == 0:
        raise Unsatisfiable
    return Span(max(size - length, 0), size)
