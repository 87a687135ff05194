"""`mediaanalysis sweep`: remove files past their retention time and what no row knows, now instead of on schedule."""

from __future__ import annotations

import argparse

import uvloop

from mediaanalysis import migrate
from mediaanalysis.app import database_url, open_services
from mediaanalysis.settings import Settings
from mediaanalysis.worker.retention import Swept, sweep_files

HELP = "Remove expired files and orphans now."


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with database_url(settings) as dsn:
        migrate.require(dsn)
        swept = uvloop.run(_sweep(settings, dsn, dry_run=arguments.dry_run))
    verb = "would remove" if arguments.dry_run else "removed"
    print(f"{verb} {swept.expired} expired files ({swept.expired_bytes} bytes) and {swept.orphans} orphans")
    if swept.lost:
        print(f"{swept.lost} files were not in storage any more")
    return 0


async def _sweep(settings: Settings, dsn: str, *, dry_run: bool) -> Swept:
    async with open_services(settings, dsn) as services:
        return await sweep_files(services, dry_run=dry_run)
