"""Web pages of other origins: none may read answers, unless `CORS_ORIGINS` names them. Never with cookies or logins:
keys come in headers that the page itself must know."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from mediaanalysis.errors import ConfigurationError

ANY = "*"
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
SENT = (
    *("Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "If-None-Match", "If-Range", "Range", "Prefer"),
    *("X-Correlation-ID", "traceparent"),
)
SHOWN = (
    *("Location", "Retry-After", "ETag", "Content-Range", "Accept-Ranges", "RateLimit", "RateLimit-Policy"),
    *("X-Request-ID", "X-Correlation-ID", "Idempotency-Replayed", "Age", "Cache-Status", "Content-Disposition"),
    *("WWW-Authenticate", "Analysis-Reused"),
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9_.-]+(:[0-9]+)?|[a-z]+://\[[0-9a-f:]+\](:[0-9]+)?")


def allowed(texts: Collection[str]) -> frozenset[str]:
    """The origins, as browsers write them. Raises ConfigurationError."""
    found = frozenset(text.lower().rstrip("/") for text in texts)
    for origin in found:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(f"CORS_ORIGINS: {origin!r} is no origin (such as https://app.example.com, or *)")
    return found


def opened(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """The application, for pages of these origins too. The outermost layer of all, around `Gate`: pages may
    read refusals as well."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=sorted(origins),
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=SHOWN,
        allow_credentials=False,
        allow_private_network=ANY not in origins,
    )
