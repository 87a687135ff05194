"""The API keys in force, in memory: a request costs no statement for its key, and a known one works without a database.

The database says when keys change, and then they are read again before the next request is answered: a key that was
withdrawn is refused at once. Besides, they are read again from time to time, and soon while nobody hears changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from mediaanalysis import log
from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.store import api_keys, link_secrets
from mediaanalysis.store.api_keys import ApiKey
from mediaanalysis.store.signals import KEYS
from mediaanalysis.structs.principals import LOCAL, Limits, Principal

AGE_SECONDS = 60.0
DEAF_AGE_SECONDS = 2.0
UNKNOWN_AGE_SECONDS = 1.0
"""A key that is not known may be new; but whoever tries keys at random causes no more reads than this."""

_log = log.get("access")


class Access(StrEnum):
    """Who is let in. LOCAL: whoever calls, in this process. OPEN: everyone, until the first key is made. KEYS: keys."""

    LOCAL = "local"
    OPEN = "open"
    KEYS = "keys"


class _Known(Struct, frozen=True):
    principal: Principal
    key_hash: str
    expires_at: datetime | None


class Keyring:
    def __init__(self, services: Services, access: Access, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = services.database.pool
        self._signals = services.signals
        self._limits = _defaults(services.settings)
        self._access = access
        self._clock = clock
        self._by_hash: dict[str, _Known] = {}
        self._by_id: dict[UUID, _Known] = {}
        self._used: set[UUID] = set()
        self._has_keys = access is Access.KEYS
        self._secret = b""
        self._read_at: float | None = None
        self._tried_at = 0.0
        self._is_outdated = True
        self._reading = asyncio.Lock()
        services.signals.subscribe(KEYS, self._hear)

    @property
    def access(self) -> Access:
        return self._access

    @property
    def secret(self) -> bytes:
        """What signs links."""
        return self._secret

    async def refresh(self) -> None:
        """Read the keys where that is due. Raises StoreError where they changed, or never were read, and cannot be."""
        if self._access is Access.LOCAL and self._secret:
            return
        if self._is_outdated or self._age() > (AGE_SECONDS if self._signals.alive else DEAF_AGE_SECONDS):
            await self._read()

    def local(self) -> Principal | None:
        """Who comes without a key; None where keys are asked for. Once there was a key, that stays so."""
        return None if self._has_keys and self._access is not Access.LOCAL else LOCAL

    async def find(self, text: str) -> Principal | None:
        """Whose key that is; None where it is unknown, withdrawn or has expired."""
        key_hash = hashlib.sha256(text.encode()).hexdigest()
        found = self._by_hash.get(key_hash)
        if found is None and self._age() > UNKNOWN_AGE_SECONDS:
            await self._read()
            found = self._by_hash.get(key_hash)
        if found is None or not hmac.compare_digest(found.key_hash, key_hash):
            return None
        return self._valid(found)

    def find_by_id(self, key_id: UUID) -> Principal | None:
        """Whose key has that id, if it is valid."""
        found = self._by_id.get(key_id)
        return self._valid(found) if found else None

    def _valid(self, known: _Known) -> Principal | None:
        if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
            return None
        if known.principal.key_id is not None:
            self._used.add(known.principal.key_id)
        return known.principal

    def _hear(self, _payload: str) -> None:
        self._is_outdated = True

    def _age(self) -> float:
        return self._clock() - self._tried_at

    async def _read(self) -> None:
        """One reads for all who wait. What was read before stands where the database is away and nothing was said."""
        async with self._reading:
            if not self._is_outdated and self._age() < UNKNOWN_AGE_SECONDS:
                return
            self._is_outdated, was_outdated = False, self._is_outdated
            try:
                await self._load()
            except StoreError as error:
                self._is_outdated = was_outdated
                if was_outdated:
                    raise
                _log.warning("keys_not_read", error=error.detail)
            finally:
                self._tried_at = self._clock()

    async def _load(self) -> None:
        valid = await api_keys.list_valid(self._db)
        self._has_keys = self._has_keys or bool(valid) or await api_keys.any_exist(self._db)
        self._secret = (await link_secrets.read(self._db)).encode()
        known = [_Known(self._principal(key), key.key_hash, key.expires_at) for key in valid]
        self._by_hash = {each.key_hash: each for each in known}
        self._by_id = {each.principal.key_id: each for each in known if each.principal.key_id}
        used, self._used = self._used, set()
        if used:
            await api_keys.note_used(self._db, used)

    def _principal(self, key: ApiKey) -> Principal:
        own = {name: getattr(key, name) for name in Limits.__struct_fields__}
        limits = {name: getattr(self._limits, name) if value is None else value for name, value in own.items()}
        return Principal(key.owner_id, f"key {key.id} ({key.name})", frozenset(key.scopes), key.id, Limits(**limits))


def _defaults(settings: Settings) -> Limits:
    return Limits(
        submits_per_minute=settings.submits_per_minute,
        polls_per_minute=settings.polls_per_minute,
        upload_bytes_per_minute=settings.upload_bytes_per_minute,
        max_active=settings.max_active,
    )
