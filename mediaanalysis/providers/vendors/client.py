"""The one HTTP client of this room: a request out, a JSON object back, and every other outcome a Failure.

It follows no redirect, takes nothing from the environment (no proxy, no login), asks for no compression, reads no
more than a cap, gives each call a time limit for the whole of it, and closes the connection when it is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from email.message import Message as Header
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import msgspec
from msgspec import Struct

import mediaanalysis
from mediaanalysis.log import REDACTED
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.vendors import faults
from mediaanalysis.providers.vendors.failures import NOT_BILLED, Failure, Kind, redacted
from mediaanalysis.providers.vendors.retry_after import retry_after_seconds

ANSWER_MAX_BYTES = 32 * 1024 * 1024
CONNECT_SECONDS = 10.0
SLOWEST_BYTES_PER_SECOND = 128 * 1024
DECODE_HERE_BYTES = 256 * 1024
CHUNK_BYTES = 1024 * 1024
REQUEST_IDS = ("x-request-id", "dg-request-id", "trace-id", "x-trace-id", "x-goog-request-id", "cf-ray")
UTF8 = {"utf-8", "utf8", "us-ascii"}


Network: TypeAlias = httpx.AsyncBaseTransport


class Form(Struct, frozen=True):
    """A multipart body: fields (a name may come twice) and one file."""

    fields: Sequence[tuple[str, str]]
    path: Path
    filename: str
    mime_type: str


class Upload(Struct, frozen=True):
    """A file as the whole body, read while it is sent."""

    path: Path
    mime_type: str


class Post(Struct, frozen=True):
    """`body` is a JSON object, a form or a file. `work_seconds`: what the vendor may take besides the transfer."""

    path: str
    body: Mapping[str, Any] | Form | Upload
    work_seconds: float
    headers: Mapping[str, str] = {}
    params: Sequence[tuple[str, str]] = ()


class Answer(Struct, frozen=True):
    """A JSON object that came with a success status and hides no error."""

    body: dict[str, Any]
    request_id: str | None


class Client:
    def __init__(self, network: Network | None = None) -> None:
        self._network = network
        self._http: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    def _opened(self) -> httpx.AsyncClient:
        """Made on first use: reading the certificates takes time and memory that `local` does not need."""
        if self._http is None:
            self._http = httpx.AsyncClient(
                transport=self._network,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30),
                headers={
                    "User-Agent": f"mediaanalysis/{mediaanalysis.__version__}",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
            )
        return self._http

    async def send(self, account: Account, post: Post) -> Answer:
        """The answer to a request. Raises Failure, which says what was billed as far as that is known."""
        request, size_bytes = await self._request(account, post)
        limit_seconds = CONNECT_SECONDS + post.work_seconds + size_bytes / SLOWEST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(limit_seconds):
                response, content = await self._exchange(account, request)
        except TimeoutError:
            detail = f"no answer within {limit_seconds:.0f} s"
            raise Failure(Kind.TIMEOUT, detail, provider=account.provider.name) from None
        except httpx.HTTPError as error:
            raise _of_transport(account, error) from None
        return await _answer(account, response, content)

    async def _request(self, account: Account, post: Post) -> tuple[httpx.Request, int]:
        """The request and the size of its body."""
        headers, content, size_bytes = await _body(post.body)
        try:
            request = self._opened().build_request(
                "POST",
                f"{account.base_url}{post.path}",
                params=list(post.params) or None,
                headers={**headers, **post.headers},
                **content,
            )
        except httpx.InvalidURL:
            raise Failure(
                Kind.REJECTED, "its address is none", provider=account.provider.name, metered=NOT_BILLED
            ) from None
        return request, size_bytes

    async def _exchange(self, account: Account, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        response = await self._opened().send(request, stream=True)
        try:
            content = bytearray()
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async for chunk in response.stream:
                content += chunk
                if len(content) > ANSWER_MAX_BYTES:
                    detail = f"sends more than {ANSWER_MAX_BYTES // 1024**2} MiB"
                    raise Failure(Kind.UNUSABLE, detail, provider=account.provider.name)
        finally:
            await response.aclose()
        return response, _without_key(content, account.key)


def _without_key(content: bytearray, key: str | None) -> bytes:
    """What a vendor says may repeat the key it was sent; the answer goes to a client who must not learn it."""
    return bytes(content.replace(key.encode(), REDACTED.encode()) if key else content)


async def _body(body: Mapping[str, Any] | Form | Upload) -> tuple[dict[str, str], dict[str, Any], int]:
    """Headers, the arguments that carry the body, and its size."""
    if isinstance(body, Form):
        content = await asyncio.to_thread(body.path.read_bytes)
        fields: dict[str, list[str]] = {}
        for name, value in body.fields:
            fields.setdefault(name, []).append(value)
        return {}, {"data": fields, "files": {"file": (body.filename, content, body.mime_type)}}, len(content)
    if isinstance(body, Upload):
        size_bytes = (await asyncio.to_thread(body.path.stat)).st_size
        headers = {"Content-Type": body.mime_type, "Content-Length": str(size_bytes)}
        return headers, {"content": _chunks(body.path)}, size_bytes
    encoded = msgspec.json.encode(body)
    return {"Content-Type": "application/json"}, {"content": encoded}, len(encoded)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def _of_transport(account: Account, error: httpx.HTTPError) -> Failure:
    """What httpx says may repeat the URL: only the kind of trouble is told."""
    name = account.provider.name
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout() | httpx.ConnectError():
            return Failure(Kind.FAILED, "cannot be reached", provider=name, metered=NOT_BILLED)
        case httpx.TimeoutException():
            return Failure(Kind.TIMEOUT, "stopped answering", provider=name)
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return Failure(Kind.REJECTED, "the request could not be sent", provider=name, metered=NOT_BILLED)
    return Failure(Kind.FAILED, f"the connection broke ({type(error).__name__})", provider=name)


async def _answer(account: Account, response: httpx.Response, content: bytes) -> Answer:
    status = response.status_code
    trouble = _encoding_trouble(response)
    body = _Broken(trouble) if trouble else await _decoded(content)
    found = request_id(response.headers, body, account.key)
    if not response.is_success:
        raise _of_status(account, response, body, found)
    if isinstance(body, _Broken) or not isinstance(body, dict):
        why = body.why if isinstance(body, _Broken) else "is no JSON object"
        raise Failure(Kind.UNUSABLE, f"HTTP {status}: the body {why}", provider=account.provider.name, request_id=found)
    fault = faults.hidden(body)
    if fault is not None:
        wait = retry_after_seconds(response.headers, body)
        hidden = _failure(account, fault.kind, f"HTTP {status} hides: {fault.message}", wait, found)
        hidden.metered = None if body.get("usage") else NOT_BILLED
        raise hidden
    return Answer(body, found)


def _of_status(account: Account, response: httpx.Response, body: Any, found: str | None) -> Failure:
    status = response.status_code
    fault = faults.read(status, None if isinstance(body, _Broken) else body)
    message = f"a redirect to {response.headers.get('location', '')}" if response.has_redirect_location else ""
    wait = retry_after_seconds(response.headers, body)
    return _failure(account, fault.kind, f"HTTP {status}: {message or fault.message or 'no reason given'}", wait, found)


def _failure(account: Account, kind: Kind, detail: str, wait: float | None, found: str | None) -> Failure:
    return Failure(
        kind,
        redacted(detail, [account.key]),
        provider=account.provider.name,
        retry_after_seconds=wait,
        metered=NOT_BILLED,
        request_id=found,
    )


class _Broken(Struct, frozen=True):
    why: str


def _encoding_trouble(response: httpx.Response) -> str | None:
    if response.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        return "is compressed, though nobody asked for it"
    header = Header()
    header["content-type"] = response.headers.get("content-type", "application/json")
    charset = str(header.get_param("charset") or "utf-8").lower()
    return None if charset in UTF8 else f"claims the charset {charset[:20]}"


async def _decoded(content: bytes) -> Any:
    """Large answers are decoded off the event loop."""
    if len(content) > DECODE_HERE_BYTES:
        return await asyncio.to_thread(_decode, content)
    return _decode(content)


def _decode(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Broken("is not JSON" if content.strip() else "is empty")


def request_id(headers: Mapping[str, str], body: Any, key: str | None = None) -> str | None:
    """The vendor's name for this call, to ask it about."""
    for name in REQUEST_IDS:
        if headers.get(name):
            return redacted(headers[name], [key])[:128]
    if not isinstance(body, dict):
        return None
    for field in ("request_id", "id", "responseId", "trace_id"):
        if isinstance(body.get(field), str) and body[field]:
            return redacted(body[field], [key])[:128]
    return None
