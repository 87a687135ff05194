"""Servers and names made to break who fetches from them, or to lead it inside. Nothing inside is ever reached."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from mediaanalysis.errors import FetchError
from mediaanalysis.media.address import Address
from mediaanalysis.media.download import Downloader
from mediaanalysis.settings import Settings
from tests.media.servers import answering, serving
from tests.media.test_address import SPECIAL

OK = "HTTP/1.1 200 OK"
EVIL = "127.0.0.2"
MOST_BYTES = 30_000


def downloader(*allow: str, resolve: Any = None, slow_seconds: float = 5.0) -> Downloader:
    settings = Settings(fetch_allow=allow, upload_max_bytes=MOST_BYTES, fetch_connect_seconds=0.5)
    options = {"resolve": resolve} if resolve else {}
    return Downloader(settings, slow_seconds=slow_seconds, **options)


async def fetched(by: Downloader, url: str) -> bytes:
    try:
        async with by.open(url) as download:
            return b"".join([chunk async for chunk in download.chunks])
    finally:
        await by.aclose()


async def code(by: Downloader, url: str) -> str:
    with pytest.raises(FetchError) as caught:
        await fetched(by, url)
    return caught.value.code


async def test_a_name_may_lead_to_no_special_address() -> None:
    """Each of them alone, and beside a public one, whichever comes first."""
    answer: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(text) for text in answer]

    by = downloader(resolve=resolve)
    for special in SPECIAL:
        for answer[:] in ([special], ["8.8.8.8", special], [special, "2606:4700:4700::1111"]):
            assert await code(by, "http://evil.example/") == "fetch_refused", answer


async def test_each_hop_is_resolved_and_checked() -> None:
    """The first name leads outside, the one it redirects to inside."""
    async with serving(answering(OK)) as canary:

        async def resolve(host: str, port: int) -> Sequence[Address]:
            return [ip_address(EVIL if host == "outside.example" else "127.0.0.1")]

        redirect = answering(f"HTTP/1.1 302 Found\nLocation: http://inside.example:{canary.port}/")
        async with serving(redirect, host=EVIL) as evil:
            url = f"http://outside.example:{evil.port}/"
            assert await code(downloader(EVIL, resolve=resolve), url) == "fetch_refused"
    assert (canary.connections, evil.connections) == (0, 1)


async def test_nothing_of_one_hop_is_told_to_the_next() -> None:
    """Neither cookies nor where it came from, nor what the first asked to be sent."""

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        head = "Set-Cookie: id=1; Domain=127.0.0.2\nWWW-Authenticate: Basic realm=x\nAccept-CH: X-Device"
        to_next = f"HTTP/1.1 302 Found\nLocation: /next\nContent-Length: 0\n{head}"
        await answering(to_next if path == "/" else f"{OK}\nContent-Length: 2", b"ok")(path, writer)

    async with serving(handler, host=EVIL) as server:
        assert await fetched(downloader(EVIL), f"http://{EVIL}:{server.port}/") == b"ok"
    names = {line.partition(":")[0].lower() for line in server.requests[1].splitlines()[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "connection"}


async def test_a_packed_bomb_stays_packed() -> None:
    """Said to be packed, it is refused; not said, it is kept as it came."""
    bomb = gzip.compress(bytes(50 * MOST_BYTES))
    for header, answer in (("Content-Encoding: gzip\n", None), ("", bomb)):
        async with serving(answering(f"{OK}\n{header}Content-Length: {len(bomb)}", bomb), host=EVIL) as server:
            url = f"http://{EVIL}:{server.port}/"
            if answer is None:
                assert await code(downloader(EVIL), url) == "fetch_failed"
            else:
                assert await fetched(downloader(EVIL), url) == answer


def forever(head: bytes, piece: bytes) -> Any:
    """A server that says its head and then the same for as long as it is listened to."""

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()

    return handler


CHUNKED = f"{OK}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
ENDLESS = {
    "chunks": (CHUNKED, b"8000\r\n" + b"x" * 0x8000 + b"\r\n", {"fetch_too_large"}),
    "chunks of a byte": (CHUNKED, b"1\r\nx\r\n" * 1000, {"fetch_too_large"}),
    "a chunk's extension": (CHUNKED + b"1;", b"x" * 10_000, {"fetch_incomplete", "fetch_failed"}),
    "a chunk's length": (CHUNKED, b"0" * 10_000, {"fetch_incomplete", "fetch_failed"}),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000, {"fetch_incomplete", "fetch_failed"}),
    "a body": (f"{OK}\r\n\r\n".encode(), b"x" * 10_000, {"fetch_too_large"}),
    "a body beyond its length": (f"{OK}\r\nContent-Length: 9\r\n\r\n".encode(), b"x" * 10_000, {"completed"}),
    "headers": (f"{OK}\r\n".encode(), b"X: y\r\n" * 1000, {"fetch_failed"}),
    "one header": (f"{OK}\r\nX: ".encode(), b"y" * 10_000, {"fetch_failed"}),
    "a status line": (b"HTTP/1.1 200 ", b"K" * 10_000, {"fetch_failed"}),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100, {"fetch_timeout"}),
    "blank lines": (b"", b"\r\n" * 1000, {"fetch_failed"}),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_nothing_endless_is_listened_to_for_ever(what: str) -> None:
    head, piece, codes = ENDLESS[what]
    async with serving(forever(head, piece), host=EVIL) as server:
        url, by = f"http://{EVIL}:{server.port}/", downloader(EVIL, slow_seconds=0.3)
        async with asyncio.timeout(20):
            if codes == {"completed"}:
                assert await fetched(by, url) == b"x" * 9
            else:
                assert await code(by, url) in codes


async def test_crumbs_leave_others_their_turn() -> None:
    """A packet holds thousands of chunks of a byte, which come without any wait between them."""
    turns, count = 0, 20_000

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    head = f"{OK}\nTransfer-Encoding: chunked"
    async with serving(answering(head, b"1\r\nx\r\n" * count + b"0\r\n\r\n"), host=EVIL) as server:
        beside = asyncio.create_task(another())
        assert await fetched(downloader(EVIL), f"http://{EVIL}:{server.port}/") == b"x" * count
        beside.cancel()
    assert turns > count / 2


async def test_redirects_end_however_they_go_on() -> None:
    """Each to a place not seen before."""

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        await answering(f"HTTP/1.1 307 X\nLocation: {path}x?{len(path)}\nContent-Length: 0")(path, writer)

    async with serving(handler, host=EVIL) as server:
        assert await code(downloader(EVIL), f"http://{EVIL}:{server.port}/") == "fetch_redirects"
    assert len(server.requests) == 6
