"""Real sockets on loopback, let in by FETCH_ALLOW; a canary that must stay alone."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mediaanalysis.errors import ConfigurationError, FetchError, RequestError
from mediaanalysis.media.address import Address
from mediaanalysis.media.download import Downloader, resolve
from mediaanalysis.settings import Settings
from tests.media.servers import Server, answering, serving

OK = "HTTP/1.1 200 OK"
LOOPBACK = ipaddress.ip_address("127.0.0.1")


def _downloader(*allow: str, slow_seconds: float = 5, **others: Any) -> Downloader:
    given = {name: others.pop(name) for name in ("resolve", "tls") if name in others}
    return Downloader(Settings(fetch_allow=allow or ("127.0.0.1",), **others), slow_seconds=slow_seconds, **given)


def _resolving(**names: str | Sequence[str]) -> Any:
    async def resolve(host: str, port: int) -> Sequence[Address]:
        answer = names[host.partition(".")[0]]
        return [ipaddress.ip_address(text) for text in ([answer] if isinstance(answer, str) else answer)]

    return resolve


async def _fetch(downloader: Downloader, url: str) -> bytes:
    try:
        async with downloader.open(url) as download:
            return b"".join([chunk async for chunk in download.chunks])
    finally:
        await downloader.aclose()


async def _failure(downloader: Downloader, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await _fetch(downloader, url)
    return caught.value


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    """Something inside that nobody may reach."""
    async with serving(answering(f"{OK}\nContent-Length: 6", b"canary")) as server:
        yield server


async def test_a_file_comes_whole_with_its_declared_size() -> None:
    answer = answering(f"{OK}\nContent-Length: 300000", b"x" * 300_000)
    async with serving(answer) as server, _downloader().open(f"{server.url}/talk.mp4?sig=1#t=5") as download:
        assert download.declared_bytes == 300_000
        assert download.final_url == f"{server.url}/talk.mp4?sig=1#t=5"
        assert sum([len(chunk) async for chunk in download.chunks]) == 300_000
    assert server.requests[0].startswith("GET /talk.mp4?sig=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("head", "body", "declared"),
    [
        (f"{OK}\nTransfer-Encoding: chunked", b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", None),
        (OK, b"abcdef", None),
        (f"{OK}\nContent-Length: 6\nContent-Encoding: identity", b"abcdef and more than was declared", 6),
    ],
)
async def test_framings(head: str, body: bytes, declared: int | None) -> None:
    async with serving(answering(head, body)) as server, _downloader().open(server.url) as download:
        assert download.declared_bytes == declared
        assert b"".join([chunk async for chunk in download.chunks]) == b"abcdef"


async def test_nothing_of_ours_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cookies, no login, no proxy out of the environment."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password planted-secret")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(answering(f"{OK}\nContent-Length: 0\nSet-Cookie: id=1")) as server:
        downloader = _downloader()
        for _ in range(2):
            async with downloader.open(server.url) as download:
                assert [chunk async for chunk in download.chunks] == []
    names = {line.partition(":")[0].lower() for line in server.requests[1].splitlines()[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert "identity" in server.requests[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://0:{port}/",
        "http://localhost:{port}/",
        "http://LOCALHOST.:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::]:{port}/",
        "http://\uff11\uff12\uff17.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@example.org/",
        "http://user:pass@127.0.0.1:{port}/",
        "http://example.org@127.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_x",
        "//127.0.0.1:{port}/",
        "http:///x",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:{port}/\r\nX: y",
        "http://[fe80::1%25lo]:{port}/",
        "http://exa mple.org/",
        "",
    ],
)
async def test_nothing_inside_is_reached(canary: Server, url: str) -> None:
    failure = await _failure(_downloader("nobody.example"), url.format(port=canary.port))
    assert failure.code == "fetch_refused" or "resolved" in failure.detail
    assert "canary" not in failure.detail
    assert canary.connections == 0


async def test_a_name_that_leads_inside_is_refused(canary: Server) -> None:
    for addresses in ("127.0.0.1", ["1.1.1.1", "127.0.0.1"], "::ffff:127.0.0.1", "64:ff9b::7f00:1"):
        downloader = _downloader("nobody.example", resolve=_resolving(evil=addresses))
        assert (await _failure(downloader, f"http://evil.example:{canary.port}/")).code == "fetch_refused"
    assert canary.connections == 0


async def test_rebinding_is_useless() -> None:
    """The name is asked once, and the connection goes to the answer that was checked."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.2" if len(asked) == 1 else "127.0.0.1")]

    async with serving(answering(f"{OK}\nContent-Length: 2", b"ok"), host="127.0.0.2") as server:
        downloader = _downloader("127.0.0.2", resolve=rebinding)
        assert await _fetch(downloader, f"http://rebind.example:{server.port}/") == b"ok"
    assert asked == ["rebind.example"]
    assert f"Host: rebind.example:{server.port}\r\n" in server.requests[0]


async def test_the_next_address_is_tried() -> None:
    async with serving(answering(f"{OK}\nContent-Length: 2", b"ok")) as server:
        downloader = _downloader("127.0.0.0/8", resolve=_resolving(two=["127.0.0.9", "127.0.0.1"]))
        assert await _fetch(downloader, f"http://two.example:{server.port}/") == b"ok"


async def test_ipv6() -> None:
    async with serving(answering(f"{OK}\nContent-Length: 2", b"ok"), host="::1") as server:
        assert await _fetch(_downloader("::1"), f"http://[::1]:{server.port}/") == b"ok"
    assert f"Host: [::1]:{server.port}\r\n" in server.requests[0]


async def test_redirects_are_followed_and_forget_where_they_came_from() -> None:
    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        left = int(path.strip("/"))
        answer = answering(f"HTTP/1.1 302 Found\nLocation: /{left - 1}") if left else answering(OK, b"here")
        await answer(path, writer)

    async with serving(handler) as server:
        assert await _fetch(_downloader(), f"{server.url}/5") == b"here"
        failure = await _failure(_downloader(), f"{server.url}/6")
    assert failure.code == "fetch_redirects"
    assert not any("referer" in request.lower() for request in server.requests)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "file:///etc/passwd",
        "http://u:p@127.0.0.9/",
        "http://x:y/",
    ],
)
async def test_a_redirect_is_checked_like_the_first_url(canary: Server, location: str) -> None:
    redirect = f"HTTP/1.1 302 Found\nLocation: {location.format(port=canary.port)}"
    async with serving(answering(redirect), host="127.0.0.2") as server:
        failure = await _failure(_downloader("127.0.0.2"), f"http://127.0.0.2:{server.port}/")
    assert failure.code == "fetch_refused"
    assert canary.connections == 0


async def test_a_redirect_to_nowhere() -> None:
    async with serving(answering("HTTP/1.1 301 Moved")) as server:
        assert not (await _failure(_downloader(), server.url)).retryable


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (404, "fetch_not_found", False),
        (410, "fetch_not_found", False),
        (401, "fetch_failed", False),
        (403, "fetch_failed", False),
        (204, "fetch_failed", False),
        (206, "fetch_failed", False),
        (304, "fetch_failed", False),
        (408, "fetch_failed", True),
        (429, "fetch_failed", True),
        (500, "fetch_failed", True),
        (503, "fetch_failed", True),
    ],
)
async def test_statuses(status: int, code: str, retryable: bool) -> None:
    head = f"HTTP/1.1 {status} X\nConnection: close"
    async with serving(answering(head, b"canary")) as server:
        failure = await _failure(_downloader(), server.url)
    assert (failure.code, failure.retryable) == (code, retryable)
    assert str(status) in failure.detail
    assert "canary" not in failure.detail


async def test_retry_after() -> None:
    soon = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60), usegmt=True)
    for said, low, high in (
        ("7", 7, 7),
        (soon, 55, 60),
        ("999999", 3600, 3600),
        ("soon", None, None),
        ("-5", None, None),
    ):
        async with serving(answering(f"HTTP/1.1 503 X\nRetry-After: {said}\nContent-Length: 0")) as server:
            seconds = (await _failure(_downloader(), server.url)).retry_after_seconds
        assert (seconds is None) if low is None or high is None else (seconds is not None and low <= seconds <= high)


@pytest.mark.parametrize(
    ("head", "size", "code"),
    [
        (f"{OK}\nContent-Length: 100", 40, "fetch_incomplete"),
        (f"{OK}\nTransfer-Encoding: chunked", 0, "fetch_incomplete"),
        (f"{OK}\nContent-Length: 1001", 0, "fetch_too_large"),
        (OK, 1001, "fetch_too_large"),
        (f"{OK}\nContent-Encoding: gzip", 10, "fetch_failed"),
        ("SSH-2.0-OpenSSH", 0, "fetch_failed"),
        (f"{OK}\nContent-Length: 5\nContent-Length: 6", 5, "fetch_failed"),
        (f"{OK}\nContent-Length: -1", 5, "fetch_failed"),
        (f"{OK}\nX: {'y' * 200_000}", 5, "fetch_failed"),
    ],
)
async def test_bodies_that_are_wrong(head: str, size: int, code: str) -> None:
    async with serving(answering(head, b"x" * size)) as server:
        assert (await _failure(_downloader(upload_max_bytes=1000), server.url)).code == code


async def _drip(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{OK}\r\n\r\n".encode())
    for _ in range(200):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _silent(path: str, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _stalls(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{OK}\r\nContent-Length: 9\r\n\r\nx".encode())
    await asyncio.Event().wait()


async def _drips_its_head(path: str, writer: asyncio.StreamWriter) -> None:
    for letter in f"{OK}\r\n" + "X: y\r\n" * 100:
        writer.write(letter.encode())
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("handler", "limits", "code"),
    [
        (_drip, {"slow_seconds": 0.1}, "fetch_too_slow"),
        (_drip, {"fetch_max_seconds": 0.1, "fetch_min_bytes_per_second": 1}, "fetch_timeout"),
        (_stalls, {"slow_seconds": 0.1}, "fetch_too_slow"),
        (_silent, {"slow_seconds": 0.1, "fetch_connect_seconds": 0.1}, "fetch_timeout"),
        (_drips_its_head, {"slow_seconds": 0.1, "fetch_connect_seconds": 0.1}, "fetch_timeout"),
    ],
)
async def test_slow_servers(handler: Any, limits: dict[str, float], code: str) -> None:
    async with serving(handler) as server:
        failure = await _failure(_downloader(**limits), server.url)  # type: ignore[arg-type]
    assert (failure.code, failure.retryable) == (code, True)


async def test_a_slow_reader_is_not_the_servers_fault() -> None:
    async with serving(answering(OK, b"x" * 10)) as server:
        downloader = _downloader(slow_seconds=0.02, fetch_min_bytes_per_second=1)
        async with downloader.open(server.url) as download:
            await asyncio.sleep(0.04)
            assert sum([len(chunk) async for chunk in download.chunks]) == 10


async def test_leaving_early_closes_the_connection() -> None:
    closed = asyncio.Event()

    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(f"{OK}\r\n\r\n".encode())
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        finally:
            closed.set()

    async with serving(endless) as server:
        async with _downloader().open(server.url) as download:
            await anext(download.chunks)
        await asyncio.wait_for(closed.wait(), 5)


async def test_nobody_there() -> None:
    async with serving(answering(OK)) as server:
        port = server.port
    failure = await _failure(_downloader(), f"http://127.0.0.1:{port}/")
    assert (failure.code, failure.retryable) == ("fetch_failed", True)
    failure = await _failure(_downloader(), "http://does-not-exist.invalid/")
    assert failure.code == "fetch_failed"
    failure = await _failure(_downloader(), f"http://{'a' * 64}.example/")
    assert failure.code in ("fetch_failed", "fetch_refused")


async def test_the_system_resolves() -> None:
    assert LOOPBACK in await resolve("127.0.0.1", 80)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For media.example alone, signed by itself; key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "media.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("media.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "media.example.pem"
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(key.private_bytes(*private) + made.public_bytes(serialization.Encoding.PEM))
    return pem


async def test_tls_speaks_to_the_name_not_to_the_address(certificate: Path) -> None:
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        """A second question about the same name would be answered by an address where nobody is."""
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1" if asked.count(host) == 1 else "127.0.0.9")]

    trust = {"resolve": rebinding, "tls": ssl.create_default_context(cafile=str(certificate))}
    async with serving(answering(f"{OK}\nContent-Length: 2", b"ok"), tls=tls) as server:
        assert await _fetch(_downloader(**trust), f"https://media.example:{server.port}/") == b"ok"
        failure = await _failure(_downloader(**trust), f"https://other.example:{server.port}/")
    assert names == asked == ["media.example", "other.example"]
    assert f"Host: media.example:{server.port}\r\n" in server.requests[0]
    assert (failure.code, failure.retryable) == ("fetch_failed", False)
    assert "certificate" in failure.detail


async def test_https_is_not_left_for_http(certificate: Path, canary: Server) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trust = {"resolve": _resolving(media="127.0.0.1"), "tls": ssl.create_default_context(cafile=str(certificate))}
    async with serving(answering(f"HTTP/1.1 302 X\nLocation: {canary.url}"), tls=tls) as server:
        failure = await _failure(_downloader(**trust), f"https://media.example:{server.port}/")
    assert failure.code == "fetch_refused"
    assert canary.connections == 0


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "ftp://x/", "http://a@b/", "x", "http://example.org:22/"]
)
def test_the_web_edge_can_tell_at_once(url: str) -> None:
    downloader = _downloader("nobody.example")
    downloader.validate_url("https://example.org/talk.mp4")
    with pytest.raises(RequestError) as caught:
        downloader.validate_url(url, pointer="/callback_url")
    assert (caught.value.code, caught.value.pointer) == ("url_not_allowed", "/callback_url")


def test_a_wrong_allowance_is_told_at_the_start() -> None:
    with pytest.raises(ConfigurationError):
        _downloader("10.0.0.0/99")
