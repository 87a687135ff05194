"""`mediaanalysis keys`: who may use the service. As soon as there is a key, every caller needs one."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
from rich.console import Console
from rich.table import Table

from mediaanalysis import migrate
from mediaanalysis.app import ask_database, database_url
from mediaanalysis.commands import key_options, named_keys
from mediaanalysis.commands.named_keys import LOCAL_NAME, PREFIX, PREFIX_CHARACTERS
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.settings import Settings
from mediaanalysis.store import api_keys
from mediaanalysis.store.analyses import Author
from mediaanalysis.store.api_keys import ApiKey, Grants, NewKey
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.principals import LOCAL_OWNER, SCOPES

HELP = "Make, list, rotate and revoke API keys."
ABOUT = {
    "create": "Make a key. It goes to the standard output, once, and is kept nowhere; the rest is said beside it.",
    "list": "All keys, the latest first: what each allows, when it was last used, and what became of it.",
    "revoke": "Refuse a key from now on, in every process. Links that were made with it end, too.",
    "rotate": "Make a new key with the same name, owner and rights. The old one, and the links made with it, end now "
    "or after a grace.",
}
KEY_BYTES = 32
WHEN = "a date or time of ISO 8601, a span such as 12h or 90d, or never"
FIRST = f"""From now on every caller needs a key. Analyses made before belong to the owner `{LOCAL_NAME}`:
`keys create NAME --owner {LOCAL_NAME}` makes a key that sees them."""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key; it is shown once", description=ABOUT["create"])
    _describe_create(create)
    listed = actions.add_parser("list", help="all keys, and what became of them", description=ABOUT["list"])
    listed.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser("revoke", help="refuse a key from now on", description=ABOUT["revoke"])
    rotate = actions.add_parser("rotate", help="replace a key by a new one", description=ABOUT["rotate"])
    for action in (revoke, rotate):
        action.add_argument(
            "key", metavar="KEY", help="its name (of several the newest that is valid), its first characters, or its id"
        )
    rotate.add_argument(
        "--grace", metavar="SPAN", default="0s", help="the old one works so long: 24h (default: not at all)"
    )
    rotate.add_argument(
        "--expires",
        metavar="WHEN",
        help=f"the new one ends: {WHEN} (default: after as long as the old one was made for)",
    )


def _describe_create(create: argparse.ArgumentParser) -> None:
    create.add_argument("name", metavar="NAME", help="what people call it")
    create.add_argument("--scopes", default="read,write", help=f"of {', '.join(SCOPES)} (default: %(default)s)")
    create.add_argument("--expires", metavar="WHEN", help=f"{WHEN} (default: never)")
    create.add_argument(
        "--rate",
        metavar="LIMITS",
        help="per minute submit=60,poll=600,upload=2G and, at once, active=50; a number alone: submit; 0: no limit "
        "(default: the service's settings)",
    )
    create.add_argument(
        "--owner", metavar="KEY", help=f"share the analyses of this key; `{LOCAL_NAME}`: those made without keys"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    if sys.stdout is None:  # it was closed
        raise ConfigurationError("there is no standard output to write to")
    with database_url(settings) as dsn:
        migrate.require(dsn)
        action = ACTIONS[arguments.action]
        return ask_database(settings, dsn, lambda db: action(db, arguments))


async def _create(db: Db, arguments: argparse.Namespace) -> int:
    name = named_keys.check_name(arguments.name)
    keys = await api_keys.list_all(db)
    if any(key.name == name and named_keys.is_valid(key) for key in keys):
        raise ConfigurationError(f"there is a valid key named {name}: choose another name, or rotate it")
    allowed = Grants(
        scopes=key_options.scopes(arguments.scopes),
        expires_at=key_options.moment(arguments.expires),
        **key_options.limits(arguments.rate),
    )
    await _make(db, name, _owner(keys, arguments.owner), allowed)
    if not keys:
        print(FIRST, file=sys.stderr)
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
        table.add_row(*_row(key))
    Console(width=None if Console().is_terminal else 200).print(table)
    return 0


def _row(key: ApiKey) -> tuple[str, ...]:
    used = f"{key.last_used_at:%F %R}" if key.last_used_at else "never"
    owner = LOCAL_NAME if key.owner_id == LOCAL_OWNER else str(key.owner_id)
    limits, made = key_options.words(key), f"{key.created_at:%F %R}"
    return key.name, key.prefix, ", ".join(key.scopes), limits, owner, made, used, named_keys.state(key)


async def _revoke(db: Db, arguments: argparse.Namespace) -> int:
    keys = await api_keys.list_all(db)
    key = named_keys.find(keys, arguments.key)
    if not await api_keys.revoke(db, key.id, author=_author()):
        raise ConfigurationError(named_keys.ended(key))
    end = f"would have ended {named_keys.shown(key.expires_at)}" if key.expires_at else "had no end"
    print(f"revoked {key.name} ({key.prefix}…, {end}): it is refused from now on")
    for other in named_keys.others(keys, key):
        print(f"still {named_keys.state(other)}: another key named {key.name}, {other.prefix}…", file=sys.stderr)
    return 0


async def _rotate(db: Db, arguments: argparse.Namespace) -> int:
    grace = key_options.seconds(arguments.grace)
    if grace is None:
        raise ConfigurationError(f"--grace {arguments.grace}: expected a span such as 90s, 12h or 2d")
    keys = await api_keys.list_all(db)
    key = named_keys.find(keys, arguments.key)
    if not named_keys.is_valid(key):
        raise ConfigurationError(f"{named_keys.ended(key)}: make a new one with `keys create NAME --owner {key.id}`")
    newest = named_keys.find(keys, key.name)
    if newest.id != key.id:
        raise ConfigurationError(f"{key.prefix}… was rotated: {newest.prefix}… stands in its place; rotate that one")
    expires_at = key_options.moment(arguments.expires) if arguments.expires else _as_long(key)
    rights = {name: getattr(key, name) for name in Grants.__struct_fields__}
    await _make(db, key.name, key.owner_id, Grants(**{**rights, "expires_at": expires_at}))
    ends_at = await api_keys.revoke(db, key.id, grace, _author())
    ending = f"works {named_keys.until(ends_at)}" if grace and ends_at else "is refused from now on"
    print(f"the old one ({key.prefix}…) {ending}", file=sys.stderr)
    return 0


ACTIONS: dict[str, Callable[[Db, argparse.Namespace], Awaitable[int]]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
    "rotate": _rotate,
}


def _as_long(key: ApiKey) -> datetime | None:
    """When a key ends that is made now, for as long as this one was."""
    return datetime.now(UTC) + (key.expires_at - key.created_at) if key.expires_at else None


async def _make(db: Db, name: str, owner: UUID, allowed: Grants) -> None:
    """Make the key and show it. One that nobody could see is revoked again. Raises ConfigurationError."""
    text = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    digest = hashlib.sha256(text.encode()).hexdigest()
    new = NewKey(name=name, owner_id=owner, key_hash=digest, prefix=text[:PREFIX_CHARACTERS], grants=allowed)
    key_id = await api_keys.add(db, new, _author())
    until = named_keys.until(allowed.expires_at)
    try:
        _show(text, f"key {name}, id {key_id}: {', '.join(allowed.scopes)}, {until}. It is shown once:")
    except OSError as error:
        await api_keys.revoke(db, key_id, author=_author())
        raise ConfigurationError(f"the key could not be shown ({error.strerror}), so it was revoked again") from None


def _show(text: str, about: str) -> None:
    """The key goes to stdout alone, so that a script can take it. Raises OSError unless it went out."""
    print(about, file=sys.stderr, flush=True)
    try:
        print(text, flush=True)
    except OSError:
        # What is still buffered must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _owner(keys: list[ApiKey], text: str | None) -> UUID:
    if text is None:
        return uuid4()
    return LOCAL_OWNER if text == LOCAL_NAME else named_keys.find(keys, text).owner_id


def _author() -> Author:
    return Author(actor=f"mediaanalysis keys, run by {getpass.getuser()}")
