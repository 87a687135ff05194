"""A vendor that answers what it is told to, and refuses every request its description does not allow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from mediaanalysis.metrics import Metrics
from mediaanalysis.providers import Providers
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.providers.wire import Clip, Image, Message
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.settings import Settings
from tests.providers.specs import complaints
from tests.providers.vendors import every_vendor

Act = httpx.Response | Exception
SECONDS = 8.0
SOUND = b"fLaC" + bytes(range(256)) * 4
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256))

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


class Fake:
    """Plays `acts` one after the other, the last one for ever. `requests` are those that came."""

    def __init__(self, *acts: Act | Any) -> None:
        self.acts = list(acts)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        wrong = complaints(request)
        assert not wrong, "\n".join(wrong)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        if isinstance(act, Exception):
            raise act
        return act if isinstance(act, httpx.Response) else httpx.Response(200, json=act)

    @property
    def request(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def json(self) -> Any:
        return json.loads(self.request.content)


@asynccontextmanager
async def opened(
    vendor: Callable[[httpx.Request], Any],
    vendors: Vendors | None = None,
    metrics: Metrics | None = None,
    *,
    work: tuple[Path, ...] = (),
) -> AsyncIterator[Providers]:
    """All providers, with `vendor` behind every address. The local one reads only what lies below `work`."""
    network = httpx.MockTransport(vendor)
    setup = vendors or every_vendor()
    async with Providers.open(
        Settings(cpu_slots=1), Sandbox(1, work=work), metrics or Metrics(), setup, network=network
    ) as providers:
        yield providers


def clip(folder: Path, **fields: Any) -> Clip:
    path = folder / "audio.flac"
    path.write_bytes(SOUND)
    return Clip(path, "audio/flac", SECONDS, len(SOUND), **fields)


def message(folder: Path, **fields: Any) -> Message:
    """With two pictures and a wish for JSON."""
    path = folder / "frame.jpg"
    path.write_bytes(PICTURE)
    images = (Image(path, caption="0:01"), Image(path))
    return Message("What is it?", **{"instructions": "Answer in JSON.", "images": images, "schema": SCHEMA, **fields})
