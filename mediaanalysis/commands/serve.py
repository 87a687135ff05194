"""`mediaanalysis serve`: the HTTP service, with workers in the same process."""

from __future__ import annotations

import argparse
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
import uvloop

from mediaanalysis import __version__, log, migrate
from mediaanalysis.app import ask_database, database_url, serve
from mediaanalysis.commands.signals import ending_on_sigterm
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.media import ffmpeg
from mediaanalysis.providers import credentials
from mediaanalysis.settings import Settings
from mediaanalysis.store import api_keys
from mediaanalysis.web.access.keyring import Access

HELP = "Serve HTTP, and run jobs in the same process (WORKER_SLOTS; 0: none)."

_log = log.get("serve")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to serve on (LISTEN_HOST)")
    parser.add_argument("--port", type=int, help="port to serve on (LISTEN_PORT)")
    parser.add_argument("--migrate", action="store_true", help="bring the database schema up to date first")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    settings, vendors = _with_flags(settings, arguments), credentials.load()
    ffmpeg.require()
    with _listen(settings) as listener, ending_on_sigterm(), database_url(settings) as dsn:
        if arguments.migrate:
            migrate.apply(dsn)
        migrate.require(dsn)
        has_keys = ask_database(settings, dsn, api_keys.any_exist)
        access = _access(settings, listener, has_keys=has_keys)
        greeting = _greeting(settings, listener, _callers(access, listener, has_keys=has_keys), has_keys=has_keys)
        uvloop.run(serve(settings, dsn, listener, vendors, access, lambda: print(greeting, flush=True)))
    return 0


def _access(settings: Settings, listener: socket.socket, *, has_keys: bool) -> Access:
    """Without keys only this machine is served. Raises ConfigurationError where more is asked for."""
    host = listener.getsockname()[0]
    if ip_address(host).is_loopback:
        return Access.OPEN
    if has_keys:
        return Access.KEYS
    if settings.allow_without_keys:
        _log.warning("open_to_everyone", host=host, fix="mediaanalysis keys create NAME")
        return Access.OPEN
    raise ConfigurationError(
        f"there is no API key, and {host} is not this machine alone: make one with `mediaanalysis keys create NAME`, "
        "serve 127.0.0.1, or set ALLOW_WITHOUT_KEYS=true if whoever reaches this address may do everything"
    )


def _callers(access: Access, listener: socket.socket, *, has_keys: bool) -> str:
    """Who is let in, in words."""
    if has_keys or access is Access.KEYS:
        return "whoever has a key (`mediaanalysis keys list`)"
    if ip_address(listener.getsockname()[0]).is_loopback:
        return "this machine alone, without a key, until there is one (`mediaanalysis keys create NAME`)"
    return "EVERYONE who reaches this address, without a key (ALLOW_WITHOUT_KEYS)"


def _with_flags(settings: Settings, arguments: argparse.Namespace) -> Settings:
    given = {"listen_host": arguments.host, "listen_port": arguments.port}
    return msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})


def _listen(settings: Settings) -> socket.socket:
    """Bind before anything is started: a taken port is the commonest fault, and the cheapest to find first."""
    host, port = settings.listen_host, settings.listen_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({reason}): stop what uses it, or choose another by --port or LISTEN_PORT"
        ) from None
    return listener


def _greeting(settings: Settings, listener: socket.socket, callers: str, *, has_keys: bool) -> str:
    host, port = listener.getsockname()[:2]
    url = _url(host, port)
    serving = f"{url}, on every address of this machine" if ip_address(host).is_unspecified else url
    embedded = f"embedded PostgreSQL in {settings.data_dir}/postgresql"
    database = _without_login(settings.database_url) if settings.database_url else embedded
    storage = settings.storage_url or f"{settings.data_dir}/storage"
    curl = "curl -H 'Authorization: Bearer KEY'" if has_keys else "curl"
    return f"""Media Analysis API {__version__}
  serving   {serving}  (documentation: {url}/docs)
  callers   {callers}
  database  {database}
  files     {storage}
  workers   {settings.worker_slots} jobs, {settings.cpu_slots} media processes at once
Try first:
  {curl} -F file=@talk.mp4 -F 'prompt=What is said?' {url}/api/media/analyze
  {curl} '{url}/api/media/status/ANALYSIS_ID?wait=20'     answers at each change; when it says "completed":
  {curl} {url}/api/media/ANALYSIS_ID
Ctrl-C stops everything."""


def _url(host: str, port: int) -> str:
    """Where this machine reaches it: what listens on every address is not reached at 0.0.0.0."""
    reached = "127.0.0.1" if ip_address(host).is_unspecified else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _without_login(database_url: str) -> str:
    """Which server and database, and nothing that opens them."""
    parts = urlsplit(database_url)
    return f"PostgreSQL at {parts.netloc.rpartition('@')[2] or 'a socket'}{parts.path}"
