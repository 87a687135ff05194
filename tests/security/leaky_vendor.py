"""A vendor that repeats whatever it was sent: in errors, in headers, in answers. Over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODES = ("unauthorized", "failing", "teapot", "garbage", "answering", "empty")
"""How it behaves is in the prompt of the request: the mode's name stands there."""


class Leaky(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(200, b"Minutes of Monday: nothing was decided.", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        heard = " ".join(f"{name}: {value}" for name, value in self.headers.items())
        mode = next(mode for mode in (*MODES, "empty") if f"mode {mode}" in body or mode == "empty")
        status, said = self._act(mode, heard)
        self._say(status, said, "application/json")

    def _act(self, mode: str, heard: str) -> tuple[int, bytes]:
        error = json.dumps({"error": {"message": f"Incorrect API key provided: {heard}", "code": heard, "type": heard}})
        answer: dict[str, Any] = {"answer": f"It says {heard}.", "summary": heard, "topics": [heard[-60:]]}
        reply = {"id": heard, "model": heard, "choices": [{"message": {"content": json.dumps(answer)}, "index": 0}]}
        return {
            "unauthorized": (401, error.encode()),
            "failing": (500, error.encode()),
            "teapot": (418, heard.encode()),
            "garbage": (200, heard.encode()),
            "answering": (200, json.dumps(reply).encode()),
            "empty": (200, b"{}"),
        }[mode]

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", self.headers.get("authorization", "none"))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""


@contextmanager
def leaky_vendor() -> Iterator[str]:
    """Its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Leaky) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
