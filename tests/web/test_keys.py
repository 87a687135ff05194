from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.store import api_keys, audit
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.principals import LOCAL
from mediaanalysis.web.access.keyring import Access, Keyring
from mediaanalysis.web.description.contract import OPERATIONS
from mediaanalysis.web.routes import ROUTES, application
from tests.web.callers import Key, caller, make_key

HISTORY = "/api/media/history"
SUBMISSION = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}


@pytest.fixture
def keyed(services: Services) -> ASGIApp:
    return application(services, Access.KEYS)


@pytest.fixture
async def key(operator: Pool) -> Key:
    return await make_key(operator)


@pytest.fixture
async def nobody(keyed: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(keyed, None) as client:
        yield client


@pytest.mark.parametrize("form", ["authorization: Bearer {}", "authorization: bearer   {}", "x-api-key: {}"])
async def test_a_key_lets_in(nobody: httpx.AsyncClient, key: Key, form: str) -> None:
    name, _, value = form.format(key.text).partition(": ")
    assert (await nobody.get(HISTORY, headers={name: value})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "ma_" + "A" * 43},
        {"authorization": "Basic bWE6bWE="},
        {"authorization": "Bearer"},
        {"authorization": "Bearer " + "é" * 20},
        {"authorization": "Bearer a b"},
    ],
)
async def test_no_key_or_a_wrong_one_is_refused(nobody: httpx.AsyncClient, key: Key, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = await nobody.get(HISTORY, headers=cast("Any", raw))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_a_key_in_the_address_is_not_looked_at(nobody: httpx.AsyncClient, key: Key) -> None:
    for name in ("key", "api_key", "access_token", "token"):
        assert (await nobody.get(HISTORY, params={name: key.text})).status_code == 401


@pytest.mark.parametrize(("path", "method"), [(path, method) for path in ROUTES for method in ROUTES[path]])
async def test_each_address_asks_for_what_the_contract_says(
    keyed: ASGIApp, operator: Pool, path: str, method: str
) -> None:
    """Without a key nothing, and with a key of every other scope nothing, but for those that need none."""
    wanted = OPERATIONS[method, path].scope
    others = tuple({"read", "write", "admin"} - {wanted})
    target = path.format(analysis_id="00000000-0000-4000-8000-000000000000", n=1, name="x")
    async with caller(keyed, None) as nobody, caller(keyed, await make_key(operator, scopes=others)) as other:
        unknown, lacking = await nobody.request(method, target), await other.request(method, target)
    if wanted is None:
        assert unknown.status_code < 500
        assert unknown.status_code not in (401, 403)
        return
    assert unknown.status_code == 401
    assert (lacking.status_code, lacking.json()["code"]) == (403, "forbidden")
    assert f'scope="{wanted}"' in lacking.headers["www-authenticate"]


async def test_a_revoked_key_is_refused_at_once(nobody: httpx.AsyncClient, key: Key, operator: Pool) -> None:
    headers = {"x-api-key": key.text}
    assert (await nobody.get(HISTORY, headers=headers)).status_code == 200
    assert await api_keys.revoke(operator, key.id)
    assert (await _until_refused(nobody, headers)).json()["code"] == "unauthorized"


async def _until_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    """The word of the database is on its way when the statement that made it returns."""
    for _ in range(1000):
        answer = await client.get(HISTORY, headers=headers)
        if answer.status_code != 200:
            return answer
    pytest.fail("the key is still taken")


async def test_a_key_expires_by_itself(nobody: httpx.AsyncClient, operator: Pool) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    key = await make_key(operator, expires_at=soon)
    assert (await nobody.get(HISTORY, headers={"x-api-key": key.text})).status_code == 200
    assert (await _until_refused(nobody, {"x-api-key": key.text})).status_code == 401


async def test_without_keys_everyone_is_local_until_the_first_is_made(services: Services, operator: Pool) -> None:
    app = application(services, Access.OPEN)
    async with caller(app, None) as nobody:
        assert (await nobody.get(HISTORY)).status_code == 200
        key = await make_key(operator)
        assert (await _until_refused(nobody, {})).status_code == 401
        assert await api_keys.revoke(operator, key.id)
        await operator.execute("select pg_notify('mediaanalysis_keys', '')")
        assert (await nobody.get(HISTORY)).status_code == 401, "a revoked key does not open the door again"


async def test_who_asked_is_in_the_audit_log(keyed: ASGIApp, key: Key, operator: Pool) -> None:
    async with caller(keyed, key) as alice:
        accepted = await alice.post("/api/media/analyze", json=SUBMISSION)
        await alice.delete(f"/api/media/{accepted.json()['analysis_id']}")
    changes = await audit.list_record(operator, accepted.json()["analysis_id"])
    assert [(change.action, change.performed_by) for change in changes] == [
        ("insert", f"key {key.id} (alice)"),
        ("update", f"key {key.id} (alice)"),
    ]


async def test_the_log_says_who_asked_and_never_the_key(services: Services, key: Key) -> None:
    with capture_logs() as logged:
        async with caller(application(services, Access.KEYS), key) as alice:
            await alice.get(HISTORY)
            await alice.get(HISTORY, headers={"authorization": "Bearer ma_unknown"})
    lines = [line for line in logged if line["event"] == "request"]
    assert [(line["status"], line["caller"]) for line in lines] == [(200, f"key {key.id} (alice)"), (401, "")]
    assert key.text not in str(logged)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_unknown_keys_cause_one_read_in_a_second(services: Services, operator: Pool) -> None:
    clock = Clock()
    keyring = Keyring(replace(services, signals=cast("Any", Ear())), Access.KEYS, clock=clock)
    await keyring.refresh()
    key = await make_key(operator)  # of which nothing is heard
    assert await keyring.find(key.text) is None
    clock.now += 1.5
    assert (await keyring.find(key.text)) is not None


async def test_use_is_noted_without_a_line_in_the_audit_log(services: Services, operator: Pool) -> None:
    clock, key = Clock(), await make_key(operator)
    keyring = Keyring(services, Access.KEYS, clock=clock)
    await keyring.refresh()
    assert await keyring.find(key.text)
    clock.now += 61
    await keyring.refresh()
    [found] = await api_keys.list_valid(operator)
    assert found.last_used_at is not None
    assert [change.action for change in await audit.list_record(operator, key.id)] == ["insert"]


async def test_known_keys_work_while_the_database_is_away(
    services: Services, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    keyring = Keyring(replace(services, signals=cast("Any", Ear())), Access.KEYS, clock=clock)
    await keyring.refresh()
    monkeypatch.setattr(keyring, "_db", Away())
    clock.now += 61
    await keyring.refresh()
    assert await keyring.find(key.text)
    assert await keyring.find("ma_unknown") is None


class Away:
    """A database that cannot be asked."""

    async def fetch(self, *_: object) -> Any:
        raise StoreError("away")


class Ear:
    """Signals that say nothing, over a connection that can be another one."""

    alive = True

    def __init__(self) -> None:
        self.connection = object()

    def subscribe(self, _channel: str, _listener: object) -> None:
        """There will be nothing to hear."""


async def test_what_was_missed_between_two_connections_is_read(
    services: Services, key: Key, operator: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, ear = Clock(), Ear()
    keyring = Keyring(replace(services, signals=cast("Any", ear)), Access.KEYS, clock=clock)
    await keyring.refresh()
    await api_keys.revoke(operator, key.id)
    clock.now += 1.1
    await keyring.refresh()
    assert await keyring.find(key.text), "nothing was heard"
    ear.connection = object()
    with monkeypatch.context() as patched:
        patched.setattr(keyring, "_db", Away())
        await keyring.refresh()
    assert await keyring.find(key.text), "and nothing could be read"
    clock.now += 1.1
    await keyring.refresh()
    assert await keyring.find(key.text) is None


async def test_keys_that_changed_unread_let_nobody_in(
    services: Services, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = Keyring(services, Access.KEYS)
    await keyring.refresh()
    monkeypatch.setattr(keyring, "_db", Away())
    keyring._hear("")
    with pytest.raises(Exception, match="away"):
        await keyring.refresh()


async def test_in_this_process_nobody_needs_a_key(services: Services, key: Key) -> None:
    assert Keyring(services, Access.LOCAL).local() == LOCAL
    async with caller(application(services, Access.LOCAL), None) as alone:
        assert (await alone.get(HISTORY)).status_code == 200
