"""The whole service with made-up vendors behind it: `analyze` sends, waits for the end, and answers the result."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from mediaanalysis.app import in_process
from mediaanalysis.settings import Settings
from tests import sounds
from tests.analysis.conftest import finished
from tests.analysis.vendors.fake import Vendor, fake_vendors
from tests.databases import own_database

Analyze = Callable[..., Awaitable[dict[str, Any]]]

number = itertools.count(1)
"""What makes each medium another one, so that nothing of it is known."""


@pytest.fixture(scope="session")
def vendor_settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_database(server, "vendors") as dsn:
        yield Settings(database_url=dsn, data_dir=tmp_path_factory.mktemp("vendors"), pool_min=1)


@pytest.fixture(scope="session")
def the_vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def vendor(the_vendor: Vendor) -> Vendor:
    the_vendor.reset()
    return the_vendor


@pytest_asyncio.fixture(scope="session")
async def vendor_client(
    vendor_settings: Settings, the_vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    assert vendor_settings.database_url is not None
    known = fake_vendors(tmp_path_factory.mktemp("catalogue"))
    async with in_process(vendor_settings, vendor_settings.database_url, known, network=the_vendor) as application:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(base_url="http://test", transport=transport) as client:
            yield client


@pytest.fixture(scope="session")
def _talk(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray[Any, Any]:
    """A minute and a half: eight phrases of ten seconds, a second and a half between them."""
    phrase = sounds.speech_like(10)
    return np.concatenate([np.concatenate([phrase, sounds.silence(1.5)]) for _ in range(8)])


@pytest.fixture
def talk(_talk: np.ndarray[Any, Any], tmp_path: Path) -> Path:
    """Another file each time, so that nothing of it is known: a sample at its end differs."""
    samples = np.concatenate([_talk, sounds.silence(0.01 * next(number))])
    return sounds.write(tmp_path / "talk.flac", samples)


@pytest.fixture
def document(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "text.txt"
        path.write_text(f"{text}\n\nNumber {next(number)}.")
        return path

    return write


@pytest.fixture
def analyze(vendor_client: httpx.AsyncClient, vendor: Vendor) -> Analyze:
    async def run(path: Path | None = None, **fields: Any) -> dict[str, Any]:
        body = {"prompt": "What is it?", **fields}
        if path is None:
            accepted = await vendor_client.post("/api/media/analyze", json=body)
        else:
            files = {"file": (path.name, path.read_bytes())}
            form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
            accepted = await vendor_client.post("/api/media/analyze", data=form, files=files)
        assert accepted.status_code == 202, accepted.text
        return await finished(vendor_client, accepted.json()["analysis_id"])

    return run
