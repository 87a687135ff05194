"""Where one request ends and the next begins: nothing here may be read in two ways, by us or by a proxy in front."""

from __future__ import annotations

import gzip
import re

import pytest

from tests.security.http.asking import Ask

POST = b"POST /api/media/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
BODY = b'{"prompt":"p"}'
CHUNKED = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"e\r\n" + BODY + b"\r\n"
SMUGGLED = b"\r\nGET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"

REFUSED = {
    "both lengths": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + SMUGGLED,
    "both lengths, turned": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 14\r\nContent-Length: 3\r\n\r\n" + BODY,
    "the same length twice": POST + b"Content-Length: 14\r\nContent-Length: 14\r\n\r\n" + BODY,
    "a list of lengths": POST + b"Content-Length: 14, 14\r\n\r\n" + BODY,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + BODY,
    "a signed length": POST + b"Content-Length: +14\r\n\r\n" + BODY,
    "a length in hex": POST + b"Content-Length: 0xe\r\n\r\n" + BODY,
    "no length in it": POST + b"Content-Length:\r\n\r\n" + BODY,
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "a length in other digits": POST + "Content-Length: ١٤\r\n\r\n".encode() + BODY,
    "a space before the colon": POST + b"Content-Length : 14\r\n\r\n" + BODY,
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    "chunked is not all": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "chunked is twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK,
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNK,
    "chunked after a tab of sorts": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNK,
    "a chunk beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\n" + BODY,
    "a negative chunk": CHUNKED + b"-e\r\n" + BODY,
    "a chunk in 0x": CHUNKED + b"0xe\r\n" + BODY,
    "a chunk without its end": CHUNKED + b"e\r\n" + BODY + b"0\r\n\r\n",
    "chunks by bare line feeds": CHUNKED + b"e\n" + BODY + b"\n0\n\n",
    "an extension cut by a line feed": CHUNKED + b"e;a=\n" + BODY + b"\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + CHUNK + b"0\r\nContent-Length: 5\r\n\r\n",
    "a folded header": GET + b"X-A: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost\n\n",
    "bare carriage returns": b"GET /health HTTP/1.1\rHost: localhost\r\r",
    "a header that begins with a space": b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "a header without a colon": GET + b"XA\r\n\r\n",
    "a header without a name": GET + b": b\r\n\r\n",
    "a NUL in a value": GET + b"X-A: a\0b\r\n\r\n",
    "a NUL in the target": b"GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: evil.example\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "HTTP 2 in plain": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP 2 for real": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version that never was": b"GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\nSSH-2.0",
    "a tunnel to a path": b"CONNECT /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target without a path": b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target that is none": b"GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a host that is none": b"GET http://[::1/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an unknown method": b"STEAL /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
}
TOO_LARGE = {
    "a chunk extension": CHUNKED + b"e;a=" + b"x" * 100_000,
    "trailers": CHUNKED + CHUNK + b"0\r\n" + b"X-A: b\r\n" * 20_000,
    "a trailer's name": CHUNKED + CHUNK + b"0\r\n" + b"X" * 100_000,
}


def statuses(answer: bytes) -> list[str]:
    return re.findall(r"HTTP/1\.1 (\d+) ", answer.decode("latin-1"))


@pytest.mark.parametrize(("requests", "status"), [(REFUSED, "400"), (TOO_LARGE, "431")])
async def test_what_is_no_clear_request_is_refused_once(ask: Ask, requests: dict[str, bytes], status: str) -> None:
    got = {name: statuses(await ask(request)) for name, request in requests.items()}
    assert got == {name: [status] for name in requests}
    assert statuses(await ask(LAST)) == ["200"]


async def test_a_fault_behind_a_good_request_does_not_answer_for_it(ask: Ask) -> None:
    assert statuses(await ask(GET + b"\r\n" + REFUSED["both lengths"])) in (["200"], ["200", "400"])


async def test_trailers_change_nothing(ask: Ask) -> None:
    """Neither of their own request, nor of the next on the connection."""
    wish = b"11111111-1111-4111-8111-111111111111"
    chunked = CHUNKED.replace(b"Connection: close\r\n", b"")
    answer = await ask(chunked + CHUNK + b"0\r\nX-Correlation-ID: " + wish + b"\r\n\r\n" + LAST)
    assert statuses(answer) == ["400", "200"]
    assert wish not in answer


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_an_offered_protocol_changes_nothing(ask: Ask, protocol: bytes) -> None:
    """Java's client offers HTTP 2 with every request; the body is still a body."""
    offer = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(BODY)
    answer = await ask((POST + offer + length + BODY + GET + offer + b"\r\n") * 20 + LAST)
    assert statuses(answer) == ["400", "200"] * 20 + ["200"]
    assert answer.count(b'"code":"missing_field"') == 20


async def test_many_requests_at_once_are_answered_in_order(ask: Ask) -> None:
    paths = [b"/health" if n % 3 else b"/%d" % n for n in range(1000)]
    requests = b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths)
    answer = await ask(requests, ended=True)
    assert statuses(answer) == ["200" if path == b"/health" else "404" for path in paths]


async def test_half_a_request_is_no_request(ask: Ask) -> None:
    for half in (GET, POST + b"Content-Length: 100\r\n\r\nabc", CHUNKED + b"e\r\n{"):
        assert statuses(await ask(half, ended=True)) == []


async def test_a_compressed_body_is_not_opened(ask: Ask) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    coded = b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    assert statuses(await ask(POST + coded + bomb)) == ["415"]
