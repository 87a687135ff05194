"""What the queue is compared with: plain SQL in pgbench, and peers in an environment of their own."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mediaanalysis.store import embedded

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv" / "bench-peers"
PACKAGES = ("pgqueuer", "procrastinate", "asyncpg", "psycopg[binary]", "uvloop")
JOBS = 40_000
RUNS = [
    *(("pgqueuer", "batch", size, min(JOBS, 400 * size)) for size in (10, 100, 500, 1000, 2000)),
    ("procrastinate", "concurrency", 50, 2_000),
]
PATIENCE_SECONDS = 180
FLOOR = """
delete from floor where id = any(array(
    select id from floor where run_at <= now() order by run_at, id limit 100 for no key update skip locked));
"""


def floor(dsn: str, place: Path) -> float:
    """Jobs per second of the least a queue can do: take a hundred from an index, delete them, twice at once."""
    script = place / "floor.sql"
    script.write_text(FLOOR)
    _psql(dsn, "create table floor (id bigint primary key, run_at timestamptz not null default now())")
    _psql(dsn, "create index on floor (run_at, id)")
    _psql(dsn, "insert into floor select generate_series(1, 1000000)")
    command = [str(embedded.program("pgbench")), "-n", "-c", "2", "-T", "5", "-M", "prepared", "-f", str(script), dsn]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _psql(dsn, "drop table floor")
    return 100 * float(out.split("tps = ")[1].split()[0])


def peers(dsn: str) -> Iterator[tuple[str, str, float]]:
    """Name, setting and jobs per second of each run."""
    for number, (name, option, value, count) in enumerate(RUNS):
        _psql(dsn, f"create database peer{number}")
        own = dsn.replace("/mediaanalysis?", f"/peer{number}?")
        command = [str(ENVIRONMENT / "bin" / "python"), "-P", str(HERE / "peers.py"), name, own, str(count), str(value)]
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
            yield name, f"{option} {value}", float(done.stdout)


def installed() -> bool:
    if not (ENVIRONMENT / "done").exists():
        venv.create(ENVIRONMENT, with_pip=True)
        command = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return False
        (ENVIRONMENT / "done").touch()
    return True


def _psql(dsn: str, statement: str) -> None:
    subprocess.run([str(embedded.program("psql")), dsn, "-Xqc", statement], check=True)
