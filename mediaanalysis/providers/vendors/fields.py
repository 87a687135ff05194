"""Reading what others wrote: values of the type that is expected, or None. Vendors leave out, rename and retype."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]


def number(value: Any) -> float | None:
    """A finite number, also where it is written as text (`"8.47"`, `"1.100s"`)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value.strip().removesuffix("s") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: Any) -> int | None:
    """A number of things, not negative."""
    found = number(value)
    return None if found is None or found < 0 else round(found)


def text(value: Any) -> str:
    """Text, without the characters PostgreSQL and terminals refuse; empty where it is none."""
    return value.replace("\0", "") if isinstance(value, str) else ""


def share(value: Any) -> float | None:
    """A confidence, 0 to 1."""
    found = number(value)
    return None if found is None or not 0 <= found <= 1 else found


def mapping(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> Iterator[Object]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, Mapping))


def label(value: Any) -> str | None:
    """A speaker: `spk_1`, `S1`, 0."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    return str(value)[:64]
