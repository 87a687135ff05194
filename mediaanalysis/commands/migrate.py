"""`mediaanalysis migrate`: bring the schema up to date, or undo the latest step."""

from __future__ import annotations

import argparse

from mediaanalysis import migrate
from mediaanalysis.app import database_url
from mediaanalysis.settings import Settings

HELP = "Bring the database schema up to date, or undo its latest migration."


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rollback", action="store_true", help="undo the latest migration")
    parser.add_argument("--all", action="store_true", help="with --rollback: undo all of them")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with database_url(settings) as dsn:
        if arguments.rollback:
            _say("undone", migrate.rollback(dsn, None if arguments.all else 1))
        else:
            _say("applied", migrate.apply(dsn))
    return 0


def _say(done: str, names: list[str]) -> None:
    for name in names:
        print(f"{done} {name}")
    if not names:
        print("nothing to do: the schema is up to date" if done == "applied" else "nothing to undo")
