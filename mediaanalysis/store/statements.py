"""SQL by name: `sql/<subject>.sql` holds blocks, each with its purpose and its parameters, pasteable into psql.

    -- name: read_status
    -- Where one analysis stands.
    -- $1 analysis_id uuid, $2 owner_id uuid
    select …

A block without parameters leaves the third line out. The text that is sent begins with the block's name, so
`pg_stat_activity` and the server's log show it.
"""

from __future__ import annotations

import re

from msgspec import Struct

from mediaanalysis import resources
from mediaanalysis.errors import ConfigurationError

_BLOCK = re.compile(
    r"^-- name:[ \t]*(?P<name>.*?)[ \t]*\n(?P<header>(?:--.*\n)*)(?P<body>(?:(?!-- name:).*\n?)*)", re.MULTILINE
)
_NAME = re.compile(r"[a-z]+(_[a-z0-9]+)*")
_PARAMETER = re.compile(r"\$(?P<number>\d+) (?P<name>[a-z_]+) (?P<type>[a-z0-9_]+(?:\[\])?)")


class Parameter(Struct, frozen=True):
    """`type` is PostgreSQL's name for it, such as `uuid` or `text[]`."""

    name: str
    type: str


class Statement(Struct, frozen=True):
    name: str
    purpose: str
    parameters: tuple[Parameter, ...]
    sql: str


class Statements:
    """The blocks of one file. Each is an attribute with its SQL; a missing one raises AttributeError."""

    def __init__(self, blocks: dict[str, Statement]) -> None:
        self.blocks = blocks

    def __getattr__(self, name: str) -> str:
        try:
            return self.blocks[name].sql
        except KeyError:
            raise AttributeError(f"no block named {name}") from None


def load(subject: str) -> Statements:
    """The blocks of `sql/<subject>.sql`. Raises ConfigurationError where the file is missing or badly written."""
    path = resources.folder("sql") / f"{subject}.sql"
    try:
        return Statements(parse(path.read_text(encoding="utf-8"), path.name))
    except FileNotFoundError:
        raise ConfigurationError(f"the installation lacks sql/{path.name}: install mediaanalysis again") from None


def parse(text: str, source: str) -> dict[str, Statement]:
    """Blocks by name, in order. `source` is named in errors."""
    blocks: dict[str, Statement] = {}
    for match in _BLOCK.finditer(text):
        block = _statement(match["name"], match["header"], match["body"], source)
        if block.name in blocks:
            raise ConfigurationError(f"{source}: block {block.name} stands there twice")
        blocks[block.name] = block
    if not blocks:
        raise ConfigurationError(f"{source}: holds no block")
    return blocks


def _statement(name: str, header: str, body: str, source: str) -> Statement:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{source}: {name!r} is no name for a block, expected verb_noun")
    lines = [line.removeprefix("--").strip() for line in header.splitlines()]
    purpose = " ".join(line for line in lines if not line.startswith("$"))
    sql = body.strip().removesuffix(";")
    if not purpose or not sql:
        raise ConfigurationError(f"{source}: block {name} lacks its {'statement' if purpose else 'purpose'}")
    parameters = _parameters(" ".join(line for line in lines if line.startswith("$")), f"{source}: block {name}")
    return Statement(name, purpose, parameters, f"-- {name}\n{sql}")


def _parameters(text: str, place: str) -> tuple[Parameter, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found = [_PARAMETER.fullmatch(part) for part in parts]
    for number, (part, match) in enumerate(zip(parts, found, strict=True), start=1):
        if match is None or int(match["number"]) != number:
            raise ConfigurationError(f"{place}: parameter {part!r}, expected '${number} name type'")
    return tuple(Parameter(match["name"], match["type"]) for match in found if match)
