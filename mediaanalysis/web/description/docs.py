"""The page `/docs`: the contract for people, made of the same OpenAPI document that machines read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse

from mediaanalysis.errors import CODES, WARNINGS
from mediaanalysis.web.description import openapi
from mediaanalysis.web.description.contract import GROUPS
from mediaanalysis.web.description.pages import first_steps, page
from mediaanalysis.web.edge import Edge

REQUEST = "AnalyzeRequest"
BODY_FORMS = """JSON, or a form (<code>multipart/form-data</code>) with the same fields and <code>file</code>"""
EXAMPLES = {"video": "talk.mp4", "audio": "call.mp3", "images": "photo.jpg", "documents": "report.pdf"}
"""A file to send, by the end of the path."""
ABOUT = """<header><h1>Media Analysis API</h1>
<p>Send a video, a recording, a picture or a document with a prompt; get an id at once; read back an answer, a
summary, topics, the transcript with word times, frames with their true times, a contact sheet, the text on screen or
page, tokens and cost.</p>{steps}</header>
<nav>{links} <a href="#request">Fields</a> <a href="#structures">Structures</a>
<a href="#codes">Error codes</a> <a href="#warnings">Warnings</a> <a href="/openapi.json">OpenAPI 3.1</a></nav>"""
RULES = """<h2 id="rules">Everywhere</h2><ul>
<li>JSON in UTF-8; times in UTC; ids are UUIDs. A field that is not known is refused by name.</li>
<li>Once the first key is made, each call needs one, but for the pages and the health checks:
<code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>, never in the address. It must have the scope
that is named with the call: <code>read</code>, <code>write</code> or <code>admin</code>. Instead of a key a signed link
opens the file it was made for, until it expires.</li>
<li>Errors are <code>application/problem+json</code> (RFC 9457): program against <code>code</code>, show
<code>detail</code>, give <code>request_id</code> to whoever looks into the log.</li>
<li><code>X-Correlation-ID</code> or <code>traceparent</code> is taken over, echoed, and stands on every log line.</li>
<li><code>Retry-After</code> says when to ask again; <code>ETag</code> with <code>If-None-Match</code> spares
the body.</li>
<li>The same <code>Idempotency-Key</code> with the same request gives the same analysis, however often it is sent.</li>
</ul>"""


async def docs(_edge: Edge, request: Request) -> HTMLResponse:
    base = str(request.base_url).rstrip("/")
    described = openapi.document()
    links = " ".join(f'<a href="#{_anchor(group)}">{escape(group)}</a>' for group in GROUPS)
    groups = "".join(_group(base, group, described) for group in GROUPS)
    schemas = described["components"]["schemas"]
    structures = "".join(_structure(name, schema) for name, schema in sorted(schemas.items()))
    return page(
        "Media Analysis API: contract",
        f"{ABOUT.format(steps=first_steps(base), links=links)}{RULES}{groups}{_fields(schemas)}"
        f'<h2 id="structures">Structures</h2>{structures}{_codes()}{_warnings()}',
    )


def _anchor(group: str) -> str:
    return group.lower().replace(" ", "-")


def _group(base: str, group: str, described: dict[str, Any]) -> str:
    operations = "".join(_operation(base, path, method.lower(), described) for method, path in GROUPS[group])
    return f'<h2 id="{_anchor(group)}">{escape(group)}</h2>{operations}'


def _operation(base: str, path: str, method: str, described: dict[str, Any]) -> str:
    operation = described["paths"][path][method]
    parameters = [described["components"]["parameters"][_last(each["$ref"])] for each in operation["parameters"]]
    body = f'<p>{BODY_FORMS}: <a href="#request">the fields of a request</a>.</p>' if "requestBody" in operation else ""
    return (
        f'<details><summary><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code> '
        f"<span>{escape(operation['summary'])}</span></summary>"
        f"<pre>{escape(_example(base, path, method, bool(body)))}</pre>{_scope(operation)}{body}"
        f"{_table('Parameter', (_parameter(each) for each in parameters))}"
        f"{_table('Answer', (_answer(status, each) for status, each in operation['responses'].items()))}</details>"
    )


def _scope(operation: dict[str, Any]) -> str:
    scopes = {scope for each in operation["security"] for names in each.values() for scope in names}
    return "".join(f"<p><small>Scope of the key: <code>{escape(scope)}</code></small></p>" for scope in scopes)


def _example(base: str, path: str, method: str, submits: bool) -> str:
    address = base + path.replace("{analysis_id}", "ANALYSIS_ID").replace("{n}", "1").replace("{name}", "FILENAME")
    if submits:
        return f"curl -F file=@{EXAMPLES.get(_last(path), 'talk.mp4')} -F 'prompt=What is in it?' {address}"
    return f"curl {address}" if method == "get" else f"curl -X {method.upper()} {address}"


def _fields(schemas: dict[str, Any]) -> str:
    """What every call that sends media takes, those of `config` and `options` among them by their full names."""
    fields = _table("Field", _flat(schemas, schemas[REQUEST], ""))
    return f'<h2 id="request">Fields of a request</h2><p>{BODY_FORMS}.</p>{fields}'


def _flat(schemas: dict[str, Any], struct: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, schema in struct["properties"].items():
        inner = schemas.get(_last(schema.get("$ref", "")), {})
        if "properties" in inner:
            yield from _flat(schemas, inner, f"{prefix}{name}.")
        else:
            needed = " <b>required</b>" if name in struct["required"] else ""
            about = f"{_prose(schema.get('description', ''))} <small>{_type(schema)}</small>{needed}"
            yield f"<code>{escape(prefix + name)}</code>", about


def _parameter(parameter: dict[str, Any]) -> tuple[str, str]:
    name = f"<code>{escape(parameter['name'])}</code> <small>{parameter['in']}</small>"
    return name, f"{_prose(parameter['description'])} <small>{_type(parameter['schema'])}</small>"


def _answer(status: str, answer: dict[str, Any]) -> tuple[str, str]:
    """Errors by their codes, each leading to its meaning; the rest by what they carry."""
    content = answer.get("content", {})
    if list(content) == ["application/problem+json"]:
        return status, ", ".join(
            f'<a href="#{code}"><code>{code}</code></a>' for code in answer["description"].split(", ")
        )
    shapes = [_type(each["schema"]) if "schema" in each else escape(kind) for kind, each in content.items()]
    return status, f"{_prose(answer['description'])} <small>{', '.join(shapes)}</small>"


def _structure(name: str, schema: dict[str, Any]) -> str:
    """The anchor lies inside, so that a link to it opens the structure."""
    about = "".join(f"<p>{_prose(each)}</p>" for each in re.split(r"\n\s*\n", schema.get("description", "")) if each)
    fields = ((f"<code>{escape(field)}</code>", _type(each)) for field, each in schema.get("properties", {}).items())
    values = _type(schema) if "enum" in schema else ""
    return (
        f'<details><summary><code>{escape(name)}</code></summary><a id="{escape(name)}"></a>'
        f"{about}{values}{_table('Field', fields)}</details>"
    )


def _type(schema: dict[str, Any]) -> str:
    """A schema in words: its type, its limits, its default; structures by a link."""
    if "$ref" in schema:
        name = _last(schema["$ref"])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        said = " or ".join(_type(each) for each in schema["anyOf"])
    elif "enum" in schema:
        said = " · ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    elif schema.get("type") == "array" and schema.get("items"):
        said = f"array of {_type(schema['items'])}"
    else:
        said = escape(" ".join((schema.get("format") or schema.get("type", "anything"), *_limits(schema))))
    return said + _default(schema)


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        yield f"{low} to {high}" if high is not None else f"from {low}"
    if "maxLength" in schema:
        yield f"of at most {schema['maxLength']} characters"


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    shown = "" if default in (None, {}, []) else msgspec.json.encode(default).decode()
    return f", default <code>{escape(shown)}</code>" if shown else ""


def _codes() -> str:
    rows = (
        (f'<code id="{name}">{name}</code>', f"{code.status or '<i>error_code</i>'} {escape(code.title)}")
        for name, code in CODES.items()
    )
    about = "<p>A failed analysis carries those without a status in <code>error_code</code>.</p>"
    return f'<h2 id="codes">Error codes</h2>{about}{_table("Code", rows)}'


def _warnings() -> str:
    rows = ((f"<code>{code}</code>", _prose(about)) for code, about in WARNINGS.items())
    about = "<p>What could not be done stands in <code>warnings</code>; nothing is invented in its place.</p>"
    return f'<h2 id="warnings">Warnings</h2>{about}{_table("Code", rows)}'


def _table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{name}</td><td>{about}</td></tr>" for name, about in rows)
    return f"<table><tr><th>{head}</th><th></th></tr>{cells}</table>" if cells else ""


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]
