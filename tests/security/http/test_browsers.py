"""Web pages in the browsers of those who may come in: without a key our own alone, with CORS those that are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.services import Services
from mediaanalysis.store.pool import Pool
from mediaanalysis.web.access.browsers import Visitors, name_of
from mediaanalysis.web.access.cors import allowed
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application

HISTORY = "/api/media/history"
ALONE = Visitors(frozenset({"box.lan"}), frozenset({"https://app.example"}))
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


def refused(visitors: Visitors, *, method: str = "GET", address: str = "127.0.0.1", **headers: str) -> bool:
    """Of a header with newlines, each line comes for itself."""
    lines = [(name.replace("_", "-"), line) for name, value in headers.items() for line in value.split("\n")]
    return visitors.refusal([(name.encode(), line.encode()) for name, line in lines], method, address) is not None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.",
        "a.localhost:1",
        "127.0.0.1:8000",
        "127.9.9.9",
        "[::1]:8000",
        "box.lan",
    ],
)
def test_names_of_this_machine(host: str) -> None:
    assert not refused(ALONE, host=host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost"),
        *("[::1].evil.example", "[::1", "localhost:80:80", "localhost@evil.example", "0.0.0.0", "192.168.1.5", "."),
        *("[::ffff:8.8.8.8]", "2130706433", "0x7f.1", "localhost:evil.example"),
    ],
)
def test_names_that_somebody_points_here(host: str) -> None:
    """DNS rebinding: the browser takes this service for a part of the page."""
    assert refused(ALONE, host=host)
    assert not refused(Visitors(None, frozenset()), host=host)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost:8000.evil.example"},
        {"origin": "chrome-extension://abc"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "Cross-Site", "sec_fetch_mode": "no-cors"},
        {"origin": "https://evil.example", "sec_fetch_site": "same-origin"},
        {"origin": "https://evil.example", "sec_fetch_mode": "navigate"},
        {"origin": "https://evil.example\nhttp://localhost:8000"},
        {"origin": "http://localhost:8000\nhttps://evil.example"},
        {"origin": "", "sec_fetch_site": "cross-site"},
        {"origin": ""},
    ],
)
def test_pages_of_others(headers: dict[str, str]) -> None:
    assert refused(ALONE, host="localhost:8000", **headers)
    assert refused(Visitors(None, frozenset()), host="localhost:8000", **headers)
    assert not refused(Visitors(None, frozenset({"*"})), host="localhost:8000", **headers)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_form_on_another_s_page_changes_nothing(method: str) -> None:
    """A link there may be followed; what changes something never navigates here from elsewhere."""
    followed = {"host": "localhost:8000", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert refused(ALONE, method=method, **followed)
    assert not refused(ALONE, method="HEAD", **followed)
    assert not refused(ALONE, method=method, host="localhost:8000", sec_fetch_site="same-origin")
    assert not refused(ALONE, method=method, host="localhost:8000")


@pytest.mark.parametrize("address", ["203.0.113.9", "192.168.1.5", "2001:db8::7", "::ffff:203.0.113.9", "unknown", ""])
def test_who_is_not_of_this_machine(address: str) -> None:
    assert refused(ALONE, address=address, host="localhost:8000")
    assert not refused(Visitors(None, frozenset()), address=address, host="localhost:8000")
    assert not refused(ALONE, address="::ffff:127.0.0.1", host="localhost:8000")


@pytest.mark.parametrize(
    "headers",
    [
        *({"x_forwarded_for": text} for text in ("203.0.113.9", "unknown", "203.0.113.9, 127.0.0.1", "", "[::1%x]")),
        {"x_forwarded_for": "127.0.0.1\n203.0.113.9"},
        {"forwarded": "for=203.0.113.9;host=localhost"},
        {"forwarded": "proto=https"},
    ],
)
def test_strangers_whom_a_proxy_of_this_machine_brings(headers: dict[str, str]) -> None:
    assert refused(ALONE, host="localhost:8000", **headers)
    assert not refused(ALONE, host="localhost:8000", x_forwarded_for="127.0.0.1, [::1]:4711")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8000", "sec_fetch_site": "same-origin"},
        {"origin": "https://LOCALHOST:8000"},
        {"origin": "https://app.example", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
    ],
)
def test_our_own_page_and_those_that_are_welcome(headers: dict[str, str]) -> None:
    assert not refused(ALONE, host="localhost:8000", **headers)


def test_a_name_is_read_in_one_way() -> None:
    assert [name_of(host) for host in ("A:1", "[::1]", "[::1]x", "a:b", "a:")] == ["a", "::1", "", "", "a"]


def over(services: Services, **settings: Any) -> httpx.AsyncClient:
    """A client of the application as `serve` makes it while there are no keys."""
    settings = {"fetch_allow": (), **settings}
    app = application(replace(services, settings=msgspec.structs.replace(services.settings, **settings)), Access.OPEN)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def test_without_keys_a_page_of_others_gets_nothing(services: Services) -> None:
    async with over(services) as client:
        assert (await client.get(HISTORY)).status_code == 200
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = await client.get(HISTORY, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert "access-control-allow-origin" not in answer.headers
        assert (await client.get("/health", headers={"host": "balancer"})).status_code == 200


async def test_whoever_opens_it_to_all_names_it_as_they_like(services: Services) -> None:
    async with over(services, allow_without_keys=True) as client:
        assert (await client.get(HISTORY, headers={"host": "nas.lan"})).status_code == 200
        assert (await client.get(HISTORY, headers={"origin": "https://evil.example"})).status_code == 403


async def test_no_page_reads_answers_unless_it_is_named(services: Services) -> None:
    async with over(services) as client:
        answer = await client.options(HISTORY, headers={"origin": "https://app.example", **PREFLIGHT})
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_named_page_may_ask_and_read(services: Services) -> None:
    named = {"origin": "https://app.example"}
    async with over(services, cors_origins=("https://app.example",)) as client:
        before = await client.options("/api/media/analyze", headers={**named, **PREFLIGHT})
        assert before.status_code == 200
        answers = [await client.get(path, headers=named) for path in (HISTORY, "/nowhere")]
        assert [answer.status_code for answer in answers] == [200, 404]
        for answer in (before, *answers):
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            assert "access-control-allow-credentials" not in answer.headers
        assert "Retry-After" in answers[1].headers["access-control-expose-headers"]
        other = await client.options(HISTORY, headers={"origin": "https://evil.example", **PREFLIGHT})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/path", "https://*.example", "null"])
def test_what_is_no_origin_is_named(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="CORS_ORIGINS"):
        allowed([origin])


async def test_the_address_of_the_client_behind_a_proxy(services: Services, operator: Pool) -> None:
    wanted = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}
    async with over(services, trusted_proxies=("127.0.0.1",), allow_without_keys=True) as client:
        forwarded = {"x-forwarded-for": "6.6.6.6, 203.0.113.9"}
        assert (await client.post("/api/media/analyze", json=wanted, headers=forwarded)).status_code == 202
    addresses = await operator.fetch("select distinct host(ip_address) as address from audit_log")
    assert [row["address"] for row in addresses] == ["203.0.113.9"]


@pytest.mark.parametrize("told", ["[fe80::1%eth0]", "[::1%x]", "fe80::1%eth0", "fe80::1%25eth0", "2001:DB8::7%x%y"])
async def test_an_address_with_a_zone_is_no_fault_of_ours(services: Services, operator: Pool, told: str) -> None:
    """PostgreSQL's `inet` has no zones."""
    wanted = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}
    async with over(services, trusted_proxies=("127.0.0.1",), allow_without_keys=True) as client:
        for header in ({"x-forwarded-for": told}, {"forwarded": f'for="{told}"'}):
            assert (await client.post("/api/media/analyze", json=wanted, headers=header)).status_code == 202
    addresses = await operator.fetch("select distinct host(ip_address) as address from audit_log")
    assert [row["address"] for row in addresses] == ["127.0.0.1"]


async def test_a_peer_with_a_zone_is_known_without_it(services: Services, operator: Pool) -> None:
    wanted = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}
    app = application(services, Access.LOCAL)
    transport = httpx.ASGITransport(app, client=("fe80::1%eth0", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        assert (await client.post("/api/media/analyze", json=wanted)).status_code == 202
    addresses = await operator.fetch("select distinct host(ip_address) as address from audit_log")
    assert [row["address"] for row in addresses] == ["fe80::1"]


async def test_without_keys_a_proxy_opens_to_nobody_else(services: Services) -> None:
    async with over(services, trusted_proxies=("127.0.0.1",)) as client:
        answer = await client.get(HISTORY, headers={"x-forwarded-for": "203.0.113.9"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "through a proxy" in answer.json()["detail"]
        assert (await client.get(HISTORY, headers={"x-forwarded-for": "127.0.0.1"})).status_code == 200


async def test_a_form_of_another_s_page_starts_nothing(services: Services) -> None:
    form = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    async with over(services) as client:
        answer = await client.post("/api/media/analyze", json={"prompt": "x"}, headers=form)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await client.get(HISTORY, headers=form)).status_code == 200
