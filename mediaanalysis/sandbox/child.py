"""The child's end of a `Resident`: a loop that reads a frame, calls the handler, writes a frame.

A child module ends with

    if __name__ == "__main__":
        serve(handle)

and loads its model inside `handle`, on first use. The child ends when its stdin does.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from mediaanalysis.errors import MediaAnalysisError, MediaError

HEADER = struct.Struct(">I")
"""Length of the msgpack body that follows."""

Handler = Callable[[dict[str, Any]], Any]


class Reply(msgspec.Struct):
    """`code` None: `value` is the answer. Otherwise an error; `media` says that the media is at fault.

    `cpu_seconds`: what this child used since it started.
    """

    value: Any = None
    code: str | None = None
    detail: str = ""
    media: bool = False
    trace: str = ""
    cpu_seconds: float = 0.0


def pack(message: Any) -> bytes:
    body = msgspec.msgpack.encode(message)
    return HEADER.pack(len(body)) + body


def serve(handler: Handler) -> None:
    """Answer frames on stdin until it ends. What libraries print goes to stderr, never between the frames."""
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)
        answer(sys.stdin.buffer, sink, handler)


def answer(source: BinaryIO, sink: BinaryIO, handler: Handler) -> None:
    while header := source.read(HEADER.size):
        request = msgspec.msgpack.decode(source.read(HEADER.unpack(header)[0]))
        reply = _reply(handler, request)
        reply.cpu_seconds = time.process_time()
        sink.write(pack(reply))
        sink.flush()


def _reply(handler: Handler, request: dict[str, Any]) -> Reply:
    try:
        return Reply(value=handler(request))
    except MediaAnalysisError as error:
        return Reply(code=error.code, detail=error.detail, media=isinstance(error, MediaError))
    except MemoryError:
        return Reply(code="stage_memory", detail="A model needed more memory than it may use.")
    except Exception as error:  # noqa: BLE001 - the boundary of this process: the parent raises it again
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Reply(code="disk_full", detail="The disk is full.")
        detail = f"A model failed on this media ({type(error).__name__})."
        return Reply(code="stage_failed", detail=detail, trace=traceback.format_exc(limit=-8))
