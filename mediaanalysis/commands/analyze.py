"""`mediaanalysis analyze FILE_OR_URL --prompt …`: one analysis from the terminal, by a server or by itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mediaanalysis import log, migrate
from mediaanalysis.app import database_url, in_process
from mediaanalysis.commands.signals import ending_on_sigterm
from mediaanalysis.errors import ConfigurationError, MediaAnalysisError
from mediaanalysis.media import ffmpeg
from mediaanalysis.providers import credentials
from mediaanalysis.settings import Settings

HELP = "Analyze a file or URL and print the answer; uses a running server, or works alone."

UNFINISHED = {"pending", "processing"}
FAILED_EXIT_CODE = 3
POLL_WAIT_SECONDS = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("media", metavar="FILE_OR_URL", help="video, sound, picture or document; http:// or https://")
    parser.add_argument("--prompt", "-p", default="Summarise this.", help="what to find out (default: %(default)s)")
    parser.add_argument("--server", metavar="URL", help="server to use (default: the local one if it runs, else none)")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.add_argument("--frames", type=int, metavar="N", help="frames to extract")
    parser.add_argument("--language", help="language spoken, such as en")
    parser.add_argument("--provider", help="who answers")
    parser.add_argument("--model", help="model that answers")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    if "://" not in arguments.media and not Path(arguments.media).is_file():
        raise ConfigurationError(f"{arguments.media}: no such file (a URL starts with http:// or https://)")
    server = arguments.server or _running_server(settings)
    with ending_on_sigterm():
        if server:
            return uvloop.run(_through(server, settings.api_key, arguments))
        ffmpeg.require()
        log.configure(style=settings.log_format, level=_quieter(settings.log_level))
        with database_url(settings) as dsn:
            migrate.apply(dsn)
            return uvloop.run(_alone(settings, dsn, arguments))


def _quieter(level: str) -> str:
    """Alone, the worker's log comes to this terminal, where the answer is wanted: only what went wrong is said."""
    return "warning" if level == "info" else level


def _running_server(settings: Settings) -> str | None:
    """The local server's URL, if one answers there as ours."""
    url = f"http://{settings.listen_host}:{settings.listen_port}"
    try:
        health = httpx.get(f"{url}/health", timeout=2, trust_env=False)
        return url if health.json().get("service") == "mediaanalysis" else None
    except (httpx.HTTPError, ValueError, AttributeError):
        return None


async def _through(server: str, key: str | None, arguments: argparse.Namespace) -> int:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=server, headers=headers, timeout=60, trust_env=False) as client:
        return await _analyze(client, arguments)


async def _alone(settings: Settings, dsn: str, arguments: argparse.Namespace) -> int:
    async with in_process(settings, dsn, credentials.load()) as application:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(base_url="http://localhost", transport=transport) as client:
            return await _analyze(client, arguments)


async def _analyze(client: httpx.AsyncClient, arguments: argparse.Namespace) -> int:
    try:
        analysis_id = await _submit(client, arguments)
        status = await _follow(client, analysis_id)
        if status["status"] != "completed":
            return _say_failure(status, arguments)
        result = (await _call(client, "GET", f"/api/media/{analysis_id}")).json()
    except httpx.HTTPError as error:
        raise ConfigurationError(f"the server at {client.base_url} does not answer: {error}") from error
    _say_result(result, arguments)
    return 0


async def _submit(client: httpx.AsyncClient, arguments: argparse.Namespace) -> str:
    options = {"frame_count": arguments.frames} if arguments.frames is not None else {}
    named = {"language": arguments.language, "provider": arguments.provider, "model": arguments.model}
    config = {name: value for name, value in named.items() if value is not None}
    body: dict[str, Any] = {"prompt": arguments.prompt, "config": config, "options": options}
    if "://" in arguments.media:
        accepted = await _call(client, "POST", "/api/media/analyze", json={**body, "media_url": arguments.media})
        return str(accepted.json()["analysis_id"])
    fields = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in body.items()
    }
    path = Path(arguments.media)
    with path.open("rb") as file:  # noqa: ASYNC230 - httpx reads it, this process does nothing else meanwhile
        accepted = await _call(client, "POST", "/api/media/analyze", data=fields, files={"file": (path.name, file)})
    return str(accepted.json()["analysis_id"])


async def _follow(client: httpx.AsyncClient, analysis_id: str) -> dict[str, Any]:
    """Poll until it ends, with a bar. An interrupt cancels the analysis, so that nothing goes on unseen."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("pending", total=100)
        try:
            async for status in _statuses(client, analysis_id):
                bar.update(task, description=status["stage"] or status["status"], completed=status["progress"])
        except asyncio.CancelledError:
            await client.post(f"/api/media/{analysis_id}/cancel")
            raise
    return status


async def _statuses(client: httpx.AsyncClient, analysis_id: str) -> AsyncIterator[dict[str, Any]]:
    """Each change of the status, by long polls, the final one last."""
    etag = ""
    while True:
        asked = time.monotonic()
        answer = await _call(
            client,
            "GET",
            f"/api/media/status/{analysis_id}",
            params={"wait": POLL_WAIT_SECONDS},
            headers={"If-None-Match": etag},
        )
        if answer.status_code == httpx.codes.OK:
            etag = answer.headers["etag"]
            status: dict[str, Any] = answer.json()
            yield status
            if status["status"] not in UNFINISHED:
                return
        if time.monotonic() - asked < 0.1:
            await asyncio.sleep(0.2)


async def _call(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
    """One request. A problem answer is raised as the error it describes."""
    answer = await client.request(method, path, **request)
    if answer.is_error:
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise ConfigurationError(
                f"{client.base_url} asks for a valid key: set API_KEY (`mediaanalysis keys create`)"
            )
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise MediaAnalysisError(problem.get("detail") or f"the server answered {answer.status_code}")
    return answer


def _say_failure(status: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(status)).decode())
    print(f"mediaanalysis: {status['status']}: {status['error_message']} ({status['error_code']})", file=sys.stderr)
    return FAILED_EXIT_CODE


def _say_result(result: dict[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(result)).decode())
        return
    print(result["result_text"])
    for warning in result["warnings"]:
        print(f"warning: {warning['message']} ({warning['code']})", file=sys.stderr)
