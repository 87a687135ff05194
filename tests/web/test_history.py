from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from mediaanalysis.store.pool import Database

URL = "/api/media/history"
Submit = Callable[..., Awaitable[UUID]]
Become = Callable[[UUID, str], Awaitable[None]]


async def pages(client: httpx.AsyncClient, **parameters: Any) -> list[str]:
    """All entries, by following the cursors."""
    found: list[str] = []
    while True:
        body = (await client.get(URL, params=parameters)).json()
        found += [entry["analysis_id"] for entry in body["data"]]
        if body["pagination"]["next_cursor"] is None:
            return found
        parameters["cursor"] = body["pagination"]["next_cursor"]


async def test_an_empty_history(client: httpx.AsyncClient) -> None:
    answer = await client.get(URL)
    assert answer.json() == {
        "data": [],
        "pagination": {
            "page": 1,
            "per_page": 20,
            "total": 0,
            "total_pages": 0,
            "total_is_estimate": False,
            "next_cursor": None,
        },
    }


async def test_pages_and_cursors_lead_through_all(client: httpx.AsyncClient, submit: Submit) -> None:
    ids = [str(await submit()) for _ in range(5)]
    body = (await client.get(URL, params={"page": 2, "per_page": 2})).json()
    assert [entry["analysis_id"] for entry in body["data"]] == [ids[2], ids[1]]
    assert (body["pagination"]["total"], body["pagination"]["total_pages"]) == (5, 3)
    assert body["data"][0]["prompt"] == "What is it?"
    assert await pages(client, per_page=2) == ids[::-1]
    assert await pages(client, per_page=2, order="asc") == ids


@pytest.mark.parametrize("sort_by", ["created_at", "completed_at", "updated_at", "status", "media_type", "priority"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_cursors_of_every_order(
    client: httpx.AsyncClient, submit: Submit, become: Become, sort_by: str, order: str
) -> None:
    ids = [await submit(priority=n) for n in (3, 3, 9)]
    await become(ids[1], "completed")
    whole = (await client.get(URL, params={"sort_by": sort_by, "order": order})).json()
    expected = [entry["analysis_id"] for entry in whole["data"]]
    assert sorted(expected) == sorted(map(str, ids))
    assert await pages(client, per_page=1, sort_by=sort_by, order=order) == expected


async def test_filters(client: httpx.AsyncClient, submit: Submit, become: Become, database: Database) -> None:
    old, done, gone = await submit(), await submit(), await submit()
    await database.pool.execute(
        "update media_analysis_requests set created_at = '2020-02-03 23:59:59.5+00' where id = $1", old
    )
    await become(done, "completed")
    await client.delete(f"/api/media/{gone}")

    async def ids(**parameters: str) -> set[str]:
        return set(await pages(client, **parameters))

    assert await ids() == {str(old), str(done)}
    assert await ids(status="completed") == {str(done)}
    assert await ids(media_type="video") == {str(done)}
    assert await ids(date_to="2020-02-03") == {str(old)}
    assert await ids(date_to="2020-02-03T23:59:59Z") == set()
    assert await ids(date_from="2020-02-03", date_to="2020-02-03") == {str(old)}
    assert await ids(date_from="2020-02-04T00:59:59+01:00", date_to="2020-02-04") == {str(old)}
    assert await ids(date_from="2020-02-04") == {str(done)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_page", "0"),
        ("per_page", "101"),
        ("per_page", "x"),
        ("page", "0"),
        ("page", "-1"),
        ("page", "9" * 30),
        ("status", "done"),
        ("status", "deleted"),
        ("media_type", "film"),
        ("date_from", "yesterday"),
        ("date_to", "2020-13-01"),
        ("date_to", "0001-01-01T00:00:00+23:00"),
        ("sort_by", "prompt"),
        ("order", "up"),
        ("cursor", "nonsense"),
        ("cursor", "bnVsbA=="),
        ("perpage", "5"),
    ],
)
async def test_bad_parameters_are_named(client: httpx.AsyncClient, name: str, value: str) -> None:
    answer = await client.get(URL, params={name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
    assert answer.json()["errors"][0]["pointer"] == f"/{name}"


@pytest.mark.parametrize("value", ["9999-12-31", "9999-12-31T23:59:59.999999Z", "0001-01-01"])
async def test_the_first_and_the_last_day_are_dates(client: httpx.AsyncClient, submit: Submit, value: str) -> None:
    await submit()
    answer = await client.get(URL, params={"date_to": value})
    assert answer.json()["pagination"]["total"] == (0 if value.startswith("0") else 1)
    assert (await client.get(URL, params={"date_from": value})).status_code == 200


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**70, True, 1.5, "3", None])
async def test_a_cursor_of_no_priority(client: httpx.AsyncClient, value: object) -> None:
    after = {"id": str(UUID(int=1)), "at": "2026-11-20T00:00:00Z", "value": value}
    cursor = msgspec.json.encode({"sort_by": "priority", "descending": True, "after": after})
    answer = await client.get(URL, params={"sort_by": "priority", "cursor": base64.urlsafe_b64encode(cursor).decode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")


async def test_dates_the_wrong_way_round(client: httpx.AsyncClient) -> None:
    answer = await client.get(URL, params={"date_from": "2026-02-02", "date_to": "2026-02-01"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/date_from")


async def test_a_cursor_of_another_order(client: httpx.AsyncClient, submit: Submit) -> None:
    await submit()
    await submit()
    cursor = (await client.get(URL, params={"per_page": 1})).json()["pagination"]["next_cursor"]
    for other in ({"order": "asc"}, {"sort_by": "priority"}):
        assert (await client.get(URL, params={"cursor": cursor, **other})).status_code == 400
