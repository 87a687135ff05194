"""All attacks at once through the whole service: HTTP request, worker, result. What came of each, and what is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg

from tests.databases import as_operator
from tests.fuzz.ordeal import Ordeal, programs
from tests.security.media.canary import VICTIM

QUICK = {"frame_count": 2, "generate_contact_sheet": False, "read_text": False, "transcribe_audio": False}
TABLES = "select tablename from pg_tables where schemaname = 'public'"


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes to upload under a name, or a URL to fetch."""

    data: bytes = b""
    filename: str = "attack.mp4"
    url: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`end`: the error's code, "completed", or the code of the refusal. `answers`: all that the service said of it."""

    end: str
    answers: bytes = b""
    files: tuple[str, ...] = ()
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Ruins:
    """What the siege left: bytes by where they lie."""

    outcomes: Mapping[str, Outcome]
    bytes_by_place: Mapping[str, bytes]
    most_bytes: int
    log: bytes
    programs: set[int]
    uncleared: Sequence[str]


async def besiege(ordeal: Ordeal, attacks: Mapping[str, Attack], log: Path) -> Ruins:
    storage = ordeal.services.settings.data_dir / "storage"
    outcomes: dict[str, Outcome] = {}
    ids: list[str] = []
    watching = asyncio.create_task(_watch(storage, most := [0]))
    async with asyncio.TaskGroup() as group:
        for name, attack in attacks.items():
            group.create_task(_attack(ordeal, name, attack, outcomes, ids))
    watching.cancel()
    places = {str(path): path.read_bytes() for path in _files(storage)}
    places |= _tables(as_operator(ordeal.services.settings.database_url or ""))
    running = programs()
    left = [each for each in await ordeal.clear(ids) if VICTIM not in each]
    return Ruins(outcomes, places, most[0], log.read_bytes(), running, left)


async def _attack(ordeal: Ordeal, name: str, attack: Attack, outcomes: dict[str, Outcome], ids: list[str]) -> None:
    client = ordeal.client
    accepted = await _submit(client, attack)
    if accepted.status_code != 202:
        outcomes[name] = Outcome(accepted.json()["code"], accepted.content)
        return
    ids.append(analysis_id := accepted.json()["analysis_id"])
    await ordeal.end(analysis_id)
    answer = await client.get(f"/api/media/{analysis_id}")
    result: dict[str, Any] = answer.json()
    files = [f"files/{file['filename']}" for file in result["files"]]
    said = [answer.content]
    paths = (*files, "transcript", "frames")
    said += [(await client.get(f"/api/media/{analysis_id}/{quote(path)}")).content for path in paths]
    end = result["error_code"] or result["status"]
    outcomes[name] = Outcome(end, b"\n".join(said), tuple(files), 1 + result["retry_count"])


async def _submit(client: httpx.AsyncClient, attack: Attack) -> httpx.Response:
    if attack.url:
        body = {"prompt": "What is it?", "media_url": attack.url, "options": QUICK}
        return await client.post("/api/media/analyze", json=body)
    fields = {"prompt": "What is it?", "options": json.dumps(QUICK)}
    return await client.post("/api/media/analyze", data=fields, files={"file": (attack.filename, attack.data)})


async def _watch(folder: Path, most: list[int]) -> None:
    """The most that lay there at once; hard links count once."""
    while True:
        seen = {status.st_ino: status.st_blocks * 512 for status in _statuses(folder)}
        most[0] = max(most[0], sum(seen.values()))
        await asyncio.sleep(0.1)


def _statuses(folder: Path) -> list[Any]:
    found = []
    for path in _files(folder):
        try:
            found.append(path.stat())
        except FileNotFoundError:
            continue
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _tables(dsn: str) -> dict[str, bytes]:
    with psycopg.connect(dsn) as connection:
        return {
            f"table {name}": str(connection.execute(f"select to_jsonb(t)::text from {name} t").fetchall()).encode()  # type: ignore[call-overload]
            for (name,) in connection.execute(TABLES).fetchall()
        }
