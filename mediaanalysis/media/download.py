"""Media from a URL, streamed, without becoming anybody's way into this network.

Each hop: the URL is checked, its name resolved once, every answer checked (`address`), and the connection made to a
checked address itself, with the name as Host and SNI; so an answer that changes afterwards changes nothing. There is
no client, only a transport: no cookies, no proxies or logins out of the environment, no decoding, and no connection
that is used twice. Bytes, time and speed are limited by what arrives, whatever was declared.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

import httpx
from msgspec import Struct

from mediaanalysis.errors import FetchError, RequestError
from mediaanalysis.media.address import Address, Allowance, Target, check_addresses, check_target
from mediaanalysis.settings import Settings

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_ADDRESSES = 4
SLOW_SECONDS = 30.0
"""How long a server may be silent, or slower than FETCH_MIN_BYTES_PER_SECOND on average."""
MAX_RETRY_AFTER_SECONDS = 3600.0
CRUMB_BYTES = 1024
"""After a chunk so small others get their turn: ten thousand of them come in one packet, without a wait between."""

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


class Download(Struct, frozen=True):
    """`chunks` raises FetchError where the stream breaks a limit or ends early; `declared_bytes` is a claim."""

    chunks: AsyncIterator[bytes]
    declared_bytes: int | None
    final_url: str


async def resolve(host: str, port: int) -> Sequence[Address]:
    """All addresses of a name, as the system resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class Downloader:
    def __init__(
        self,
        settings: Settings,
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        """Raises ConfigurationError for a wrong FETCH_ALLOW."""
        self._allowance = Allowance(settings.fetch_allow)
        self._connect_seconds = settings.fetch_connect_seconds
        self._max_seconds = settings.fetch_max_seconds
        self._max_bytes = settings.upload_max_bytes
        self._min_bytes_per_second = settings.fetch_min_bytes_per_second
        self._resolve = resolve
        self._slow_seconds = slow_seconds
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls or True,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def aclose(self) -> None:
        await self._transport.aclose()

    def validate_url(self, url: str, *, pointer: str = "/media_url") -> None:
        """What can be said of a URL at once, without the network. Raises RequestError `url_not_allowed`."""
        try:
            check_target(_target(_parse(url)), self._allowance)
        except FetchError as error:
            raise RequestError(error.detail, code="url_not_allowed", pointer=pointer) from None

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Download]:
        """The media behind the URL, after at most `MAX_REDIRECTS`. Raises FetchError, which says why and whether
        another attempt may do; the connection is closed however the block is left."""
        deadline = asyncio.get_running_loop().time() + self._max_seconds
        final, response = await self._follow(_parse(url))
        try:
            declared = self._check_answer(_target(final), response)
            yield Download(self._chunks(response, deadline), declared, str(final))
        finally:
            await response.aclose()

    async def _follow(self, url: httpx.URL) -> tuple[httpx.URL, httpx.Response]:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._ask(url)
            if response.status_code not in REDIRECTS:
                return url, response
            await response.aclose()
            url = _redirected(url, response)
        raise FetchError(f"The URL redirects more than {MAX_REDIRECTS} times.", code="fetch_redirects")

    async def _ask(self, url: httpx.URL) -> httpx.Response:
        """The head of the answer of one hop."""
        target = _target(url)
        check_target(target, self._allowance)
        try:
            async with asyncio.timeout(self._connect_seconds + self._slow_seconds):
                addresses = await self._addresses(target)
                return await self._first_answer(url, target, addresses[:MAX_ADDRESSES])
        except (TimeoutError, httpx.TimeoutException):
            raise FetchError(f"{target.host} does not answer.", code="fetch_timeout") from None
        except httpx.TransportError as error:
            raise _unreachable(target, error) from error

    async def _addresses(self, target: Target) -> Sequence[Address]:
        try:
            addresses = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise FetchError(f"The name {target.host} cannot be resolved.", retryable=passing) from None
        check_addresses(target, addresses, self._allowance)
        return addresses

    async def _first_answer(self, url: httpx.URL, target: Target, addresses: Sequence[Address]) -> httpx.Response:
        """Of the first address that takes a connection; they share the time for connecting."""
        *others, last = addresses
        seconds = self._connect_seconds / len(addresses)
        for address in others:
            try:
                return await self._transport.handle_async_request(_request(url, target, address, seconds))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._transport.handle_async_request(_request(url, target, last, seconds))

    def _check_answer(self, target: Target, response: httpx.Response) -> int | None:
        """The declared size of a body worth reading. Raises FetchError for any other answer."""
        if response.status_code not in (200, 203):
            raise _refusal(target, response)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchError(f"{target.host} sends a compressed body, though asked not to.", retryable=False)
        if "transfer-encoding" in response.headers or "content-length" not in response.headers:
            return None
        declared = int(response.headers["content-length"])
        self._check_size(declared)
        return declared

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise FetchError(f"The URL sends more than the allowed {self._max_bytes} bytes.", code="fetch_too_large")

    async def _chunks(self, response: httpx.Response, deadline: float) -> AsyncIterator[bytes]:
        stream = response.aiter_raw()
        pace = _Pace(self._min_bytes_per_second, self._slow_seconds)
        received = 0
        while chunk := await self._next(stream, pace, deadline):
            received += len(chunk)
            self._check_size(received)
            if len(chunk) < CRUMB_BYTES:
                await asyncio.sleep(0)
            yield chunk

    async def _next(self, stream: AsyncIterator[bytes], pace: _Pace, deadline: float) -> bytes:
        """The next bytes; none at the end. Only the wait for them counts against the server, not what we do between."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            async with asyncio.timeout_at(min(deadline, asked + self._slow_seconds)):
                chunk = await anext(stream, b"")
        except TimeoutError:
            if loop.time() >= deadline:
                raise FetchError(f"The URL took more than {self._max_seconds:g} s.", code="fetch_timeout") from None
            raise _too_slow() from None
        except httpx.TransportError as error:
            raise FetchError("The connection ended before the body did.", code="fetch_incomplete") from error
        if chunk:
            pace.add(len(chunk), loop.time() - asked)
        return chunk


class _Pace:
    """Averages over windows of waiting. Raises FetchError `fetch_too_slow` at the end of one below the least."""

    def __init__(self, least_bytes_per_second: float, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._least_bytes = least_bytes_per_second * window_seconds
        self._seconds = 0.0
        self._bytes = 0

    def add(self, size_bytes: int, seconds: float) -> None:
        self._seconds += seconds
        self._bytes += size_bytes
        if self._seconds < self._window_seconds:
            return
        if self._bytes < self._least_bytes:
            raise _too_slow()
        self._seconds, self._bytes = 0.0, 0


def _parse(text: str) -> httpx.URL:
    """One parser for the check and for the connection: no other reading of the URL can differ from it."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("The URL is malformed.", code="fetch_refused") from None
    if url.port is not None and not 0 < url.port < 65_536:
        raise FetchError("The URL's port is none: 1 to 65535 are.", code="fetch_refused")
    if not text.isprintable() or " " in text:
        raise FetchError("The URL holds blanks or control characters: encode them.", code="fetch_refused")
    if url.userinfo:
        raise FetchError("URLs with a user or password are not fetched.", code="fetch_refused")
    return url


def _target(url: httpx.URL) -> Target:
    host = url.raw_host.decode("ascii").strip("[]").lower().rstrip(".")
    return Target(url.scheme, host, url.port or (443 if url.scheme == "https" else 80))


def _request(url: httpx.URL, target: Target, address: Address, connect_seconds: float) -> httpx.Request:
    """Says the name to the server, and goes to the address. Reading is timed by whoever reads."""
    headers = {
        "Host": url.netloc.decode("ascii"),
        "User-Agent": "mediaanalysis",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    timeout = httpx.Timeout(None, connect=connect_seconds).as_dict()
    extensions = {"sni_hostname": target.host, "timeout": timeout}
    return httpx.Request("GET", url.copy_with(host=str(address)), headers=headers, extensions=extensions)


def _redirected(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    location = response.headers.get("location")
    if location is None:
        raise FetchError(f"The URL answers {response.status_code} without a place to go.", retryable=False)
    following = _parse(str(_parse_reference(url, location)))
    if url.scheme == "https" and following.scheme == "http":
        raise FetchError("The URL redirects from https to http.", code="fetch_refused")
    return following


def _parse_reference(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("The URL redirects to a malformed URL.", code="fetch_refused") from None


def _refusal(target: Target, response: httpx.Response) -> FetchError:
    status = response.status_code
    if status in (404, 410):
        return FetchError(f"{target.host} answers {status}: there is nothing at this URL.", code="fetch_not_found")
    hint = " The URL must be public, or carry its own signature." if status in (401, 403) else ""
    return FetchError(
        f"{target.host} answers {status}.{hint}",
        retryable=status in (408, 425, 429) or status >= 500,
        retry_after_seconds=_retry_after(response),
    )


def _retry_after(response: httpx.Response) -> float | None:
    """RFC 9110: seconds or a date."""
    text = response.headers.get("retry-after", "")
    try:
        seconds = float(text) if text.isdecimal() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)


def _unreachable(target: Target, error: httpx.TransportError) -> FetchError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return FetchError(f"The certificate of {target.host} is not valid.", retryable=False)
    if isinstance(error, httpx.ConnectError):
        return FetchError(f"{target.host} takes no connection on port {target.port}.")
    return FetchError(f"{target.host} does not answer as HTTP should.")


def _too_slow() -> FetchError:
    return FetchError("The URL sends too slowly, or fell silent.", code="fetch_too_slow")
