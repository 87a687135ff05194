"""`mediaanalysis psql`: the operator's way into the database, the embedded one included."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mediaanalysis.app import database_url
from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded

HELP = "Open psql on the database; further arguments go to psql."


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "mediaanalysis psql [-c 'select ...'] [any other argument of psql]"


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Ctrl-C belongs to psql (it cancels a query there) while it runs; the embedded server is stopped after it."""
    if not arguments.rest and sys.stdin.isatty():
        print("What operators look at and do:  select * from ops.help;", flush=True)
    program = shutil.which("psql") or str(embedded.program("psql"))
    with database_url(settings) as dsn:
        place, environment = _apart(dsn)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            command = [program, place, *arguments.rest]
            return subprocess.call(command, env=environment)  # noqa: S603 - the operator's own arguments
        finally:
            signal.signal(signal.SIGINT, before)


def _apart(dsn: str) -> tuple[str, dict[str, str]]:
    """Where to connect, and the environment with the password: everybody on the machine may see a command line."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
