"""Calls of providers: `python -m tests.bench.providers [calls]`.

What a call with pictures of 1 MB costs this process beyond putting them into base64 and JSON (target: 5 ms of CPU), and
how its memory grows; then the wall time of a one-hour talk whose vendor takes 200 ms a part (target: 10 s).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import psutil

from mediaanalysis import migrate
from mediaanalysis.app import in_process
from mediaanalysis.metrics import Metrics
from mediaanalysis.providers import Providers
from mediaanalysis.providers.wire import Image, Message
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded
from mediaanalysis.structs.requests import Config
from tests import sounds
from tests.analysis.vendors.fake import GOOD, fake_vendors, said

PICTURE_BYTES = 1_000_000
PART_SECONDS = 0.2
CPU_TARGET_MS, WALL_TARGET_SECONDS = 5.0, 10.0


WORDS = [{"word": f"w{n}", "start": n * 0.4, "end": n * 0.4 + 0.3} for n in range(1000)]
HEARD = {"text": " ".join(str(word["word"]) for word in WORDS), "duration": 400.0, "words": WORDS}


class Echo(httpx.AsyncBaseTransport):
    """Reads what is sent, as a socket would, and answers; a part of a talk after a while."""

    def __init__(self) -> None:
        self.parts = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        if not request.url.path.endswith("transcriptions"):
            return said(GOOD)
        self.parts += 1
        await asyncio.sleep(PART_SECONDS)
        return httpx.Response(200, json=HEARD)


async def calls(folder: Path, count: int) -> None:
    picture = folder / "picture.jpg"
    picture.write_bytes(os.urandom(PICTURE_BYTES))
    async with Providers.open(
        Settings(data_dir=folder), Sandbox(1), Metrics(), fake_vendors(folder), network=Echo()
    ) as providers:
        chain = providers.answer_chain(Config(), pictures=True)
        for pictures in (0, 1, 4):
            message = Message("What is it?", images=(Image(picture),) * pictures)
            await providers.say(message, chain)
            before = psutil.Process().memory_info().rss
            ours = [await _cpu(providers.say(message, chain)) for _ in range(count)]
            floor = [_encoding(picture, pictures) for _ in range(count)]
            grown = (psutil.Process().memory_info().rss - before) / 1e6
            beyond = 1000 * (statistics.median(ours) - statistics.median(floor))
            print(
                f"{pictures} pictures of 1 MB: {1000 * statistics.median(ours):.2f} ms CPU a call, "
                f"{beyond:.2f} ms beyond encoding (target {CPU_TARGET_MS}), memory {grown:+.1f} MB after {count} calls"
            )


async def _cpu(call: Any) -> float:
    started = time.process_time()
    await call
    return time.process_time() - started


def _encoding(picture: Path, count: int) -> float:
    """The floor: the same bytes read, in base64, in JSON."""
    started = time.process_time()
    msgspec.json.encode([b64encode(picture.read_bytes()).decode() for _ in range(count)])
    return time.process_time() - started


def talk(folder: Path) -> Path:
    """An hour: phrases of ten seconds, and pauses of two."""
    phrase = np.concatenate([sounds.speech_like(10), sounds.silence(2)])
    return sounds.write(folder / "talk.flac", np.tile(phrase, 300))


async def hour(folder: Path) -> None:
    echo = Echo()
    server = embedded.start(folder / "database", durable=False)
    try:
        migrate.apply(server.dsn)
        settings = Settings(database_url=server.dsn, data_dir=folder / "data", log_level="error")
        async with in_process(settings, server.dsn, fake_vendors(folder), network=echo) as application:
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(base_url="http://bench", transport=transport, timeout=None) as client:
                path = talk(folder)
                for model in ("patient-ears", "ears"):
                    await _analyze(client, path, model, echo)
    finally:
        server.stop()


async def _analyze(client: httpx.AsyncClient, path: Path, model: str, echo: Echo) -> None:
    """A byte more makes it another medium, so that nothing of it is known."""
    echo.parts = 0
    started = time.perf_counter()
    body = {"prompt": "What is said?", "config": f'{{"transcription_model": "{model}"}}'}
    content = path.read_bytes() + model.encode()
    sent = await client.post("/api/media/analyze", data=body, files={"file": (path.name, content)})
    where = f"/api/media/status/{sent.json()['analysis_id']}"
    while (await client.get(where, params={"wait": 20})).json()["status"] in {"pending", "processing"}:
        pass
    wall = time.perf_counter() - started
    result = (await client.get(f"/api/media/{sent.json()['analysis_id']}")).json()
    assert result["status"] == "completed", result["error_message"]
    took = {stage["stage"]: stage["duration_ms"] / 1000 for stage in result["stages"] if not stage["chunk"]}
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in took.items() if seconds >= 0.1)
    print(
        f"one hour in {echo.parts} parts: {wall:.1f} s from upload to result "
        f"(target {WALL_TARGET_SECONDS:.0f}); of this {stages}"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mediaanalysis-bench-") as name:
        os.chmod(name, 0o755)  # noqa: PTH101 - PostgreSQL runs as its own user where we are root
        asyncio.run(calls(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 100))
        asyncio.run(hour(Path(name)))
