"""`mediaanalysis doctor`: looks at everything the service needs and says what to fix."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import uvloop
from rich.console import Console
from rich.table import Table

from mediaanalysis import migrate
from mediaanalysis.app import database_url, open_services
from mediaanalysis.commands import named_keys
from mediaanalysis.errors import ConfigurationError, MediaAnalysisError, StoreError
from mediaanalysis.media import ffmpeg
from mediaanalysis.providers import credentials
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.providers.trial import Trial, try_all
from mediaanalysis.sandbox.landlock import TCP_SINCE
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings, read, variables
from mediaanalysis.storage.disk import DiskState
from mediaanalysis.store import api_keys, operations
from mediaanalysis.store.api_keys import ApiKey

HELP = "Check database, callers, ffmpeg, storage, disk, guards and providers; list the settings."

OLDEST_POSTGRES = 140_000
GUARDS = {
    "network": ("none that a child could reach (unshare)", "allow user namespaces, or install util-linux"),
    "filesystem": ("only its own files (Landlock)", "Linux 5.13 or newer with Landlock on (lsm=landlock,... at boot)"),
    "parent_death": ("dies with the service, no privileges (setpriv)", "install util-linux"),
    "limits": ("memory, CPU time, file size, open files, no core (prlimit)", "install util-linux"),
    "nice": ("low priority (nice)", "install coreutils"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", action="store_true", help="only list the settings in force")
    parser.add_argument("--providers", action="store_true", help="also call each provider that is set up, once")


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
    findings, trials = _look(settings, credentials.load(), call=arguments.providers)
    console.print(_findings_table(findings))
    if arguments.providers:
        console.print(_trials_table(trials))
    if any(trial.trouble for trial in trials):
        return 1
    return 1 if any(finding.fix and not finding.warning for finding in findings) else 0


def _look(settings: Settings, vendors: Vendors, *, call: bool) -> tuple[list[Finding], list[Trial]]:
    try:
        with database_url(settings) as dsn:
            schema = _schema(dsn)
            findings, trials = uvloop.run(_look_inside(settings, dsn, vendors, call=call))
            return [schema, *findings], trials
    except StoreError as error:
        fix = "start PostgreSQL, or correct DATABASE_URL; without it the embedded one runs"
        return [Finding("database", error.detail, fix)], []
    except ConfigurationError as error:
        return [Finding("settings", error.detail, "see the message")], []


def _schema(dsn: str) -> Finding:
    if names := migrate.changed(dsn):
        fix = "use the program that made it, or a new database"
        return Finding("schema", f"{', '.join(names)}: not as this program has it", fix)
    if names := migrate.pending(dsn):
        return Finding("schema", f"lacks {', '.join(names)}", "run `mediaanalysis migrate`")
    return Finding("schema", "up to date")


async def _look_inside(
    settings: Settings, dsn: str, vendors: Vendors, *, call: bool
) -> tuple[list[Finding], list[Trial]]:
    async with open_services(settings, dsn, vendors) as services:
        findings = [await _checked(subject, check, services) for subject, check in CHECKS.items()]
        async with services.storage.workspace(uuid4()) as folder:
            return findings, await try_all(services.providers, folder) if call else []


async def _checked(subject: str, check: Callable[[Services], Awaitable[Finding]], services: Services) -> Finding:
    try:
        return await check(services)
    except MediaAnalysisError as error:
        return Finding(subject, error.detail, "see the message")


async def _database(services: Services) -> Finding:
    version = await operations.server_version(services.database.pool)
    text = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    return Finding("database", text, None if version >= OLDEST_POSTGRES else "PostgreSQL 14 or newer is needed")


async def _audit(services: Services) -> Finding:
    """Whoever runs the embedded server holds its files: no role would keep them from anything."""
    role = await operations.role(services.database.pool)
    if role is None:
        return Finding("audit", "no log yet")
    if services.settings.database_url is None:
        return Finding("audit", "log kept, in this user's own database")
    if not role.alters_audit:
        return Finding("audit", f"log kept; {role.name} cannot alter it")
    fix = "log in as mediaanalysis_service, not as the owner"
    return Finding("audit", f"log kept, but {role.name} can alter it", fix, warning=True)


async def _callers(services: Services) -> Finding:
    return _who_calls(await api_keys.list_all(services.database.pool), services.settings)


def _who_calls(keys: list[ApiKey], settings: Settings) -> Finding:
    """`keys`: all there ever were, latest first."""
    valid, ending = [key for key in keys if named_keys.is_valid(key)], named_keys.ending_soon(keys)
    if not keys and settings.allow_without_keys:
        fix = "`mediaanalysis keys create NAME`"
        return Finding("callers", "no key: whoever reaches the service (ALLOW_WITHOUT_KEYS)", fix, warning=True)
    if not keys:
        return Finding("callers", "no key: only this machine")
    if not valid:
        return Finding("callers", "nobody: no key is valid", "`mediaanalysis keys create NAME`", warning=True)
    found = f"{len(valid)} valid key{'s' if len(valid) > 1 else ''}"
    if ending is None:
        return Finding("callers", found)
    fix = f"`mediaanalysis keys rotate {ending.prefix}`"
    return Finding("callers", f"{found}; {ending.name} only {named_keys.until(ending.expires_at)}", fix, warning=True)


async def _ffmpeg(services: Services) -> Finding:
    ffmpeg.require()
    tools = await ffmpeg.inspect(services.sandbox)
    if tools.missing:
        return Finding("ffmpeg", f"{tools.version} lacks {', '.join(tools.missing)}", "install a complete ffmpeg build")
    return Finding("ffmpeg", f"{tools.version}, all formats")


async def _guard(name: str, services: Services) -> Finding:
    """What stands between a program that opens media and this machine. The service works without, at a risk."""
    guards, (held, fix) = services.sandbox.capabilities, GUARDS[name]
    if name not in guards.missing:
        return Finding(f"guard {name}", held)
    instead = ", though TCP is closed (Landlock)" if name == "network" and guards.landlock_version >= TCP_SINCE else ""
    return Finding(f"guard {name}", f"not in force{instead}", fix, warning=True)


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
    "audit": _audit,
    "callers": _callers,
    "ffmpeg": _ffmpeg,
    **{f"guard {name}": partial(_guard, name) for name in GUARDS},
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
    for variable in credentials.variables():
        value = read(os.environ, variable)
        table.add_row(variable.name, "***" if variable.secret and value else value or "", variable.about)
    return table


def _trials_table(trials: list[Trial]) -> Table:
    columns = ("", "provider", "model", "for", "ms", "USD", "takes at most", "trouble")
    table = Table(*columns, title="Providers, called once", title_justify="left")
    for one in trials:
        cost = "unknown" if one.cost_usd is None else f"{one.cost_usd:.6f}"
        latency = "" if one.latency_ms is None else str(one.latency_ms)
        mark = "FIX" if one.trouble else "ok"
        table.add_row(mark, one.provider, one.model, one.operation, latency, cost, one.limits, one.trouble or "")
    return table


def _findings_table(findings: list[Finding]) -> Table:
    table = Table("", "subject", "found", "what to do", title="Findings", title_justify="left")
    for finding in findings:
        mark = "ok" if not finding.fix else "warn" if finding.warning else "FIX"
        table.add_row(mark, finding.subject, finding.found, finding.fix or "")
    return table
