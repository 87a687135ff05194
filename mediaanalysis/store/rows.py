"""Rows of PostgreSQL as structs: columns become fields of the same name, checked against their types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import asyncpg
import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


def one(record: asyncpg.Record | None, kind: type[Row]) -> Row | None:
    return None if record is None else msgspec.convert(dict(record), kind)


def every(records: Iterable[asyncpg.Record], kind: type[Row]) -> list[Row]:
    return [msgspec.convert(dict(record), kind) for record in records]
