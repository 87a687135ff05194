"""The two pages for people: `/` says what to try first, `/docs` shows the contract. Nothing comes from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from mediaanalysis import __version__
from mediaanalysis.errors import CODES
from mediaanalysis.web import openapi
from mediaanalysis.web.contract import PARAMETERS
from mediaanalysis.web.edge import Edge

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem }
pre, code { font: 14px/1.5 ui-monospace, monospace; background: #8882; border-radius: 4px; padding: .1em .3em }
pre { padding: .8em 1em; overflow-x: auto } details { border-top: 1px solid #8884; padding: .5rem 0 }
summary { cursor: pointer } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #8883 }
.method { display: inline-block; min-width: 4.5em; font-weight: 600 }
"""

START = """<h1>Media Analysis API</h1>
<p>Send a video, a sound, a picture or a document with a question; get an answer, a summary, a transcript, frames.</p>
<pre>curl -F file=@talk.mp4 -F 'prompt=What is said?' {base}/api/media/analyze
curl '{base}/api/media/status/ANALYSIS_ID?wait=20'
curl {base}/api/media/ANALYSIS_ID</pre>
<p><a href="/docs">Contract</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/api/media/history">History</a> ·
<a href="/health/ready">Readiness</a> · <a href="/metrics">Metrics</a></p>
<p>Version {version}</p>"""


async def start(_edge: Edge, request: Request) -> HTMLResponse:
    base = escape(str(request.base_url).rstrip("/"))
    return _page("Media Analysis API", START.format(base=base, version=escape(__version__)))


async def docs(_edge: Edge, _request: Request) -> HTMLResponse:
    described = openapi.document()
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in sorted(described["components"]["schemas"].items()))
    body = f"<h1>Contract</h1>{operations}<h2>Structures</h2>{schemas}<h2>Error codes</h2>{_codes()}"
    return _page("Contract of the Media Analysis API", body)


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>',
        headers=HEADERS,
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    taken = map(_resolve, operation["parameters"])
    parameters = _table((f"{each['name']} ({each['in']})", each["description"]) for each in taken)
    answers = _table((status, _answer(answer)) for status, answer in operation["responses"].items())
    return (
        f'<details><summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary><p>{escape(operation.get('description', ''))}</p>"
        f"{parameters}{answers}</details>"
    )


def _resolve(parameter: dict[str, Any]) -> dict[str, Any]:
    return PARAMETERS[parameter["$ref"].rsplit("/", 1)[-1]]


def _answer(answer: dict[str, Any]) -> str:
    shapes = [
        f"{kind} {content.get('schema', {}).get('$ref', '').rsplit('/', 1)[-1]}".strip()
        for kind, content in answer.get("content", {}).items()
    ]
    return f"{answer['description']} {', '.join(shapes)}"


def _schema(name: str, schema: dict[str, Any]) -> str:
    fields = _table((field, _type(about)) for field, about in schema.get("properties", {}).items())
    about = escape(schema.get("description", ""))
    values = escape(", ".join(map(str, schema.get("enum", ()))))
    name = escape(name)
    return f'<details id="{name}"><summary><code>{name}</code></summary>{about} {values}{fields}</details>'


def _type(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf") or [schema]
    return " or ".join(
        str(option.get("$ref", "").rsplit("/", 1)[-1] or option.get("format") or option.get("type", "any"))
        for option in options
    )


def _codes() -> str:
    rows = "".join(
        f'<tr id="{name}"><td><code>{name}</code></td><td>{code.status or "in error_code"}</td>'
        f"<td>{escape(code.title)}</td></tr>"
        for name, code in CODES.items()
    )
    return f"<table>{rows}</table>"


def _table(rows: Any) -> str:
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(about)}</td></tr>" for name, about in rows)
    return f"<table>{cells}</table>" if cells else ""
