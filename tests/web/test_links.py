from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from mediaanalysis.services import Services
from mediaanalysis.store import api_keys, files, transcriptions
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.web.access import links
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application
from tests.web.callers import Key, caller, make_key

SECRET = b"0123456789abcdef0123456789abcdef"
PATH = "/api/media/00000000-0000-4000-8000-000000000000/files/clip.mp4"
NAME = "a b&c=d?é.txt"


@pytest.fixture
def keyed(services: Services) -> ASGIApp:
    return application(services, Access.KEYS)


@pytest.fixture
async def key(operator: Pool) -> Key:
    return await make_key(operator)


@pytest.fixture
async def alice(keyed: ASGIApp, key: Key) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(keyed, key) as client:
        yield client


@pytest.fixture
async def player(keyed: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Has links and no key."""
    async with caller(keyed, None) as client:
        yield client


@pytest.fixture
async def analysis_id(alice: httpx.AsyncClient, services: Services) -> UUID:
    """One with a file of an awkward name and a transcript."""
    body = {"prompt": "What?", "media_url": "http://example.com/a.mp4"}
    found = UUID((await alice.post("/api/media/analyze", json=body)).json()["analysis_id"])
    key = f"outputs/2026-11-20/{found}/summary.txt"
    stored = await services.storage.put_bytes(key, b"hello")
    new = NewFile(
        kind="output",
        filename=NAME,
        storage_path=key,
        size_bytes=5,
        checksum=stored.checksum,
        mime_type="text/plain",
        retention_days=None,
    )
    await files.add(services.database.pool, found, [new])
    await transcriptions.put(services.database.pool, found, Transcript("said", "local", "m", "en"))
    return found


async def made(client: httpx.AsyncClient, analysis_id: UUID, **parameters: Any) -> dict[str, str]:
    answer = await client.get(f"/api/media/{analysis_id}/links", params=parameters)
    assert answer.status_code == 200, answer.text
    return {link["name"]: link["url"] for link in answer.json()["links"]}


async def test_a_link_opens_its_file_without_a_key(
    alice: httpx.AsyncClient, player: httpx.AsyncClient, analysis_id: UUID
) -> None:
    found = await made(alice, analysis_id)
    assert set(found) == {NAME, "transcript.json", "transcript.txt", "transcript.srt", "transcript.vtt"}
    answer = await player.get(found[NAME])
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (await player.get(found[NAME], headers={"range": "bytes=1-2"})).content == b"el"
    assert (await player.get(found["transcript.txt"])).text == "said\n"
    assert (await player.get(found["transcript.vtt"])).headers["content-type"].startswith("text/vtt")
    assert (await player.head(found[NAME])).status_code == 200


async def test_a_link_opens_nothing_else(
    alice: httpx.AsyncClient, player: httpx.AsyncClient, analysis_id: UUID
) -> None:
    found = await made(alice, analysis_id)
    query = found[NAME].partition("?")[2]
    top = f"/api/media/{analysis_id}"
    for path in (
        f"{top}/files/other.txt",
        f"{top}/transcript",
        top,
        f"{top}/links",
        f"/api/media/status/{analysis_id}",
    ):
        refused = await player.get(f"{path}?{query}")
        assert (refused.status_code, refused.json()["code"]) == (403, "link_invalid"), path
    for method in ("POST", "DELETE"):
        assert (await player.request(method, found[NAME])).status_code == 403
    assert (await player.get(found["transcript.txt"].replace("format=txt", "format=srt"))).status_code == 403


@pytest.mark.parametrize(
    ("pattern", "other"),
    [
        (r"expires=\d+", "expires=9999999999"),
        (r"key=[0-9a-f-]{36}", f"key={UUID(int=7)}"),
        (r"&key=[0-9a-f-]{36}", ""),
        (r"signature=..", "signature=AA"),
        (r"expires=", "format=txt&expires="),
        (r"$", "&format=txt"),
    ],
)
async def test_a_changed_link_is_refused(
    alice: httpx.AsyncClient, player: httpx.AsyncClient, analysis_id: UUID, pattern: str, other: str
) -> None:
    for url in (await made(alice, analysis_id)).values():
        changed = re.sub(pattern, other, url, count=1)
        assert changed != url
        assert (await player.get(changed)).status_code == 403


async def test_a_link_ends_with_its_time(
    keyed: ASGIApp, alice: httpx.AsyncClient, player: httpx.AsyncClient, key: Key, analysis_id: UUID, operator: Pool
) -> None:
    await made(alice, analysis_id)
    secret = (await operator.fetchval("select secret from link_secrets order by id desc limit 1")).encode()
    path = f"/api/media/{analysis_id}/files/{NAME}"
    late = links.sign(secret, path, "", key.id, int(time.time()) - 1)
    refused = await player.get(f"{quote(path)}?{late}")
    assert (refused.status_code, refused.json()["detail"]) == (403, "The link has expired.")


async def test_a_link_ends_with_its_key_and_with_the_secret(
    keyed: ASGIApp, alice: httpx.AsyncClient, player: httpx.AsyncClient, key: Key, analysis_id: UUID, operator: Pool
) -> None:
    url = (await made(alice, analysis_id))[NAME]
    await operator.execute("insert into link_secrets default values")
    assert await _refused(player, url)
    url = (await made(alice, analysis_id))[NAME]
    assert (await player.get(url)).status_code == 200
    await api_keys.revoke(operator, key.id)
    assert await _refused(player, url)


async def _refused(client: httpx.AsyncClient, url: str) -> bool:
    """Soon: the word of the database is on its way."""
    return any([(await client.get(url)).status_code == 403 for _ in range(200)])


async def test_another_owner_gets_no_links(keyed: ASGIApp, analysis_id: UUID, operator: Pool) -> None:
    async with caller(keyed, await make_key(operator, "mallory")) as mallory:
        assert (await mallory.get(f"/api/media/{analysis_id}/links")).status_code == 404


@pytest.mark.parametrize("seconds", ["0", "59", "604801", "x", "-1"])
async def test_links_last_a_minute_to_a_week(alice: httpx.AsyncClient, analysis_id: UUID, seconds: str) -> None:
    answer = await alice.get(f"/api/media/{analysis_id}/links", params={"expires_in": seconds})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")


@given(st.binary(max_size=200), st.integers(0, 10**11), st.sampled_from(["", "format=txt"]), st.booleans())
def test_only_what_was_signed_is_read(noise: bytes, expires: int, rest: str, has_key: bool) -> None:
    key_id = uuid4() if has_key else None
    query = links.sign(SECRET, PATH, rest, key_id, expires)
    assert links.read(SECRET, PATH, query) == links.Link(key_id, expires, rest)
    assert links.read(SECRET, PATH, noise.decode("latin-1")) is None
    assert links.read(SECRET, PATH, query + noise.decode("latin-1")) is None or not noise
    assert links.read(b"another", PATH, query) is None
    assert links.read(b"", PATH, query) is None
    assert links.read(SECRET, PATH.replace("clip", "other"), query) is None
