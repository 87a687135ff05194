"""`mediaanalysis` and `python -m mediaanalysis`: choose the command, run it, turn errors into one line.

Exit codes: 0 done · 1 an error, said in one line · 2 wrong usage · 3 the analysis failed (`analyze`) · 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from mediaanalysis import __version__, log, settings
from mediaanalysis.commands import analyze, doctor, keys, migrate, psql, serve, sweep, worker
from mediaanalysis.errors import MediaAnalysisError

COMMANDS = {
    "serve": serve,
    "worker": worker,
    "migrate": migrate,
    "analyze": analyze,
    "keys": keys,
    "sweep": sweep,
    "doctor": doctor,
    "psql": psql,
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse(argv)
    try:
        return _run(arguments)
    except MediaAnalysisError as error:
        print(f"mediaanalysis: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output (`| head`) has left. What is still buffered must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: argparse.Namespace) -> int:
    loaded = settings.load()
    log.configure(style=loaded.log_format, level=loaded.log_level)
    code = int(COMMANDS[arguments.command].run(arguments, loaded))
    sys.stdout.flush()
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """What our parser does not know goes to psql, and to no other command."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mediaanalysis", description="Turns media into answers.")
    parser.add_argument("--version", action="version", version=f"mediaanalysis {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.arguments(commands.add_parser(name, help=command.HELP, description=command.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
