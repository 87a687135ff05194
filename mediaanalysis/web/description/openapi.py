"""The contract as OpenAPI 3.1, made of the table in `contract` and of the structs the code decodes and encodes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from mediaanalysis import __version__
from mediaanalysis.errors import CODES
from mediaanalysis.structs.requests import AnalyzeRequest
from mediaanalysis.web.description.contract import GROUPS, OPERATIONS, Content, Operation
from mediaanalysis.web.description.parameters import PARAMETERS
from mediaanalysis.web.problems import Problem
from mediaanalysis.web.requests import multipart

TITLE = "Media Analysis API"
REFERENCE = "#/components/schemas/{name}"
HEADERS = {
    "Location": ("Where the status is.", {"type": "string"}),
    "Retry-After": ("Seconds after which to ask again; there while unfinished.", {"type": "integer"}),
    "ETag": ("The version; strong.", {"type": "string"}),
    "WWW-Authenticate": ("What kind of key to send, or which scope it lacks.", {"type": "string"}),
    "RateLimit-Policy": ("The limit: q of a kind in w seconds.", {"type": "string"}),
    "RateLimit": ("What is left of it: r, and it is full again in t seconds.", {"type": "string"}),
    "Accept-Ranges": ("`bytes`", {"type": "string"}),
    "Content-Range": ("Which bytes, of how many.", {"type": "string"}),
}
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key. None is needed until the first is made.",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
EVERYWHERE = ("X-Correlation-ID", "traceparent")


@cache
def document() -> dict[str, Any]:
    """The whole description, built once; not to be changed."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": group} for group in GROUPS],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "parameters": PARAMETERS,
            "headers": _headers(),
            "securitySchemes": SCHEMES,
        },
    }


@cache
def encoded() -> bytes:
    return msgspec.json.encode(document())


def _operation(method: str, path: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(method, path),
        "tags": [group for group, operations in GROUPS.items() if (method, path) in operations],
        "summary": operation.summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in (*operation.parameters, *EVERYWHERE)],
        "responses": {
            **{str(status): _answer(content) for status, content in operation.answers.items()},
            **_errors(operation.errors),
        },
    }
    described["security"] = [{name: [operation.scope]} for name in SCHEMES] if operation.scope else []
    if operation.submits:
        described["requestBody"] = {"required": True, "content": _bodies()}
    return described


def _operation_id(method: str, path: str) -> str:
    words = re.findall(r"[a-z_]+", path.removeprefix("/api/media"))
    return "_".join([method.lower(), *words])


def _answer(content: Content) -> dict[str, Any]:
    described: dict[str, Any] = {"description": content.about}
    if content.headers:
        described["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in content.headers}
    if isinstance(content.body, str):
        described["content"] = {content.body: {}}
    elif content.body is not None:
        described["content"] = {"application/json": {"schema": _reference(content.body)}}
    return described


def _errors(codes: tuple[str, ...]) -> dict[str, Any]:
    """One answer per status, listing the codes it may carry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CODES[code].status or 500, []).append(code)
    content = {"application/problem+json": {"schema": _reference(Problem)}}
    return {
        str(status): {"description": ", ".join(names), "content": content}
        for status, names in sorted(by_status.items())
    }


def _reference(struct: type) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=struct.__name__)}


def _bodies() -> dict[str, Any]:
    return {
        "application/json": {"schema": _reference(AnalyzeRequest)},
        "multipart/form-data": {
            "schema": {"$ref": REFERENCE.format(name="AnalyzeForm")},
            "encoding": {name: {"contentType": "application/json"} for name in sorted(multipart.JSON_FIELDS)},
        },
    }


def _schemas() -> dict[str, Any]:
    bodies = [content.body for each in OPERATIONS.values() for content in each.answers.values()]
    structs = {body for body in bodies if isinstance(body, type)} | {AnalyzeRequest, Problem}
    _, components = msgspec.json.schema_components(structs, ref_template=REFERENCE)
    request = components["AnalyzeRequest"]
    file = {"type": "string", "format": "binary", "description": "The media. In any place among the fields."}
    properties = {**request["properties"], "file": file}
    components["AnalyzeForm"] = {**request, "title": "AnalyzeForm", "properties": properties}
    return components


def _headers() -> dict[str, Any]:
    return {name: {"description": about, "schema": schema} for name, (about, schema) in HEADERS.items()}
