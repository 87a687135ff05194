"""`mediaanalysis keys`: who may use the service. As soon as there is a key, every caller needs one."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from mediaanalysis import migrate
from mediaanalysis.app import database_url
from mediaanalysis.commands import grants
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.settings import Settings
from mediaanalysis.store import api_keys
from mediaanalysis.store.analyses import Author
from mediaanalysis.store.api_keys import ApiKey, Grants, NewKey
from mediaanalysis.store.pool import Database, Db
from mediaanalysis.structs.principals import LOCAL_OWNER, SCOPES

HELP = "Make, list, rotate and revoke API keys."
KEY_BYTES = 32
PREFIX_CHARACTERS = 10

Result = TypeVar("Result")


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key; it is shown once")
    create.add_argument("name", metavar="NAME", help="what people call it")
    create.add_argument("--scopes", default="read,write", help=f"of {', '.join(SCOPES)} (default: %(default)s)")
    create.add_argument(
        "--expires", metavar="WHEN", help="a date or time of ISO 8601, or a span: 12h, 90d (default: never)"
    )
    create.add_argument(
        "--rate",
        metavar="LIMITS",
        help="per minute submit=60,poll=600,upload=2G and, at once, active=50; a number alone: submit; 0: no limit "
        "(default: the service's settings)",
    )
    create.add_argument(
        "--owner", metavar="KEY", help="share the analyses of this key; `local`: those made without keys"
    )
    listed = actions.add_parser("list", help="all keys, and what became of them")
    listed.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser("revoke", help="withdraw a key at once")
    rotate = actions.add_parser("rotate", help="replace a key by a new one with the same owner and rights")
    for action in (revoke, rotate):
        action.add_argument("key", metavar="KEY", help="its name, its first characters or its id")
    rotate.add_argument(
        "--grace", metavar="SPAN", default="0s", help="the old one works so long: 24h (default: not at all)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with database_url(settings) as dsn:
        migrate.require(dsn)
        action = ACTIONS[arguments.action]
        return _with_database(settings, dsn, lambda db: action(db, arguments))


def any_exist(settings: Settings, dsn: str) -> bool:
    """Whether a key was ever made."""
    return _with_database(settings, dsn, api_keys.any_exist)


def _with_database(settings: Settings, dsn: str, act: Callable[[Db], Awaitable[Result]]) -> Result:
    async def acting() -> Result:
        few = msgspec.structs.replace(settings, pool_min=1, pool_max=1)
        async with await Database.open(few, dsn) as database:
            return await act(database.pool)

    return uvloop.run(acting())


async def _create(db: Db, arguments: argparse.Namespace) -> int:
    name = arguments.name.strip()
    if not name or not name.isprintable():
        raise ConfigurationError("NAME: must be printable text")
    if any(key.name == name and _is_valid(key) for key in await api_keys.list_all(db)):
        raise ConfigurationError(f"there is a valid key named {name}: choose another name, or rotate it")
    allowed = Grants(
        scopes=grants.scopes(arguments.scopes),
        expires_at=grants.moment(arguments.expires),
        **grants.limits(arguments.rate),
    )
    is_first = not await api_keys.any_exist(db)
    await _make(db, name, await _owner(db, arguments.owner), allowed)
    if is_first:
        print("From now on every caller needs a key. `--owner local`: one for what was made without.", file=sys.stderr)
    return 0


async def _list(db: Db, arguments: argparse.Namespace) -> int:
    keys = await api_keys.list_all(db)
    if arguments.json:
        shown = [
            {name: value for name, value in msgspec.to_builtins(key).items() if name != "key_hash"} for key in keys
        ]
        print(msgspec.json.format(msgspec.json.encode(shown)).decode())
        return 0
    table = Table("name", "begins with", "scopes", "limits", "owner", "made", "last used", "state")
    for key in keys:
        used = f"{key.last_used_at:%F %R}" if key.last_used_at else "never"
        scopes, owner = ", ".join(key.scopes), "local" if key.owner_id == LOCAL_OWNER else str(key.owner_id)
        table.add_row(
            key.name, key.prefix, scopes, grants.words(key), owner, f"{key.created_at:%F %R}", used, _state(key)
        )
    Console(width=None if Console().is_terminal else 200).print(table)
    return 0


async def _revoke(db: Db, arguments: argparse.Namespace) -> int:
    key = await _find(db, arguments.key)
    if not await api_keys.withdraw(db, key.id, author=_author()):
        raise ConfigurationError(f"{key.name} is no longer valid")
    print(f"revoked {key.name} ({key.prefix}…): it is refused from now on")
    return 0


async def _rotate(db: Db, arguments: argparse.Namespace) -> int:
    grace = grants.seconds(arguments.grace)
    key = await _find(db, arguments.key)
    if grace is None:
        raise ConfigurationError(f"--grace {arguments.grace}: expected a span such as 90s, 12h or 2d")
    if not _is_valid(key):
        raise ConfigurationError(f"{key.name} is no longer valid: make a new one with `keys create --owner {key.id}`")
    allowed = Grants(**{name: getattr(key, name) for name in Grants.__struct_fields__})
    await _make(db, key.name, key.owner_id, allowed)
    await api_keys.withdraw(db, key.id, grace, _author())
    ending = f"works for {arguments.grace} more" if grace else "is refused from now on"
    print(f"the old one ({key.prefix}…) {ending}", file=sys.stderr)
    return 0


ACTIONS: dict[str, Callable[[Db, argparse.Namespace], Awaitable[int]]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
    "rotate": _rotate,
}


async def _make(db: Db, name: str, owner: UUID, allowed: Grants) -> None:
    """The key goes to stdout alone, so that a script can take it."""
    text = "ma_" + secrets.token_urlsafe(KEY_BYTES)
    digest = hashlib.sha256(text.encode()).hexdigest()
    new = NewKey(name=name, owner_id=owner, key_hash=digest, prefix=text[:PREFIX_CHARACTERS], grants=allowed)
    key_id = await api_keys.add(db, new, _author())
    until = f"until {allowed.expires_at:%F %R} UTC" if allowed.expires_at else "until it is revoked"
    print(
        f"key {name}, id {key_id}: {', '.join(allowed.scopes)}, {until}. It is shown once:", file=sys.stderr, flush=True
    )
    print(text)


async def _find(db: Db, text: str) -> ApiKey:
    """By name, first characters or id; a valid one before others. Raises ConfigurationError."""
    keys = await api_keys.list_all(db)
    found = [
        key
        for key in keys
        if text in (key.name, str(key.id)) or (text.startswith("ma_") and text[:PREFIX_CHARACTERS] == key.prefix)
    ]
    found = [key for key in found if _is_valid(key)] or found
    if not found:
        raise ConfigurationError("there is no such key: `mediaanalysis keys list` shows them")
    if len(found) > 1:
        raise ConfigurationError(
            f"several keys are meant; say which by its id: {', '.join(str(key.id) for key in found)}"
        )
    return found[0]


async def _owner(db: Db, text: str | None) -> UUID:
    if text is None:
        return uuid4()
    return LOCAL_OWNER if text == "local" else (await _find(db, text)).owner_id


def _author() -> Author:
    return Author(actor=f"mediaanalysis keys, run by {getpass.getuser()}")


def _is_valid(key: ApiKey) -> bool:
    return _state(key).startswith("valid")


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%F %R}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= datetime.now(UTC) else 'valid until'} {key.expires_at:%F %R}"
