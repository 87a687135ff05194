"""Logging: events with fields, readable on a terminal, JSON otherwise.

The correlation id of a request (`bound`) or a job (`bind`) is bound once and stands on every line that follows in its
task.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars, reset_contextvars
from structlog.typing import FilteringBoundLogger

REDACTED = "***"
TYING = ("analysis_id", "correlation_id", "request_id")
SECRET_WORDS = ("password", "secret", "token", "api_key", "authorization", "cookie")

_encode = msgspec.json.Encoder(enc_hook=str).encode


def get(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `component=name`."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Fields on every line logged inside, across awaits of this task. By tokens: `bound_contextvars` reads all there is
    to put it back, which takes seven times as long."""
    tokens = bind_contextvars(**fields)
    try:
        yield
    finally:
        reset_contextvars(**tokens)


def bind(**fields: object) -> None:
    """Fields on every line that follows in this task, and in those it starts."""
    bind_contextvars(**fields)


def configure(*, style: str, level: str, stream: TextIO | None = None) -> None:
    """Set the form once per process. `style` is text, json or auto. Libraries' own logging goes the same way."""
    stream = stream or sys.stderr
    readable = style == "text" or (style == "auto" and stream.isatty())
    forms = (_clock, _ids_last) if readable else (structlog.processors.TimeStamper(fmt="iso", utc=True),)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        redact,
        *forms,
    ]
    render = _text(colors=stream.isatty()) if readable else _json
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _redirect_standard_logging(shared, render, threshold, stream)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Values of fields that name a secret never reach a log."""
    for key in event:
        if _is_secret(key):
            event[key] = REDACTED
    return event


@lru_cache(maxsize=1024)  # the names of fields are few, and looked at in every line
def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET_WORDS)


def _clock(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)(None, "", event)


def _ids_last(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What happened comes first, what ties lines together last; which room says it stands where loggers' names do."""
    ids = {key: event.pop(key) for key in TYING if key in event}
    if "component" in event:
        event["logger"] = event.pop("component")
    event.update(ids)
    return event


def _text(*, colors: bool) -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=16)


def _json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return _encode(event).decode()


def _redirect_standard_logging(
    shared: list[structlog.typing.Processor], render: structlog.typing.Processor, threshold: int, stream: TextIO
) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger("asyncpg").setLevel(logging.ERROR)  # an outage is said once, by the store, without its traceback
