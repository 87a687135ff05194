"""Request bodies: bytes under a limit, JSON to structs, and decoding errors to the codes of the contract.

Syntax and missing fields are 400 (`bad_json`, `missing_field`); known fields with bad values and unknown fields are
422 (`invalid_value`, `unknown_field`). Each carries the RFC 6901 pointer of the value at fault.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request

from mediaanalysis.errors import RequestError
from mediaanalysis.structs.requests import METADATA_MAX_BYTES, AnalyzeRequest

JSON_MAX_BYTES = 1024 * 1024
"""Twice what the longest prompt and metadata take when every character of them is escaped."""
METADATA_MAX_DEPTH = 32

_decode = msgspec.json.Decoder(AnalyzeRequest).decode
_WHERE = re.compile(r"(?s)(?P<what>.*?)(?: - at `(?P<key>key in )?\$?(?P<path>.*)`)?$")
_FIELD = re.compile(r"(?s)Object (?:missing required field|contains unknown field) `(?P<field>.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def content_type(request: Request) -> str:
    """The media type of the body, lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_coding(request: Request) -> None:
    """Bodies are taken as they are: a small compressed one may be a large one."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestError("Send the body without a Content-Encoding.", code="unsupported_content_type")


def declared_bytes(request: Request, max_bytes: int) -> int:
    """What the body's length is said to be, 0 where nothing is said. Raises body_too_large."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    _check_size(size, max_bytes)
    return size


async def chunks(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises body_too_large as soon as the declared or the real size is over the limit."""
    declared_bytes(request, max_bytes)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        _check_size(size, max_bytes)
        yield chunk


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise RequestError(f"The body may have at most {max_bytes} bytes.", code="body_too_large")


async def read_json(request: Request) -> AnalyzeRequest:
    """The JSON body, decoded and checked value by value."""
    body = b"".join([chunk async for chunk in chunks(request, JSON_MAX_BYTES)])
    return decode(body)


def decode(body: bytes) -> AnalyzeRequest:
    """An analyze request out of JSON text."""
    try:
        return _checked(_decode(body))
    except msgspec.ValidationError as error:
        decode_any(body)
        raise validation_error(error) from None
    except (ValueError, RecursionError) as error:
        raise _bad_json(error, "") from None


def convert(values: dict[str, Any]) -> AnalyzeRequest:
    """An analyze request out of decoded values."""
    try:
        return _checked(msgspec.convert(values, AnalyzeRequest))
    except msgspec.ValidationError as error:
        raise validation_error(error) from None


def decode_any(text: bytes | str, pointer: str = "") -> Any:
    """Any JSON value."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise _bad_json(error, pointer) from None


def _bad_json(error: Exception, pointer: str) -> RequestError:
    if isinstance(error, RecursionError):
        return RequestError("The JSON is nested too deep.", code="bad_json", pointer=pointer)
    return RequestError(f"The JSON cannot be read: {error}.", code="bad_json", pointer=pointer)


def validation_error(error: msgspec.ValidationError) -> RequestError:
    """msgspec's words (`Expected `int`, got `str` - at `$.config.max_tokens``) as a code and a pointer."""
    found = _WHERE.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    steps = [name or index for name, index in _STEP.findall(path)]
    code = "invalid_value"
    if field := _FIELD.match(what):
        steps.append(field["field"])
        code = "missing_field" if what.startswith("Object missing") else "unknown_field"
    pointer = pointer_to(*steps)
    return RequestError(f"{pointer or 'The body'}: {what}.", code=code, pointer=pointer)


def pointer_to(*steps: str) -> str:
    """An RFC 6901 pointer."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _checked(request: AnalyzeRequest) -> AnalyzeRequest:
    """What the types do not say: text and metadata that PostgreSQL can hold."""
    texts = {
        "/prompt": request.prompt,
        "/media_url": request.media_url,
        "/config/model": request.config.model,
        "/config/transcription_model": request.config.transcription_model,
    }
    for pointer, text in texts.items():
        if text and "\0" in text:
            raise RequestError(f"{pointer}: text must not contain NUL.", pointer=pointer)
    if request.metadata:
        _check_metadata(request.metadata)
    return request


def _check_metadata(metadata: dict[str, Any]) -> None:
    pointer = "/metadata"
    if not _is_storable(metadata, METADATA_MAX_DEPTH):
        raise RequestError(
            f"{pointer}: nested deeper than {METADATA_MAX_DEPTH}, or text with NUL in it.", pointer=pointer
        )
    if len(msgspec.json.encode(metadata)) > METADATA_MAX_BYTES:
        raise RequestError(f"{pointer}: larger than {METADATA_MAX_BYTES} bytes as JSON.", pointer=pointer)


def _is_storable(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, dict):
        return depth > 0 and all("\0" not in key and _is_storable(item, depth - 1) for key, item in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_is_storable(item, depth - 1) for item in value)
    return True
