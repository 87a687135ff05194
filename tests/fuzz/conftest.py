"""The whole service in this process, many jobs at once, each with one attempt: a failure that would be tried again ends
the analysis at once, with its code, instead of making a test wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from mediaanalysis.settings import Settings
from tests.clips import SHARED
from tests.databases import own_database
from tests.fuzz import seeds
from tests.fuzz.ordeal import Ordeal, opened

ONE_ATTEMPT = "alter table processing_jobs alter column max_attempts set default 1"


@pytest.fixture(scope="session")
def settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_database(server, "fuzz") as dsn:
        with psycopg.connect(dsn, user="postgres", autocommit=True) as connection:
            connection.execute(ONE_ATTEMPT)
        yield Settings(database_url=dsn, data_dir=tmp_path_factory.mktemp("fuzz"), worker_slots=12, pool_min=1)


@pytest_asyncio.fixture(scope="session")
async def ordeal(settings: Settings) -> AsyncIterator[Ordeal]:
    async with opened(settings) as ordeal:
        yield ordeal


@pytest.fixture(scope="session")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    return seeds.make(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="session")
def real_files(whole_files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """With the heads of real clips, where there are some beside the checkout."""
    return {**whole_files, **(seeds.heads(SHARED) if SHARED.is_dir() else {})}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a mutant goes that broke a promise, to be looked at."""
    return tmp_path_factory.mktemp("kept")
