"""The contract as OpenAPI 3.1, made of the table in `contract` and of the structs the code decodes and encodes."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from mediaanalysis import __version__
from mediaanalysis.errors import CODES
from mediaanalysis.structs.requests import AnalyzeRequest
from mediaanalysis.web.description import following, schemas
from mediaanalysis.web.description.contract import ANYWHERE, GROUPS, OPERATIONS, Content, Operation, operation_id
from mediaanalysis.web.description.parameters import PARAMETERS
from mediaanalysis.web.description.schemas import FORM, REFERENCE, reference
from mediaanalysis.web.problems import Problem
from mediaanalysis.web.requests import multipart

TITLE = "Media Analysis API"
HEADERS = {
    "Location": ("Where the status is.", {"type": "string"}),
    "Retry-After": ("Seconds after which to ask again; there while unfinished.", {"type": "integer"}),
    "ETag": ("The version; strong.", {"type": "string"}),
    "WWW-Authenticate": ("What kind of key to send, or which scope it lacks.", {"type": "string"}),
    "RateLimit-Policy": ("The limit: q of a kind in w seconds.", {"type": "string"}),
    "RateLimit": ("What is left of it: r, and it is full again in t seconds.", {"type": "string"}),
    "Accept-Ranges": ("`bytes`", {"type": "string"}),
    "Content-Range": ("Which bytes, of how many.", {"type": "string"}),
    "Idempotency-Replayed": ("`true`: it is the analysis that this Idempotency-Key made before.", {"type": "string"}),
    "Analysis-Reused": ("`true`: it was under way already; see `options.reuse`.", {"type": "string"}),
    "Age": (
        "Seconds since it was read; there while the database is away and the answer may be stale.",
        {"type": "integer"},
    ),
    "Cache-Status": ("With `detail=stale` (RFC 9211): from memory, while the database is away.", {"type": "string"}),
    "Accept-Post": ("The content types that are taken.", {"type": "string"}),
}
PROBLEM_HEADERS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    409: ("Retry-After",),
    415: ("Accept-Post",),
    416: ("Content-Range",),
    429: ("Retry-After", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After",),
    507: ("Retry-After",),
}
LIMITED = ("RateLimit-Policy", "RateLimit")
"""In every answer to a key that has a limit."""
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `Authorization: Bearer KEY`. None is needed until the first is made.",
    },
    "api_key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, as `X-API-Key: KEY`.",
    },
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
            "schemas": schemas.components(),
            "links": following.links(),
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
        "operationId": operation_id(method, path),
        "tags": [group for group, operations in GROUPS.items() if (method, path) in operations],
        "summary": operation.summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in (*operation.parameters, *EVERYWHERE)],
        "responses": _answers(operation, LIMITED if path.startswith("/api/") else ()),
    }
    described["security"] = [{name: [operation.scope]} for name in SCHEMES] if operation.scope else []
    if operation.submits:
        described["requestBody"] = {"required": True, "content": _bodies()}
    return described


def _answers(operation: Operation, headers: tuple[str, ...]) -> dict[str, Any]:
    """By status; `headers` stand with each that is no error. Readiness answers 503 in words of its own, and may meet
    the 503 of any other."""
    found = {str(status): _answer(content, headers) for status, content in operation.answers.items()}
    for status, error in _errors((*operation.errors, *ANYWHERE)).items():
        known = found.setdefault(status, error)
        known["content"] = {**known["content"], **error["content"]}
    return found


def _answer(content: Content, headers: tuple[str, ...]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": content.about, **_with_headers((*content.headers, *headers))}
    if isinstance(content.body, str):
        described["content"] = {content.body: {}}
    elif content.body is not None:
        forms: dict[str, Any] = {media_type: {} for media_type in content.forms}
        described["content"] = {"application/json": {"schema": reference(content.body)}, **forms}
    if links := following.references(content.body):
        described["links"] = links
    return described


def _with_headers(names: tuple[str, ...]) -> dict[str, Any]:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}} if names else {}


def _errors(codes: tuple[str, ...]) -> dict[str, Any]:
    """One answer per status, listing the codes it may carry."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(CODES[code].status or 500, []).append(code)
    content = {"application/problem+json": {"schema": reference(Problem)}}
    return {
        str(status): {
            "description": ", ".join(names),
            **_with_headers(PROBLEM_HEADERS.get(status, ())),
            "content": content,
        }
        for status, names in sorted(by_status.items())
    }


def _bodies() -> dict[str, Any]:
    return {
        "application/json": {"schema": reference(AnalyzeRequest)},
        "multipart/form-data": {
            "schema": {"$ref": REFERENCE.format(name=FORM)},
            "encoding": {name: {"contentType": "application/json"} for name in sorted(multipart.JSON_FIELDS)},
        },
    }


def _headers() -> dict[str, Any]:
    return {name: {"description": about, "schema": schema} for name, (about, schema) in HEADERS.items()}
