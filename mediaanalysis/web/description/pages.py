"""Pages for people: their frame, and `/`, which says what to try first. Nothing comes from elsewhere, nothing runs."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from mediaanalysis import __version__
from mediaanalysis.web.edge import Edge

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}

STYLE = """
:root { color-scheme: light dark; --line: #8883; --fill: #8881; --link: #3b7ddd }
html { scroll-behavior: smooth; scroll-padding-top: 4rem }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.25rem 6rem }
a { color: var(--link); text-decoration: none } a:hover { text-decoration: underline }
h1 { font-size: 1.9rem; margin: .5rem 0 } h2 { font-size: 1.25rem; margin: 2.5rem 0 .6rem }
pre, code { font: .875em/1.55 ui-monospace, monospace }
code { background: var(--fill); border-radius: 4px; padding: .1em .3em }
pre { background: var(--fill); border-radius: 8px; padding: .8em 1em; overflow-x: auto }
nav { position: sticky; top: 0; background: Canvas; border-bottom: 1px solid var(--line); padding: .7rem 0; z-index: 1 }
nav a { margin-right: 1.1rem; white-space: nowrap }
details { border: 1px solid var(--line); border-radius: 8px; margin: .4rem 0; padding: 0 .9rem }
details[open] { padding-bottom: .9rem } summary { cursor: pointer; padding: .5rem 0; list-style-position: inside }
summary span { margin-left: .4rem; opacity: .75 } table { border-collapse: collapse; width: 100%; margin: .8rem 0 }
td, th { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; font-size: .85em; opacity: .75 } td:first-child { width: 16rem } small { opacity: .7 }
b.get, b.post, b.delete { display: inline-block; width: 4.6em; text-align: center; font-size: .75em; color: #fff;
  border-radius: 4px; padding: .15em 0; margin-right: .3rem }
b.get { background: #1a73a8 } b.post { background: #2e7d32 } b.delete { background: #b3261e }
:target { outline: 2px solid var(--link); outline-offset: 2px }
"""

STEPS = """<pre># once there are keys, with each of these: -H 'Authorization: Bearer KEY'
curl -F file=@talk.mp4 -F 'prompt=What is said?' {base}/api/media/analyze
curl '{base}/api/media/status/ANALYSIS_ID?wait=20'   # at each change; when it says "completed":
curl {base}/api/media/ANALYSIS_ID
curl -O {base}/api/media/ANALYSIS_ID/contact-sheet</pre>"""

START = """<h1>Media Analysis API</h1>
<p>Send a video, a recording, a picture or a document with a prompt; get an answer, a summary, a transcript, frames.</p>
{steps}
<p><a href="/docs">Contract</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/api/media/history">History</a> ·
<a href="/health/ready">Readiness</a> · <a href="/metrics">Metrics</a></p>
<p><small>Version {version}</small></p>"""


async def start(_edge: Edge, request: Request) -> HTMLResponse:
    steps = first_steps(str(request.base_url).rstrip("/"))
    return page("Media Analysis API", START.format(steps=steps, version=escape(__version__)))


def first_steps(base: str) -> str:
    return STEPS.format(base=escape(base))


def page(title: str, body: str) -> HTMLResponse:
    """A whole page around a body that is HTML already."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>',
        headers=HEADERS,
    )
