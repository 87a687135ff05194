"""`mediaanalysis worker`: run jobs without serving HTTP, as many processes as wanted, on any machine."""

from __future__ import annotations

import argparse

import msgspec
import uvloop

from mediaanalysis import migrate
from mediaanalysis.app import database_url, work
from mediaanalysis.commands.signals import ending_on_sigterm
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.media import ffmpeg
from mediaanalysis.providers import credentials
from mediaanalysis.settings import Settings

HELP = "Run jobs without serving HTTP."


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--slots", type=int, help="jobs at once (WORKER_SLOTS)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.slots is not None:
        settings = msgspec.structs.replace(settings, worker_slots=arguments.slots)
    if settings.worker_slots < 1:
        raise ConfigurationError(f"WORKER_SLOTS={settings.worker_slots}: a worker needs at least 1")
    ffmpeg.require()
    vendors = credentials.load()
    with ending_on_sigterm(), database_url(settings) as dsn:
        migrate.require(dsn)
        print(f"running {settings.worker_slots} jobs at once; Ctrl-C stops", flush=True)
        uvloop.run(work(settings, dsn, vendors))
    return 0
