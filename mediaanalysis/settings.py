"""Settings: read once from the environment, checked, frozen.

`Settings` is the list: each field's annotation names its variable, unit and meaning. `doctor` prints it,
`deploy/env.example` repeats it, and a test compares. Every secret may also come from a file, by `NAME_FILE`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import quote

import msgspec
import platformdirs
from msgspec import Meta, Struct

from mediaanalysis import sizes
from mediaanalysis.errors import ConfigurationError

KIB = 1024
GIB = 1024**3
LISTS = frozenset({"fetch_allow", "trusted_proxies", "cors_origins"})
BYTES = frozenset({"upload_max_bytes", "upload_bytes_per_minute", "cache_bytes", "fetch_min_bytes_per_second"})
"""Fields that may be written 500M or 2G."""
POSTGRES_SCHEMES = ("postgresql://", "postgres://")


class Variable(Struct, frozen=True):
    """The environment variable behind a field. A secret may come from `NAME_FILE` and is never printed."""

    name: str
    about: str
    secret: bool = False


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _data_dir() -> Path:
    """Root's home is closed to other users, and PostgreSQL refuses to run as root: its data must lie elsewhere."""
    if os.geteuid() == 0:
        return Path("/var/lib/mediaanalysis")
    return platformdirs.user_data_path("mediaanalysis")


Count = Annotated[int, Meta(ge=1)]
Limit = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]


class Settings(Struct, frozen=True, kw_only=True):
    database_url: Annotated[
        str | None, Variable("DATABASE_URL", "PostgreSQL to use; none: the embedded server", True)
    ] = None
    pool_min: Annotated[Count, Variable("DATABASE_POOL_MIN", "connections kept open")] = 5
    pool_max: Annotated[Count, Variable("DATABASE_POOL_MAX", "connections at most")] = 50
    pool_acquire_seconds: Annotated[Seconds, Variable("DATABASE_ACQUIRE_SECONDS", "wait for a free connection")] = 30
    database_command_seconds: Annotated[Seconds, Variable("DATABASE_COMMAND_SECONDS", "longest statement")] = 60
    database_connect_seconds: Annotated[Seconds, Variable("DATABASE_CONNECT_SECONDS", "longest connecting")] = 10
    pool_idle_seconds: Annotated[Seconds, Variable("DATABASE_IDLE_SECONDS", "close a connection idle so long")] = 600
    pool_lifetime_seconds: Annotated[Seconds, Variable("DATABASE_LIFETIME_SECONDS", "replace a connection so old")] = (
        3600
    )

    data_dir: Annotated[Path, Variable("DATA_DIR", "embedded database, local storage and work files")] = msgspec.field(
        default_factory=_data_dir
    )
    storage_url: Annotated[
        str | None, Variable("STORAGE_URL", "s3://, gs://, az:// or file://; none: DATA_DIR/storage")
    ] = None

    listen_host: Annotated[str, Variable("LISTEN_HOST", "address to serve on")] = "127.0.0.1"
    listen_port: Annotated[int, Meta(ge=0, le=65535), Variable("LISTEN_PORT", "port to serve on")] = 8000
    api_key: Annotated[str | None, Variable("API_KEY", "key that `analyze` sends to a server", True)] = None
    allow_without_keys: Annotated[
        bool, Variable("ALLOW_WITHOUT_KEYS", "serve others than this machine although no key is asked for")
    ] = False
    connections_max: Annotated[
        Count, Variable("CONNECTIONS_MAX", "connections of clients at once; fewer where descriptors are scarce")
    ] = 12_000
    trusted_proxies: Annotated[
        tuple[str, ...],
        Variable("TRUSTED_PROXIES", "addresses or CIDRs whose X-Forwarded-For is believed, comma separated"),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...], Variable("CORS_ORIGINS", "origins of web pages that may use this, comma separated; *: any")
    ] = ()

    submits_per_minute: Annotated[
        Limit, Variable("SUBMITS_PER_MINUTE", "analyses an owner of keys may submit in a minute; 0: no limit")
    ] = 600
    polls_per_minute: Annotated[
        Limit, Variable("POLLS_PER_MINUTE", "requests of any kind an owner may make in a minute; 0: no limit")
    ] = 6000
    upload_bytes_per_minute: Annotated[
        Limit, Variable("UPLOAD_BYTES_PER_MINUTE", "bytes an owner may upload in a minute; 0: no limit")
    ] = 16 * GIB
    max_active: Annotated[Limit, Variable("MAX_ACTIVE", "unfinished analyses an owner may have; 0: no limit")] = 1000
    queue_max_jobs: Annotated[
        Limit, Variable("QUEUE_MAX_JOBS", "refuse submissions while so many jobs wait; 0: no limit")
    ] = 100_000
    cache_bytes: Annotated[Limit, Variable("CACHE_BYTES", "memory for answers that are given again")] = 64 * 1024 * KIB

    worker_slots: Annotated[
        int, Meta(ge=0, le=1000), Variable("WORKER_SLOTS", "jobs at once in this process; 0: none")
    ] = 4
    cpu_slots: Annotated[Count, Variable("CPU_SLOTS", "ffmpeg and model processes at once; default: cores")] = (
        msgspec.field(default_factory=_cores)
    )
    stop_grace_seconds: Annotated[Seconds, Variable("STOP_GRACE_SECONDS", "time to finish jobs when stopping")] = 20
    model_idle_seconds: Annotated[Seconds, Variable("MODEL_IDLE_SECONDS", "local models leave memory after")] = 60

    upload_max_bytes: Annotated[Count, Variable("UPLOAD_MAX_BYTES", "largest upload or download")] = 4 * GIB
    media_max_seconds: Annotated[Seconds, Variable("MEDIA_MAX_SECONDS", "longest video or audio")] = 4 * 3600
    media_max_pixels: Annotated[Count, Variable("MEDIA_MAX_PIXELS", "largest picture, width x height")] = 67_108_864
    document_max_pages: Annotated[Count, Variable("DOCUMENT_MAX_PAGES", "pages read of a document")] = 500
    document_max_characters: Annotated[Count, Variable("DOCUMENT_MAX_CHARACTERS", "text kept of a document")] = (
        2_000_000
    )

    fetch_allow: Annotated[
        tuple[str, ...],
        Variable("FETCH_ALLOW", "hosts, host:port or CIDRs that may be fetched although private, comma separated"),
    ] = ()
    fetch_connect_seconds: Annotated[
        Seconds, Variable("FETCH_CONNECT_SECONDS", "longest connecting to a media URL")
    ] = 10
    fetch_max_seconds: Annotated[Seconds, Variable("FETCH_MAX_SECONDS", "longest download of a media URL")] = 1800
    fetch_min_bytes_per_second: Annotated[
        Count, Variable("FETCH_MIN_BYTES_PER_SECOND", "give a download up when slower than this for 30 s")
    ] = KIB

    log_format: Annotated[
        str, Meta(pattern="^(auto|text|json)$"), Variable("LOG_FORMAT", "text, json, or auto (text on a terminal)")
    ] = "auto"
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$"), Variable("LOG_LEVEL", "debug, info, warning or error")
    ] = "info"


def variables() -> dict[str, Variable]:
    """Field name to variable, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    return {
        name: next(part for part in hints[name].__metadata__ if isinstance(part, Variable))
        for name in Settings.__struct_fields__
    }


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises ConfigurationError naming the variable, the value and the allowed form."""
    environ = os.environ if environ is None else environ
    found = {field: read(environ, variable) for field, variable in variables().items()}
    values: dict[str, Any] = {field: value for field, value in found.items() if value is not None}
    if "database_url" not in values:
        values["database_url"] = _postgres_url(environ)
    return Settings(**{field: _convert(field, value) for field, value in values.items()})


def read(environ: Mapping[str, str], variable: Variable) -> str | None:
    """The variable's text, or None where it is unset or empty (an empty line in an env file means the default)."""
    path = environ.get(f"{variable.name}_FILE") if variable.secret else None
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{variable.name}_FILE={path}: cannot be read ({error.strerror})") from None
    return environ.get(variable.name) or None


def _convert(field: str, text: str | None) -> Any:
    kind = get_type_hints(Settings, include_extras=True)[field]
    variable = variables()[field]
    value: Any = text
    if text is not None and field in LISTS:
        value = [part.strip() for part in text.split(",") if part.strip()]
    if text is not None and field in BYTES:
        value = sizes.read(text) or text
    try:
        if field == "data_dir":
            return Path(str(text)).expanduser().absolute()
        if field == "database_url" and text is not None and not text.startswith(POSTGRES_SCHEMES):
            raise ConfigurationError(f"{variable.name}: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        shown = "***" if variable.secret else repr(text)
        said = _expected(field, value) or error
        raise ConfigurationError(f"{variable.name}={shown}: {said} ({variable.about})") from None


def _expected(field: str, value: Any) -> str | None:
    """What to write, in words, where the type alone does not say it."""
    if field in BYTES and not isinstance(value, int):
        return "expected a number of bytes, such as 1048576, 500M or 2G"
    return "expected true or false" if get_type_hints(Settings)[field] is bool else None


def _postgres_url(environ: Mapping[str, str]) -> str | None:
    """The URL out of POSTGRES_HOST, _PORT, _DB, _USER and _PASSWORD, or None without a host."""
    host = environ.get("POSTGRES_HOST")
    if not host:
        return None
    password = read(environ, Variable("POSTGRES_PASSWORD", "", secret=True))
    user = quote(environ.get("POSTGRES_USER") or "postgres", safe="")
    login = f"{user}:{quote(password, safe='')}" if password else user
    port = environ.get("POSTGRES_PORT") or "5432"
    if not port.isdigit():
        raise ConfigurationError(f"POSTGRES_PORT={port!r}: expected a number from 1 to 65535")
    return f"postgresql://{login}@{host}:{port}/{quote(environ.get('POSTGRES_DB') or 'mediaanalysis', safe='')}"
