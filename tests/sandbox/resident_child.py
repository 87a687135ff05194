"""A model of the simplest kind, for the tests of `Resident`."""

from __future__ import annotations

import os
import signal
from typing import Any

from mediaanalysis.errors import MediaError
from mediaanalysis.sandbox.child import serve


def handle(request: dict[str, Any]) -> Any:
    print("a library that talks too much", flush=True)
    match request["do"]:
        case "echo":
            return {"pid": os.getpid(), "bytes": request.get("bytes")}
        case "refuse":
            raise MediaError("The page is blank.", code="media_damaged")
        case "fail":
            return {}["missing"]
        case "starve":
            raise MemoryError
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            signal.pause()
        case "flood":
            return b"x" * request["size"]
    return None


if __name__ == "__main__":
    serve(handle)
