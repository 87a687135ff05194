"""The user that runs the embedded server: PostgreSQL refuses root, so root has one for it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path
from typing import Any

from mediaanalysis.errors import ConfigurationError

NAME = "mediaanalysis"
WAY_OUT = "or set DATABASE_URL to a PostgreSQL of your own"


def current() -> pwd.struct_passwd | None:
    """The user to run the server as; None where we are not root and run it ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return _made()


def _made() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        # Another process may have made it between our look and our try.
        try:
            return pwd.getpwnam(NAME)
        except KeyError:
            wish = f"create a user {NAME}, run as another user than root"
            raise ConfigurationError(f"PostgreSQL refuses to run as root: {wish}, {WAY_OUT}") from None
    return pwd.getpwnam(NAME)


def identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """What makes a child process run as that user."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "umask": 0o077}


def reachable(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether that user may pass through every folder above the path."""
    above = [folder.stat() for folder in path.resolve().parents]
    return all(folder.st_mode & stat.S_IXOTH or folder.st_uid == account.pw_uid for folder in above)
