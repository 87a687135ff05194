"""Access tokens for Vertex AI by google-auth, which knows every kind of login file; loaded on first use."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

from mediaanalysis.providers.credentials import Google
from mediaanalysis.providers.vendors.failures import NOT_BILLED, Failure, Kind

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN_SECONDS = 30.0


class VertexToken:
    """`get` gives a token that is good for minutes: google-auth renews it a while before its end."""

    def __init__(self, google: Google, provider: str) -> None:
        self._google = google
        self._provider = provider
        self._credentials: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def get(self, *, refused: str | None = None) -> str:
        """A token; a new one where the service refused the one named. Raises Failure, which names no path."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(LOGIN_SECONDS):
                    token = await asyncio.to_thread(self._renewed, refused)
            except TimeoutError:
                raise self._failure(Kind.TIMEOUT, "Google gives no access token in time") from None
        return token

    def _renewed(self, refused: str | None) -> str:
        exceptions = _exceptions()
        try:
            if self._credentials is None:
                self._credentials = _login(self._google.login)
            if not self._credentials.valid or self._credentials.token == refused:
                self._credentials.refresh(_send)
        except exceptions.TransportError:
            raise self._failure(Kind.FAILED, "Google's login service cannot be reached") from None
        except (exceptions.GoogleAuthError, OSError, ValueError) as error:
            raise self._failure(Kind.CREDENTIALS, f"Google login refused ({type(error).__name__})") from None
        return str(self._credentials.token)

    def _failure(self, kind: Kind, detail: str) -> Failure:
        return Failure(kind, detail, provider=self._provider, metered=NOT_BILLED)


def _login(path: Path | None) -> Any:
    auth: Any = import_module("google.auth")
    if path is not None:
        return auth.load_credentials_from_file(str(path), scopes=[SCOPE])[0]
    return auth.default(scopes=[SCOPE])[0]


def _exceptions() -> Any:
    return import_module("google.auth.exceptions")


class _Reply(Struct, frozen=True):
    """What google-auth reads of an answer."""

    status: int
    headers: dict[str, str]
    data: bytes


def _send(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: dict[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> _Reply:
    """The transport google-auth asks for: like every other call without proxies or logins of the environment."""
    try:
        with httpx.Client(trust_env=False, timeout=timeout or LOGIN_SECONDS) as client:
            answer = client.request(method, url, content=body, headers=headers)
    except httpx.HTTPError as error:
        raise _exceptions().TransportError(type(error).__name__) from None
    return _Reply(answer.status_code, dict(answer.headers), answer.content)
