"""The API keys in force, in memory: a request costs no statement for its key, and a known one works without a database.

The database says when keys change, and then they are read again before the next request is answered: a key that was
revoked is refused at once. Besides, they are read again from time to time, and soon while nobody hears changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
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
from mediaanalysis.structs.principals import LOCAL, RATES, Limits, Principal

AGE_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""Between two looks that nothing but a guess asks for: a key that is not known may be new, but whoever tries keys at
random causes no more reads than this; nor does every request try a database that is away."""

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
        self._heard = 0
        self._read_of = -1
        """How many changes had been heard of when the reading began that gave what is known."""
        self._read_by: object | None = None
        """The connection that listened then: another one may have missed a change."""
        self._read_at = self._tried_at = -math.inf
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
        if self._read_of != self._heard:
            await self._read(must=True)
        elif self._missed_changes() or self._clock() - self._read_at > AGE_SECONDS:
            await self._read(must=False)

    def local(self) -> Principal | None:
        """Who comes without a key; None where keys are asked for. Once there was a key, that stays so."""
        return None if self._has_keys and self._access is not Access.LOCAL else LOCAL

    async def find(self, text: str) -> Principal | None:
        """Whose key that is; None where it is unknown, revoked or has expired."""
        key_hash = hashlib.sha256(text.encode()).hexdigest()
        found = self._by_hash.get(key_hash)
        if found is None:
            await self._read(must=False)
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
        self._heard += 1

    def _missed_changes(self) -> bool:
        """Whether nobody listens, or not the one who did when the keys were read."""
        return not self._signals.alive or self._signals.connection is not self._read_by

    async def _read(self, *, must: bool) -> None:
        """One reads for all who wait. Where it need not be, not more than once in a while, and what was read before
        stands if the database is away."""
        async with self._reading:
            if self._read_of == self._heard if must else self._clock() - self._tried_at < PAUSE_SECONDS:
                return
            heard, listener = self._heard, self._signals.connection if self._signals.alive else None
            self._tried_at = self._clock()
            try:
                await self._load()
            except StoreError as error:
                if must:
                    raise
                _log.warning("keys_not_read", error=error.detail)
            else:
                self._read_of, self._read_by, self._read_at = heard, listener, self._tried_at

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
        said = {name: getattr(key, name) for name in Limits.__struct_fields__}
        limits = {name: getattr(self._limits, name) if value is None else value for name, value in said.items()}
        own = frozenset(kind for kind, name in RATES.items() if said[name] is not None)
        name = f"key {key.id} ({key.name})"
        return Principal(key.owner_id, name, frozenset(key.scopes), key.id, Limits(**limits), own)


def _defaults(settings: Settings) -> Limits:
    return Limits(
        submits_per_minute=settings.submits_per_minute,
        polls_per_minute=settings.polls_per_minute,
        upload_bytes_per_minute=settings.upload_bytes_per_minute,
        max_active=settings.max_active,
    )
