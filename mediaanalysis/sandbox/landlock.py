"""Landlock, Linux's guard that a thread puts on itself without privileges, by its three system calls.

A thread that called `restrict` reaches no file but those allowed, speaks TCP with nobody, signals nobody outside, and
can never take it back; what it starts inherits it. The other threads of the process stay free. Source: landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture that is served."""
TELL_VERSION = 1
PATH_BENEATH = 1
SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_FILE = 1 << 7, 1 << 8
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
LIST = READ_DIR
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_FILE | REFER | TRUNCATE
"""No links, devices, pipes or sockets are made, and nothing that is written can be run."""
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
KINDS_OF_ACCESS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""To files, by version."""
TCP_SINCE, SCOPES_SINCE = 4, 6
"""Versions that know TCP, and signals with abstract sockets."""
NEWEST = max(KINDS_OF_ACCESS)
TCP, SCOPES = 0b11, 0b11


class Reach(Struct, frozen=True):
    """What a child may touch, with all that lies below; what is not there is skipped. `lists`: only the names."""

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    lists: tuple[Path, ...] = ()


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("path", ctypes.c_int32))


def version() -> int:
    """What this kernel knows of Landlock; 0: nothing, or it is switched off."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(CREATE_RULESET, None, ctypes.c_size_t(0), TELL_VERSION)
    except OSError:
        return 0


def restrict(known: int, reach: Reach) -> None:
    """Confine this thread, for ever, by what version `known` can. Raises OSError."""
    files = (1 << KINDS_OF_ACCESS[min(known, NEWEST)]) - 1
    wanted = _Ruleset(files, TCP if known >= TCP_SINCE else 0, SCOPES if known >= SCOPES_SINCE else 0)
    ruleset = _call(CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted)), 0)
    try:
        for paths, access in ((reach.reads, READ), (reach.writes, WRITE), (reach.lists, LIST)):
            _allow(ruleset, paths, access & files)
        if _libc().prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs was refused")
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: Iterable[Path], access: int) -> None:
    for path in paths:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # not there, or closed to us: then closed to the child as well
        try:
            is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
            rule = _PathRule(access if is_folder else access & OF_FILES, opened)
            _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(opened)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: Any) -> int:
    answer: int = _libc().syscall(ctypes.c_long(number), *arguments)
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return answer
