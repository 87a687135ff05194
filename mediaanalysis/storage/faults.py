"""The one place where the object store's faults become ours. Details name no path, bucket or address."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from mediaanalysis.errors import ResourceError

_NO_SPACE = re.compile(r"\(os error (?:28|122)\)")  # ENOSPC, EDQUOT, as Rust prints them


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
    return ResourceError("The disk is nearly full: free some space, or lower the retention.", code="disk_full")


def _translate(error: Exception) -> ResourceError:
    if _NO_SPACE.search(str(error)) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return disk_full()
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return ResourceError("The file storage refuses access: check its credentials.", code="storage_unavailable")
    return ResourceError("The file storage is not reachable.", code="storage_unavailable")
