"""Who asks, what that permits, and how often: an ASGI layer in front of everything but the pages and the health checks.

It leaves in `scope["state"]`: `principal`, its `owner`, and `linked` (true behind a signed link).
"""

from __future__ import annotations

import re
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from mediaanalysis.errors import RequestError
from mediaanalysis.structs.principals import ADMIN, POLL, READ, SUBMIT, WRITE, Principal
from mediaanalysis.web.access import links
from mediaanalysis.web.access.browsers import Visitors
from mediaanalysis.web.access.keyring import Access, Keyring
from mediaanalysis.web.access.meter import Meter
from mediaanalysis.web.problems import Refusal

PUBLIC = frozenset({"/", "/docs", "/openapi.json", "/health", "/health/ready"})
SUBMISSIONS = frozenset(f"/api/media/{name}" for name in ("analyze", "video", "audio", "documents", "images"))
"""Counted by the statement that accepts them."""
ESTIMATE = "/api/media/estimate"
CHALLENGE = 'Bearer realm="mediaanalysis"'
_BEARER = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)


class Authentication:
    def __init__(self, app: ASGIApp, keyring: Keyring, meter: Meter, visitors: Visitors) -> None:
        self._app = app
        self._keyring = keyring
        self._meter = meter
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in PUBLIC and scope["method"] != "OPTIONS":
            principal = await self._principal(scope)
            _permit(principal, _required_scope(scope))
            scope["state"].update(principal=principal, owner=principal.owner)
            await self._count(principal, scope)
        await self._app(scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        await self._keyring.refresh()
        text = _key(scope)
        if self._keyring.access is Access.LOCAL:
            return self._local()
        if text is not None:
            found = await self._keyring.find(text)
            if found is None:
                raise _unauthorized(text)
            return found
        query: str = scope["query_string"].decode("latin-1")
        if links.is_signed(query):
            return self._linked(scope, query)
        if self._keyring.local() is None:
            raise _unauthorized(None)
        return self._visitor(scope)

    def _visitor(self, scope: Scope) -> Principal:
        """Whoever comes over a socket without a key, but for other people's web pages."""
        refusal = self._visitors.refusal(scope["headers"], scope["method"], (scope.get("client") or ("",))[0])
        if refusal is not None:
            raise RequestError(refusal, code="forbidden")
        return self._local()

    def _local(self) -> Principal:
        principal = self._keyring.local()
        assert principal is not None
        return principal

    def _linked(self, scope: Scope, query: str) -> Principal:
        """The principal whose key made the link, which permits to read this address and nothing else."""
        link = links.read(self._keyring.secret, scope["path"], query)
        if link is None or scope["method"] not in ("GET", "HEAD"):
            raise RequestError("The link is not one of this service's, or was changed.", code="link_invalid")
        if link.expires <= time.time():
            raise RequestError("The link has expired.", code="link_invalid")
        found = self._keyring.find_by_id(link.key_id) if link.key_id else self._keyring.local()
        if found is None:
            raise RequestError("The key that made the link is no longer valid.", code="link_invalid")
        scope["query_string"] = link.rest.encode("latin-1")
        scope["state"]["linked"] = True
        return found

    async def _count(self, principal: Principal, scope: Scope) -> None:
        """Take what the request costs, before anything of it is read: each a poll; submissions, which are counted where
        they are accepted, and estimates one of those besides."""
        path: str = scope["path"]
        if principal.key_id is None or not path.startswith("/api/"):
            return
        is_submission = scope["method"] == "POST" and path in SUBMISSIONS
        if is_submission:
            self._meter.check(principal, SUBMIT)
        said = await self._meter.spend(principal, POLL)
        if path == ESTIMATE:
            await self._meter.take(principal, SUBMIT, 1)
        if not is_submission:
            scope["state"]["headers"] += said


def _required_scope(scope: Scope) -> str:
    if scope["path"] == "/metrics":
        return ADMIN
    return READ if scope["method"] in ("GET", "HEAD") else WRITE


def _permit(principal: Principal, wanted: str) -> None:
    if wanted not in principal.scopes:
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{wanted}"'
        raise Refusal(
            f"The key does not have the scope {wanted}.", code="forbidden", headers={"www-authenticate": challenge}
        )


def _unauthorized(text: str | None) -> Refusal:
    if text is None:
        detail, challenge = "Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.", CHALLENGE
    else:
        detail, challenge = "The key is unknown, revoked or expired.", f'{CHALLENGE}, error="invalid_token"'
    return Refusal(detail, code="unauthorized", headers={"www-authenticate": challenge})


def _key(scope: Scope) -> str | None:
    """The key that came with the request; never from its URL, which logs and histories keep."""
    found = None
    for name, value in scope["headers"]:
        if name == b"authorization" and (bearer := _BEARER.fullmatch(value.decode("latin-1"))):
            return bearer[1]
        if name == b"x-api-key":
            found = value.decode("latin-1").strip()
    return found or None
