from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from mediaanalysis.errors import CODES
from mediaanalysis.web.description import openapi
from mediaanalysis.web.description.contract import GROUPS, OPERATIONS
from mediaanalysis.web.routes import ROUTES

Submit = Callable[..., Awaitable[UUID]]
Become = Callable[[UUID, str], Awaitable[None]]


def test_the_description_covers_the_routes_and_no_more() -> None:
    assert {(method, path) for path, handlers in ROUTES.items() for method in handlers} == set(OPERATIONS)


def test_each_operation_belongs_to_one_group() -> None:
    grouped = [operation for operations in GROUPS.values() for operation in operations]
    assert sorted(grouped) == sorted(OPERATIONS)


async def test_every_link_of_the_page_leads_somewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


async def test_the_fields_of_a_request_are_told_once(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert page.count("<code>options.frame_count</code>") == 1
    assert page.count('href="#request"') == 1 + sum(operation.submits for operation in OPERATIONS.values())
    for path, file in {
        "video": "talk.mp4",
        "audio": "call.mp3",
        "images": "photo.jpg",
        "documents": "report.pdf",
    }.items():
        assert re.search(rf"file=@{file} [^\n]*/api/media/{path}<", page)


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_the_first_steps_say_how_to_send_a_key(client: httpx.AsyncClient, path: str) -> None:
    assert "Authorization: Bearer KEY" in (await client.get(path)).text.partition("</pre>")[0].replace("&#x27;", "'")


def test_limits_and_staleness_are_described() -> None:
    for path, methods in openapi.document()["paths"].items():
        for operation in methods.values():
            fine = [answer for status, answer in operation["responses"].items() if status < "400"]
            assert all(("RateLimit" in answer.get("headers", {})) == path.startswith("/api/") for answer in fine)
    for path in ("/api/media/{analysis_id}", "/api/media/status/{analysis_id}"):
        told = openapi.document()["paths"][path]["get"]["responses"]["200"]["headers"]
        assert {"Age", "Cache-Status"} <= set(told)


def test_path_parameters_are_described() -> None:
    for (_, path), operation in OPERATIONS.items():
        assert set(re.findall(r"{(\w+)}", path)) == {"analysis_id", "n", "name"} & set(operation.parameters)


async def test_the_description_is_valid(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    form = document["components"]["schemas"]["AnalyzeForm"]
    assert {"file", "prompt", "media_url"} <= set(form["properties"])
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_link_leads_to_an_operation_with_its_parameters() -> None:
    document = openapi.document()
    operations = {each["operationId"]: each for methods in document["paths"].values() for each in methods.values()}
    for link in document["components"]["links"].values():
        taken = {each["$ref"].rsplit("/", 1)[-1] for each in operations[link["operationId"]]["parameters"]}
        assert set(link["parameters"]) <= taken
    used = {
        name
        for operation in operations.values()
        for answer in operation["responses"].values()
        for name in answer.get("links", {})
    }
    assert used == set(document["components"]["links"])


async def test_the_pages_need_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs"):
        page = await client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "<script" not in page.text
        assert not re.search(r'(?:src|href)="(?!/|#)', page.text)
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert all(f'id="{code}"' in page.text for code in CODES)
    assert all(f"<code>{path}</code>" in page.text for path in openapi.document()["paths"])


async def test_the_start_page_escapes_the_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"host": "a<script>"})
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["/nothing", "/api/media", "/api/media/", "/health/", "/api/media/a/b/c"])
async def test_unknown_addresses(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", list(ROUTES))
async def test_other_methods(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.request("PATCH", path)
    allowed = set(answer.headers["allow"].split(", "))
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert allowed == {"OPTIONS", *ROUTES[path], *(["HEAD"] if "GET" in ROUTES[path] else [])}
    options = await client.options(path)
    assert (options.status_code, options.headers["allow"]) == (204, answer.headers["allow"])


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/api/media/history"])
async def test_head_is_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_answers_are_what_the_description_says(client: httpx.AsyncClient, submit: Submit, become: Become) -> None:
    components = openapi.document()["components"]

    def check(answer: httpx.Response, schema: str) -> None:
        described = {"$ref": f"#/components/schemas/{schema}", "components": components}
        Draft202012Validator(described, format_checker=FormatChecker()).validate(answer.json())

    analysis_id = await submit()
    check(await client.post("/api/media/analyze", json={"prompt": "p", "media_url": "http://a/b"}), "AcceptedAnswer")
    check(await client.get(f"/api/media/status/{analysis_id}"), "StatusAnswer")
    await become(analysis_id, "completed")
    check(await client.get(f"/api/media/status/{analysis_id}"), "StatusAnswer")
    check(await client.get(f"/api/media/{analysis_id}"), "ResultAnswer")
    check(await client.get(f"/api/media/{analysis_id}/frames"), "FramesAnswer")
    check(await client.get("/api/media/history"), "HistoryAnswer")
    check(await client.get("/health/ready"), "ReadinessAnswer")
    check(await client.get("/api/media/x"), "Problem")


async def test_a_replay_after_deletion_says_so(client: httpx.AsyncClient) -> None:
    """Not 202: nothing is queued, and nothing is made anew behind the client's back."""
    url, body = "/api/media/analyze", {"prompt": "p", "media_url": "http://a/b"}
    headers = {"idempotency-key": "monday"}
    first = await client.post(url, json=body, headers=headers)
    assert (await client.delete(f"/api/media/{first.json()['analysis_id']}")).status_code == 204
    again = await client.post(url, json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (410, "deleted")
    assert "410" in openapi.document()["paths"][url]["post"]["responses"]
