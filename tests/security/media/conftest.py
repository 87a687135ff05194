"""The whole service in this process, with a canary beside it and one attempt for each job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from mediaanalysis import log
from mediaanalysis.settings import Settings
from tests.clips import Clips, clips
from tests.databases import own_database
from tests.fuzz.conftest import ONE_ATTEMPT
from tests.fuzz.ordeal import opened
from tests.security.media.attacks import attacks, evil_server
from tests.security.media.canary import VICTIM, Canary, listening
from tests.security.media.siege import Ruins, besiege

__all__ = ["clips"]


@pytest.fixture(scope="session")
def fortress(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Only the attacker's own server may be fetched from."""
    with own_database(server, "siege") as dsn:
        with psycopg.connect(dsn, user="postgres", autocommit=True) as connection:
            connection.execute(ONE_ATTEMPT)
        yield Settings(
            database_url=dsn,
            data_dir=tmp_path_factory.mktemp("fortress"),
            fetch_allow=("127.0.0.2",),
            worker_slots=8,
            pool_min=1,
            document_max_pages=50,
        )


@pytest_asyncio.fixture(scope="session")
async def canary(fortress: Settings, clips: Clips) -> AsyncIterator[Canary]:
    """Its file lies beside the storage, the victim's media where an upload would."""
    victim = fortress.data_dir / "storage" / VICTIM
    victim.parent.mkdir(parents=True)
    for kind in ("mp4", "ts"):
        victim.with_suffix(f".{kind}").write_bytes(clips(f"plain.{kind}").read_bytes())
    async with listening(Canary(fortress.data_dir / "secret.txt")) as canary:
        yield canary


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All that the service logs meanwhile."""
    path = tmp_path_factory.mktemp("log") / "log"
    with path.open("w") as sink:
        log.configure(style="json", level="debug", stream=sink)
        yield path
    log.configure(style="text", level="debug")


@pytest_asyncio.fixture(scope="session")
async def ruins(fortress: Settings, canary: Canary, clips: Clips, logged: Path) -> AsyncIterator[Ruins]:
    """The siege, once for all tests."""
    async with evil_server(canary) as evil, opened(fortress) as ordeal:
        yield await besiege(ordeal, await asyncio.to_thread(attacks, canary, evil, clips, fortress.data_dir), logged)
