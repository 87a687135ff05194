"""Which key is meant by what an operator types, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.store.api_keys import ApiKey

PREFIX = "ma_"
PREFIX_CHARACTERS = 10
LOCAL_NAME = "local"
NAME_CHARACTERS = 100
SOON = timedelta(days=14)


def check_name(text: str) -> str:
    """The name for a new key: nothing that could be taken for another key's id or first characters."""
    name = text.strip()
    if not name or not name.isprintable() or len(name) > NAME_CHARACTERS:
        raise ConfigurationError(f"NAME: must be printable text of at most {NAME_CHARACTERS} characters")
    if name == LOCAL_NAME:
        raise ConfigurationError(f"NAME: `--owner {LOCAL_NAME}` stands for what was made without keys")
    if name.startswith(PREFIX) or _id(name):
        raise ConfigurationError(f"NAME: must not be a UUID or begin with {PREFIX}, as ids and keys do")
    return name


def find(keys: Sequence[ApiKey], text: str) -> ApiKey:
    """By id or first characters exactly that one; by name the newest valid one, or else the newest. `keys` are the
    latest first. Raises ConfigurationError."""
    key_id = _id(text)
    exact = [key for key in keys if key.id == key_id or (text.startswith(PREFIX) and _begins(text, key))]
    if len(exact) > 1:
        ids = ", ".join(str(key.id) for key in exact)
        raise ConfigurationError(f"several keys begin like that; say which by its id: {ids}")
    named = [key for key in keys if key.name == text]
    found = exact or [key for key in named if is_valid(key)] or named
    if not found:
        raise ConfigurationError("there is no such key: `mediaanalysis keys list` shows them")
    return found[0]


def others(keys: Sequence[ApiKey], key: ApiKey) -> list[ApiKey]:
    """The valid keys of the same name, latest first: after a rotation both have it for a while."""
    return [other for other in keys if other.name == key.name and other.id != key.id and is_valid(other)]


def ending_soon(keys: Sequence[ApiKey]) -> ApiKey | None:
    """The valid key that ends first, if soon. One that was rotated is meant to end. `keys` are the latest first."""
    newest = {key.name: key for key in reversed(keys) if is_valid(key)}
    ends = [(key.expires_at, key.id, key) for key in newest.values() if key.expires_at]
    until_soon = [each for each in ends if each[0] < datetime.now(UTC) + SOON]
    return min(until_soon)[2] if until_soon else None


def is_valid(key: ApiKey) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > datetime.now(UTC))


def state(key: ApiKey) -> str:
    if is_valid(key):
        return f"valid {until(key.expires_at)}" if key.expires_at else "valid"
    return f"revoked {shown(key.revoked_at)}" if key.revoked_at else f"expired {shown(key.expires_at)}"


def ended(key: ApiKey) -> str:
    """Of one that is not valid."""
    how = f"revoked on {shown(key.revoked_at)}" if key.revoked_at else f"expired on {shown(key.expires_at)}"
    return f"key '{key.name}' ({key.prefix}…) {'was ' if key.revoked_at else ''}{how}"


def until(moment: datetime | None) -> str:
    return f"until {shown(moment)}" if moment else "until it is revoked"


def shown(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%F %R} UTC" if moment else "never"


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _begins(text: str, key: ApiKey) -> bool:
    return text[:PREFIX_CHARACTERS] == key.prefix
