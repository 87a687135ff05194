"""Rates, exact over all processes, without a statement for most requests.

The database holds buckets of tokens: an owner's, or of a key that has a limit of its own. This process takes a second's
worth at a time and spends it here: what was taken is gone for everyone else, so all processes together never give out
more than the limit. Whoever was refused stays refused here until its wait is over. Submissions are not counted here but
by the statement that accepts them.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from msgspec import Struct, field

from mediaanalysis.errors import StoreError
from mediaanalysis.store import rates
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.principals import POLL, SUBMIT, UPLOAD, Principal
from mediaanalysis.web.problems import Refusal

WINDOW_SECONDS = 60
LEASE_SECONDS = 10.0
LEASES_MAX = 10_000
Header = tuple[bytes, bytes]


class Lease(Struct):
    """Tokens of one bucket that are this process's to spend until `until`; none before `refused_until`."""

    tokens: int = 0
    left: int = 0
    until: float = 0.0
    refused_until: float = 0.0
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Meter:
    def __init__(self, db: Db, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._leases: OrderedDict[tuple[UUID, str], Lease] = OrderedDict()

    async def spend(self, principal: Principal, kind: str) -> list[Header]:
        """One token, and what the answer says about the rest. Raises rate_limited (429)."""
        limit = principal.per_minute(kind)
        if not limit:
            return []
        bucket = principal.bucket(kind)
        lease = self._lease(bucket, kind)
        self._check(lease, kind, limit)
        if lease.tokens < 1 or self._clock() >= lease.until:
            await self._renew(lease, bucket, kind, limit)
        lease.tokens -= 1
        return headers(kind, limit, lease.left + lease.tokens)

    async def take(self, principal: Principal, kind: str, count: int) -> None:
        """So many tokens at once, straight from the bucket; more than a minute's worth needs a full one and leaves a
        debt. Raises rate_limited (429)."""
        limit = principal.per_minute(kind)
        if not limit or count < 1:
            return
        bucket = principal.bucket(kind)
        self._check(self._lease(bucket, kind), kind, limit)
        grant = await rates.take(self._db, bucket, kind, limit, count, count)
        if not grant.granted:
            self._refuse(self._lease(bucket, kind), kind, limit, grant.wait_seconds)

    def check(self, principal: Principal, kind: str) -> None:
        """Raise rate_limited (429) where the bucket was found empty and its wait is not over."""
        limit, lease = principal.per_minute(kind), self._leases.get((principal.bucket(kind), kind))
        if limit and lease:
            self._check(lease, kind, limit)

    def refuse(self, principal: Principal, kind: str, wait_seconds: float) -> None:
        """Somebody else found the bucket empty. Raises rate_limited (429), now and until the wait is over."""
        self._refuse(self._lease(principal.bucket(kind), kind), kind, principal.per_minute(kind), wait_seconds)

    def _refuse(self, lease: Lease, kind: str, limit: int, wait_seconds: float) -> None:
        lease.refused_until = self._clock() + wait_seconds
        raise refusal(kind, limit, wait_seconds)

    def _check(self, lease: Lease, kind: str, limit: int) -> None:
        wait_seconds = lease.refused_until - self._clock()
        if wait_seconds > 0:
            raise refusal(kind, limit, wait_seconds)

    async def _renew(self, lease: Lease, bucket: UUID, kind: str, limit: int) -> None:
        """One asks for all. While the database is away nobody can count over all processes: this one counts alone."""
        async with lease.renewing:
            self._check(lease, kind, limit)
            if lease.tokens >= 1 and self._clock() < lease.until:
                return
            wanted = max(1, limit // WINDOW_SECONDS)
            try:
                grant = await rates.take(self._db, bucket, kind, limit, wanted, 1)
            except StoreError:
                if self._clock() < lease.until:
                    self._refuse(lease, kind, limit, lease.until - self._clock())
                lease.tokens, lease.left, lease.until = wanted, 0, self._clock() + wanted * WINDOW_SECONDS / limit
                return
            if not grant.granted:
                self._refuse(lease, kind, limit, grant.wait_seconds)
            lease.tokens, lease.left, lease.until = grant.granted, grant.remaining, self._clock() + LEASE_SECONDS

    def _lease(self, bucket: UUID, kind: str) -> Lease:
        """Kept for those who asked last."""
        lease = self._leases.get((bucket, kind))
        if lease is None:
            lease = self._leases[bucket, kind] = Lease()
            if len(self._leases) > LEASES_MAX:
                self._leases.popitem(last=False)
        else:
            self._leases.move_to_end((bucket, kind))
        return lease


def headers(kind: str, limit: int, remaining: int) -> list[Header]:
    """The fields of the IETF's draft on rate limits: the policy, and what is left of it."""
    until_full_seconds = max(0, math.ceil((limit - remaining) * WINDOW_SECONDS / limit))
    return [
        (b"ratelimit-policy", f'"{kind}";q={limit};w={WINDOW_SECONDS}'.encode()),
        (b"ratelimit", f'"{kind}";r={remaining};t={until_full_seconds}'.encode()),
    ]


def refusal(kind: str, limit: int, wait_seconds: float) -> Refusal:
    what = {POLL: "requests", SUBMIT: "analyses", UPLOAD: "bytes of uploads"}[kind]
    wait = max(1, math.ceil(wait_seconds))
    said = {name.decode(): value.decode() for name, value in headers(kind, limit, 0)}
    return Refusal(
        f"Your limit is {limit} {what} in a minute. Wait {wait} s.",
        code="rate_limited",
        headers={"retry-after": str(wait), **said},
    )
