"""Housekeeping of the local disk: what crashes leave behind. Safe to run twice at once and while workers work.

Files that have a row are the database's to expire. Here go what has none: work folders of workers that died,
half-written files (`name#1`, which a killed process could not remove), and folders that became empty.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from mediaanalysis.storage.layout import FOLDERS, WORK_FOLDER, WORK_SECONDS

LOCK_NAME = ".cleanup.lock"
EMPTY_SECONDS = 3600
"""A folder may stand empty for a moment before its first file is written."""

_STAGED = re.compile(r".+#\d+")


class Cleaned(Struct, frozen=True):
    """How many of each were removed."""

    work_folders: int = 0
    staged_files: int = 0
    empty_folders: int = 0


@contextmanager
def lock(root: Path) -> Iterator[bool]:
    """Whether this process is the one to clean. The kernel frees the lock with its process, however that ends."""
    with (root / LOCK_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def clean(root: Path, now_seconds: float) -> Cleaned | None:
    """Remove what was left behind before `now_seconds` (Unix time); None where another process is at it."""
    with lock(root) as won:
        if not won:
            return None
        return Cleaned(
            work_folders=_remove_work_folders(root / WORK_FOLDER, now_seconds - WORK_SECONDS),
            staged_files=sum(_remove_staged(root / name, now_seconds - WORK_SECONDS) for name in FOLDERS),
            empty_folders=sum(_remove_empty(root / name, now_seconds - EMPTY_SECONDS) for name in FOLDERS),
        )


def _remove_work_folders(folder: Path, before: float) -> int:
    """Their names are `{id}.{random}`; `{id}` alone is a folder of stored files."""
    stale = [path for path in folder.glob("*.*") if _modified(path) < before]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def _remove_staged(folder: Path, before: float) -> int:
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names if _STAGED.fullmatch(name))
    stale = [path for path in paths if _modified(path) < before]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _remove_empty(folder: Path, before: float) -> int:
    """Deepest first. A parent whose last child goes now is young again, and waits for the next run."""
    removed = 0
    for parent, _, _ in os.walk(folder, topdown=False):
        if Path(parent) != folder and _modified(Path(parent)) < before:
            with suppress(OSError):  # not empty, or gone
                Path(parent).rmdir()
                removed += 1
    return removed


def _modified(path: Path) -> float:
    """Unix time; the distant future for what is gone already."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")
