"""`mediaanalysis doctor`: looks at everything the service needs and says what to fix."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvloop
from rich.console import Console
from rich.table import Table

from mediaanalysis import migrate
from mediaanalysis.app import database_url, open_services
from mediaanalysis.errors import MediaAnalysisError
from mediaanalysis.media import ffmpeg
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings, variables
from mediaanalysis.storage.disk import DiskState
from mediaanalysis.store import operations

HELP = "Check database, ffmpeg, storage, disk, guards and providers; list the settings."

OLDEST_POSTGRES = 140_000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", action="store_true", help="only list the settings in force")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and what to do where it is not well."""

    subject: str
    found: str
    fix: str | None = None
    warning: bool = False


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    console = Console(width=None if Console().is_terminal else 160)
    console.print(_settings_table(settings))
    if arguments.settings:
        return 0
    findings = _look(settings)
    console.print(_findings_table(findings))
    return 1 if any(finding.fix and not finding.warning for finding in findings) else 0


def _look(settings: Settings) -> list[Finding]:
    try:
        with database_url(settings) as dsn:
            missing = migrate.pending(dsn)
            schema = (
                Finding("schema", "up to date")
                if not missing
                else Finding("schema", f"lacks {', '.join(missing)}", "run `mediaanalysis migrate`")
            )
            return [schema, *uvloop.run(_look_inside(settings, dsn))]
    except MediaAnalysisError as error:
        return [
            Finding(
                "database", error.detail, "start PostgreSQL, or correct DATABASE_URL; without it the embedded one runs"
            )
        ]


async def _look_inside(settings: Settings, dsn: str) -> list[Finding]:
    async with open_services(settings, dsn) as services:
        return [await _checked(subject, check, services) for subject, check in CHECKS.items()]


async def _checked(subject: str, check: Callable[[Services], Awaitable[Finding]], services: Services) -> Finding:
    try:
        return await check(services)
    except MediaAnalysisError as error:
        return Finding(subject, error.detail, "see the message")


async def _database(services: Services) -> Finding:
    version = await operations.server_version(services.database.pool)
    text = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    return Finding("database", text, None if version >= OLDEST_POSTGRES else "PostgreSQL 14 or newer is needed")


async def _ffmpeg(services: Services) -> Finding:
    tools = await ffmpeg.inspect(services.sandbox)
    if tools.missing:
        return Finding("ffmpeg", f"{tools.version} lacks {', '.join(tools.missing)}", "install a complete ffmpeg build")
    return Finding("ffmpeg", f"{tools.version}, all formats")


async def _guards(services: Services) -> Finding:
    missing = services.sandbox.capabilities.missing
    if missing:
        return Finding(
            "guards", f"not in force: {', '.join(missing)}", "allow user namespaces, install util-linux", warning=True
        )
    return Finding("guards", "all in force: no network, own session, limits, low priority")


async def _storage(services: Services) -> Finding:
    await services.storage.check()
    return Finding("storage", services.storage.describe())


async def _disk(services: Services) -> Finding:
    usage = services.storage.disk_usage()
    text = f"{usage.fraction:.0%} used, {usage.free_bytes / 1024**3:.1f} GiB free"
    if usage.state is DiskState.OK:
        return Finding("disk", text)
    return Finding("disk", text, "free space: uploads stop at 90 %", warning=usage.state is DiskState.WARNING)


async def _providers(services: Services) -> Finding:
    names = services.providers.names()
    return Finding("providers", "; ".join(f"{operation}: {', '.join(who)}" for operation, who in names.items()))


CHECKS: dict[str, Callable[[Services], Awaitable[Finding]]] = {
    "database": _database,
    "ffmpeg": _ffmpeg,
    "guards": _guards,
    "storage": _storage,
    "disk": _disk,
    "providers": _providers,
}


def _settings_table(settings: Settings) -> Table:
    table = Table("variable", "value", "meaning", title="Settings", title_justify="left")
    for field, variable in variables().items():
        value = getattr(settings, field)
        shown = "***" if variable.secret and value else ", ".join(value) if isinstance(value, tuple) else str(value)
        table.add_row(variable.name, "" if value is None else shown, variable.about)
    return table


def _findings_table(findings: list[Finding]) -> Table:
    table = Table("", "subject", "found", "what to do", title="Findings", title_justify="left")
    for finding in findings:
        mark = "ok" if not finding.fix else "warn" if finding.warning else "FIX"
        table.add_row(mark, finding.subject, finding.found, finding.fix or "")
    return table
