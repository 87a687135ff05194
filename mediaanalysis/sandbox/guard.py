"""What stands between a child and this machine: which guards there are here, and how they are put in front of it.

All but one are small programs of util-linux or coreutils, each of which changes itself and then becomes the next one,
so the child keeps the process id we started. Their order matters: leaving the network comes first, because entering a
user namespace would clear the parent-death signal. The one is Landlock (`landlock`), for files: the thread that starts
the child puts it on itself, before the first of these programs begins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from msgspec import Struct

from mediaanalysis.sandbox import landlock

ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
"""All that a child sees of ours: where programs lie. Keys, addresses and proxies stay here."""
MAP_USERS = "--map-root-user"
MIB = 1024**2
GIB = 1024**3


class Limits(Struct, frozen=True, kw_only=True):
    """What one child may use. None means no limit of that kind.

    `wall_seconds` counts from the start of the child, not from the wait for a slot. `output_bytes` bounds what it
    says (stdout, or one answer of a resident child), `file_size_bytes` each file that it writes.
    """

    address_space_bytes: int | None = 1536 * MIB
    cpu_seconds: int | None = None
    file_size_bytes: int | None = 2 * GIB
    open_files: int | None = 256
    wall_seconds: float = 60.0
    output_bytes: int = 16 * MIB


class Capabilities(Struct, frozen=True):
    """The guards in force here: words to put before a command, and for files the version of Landlock.

    A guard that this machine does not permit is empty or 0, and `missing` names it.
    """

    network: tuple[str, ...] = ()
    parent_death: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    nice: tuple[str, ...] = ()
    landlock_version: int = 0

    @property
    def maps_users(self) -> bool:
        """Whether leaving the network takes a user namespace: so it does for all but root."""
        return MAP_USERS in self.network

    @property
    def missing(self) -> tuple[str, ...]:
        guards = {
            "network": self.network,
            "parent_death": self.parent_death,
            "limits": self.limits,
            "nice": self.nice,
            "filesystem": self.landlock_version,
        }
        return tuple(name for name, held in guards.items() if not held)

    def prefix(self, limits: Limits) -> list[str]:
        """The command line to put in front of a child's."""
        wanted = [*self.limits, *_limit_arguments(limits)] if self.limits else []
        return [*self.network, *self.parent_death, *wanted, *self.nice]


_CANDIDATES: dict[str, tuple[tuple[str, ...], ...]] = {
    "network": (("unshare", "--net", "--"), ("unshare", MAP_USERS, "--net", "--")),
    "parent_death": (
        ("setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--bounding-set=-all", "--"),
        ("setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--"),
        ("setpriv", "--pdeathsig", "KILL", "--"),
    ),
    "limits": (("prlimit", "--core=0"),),
    "nice": (("nice", "-n", "10"),),
}
"""Per guard, the forms to try, the strictest first."""


def detect() -> Capabilities:
    """Try each guard once, on top of those already found. Blocks for some milliseconds: call it at start-up."""
    found: dict[str, tuple[str, ...]] = {}
    for guard, forms in _CANDIDATES.items():
        outer = [word for form in found.values() for word in form]
        found[guard] = next((form for form in forms if _permitted([*outer, *form])), ())
    return Capabilities(**found, landlock_version=landlock.version())


def _permitted(form: Sequence[str]) -> bool:
    if shutil.which(form[0], path=ENVIRONMENT["PATH"]) is None:
        return False
    try:
        tried = subprocess.run(  # noqa: S603 - the candidates above, nothing from outside
            [*form, "true"], env=ENVIRONMENT, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _limit_arguments(limits: Limits) -> list[str]:
    flags = {
        "as": limits.address_space_bytes,
        "cpu": limits.cpu_seconds,
        "fsize": limits.file_size_bytes,
        "nofile": limits.open_files,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]
