"""The one place where the object store's faults become ours. Details name no path, bucket or address."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from mediaanalysis.errors import ResourceError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_SPACE = re.compile(r"\(os error (?:28|122)\)")  # ENOSPC, EDQUOT, as Rust prints them


DISK_SECONDS = 60.0
"""For somebody, or the next sweep, to make room."""


@contextmanager
def filling() -> Iterator[None]:
    """A disk that is full while others than the store write on it: ResourceError `disk_full` instead of an OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full() from error
        raise


@contextmanager
def reading() -> Iterator[None]:
    """Translate what the store raises. A missing key stays the FileNotFoundError that obstore makes of it."""
    try:
        yield
    except BaseError as error:
        raise _translate(error) from error


@contextmanager
def writing() -> Iterator[None]:
    """As `reading`; a writer makes plain OSErrors of its faults, and only the bucket itself can be missing."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise _translate(error) from error


def disk_full() -> ResourceError:
    detail = "The disk is nearly full: free some space, or lower the retention."
    return ResourceError(detail, code="disk_full", retry_after_seconds=DISK_SECONDS)


def _translate(error: Exception) -> ResourceError:
    if _NO_SPACE.search(str(error)) or getattr(error, "errno", None) in _FULL:
        return disk_full()
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return ResourceError("The file storage refuses access: check its credentials.", code="storage_unavailable")
    return ResourceError("The file storage is not reachable.", code="storage_unavailable")
