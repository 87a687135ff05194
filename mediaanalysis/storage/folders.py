"""Folders of the local disk: made 0755 whatever the umask, work folders, and files read without following links."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from mediaanalysis.errors import ResourceError
from mediaanalysis.storage import faults
from mediaanalysis.storage.layout import WORK_FOLDER

MODE = 0o755


def make(folder: Path) -> None:
    """The folder and its missing parents."""
    if folder.is_dir():
        return
    make(folder.parent)
    try:
        folder.mkdir(MODE)
    except FileExistsError:
        return  # made by a neighbour a moment ago
    folder.chmod(MODE)


def is_writable(folder: Path) -> bool:
    """Whether files can be made there; one that is missing can be made itself."""
    return os.access(folder, os.W_OK | os.X_OK) or not folder.exists()


def make_work(root: Path, analysis_id: UUID) -> Path:
    """A new folder for one attempt: an attempt that was taken away and this one never meet in the same files."""
    parent = root / WORK_FOLDER
    make(parent)
    return Path(tempfile.mkdtemp(prefix=f"{analysis_id}.", dir=parent))


def remove_work(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def open_plain(path: Path) -> BinaryIO:
    """Open a file that a child process left. A link, pipe or device there is an attempt to publish something else."""
    try:
        file = open(path, "rb", opener=_open_unlinked)  # noqa: SIM115
    except OSError as error:
        raise ResourceError(f"A stage left no readable file {path.name}.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ResourceError(f"A stage left something that is not a file at {path.name}.")
    return file


def link(source: Path, into: Path) -> Path:
    """`into` as a hard link to the source, or as a copy of it where the file systems differ or know no links: never
    the source itself, which lies among the files of others."""
    try:
        into.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        with faults.writing(), source.open("rb") as file, into.open("xb") as copy:
            shutil.copyfileobj(file, copy)
    return into


def _open_unlinked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
