"""A model of the simplest kind, for the tests of `Resident`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mediaanalysis.errors import MediaError
from mediaanalysis.sandbox.child import serve


def handle(request: dict[str, Any]) -> Any:
    print("a library that talks too much", flush=True)
    return DEEDS[request["do"]](request)


def _refuse(request: dict[str, Any]) -> Any:
    raise MediaError("The page is blank.", code="media_damaged")


def _starve(request: dict[str, Any]) -> Any:
    raise MemoryError


def _die_once(request: dict[str, Any]) -> str:
    mark = Path(request["mark"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return "alive"


def _work(request: dict[str, Any]) -> None:
    while time.process_time() < request["seconds"]:
        pass


DEEDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "echo": lambda request: {"pid": os.getpid(), "bytes": request.get("bytes")},
    "refuse": _refuse,
    "fail": lambda _: {}["missing"],
    "starve": _starve,
    "die": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "be killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "die once": _die_once,
    "work": _work,
    "hang": lambda _: signal.pause(),
    "flood": lambda request: b"x" * request["size"],
}


if __name__ == "__main__":
    serve(handle)
