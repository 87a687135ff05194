"""The service as a whole: `python -m tests.bench.service`.

Memory at rest without models, the longest block of its event loop while it works, and a file of 2 GB by upload and by
URL: seconds, and the growth of its memory. The server runs in a process of its own, on the embedded PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import psutil

BIG_BYTES = 2 * 1024**3
BLOCK = b"plain words\n" * 87_382  # a text: what cannot be used would be refused at its first bytes
UNFINISHED = {"pending", "processing"}


@contextmanager
def server(place: Path, *, log: int | None = None, **more: str) -> Iterator[tuple[str, psutil.Process]]:
    """A running service and its process; `more` settings than those of a newcomer. `log`: where its log goes."""
    command = [sys.executable, "-m", "mediaanalysis", "serve", "--migrate", "--port", "0"]
    settings = {"DATA_DIR": str(place / "data"), "FETCH_ALLOW": "127.0.0.1", "LOG_LEVEL": "error"} | more
    environment = {**os.environ, **settings}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None
        said = "".join(takewhile(lambda line: not line.startswith("Ctrl-C"), process.stdout))
        found = re.search(r"serving +(http://\S+)", said)
        assert found is not None
        try:
            yield found[1], psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """The folder over HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    SimpleHTTPRequestHandler.log_message = lambda *_: None  # type: ignore[method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


class Watch:
    """The highest memory of a process while inside."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.peak = self.start = process.memory_info().rss

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _look(self) -> None:
        while True:
            self.peak = max(self.peak, self._process.memory_info().rss)
            await asyncio.sleep(0.02)

    def __str__(self) -> str:
        return f"memory {self.start / 1e6:.0f} MB, at most {self.peak / 1e6:.0f} MB"


async def body(boundary: str) -> AsyncIterator[bytes]:
    """A form with a text of 2 GB, made on the way."""
    yield f'--{boundary}\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nx\r\n'.encode()
    yield f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'.encode()
    for _ in range(BIG_BYTES // len(BLOCK)):
        yield BLOCK
    yield f"\r\n--{boundary}--\r\n".encode()


async def ended(client: httpx.AsyncClient, analysis_id: str) -> dict[str, Any]:
    status: dict[str, Any] = {"status": "pending"}
    while status["status"] in UNFINISHED:
        status = (await client.get(f"/api/media/status/{analysis_id}", params={"wait": 20})).json()
    return status


async def measure(url: str, process: psutil.Process, place: Path) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
        await asyncio.sleep(3)
        print(f"at rest: {process.memory_info().rss / 1e6:.0f} MB (target: at most 130)")
        await lag(client)
        async with Watch(process) as watch:
            started = perf_counter()
            headers = {"content-type": "multipart/form-data; boundary=b"}
            answer = await client.post("/api/media/analyze", content=body("b"), headers=headers)
            print(f"2 GiB by upload: {answer.status_code} in {perf_counter() - started:.1f} s, {watch}")
        await ended(client, answer.json()["analysis_id"])
        big = place / "big.bin"
        with big.open("wb") as file:
            for _ in range(BIG_BYTES // len(BLOCK)):
                file.write(BLOCK)
        with files(place) as served:
            async with Watch(process) as watch:
                started = perf_counter()
                fields = {"prompt": "x", "media_url": f"{served}/big.bin"}
                answer = await client.post("/api/media/analyze", json=fields)
                status = await ended(client, answer.json()["analysis_id"])
            print(f"2 GiB by URL: {status['status']} in {perf_counter() - started:.1f} s, {watch}")
        await lag(client)


async def lag(client: httpx.AsyncClient) -> None:
    """As the service itself measures it."""
    text = (await client.get("/metrics")).text
    found = re.search(r"^mediaanalysis_event_loop_lag_seconds (\S+)", text, re.MULTILINE)
    print(f"longest block of the event loop since asked last: {1000 * float(found[1] if found else 'nan'):.0f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mediaanalysis-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        with server(place) as (url, process):
            asyncio.run(measure(url, process, place))


if __name__ == "__main__":
    main()
