from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.errors import RequestError
from mediaanalysis.structs.requests import AnalyzeRequest
from mediaanalysis.web.requests import multipart

TYPE = "multipart/form-data; boundary=xYz"
HEAD = b'--xYz\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
FILE = HEAD + b"Content-Type: video/mp4\r\n\r\n%s\r\n"
END = b"--xYz--\r\n"


def field(name: str, value: str) -> bytes:
    return f'--xYz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def read(body: bytes, content_type: str = TYPE, size: int = 65_536) -> tuple[AnalyzeRequest, dict[str, Any]]:
    kept: dict[str, Any] = {}

    async def store(part: multipart.Part, chunks: AsyncIterator[bytes]) -> None:
        kept.update(part=part, bytes=b"".join([chunk async for chunk in chunks]))

    return await multipart.read(cut(body, size), content_type, store), kept


@given(st.binary(max_size=300), st.integers(1, 80), st.booleans())
async def test_any_bytes_in_any_pieces_in_any_order(content: bytes, size: int, file_first: bool) -> None:
    file, prompt = FILE.replace(b"%s", content), field("prompt", "was ist das? ü")
    request, kept = await read((file + prompt if file_first else prompt + file) + END, size=size)
    assert kept["bytes"] == content
    assert kept["part"] == multipart.Part("file", "a.mp4", "video/mp4")
    assert request.prompt == "was ist das? ü"


async def test_structured_fields_are_json() -> None:
    body = field("prompt", "p") + field("options", '{"frame_count": 3}') + field("priority", "7") + END
    request, kept = await read(body)
    assert (request.options.frame_count, request.priority, kept) == (3, 7, {})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_multipart"),
        (b"nonsense", "bad_multipart"),
        (field("prompt", "p"), "bad_multipart"),
        (FILE % b"x" + FILE % b"y" + END, "bad_multipart"),
        (field("prompt", "p") + field("prompt", "q") + END, "bad_multipart"),
        (b"--xYz\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END, "bad_multipart"),
        (b'--xYz\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n' + END, "bad_multipart"),
        (b"--xYz\r\n" + b"X-A: 1\r\n" * 20 + b"\r\nx\r\n" + END, "bad_multipart"),
        (b"--xYz\r\nX-A: " + b"1" * 20_000 + b"\r\n\r\nx\r\n" + END, "bad_multipart"),
        (b"".join(field(f"f{n}", "x") for n in range(40)) + END, "bad_multipart"),
        (field("prompt", "p").replace(b"p\r\n", b"\xff\r\n") + END, "bad_multipart"),
        (field("prompt", "x" * 2_000_000) + END, "body_too_large"),
        (field("prompt", "x" * 600_000) + field("language", "x" * 600_000) + END, "body_too_large"),
        (FILE % b"x" + END, "missing_field"),
        (field("prompt", "p") + field("colour", "red") + END, "unknown_field"),
        (field("prompt", "p") + field("options", "{") + END, "bad_json"),
        (field("prompt", "p") + field("options", "[" * 10_000) + END, "bad_json"),
        (field("prompt", "p") + field("options", '{"frames": 1}') + END, "unknown_field"),
        (field("prompt", "p") + field("priority", "11") + END, "invalid_value"),
    ],
)
async def test_bad_forms(body: bytes, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        await read(body)
    assert caught.value.code == code


@pytest.mark.parametrize("content_type", ["a/b", "a/b; boundary=", f"a/b; boundary={'x' * 71}"])
async def test_the_boundary_is_required(content_type: str) -> None:
    with pytest.raises(RequestError, match="boundary"):
        await read(END, content_type)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, None),
        ("", None),
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.mp4", "a.mp4"),
        ("a\0b\n\u202e.mp4", "ab.mp4"),
        ("a%d.png", "a%d.png"),
        ("..", None),
        ("x" * 300 + ".mp4", "x" * 251 + ".mp4"),
    ],
)
def test_client_names_are_text_to_show(given: str | None, shown: str | None) -> None:
    assert multipart.display_name(given) == shown
