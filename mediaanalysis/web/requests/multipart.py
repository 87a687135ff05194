"""multipart/form-data as a stream: fields in memory under limits, the file straight to a sink, in any order.

Memory stays flat whatever the file's size: a chunk of the body is parsed, handed on, and only then the next is read.
Only names decide: the part `file` is the file, every other part is a field. Client file names are kept as display
text; nothing here or later makes a path of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mediaanalysis.errors import RequestError
from mediaanalysis.structs.requests import AnalyzeRequest
from mediaanalysis.web.requests import bodies

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE = "file"
JSON_FIELDS = frozenset({"config", "options", "metadata", "priority"})
PARTS_MAX = 32
FIELDS_MAX_BYTES = 1024 * 1024
HEADERS_MAX = 8
HEADER_MAX_BYTES = 8 * 1024
FILENAME_MAX_CHARACTERS = 255


class Part(Struct, frozen=True):
    """A part's headers. `filename` is what the client calls its file, as it came."""

    name: str
    filename: str | None
    content_type: str | None


class PartEnd(Struct, frozen=True):
    pass


Event = Part | bytes | PartEnd


def boundary(content_type: str) -> str:
    """The boundary parameter of the content type. Raises bad_multipart without one (RFC 2046: 1 to 70 characters)."""
    found = parse_options_header(content_type)[1].get(b"boundary", b"").decode("latin-1")
    if not 1 <= len(found) <= 70:
        raise _bad("the content type has no boundary of 1 to 70 characters")
    return found


def display_name(filename: str | None) -> str | None:
    """A client's file name to show and never to open: last path component, printable, at most 255 characters with the
    extension kept."""
    if filename is None:
        return None
    last = re.split(r"[\\/]", filename)[-1]
    shown = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip()
    stem, dot, extension = shown.rpartition(".")
    if len(shown) > FILENAME_MAX_CHARACTERS:
        shown = stem[: FILENAME_MAX_CHARACTERS - 1 - len(extension)] + dot + extension
    return shown[:FILENAME_MAX_CHARACTERS] if shown.strip(".") else None


async def read(
    chunks: AsyncIterator[bytes], content_type: str, store: Callable[[Part, AsyncIterator[bytes]], Awaitable[None]]
) -> AnalyzeRequest:
    """The form's fields as a request; the part `file` goes to `store` while it comes in. At most one file."""
    stream = _events(chunks, boundary(content_type))
    fields: dict[str, Any] = {}
    room_bytes = FIELDS_MAX_BYTES
    async for event in stream:
        assert isinstance(event, Part), "every part's body is read to its end"
        if event.name in fields:
            raise _bad(f"the part {event.name!r} comes twice")
        body = _body(stream)
        if event.name == FILE:
            fields[FILE] = None
            await store(event, body)
        else:
            value = await _whole(body, room_bytes)
            room_bytes -= len(value)
            fields[event.name] = _value(event.name, _text(event.name, value))
    fields.pop(FILE, None)
    return bodies.convert(fields)


async def _events(chunks: AsyncIterator[bytes], boundary: str) -> AsyncIterator[Event]:
    """The body as parts: `Part`, its bytes, `PartEnd`, and again."""
    reader = _Reader()
    try:
        parser = MultipartParser(
            boundary, reader.callbacks(), max_header_count=HEADERS_MAX, max_header_size=HEADER_MAX_BYTES
        )
        async for chunk in chunks:
            parser.write(chunk)
            for event in reader.take():
                yield event
    except FormParserError as error:
        raise _bad(str(error)) from None
    if not reader.is_complete:
        raise _bad("it ends before its closing boundary")


async def _body(stream: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """The bytes of the part that has just begun."""
    async for event in stream:
        if isinstance(event, PartEnd):
            return
        if isinstance(event, bytes):
            yield event


async def _whole(body: AsyncIterator[bytes], max_bytes: int) -> bytearray:
    """All of a field, which stays in memory until the form has ended."""
    value = bytearray()
    async for piece in body:
        value += piece
        if len(value) > max_bytes:
            detail = f"The fields of a form may have at most {FIELDS_MAX_BYTES} bytes together."
            raise RequestError(detail, code="body_too_large")
    return value


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _bad(f"the part {name!r} is not UTF-8") from None


def _value(name: str, text: str) -> Any:
    """Fields are text, but for those whose value has a structure: these are JSON."""
    return bodies.decode_any(text, bodies.pointer_to(name)) if name in JSON_FIELDS else text


def _bad(what: str) -> RequestError:
    return RequestError(f"The form cannot be read: {what}.", code="bad_multipart")


class _Reader:
    """Turns the parser's callbacks into a list of events."""

    def __init__(self) -> None:
        self.is_complete = False
        self._events: list[Event] = []
        self._parts = 0
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._read_header_name,
            "on_header_value": self._read_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._read_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def take(self) -> list[Event]:
        taken, self._events = self._events, []
        return taken

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise _bad(f"it has more than {PARTS_MAX} parts")
        self._headers = {}

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise _bad("a part has no Content-Disposition: form-data with a name")
        filename = options.get(b"filename")
        content_type = self._headers.get(b"content-type")
        self._events.append(
            Part(
                name=options[b"name"].decode(errors="replace"),
                filename=None if filename is None else filename.decode(errors="replace"),
                content_type=None if content_type is None else content_type.decode("latin-1"),
            )
        )

    def _read_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _end_part(self) -> None:
        self._events.append(PartEnd())

    def _end(self) -> None:
        self.is_complete = True
