"""Which files a child may touch: the programs of this system, the Python it runs, and what its work needs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import mediaanalysis
from mediaanalysis.sandbox.guard import ENVIRONMENT
from mediaanalysis.sandbox.landlock import Reach

# `python -m` looks into its working directory first, so a checkout works without being installed.
IMPORT_ROOT = Path(mediaanalysis.__file__).parent.parent
_PROGRAMS = "/usr /bin /sbin /lib /lib32 /lib64 /nix/store /gnu/store /etc/alternatives /etc/ld.so.cache /etc/localtime"
_KERNEL = "/proc /sys/devices/system /dev/zero /dev/urandom /dev/random"
NOWHERE = Path("/dev/null")


def around(argv: Sequence[str], work: Reach, *, maps_users: bool) -> Reach:
    """What `argv` needs to run at all, and `work`.

    `/proc` is writable only where the program that leaves the network must write its map of users there: it is a
    normal user's then, and nothing in it that matters is.
    """
    python = _python(argv[2].partition(".")[0]) if tuple(argv[:2]) == (sys.executable, "-m") else Reach()
    own = (NOWHERE, Path("/proc")) if maps_users else (NOWHERE,)
    return Reach(
        (*_system(argv[0], ENVIRONMENT["PATH"]), *python.reads, *work.reads),
        (*own, *work.writes),
        (*python.lists, *work.lists),
    )


@cache
def _system(program: str, path: str) -> tuple[Path, ...]:
    """The system's, and where the program lies if that is elsewhere."""
    usual = tuple(map(Path, f"{_PROGRAMS} {_KERNEL}".split()))
    found = shutil.which(program, path=path)
    folder = Path(found).resolve().parent if found else NOWHERE
    return usual if folder.is_relative_to("/usr") or not found else (*usual, folder, folder.parent / "lib")


@cache
def _python(package: str) -> Reach:
    """This interpreter with its libraries, our package, and the one of the module that runs."""
    ours = (IMPORT_ROOT / mediaanalysis.__name__, IMPORT_ROOT / package)
    return Reach((Path(sys.prefix), Path(sys.base_prefix), *ours), lists=(IMPORT_ROOT,))
