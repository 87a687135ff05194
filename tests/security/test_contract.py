"""What the service answers is what it says it would: Schemathesis reads /openapi.json and sends whatever fits and does
not fit, alone and in the order in which calls follow from each other, with a key and without.

A short run that is always the same in `make test`. `make fuzz` sends a tenth of FUZZ inputs to each operation, from
FUZZ_SEED on, which it prints.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from mediaanalysis.app import open_services, worker_for
from mediaanalysis.errors import FetchError
from mediaanalysis.media.download import Download, Downloader
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.store import transcriptions
from mediaanalysis.store.pool import Database
from mediaanalysis.structs.principals import ADMIN, READ, WRITE
from mediaanalysis.structs.transcript import Segment, Transcript, Word
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.handlers import polls
from mediaanalysis.web.routes import application
from tests.clips import Clips, clips
from tests.databases import as_operator, own_database
from tests.security.test_owners import analyzed
from tests.web.callers import Key, caller, make_key
from tests.web.conftest import serve

__all__ = ["clips"]

pytestmark = pytest.mark.xdist_group("contract")  # one service for all of them

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")
SHORT, LONG = 2, max(int(os.environ.get("FUZZ", "500")) // 10, 1)
SEED = os.environ.get("FUZZ_SEED", "1")
ONE_OF_A_KIND = """
# The other addresses take the same, and differ in a word: their boundaries are tried at length only.
[[operations]]
include-path-regex = "/(estimate|video|audio|documents|images)$"
[operations.phases.coverage]
enabled = false
"""
UNLIMITED = {"submits_per_minute": 0, "polls_per_minute": 0, "upload_bytes_per_minute": 0, "max_active": 0}
SAID = Transcript(
    "Ask.", "local", "m", "en", words=(Word("Ask.", 0.0, 0.5, 0.9, "a"),), segments=(Segment("Ask.", 0.0, 0.5),)
)


class Nowhere(Downloader):
    """Checks URLs as ever, and reaches none."""

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Download]:
        raise FetchError("Nothing is fetched here.", code="fetch_failed")
        yield


@pytest.fixture(scope="module")
def settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_database(server, "contract") as dsn:
        yield Settings(database_url=dsn, data_dir=tmp_path_factory.mktemp("contract"), pool_min=1, **UNLIMITED)


@pytest_asyncio.fixture(scope="module")
async def key(settings: Settings) -> Key:
    assert settings.database_url is not None
    async with await Database.open(Settings(pool_min=1, pool_max=1), as_operator(settings.database_url)) as operator:
        return await make_key(operator.pool, scopes=(READ, WRITE, ADMIN))


@pytest_asyncio.fixture(scope="module")
async def address(settings: Settings, key: Key, clips: Clips) -> AsyncIterator[tuple[str, str]]:
    """Where the service listens, and the id of an analysis that has everything. Nobody works on others."""
    assert settings.database_url is not None
    async with open_services(settings, settings.database_url) as opened:
        services = replace(opened, downloader=Nowhere(settings))
        app = application(services, Access.KEYS)
        analysis_id = await finished(services, app, key, clips("plain.mp4"))
        async with serve(app) as (host, port):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(polls, "WAIT_MAX_SECONDS", 0)  # nothing will change that would be worth a wait
                yield f"http://{host}:{port}", analysis_id


async def finished(services: Services, app: ASGIApp, key: Key, media: Path) -> str:
    worker = worker_for(services)
    running = asyncio.create_task(worker.run())
    async with caller(app, key) as client:
        analysis_id = await analyzed(client, media)
    worker.stop()
    await running
    await transcriptions.put(services.database.pool, UUID(analysis_id), SAID)
    return analysis_id


@pytest.fixture
def config(address: tuple[str, str], tmp_path: Path) -> Path:
    """With the dictionary of ids that there are."""
    (tmp_path / "analyses").write_text(f'"{address[1]}"\n')
    return Path(shutil.copy(CONFIG, tmp_path))


async def hold(address: str, key: Key, config: Path, *options: str) -> None:
    """Hold the service against its description. Fails with Schemathesis' report. Its coverage is nobody's matter."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"{address}/openapi.json"),
        *("--no-color", *options),
        cwd=ROOT,
        env={**unmeasured, "CONTRACT_KEY": key.text, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await program.communicate()
    if program.returncode:
        pytest.fail(report.decode(), pytrace=False)


async def test_answers_are_as_described(address: tuple[str, str], key: Key, config: Path) -> None:
    with config.open("a") as file:
        file.write(ONE_OF_A_KIND)
    await hold(address[0], key, config, "--generation-deterministic", "-n", str(SHORT))


@pytest.mark.fuzz
async def test_thousands_of_answers_are_as_described(address: tuple[str, str], key: Key, config: Path) -> None:
    options = ("--continue-on-failure", "--generation-database", "none", "--seed", SEED, "-n", str(LONG))
    await hold(address[0], key, config, *options)
