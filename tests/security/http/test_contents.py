"""Bodies and targets made to break what reads them: each is refused as what it is, and the service goes on."""

from __future__ import annotations

import re

import pytest

from tests.security.http.asking import Ask

URL = b'"prompt":"p","media_url":"http://example.com/a"'
DEEP = 100_000
ID = b"/api/media/00000000-0000-0000-0000-000000000000"

JSON = {
    "lists without end": (b"[" * DEEP, "bad_json"),
    "objects without end": (b'{"a":' * DEEP, "bad_json"),
    "a deep value": (b"{" + URL + b',"metadata":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}", "bad_json"),
    "a deep value that nobody wants": (b'{"x":' + b"[" * DEEP, "bad_json"),
    "a number beyond doubles": (b"{" + URL + b',"metadata":{"a":1e400}}', "bad_json"),
    "a number of a million digits": (b"{" + URL + b',"metadata":{"a":' + b"9" * 1_000_000 + b"}}", "bad_json"),
    "no number": (b"{" + URL + b',"metadata":{"a":NaN}}', "bad_json"),
    "infinity": (b"{" + URL + b',"metadata":{"a":-Infinity}}', "bad_json"),
    "half a surrogate pair": (b'{"prompt":"\\ud800"}', "bad_json"),
    "a surrogate in UTF-8": (b'{"prompt":"\xed\xa0\x80"}', "bad_json"),
    "overlong UTF-8": (b'{"prompt":"\xc0\xaf"}', "bad_json"),
    "a byte order mark": (b"\xef\xbb\xbf{" + URL + b"}", "bad_json"),
    "UTF-16": ('{"prompt":"p"}'.encode("utf-16"), "bad_json"),
    "a NUL to be kept": (b"{" + URL + b',"metadata":{"\\u0000":1}}', "invalid_value"),
    "a NUL in a URL": (b'{"prompt":"p","media_url":"http://a\\u0000.example/"}', "invalid_value"),
    "a line break in a URL": (b'{"prompt":"p","media_url":"http://a.example/\\r\\nX: y"}', "url_not_allowed"),
    "nothing": (b"", "bad_json"),
    "no object": (b"null", "invalid_value"),
    "too much of nothing": (b" " * 1_100_000, "body_too_large"),
    "wide metadata": (
        b"{" + URL + b',"metadata":{' + b",".join(b'"%d":1' % n for n in range(60_000)) + b"}}",
        "invalid_value",
    ),
}
TARGETS = {
    "a bad escape": (b"/%zz", "not_found"),
    "overlong UTF-8": (b"/%c0%ae%c0%ae/%c0%af", "not_found"),
    "a NUL": (b"/api/media/%00", "invalid_id"),
    "two slashes": (b"//health", "not_found"),
    "a way up": (b"/api/media/../../etc/passwd", "not_found"),
    "a hidden way up": (b"/api/media/%2e%2e%2f%2e%2e%2fetc/passwd", "not_found"),
    "8 kB of it": (b"/" + b"a" * 8000, "not_found"),
    "a header in it": (b"/%0d%0aX-Evil:%201", "not_found"),
    "a file's name with a NUL": (ID + b"/files/%00", "not_found"),
    "a file's name with a surrogate": (ID + b"/files/%ed%a0%80", "not_found"),
    "a frame of 5000 digits": (ID + b"/frames/" + b"9" * 5000, "not_found"),
    "a query that is no UTF-8": (b"/api/media/history?status=%ff", "bad_parameter"),
    "a query with a NUL": (b"/api/media/history?cursor=%00", "bad_parameter"),
    "5000 parameters": (b"/api/media/history?" + b"a=1&" * 5000, "bad_parameter"),
    "a time before all times": (b"/api/media/history?date_to=0001-01-01T00:00:00%2B14:00", "bad_parameter"),
    "another protocol": (b"ftp://localhost/nothing", "not_found"),
}


def part(name: bytes, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"


FORMS = {
    "10,000 parts": (b"".join(part(b"%d" % n, b"") for n in range(10_000)) + b"--x--\r\n", "bad_multipart"),
    "no end": (part(b"prompt", b"p"), "bad_multipart"),
    "a header of 1 MB": (b"--x\r\nContent-Disposition: " + b"y" * 1_000_000, "bad_multipart"),
    "1000 headers": (b"--x\r\n" + b"A: b\r\n" * 1000 + b"\r\n", "bad_multipart"),
    "a form in a form": (
        (
            b"--x\r\nContent-Disposition: form-data; name=files\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
            b"--in\r\n\r\n--in--\r\n--x--\r\n"
        ),
        "unknown_field",
    ),
    "bare line feeds": ((part(b"prompt", b"p") + b"--x--\r\n").replace(b"\r\n", b"\n"), "bad_multipart"),
    "deep JSON in a field": (part(b"metadata", b"[" * DEEP) + b"--x--\r\n", "bad_json"),
    "a name that is no UTF-8": (part(b"\xff", b"") + b"--x--\r\n", "unknown_field"),
    "something before it": (b"y" * 1_000_000 + b"\r\n--x--\r\n", "bad_multipart"),
}


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def post(kind: bytes, body: bytes) -> bytes:
    head = b"POST /api/media/analyze HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
    return head + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


CASES = {
    "JSON": {name: (post(b"application/json", body), code) for name, (body, code) in JSON.items()},
    "form": {name: (post(b"multipart/form-data; boundary=x", body), code) for name, (body, code) in FORMS.items()},
    "target": {name: (get(target), code) for name, (target, code) in TARGETS.items()},
}


@pytest.mark.parametrize("kind", CASES)
async def test_it_is_refused_as_what_it_is(ask: Ask, kind: str) -> None:
    answers = {name: await ask(request) for name, (request, _) in CASES[kind].items()}
    assert {name: _codes(answer) for name, answer in answers.items()} == {
        name: [code] for name, (_, code) in CASES[kind].items()
    }
    assert (await ask(get(b"/health"))).startswith(b"HTTP/1.1 200 ")


def _codes(answer: bytes) -> list[str]:
    return re.findall(r'"code":"(\w+)"', answer.decode("latin-1"))


@pytest.mark.parametrize(
    "parameters", [b"", b"; boundary=", b"; boundary=" + b"x" * 71, b"; boundary=" + b"x" * 20_000, b"; boundary=\xff"]
)
async def test_a_form_needs_a_boundary(ask: Ask, parameters: bytes) -> None:
    assert _codes(await ask(post(b"multipart/form-data" + parameters, FORMS["no end"][0]))) == ["bad_multipart"]
