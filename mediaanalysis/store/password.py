"""The password of the embedded server's superuser: to reach its socket is not enough.

Landlock keeps a child that opens hostile media from our files, not from connecting to a socket in them; and where we
are not root the socket belongs to the child's own user. So the server believes nobody, and the password lies in a file
that only this user may read, and no child. It is in no command line and no environment but that of our own psql.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

_FILE = "password"
_RULES = "# Written by mediaanalysis: the password lies beside, in `password`.\nlocal all all scram-sha-256\n"


def kept(cluster: Path) -> str | None:
    """None: the cluster asks for none, being made for tests or by a version that trusted the socket."""
    try:
        return (cluster / _FILE).read_text()
    except FileNotFoundError:
        return None


def demand(cluster: Path, tell: Callable[[str], None]) -> None:
    """Have the cluster ask for a new password. `tell` runs a statement in it; nobody may serve it meanwhile.

    What was interrupted is done again: the file comes last, whole or not at all.
    """
    password = secrets.token_urlsafe(32)
    tell(f"alter role postgres password '{password}'")
    _write(cluster / "pg_hba.conf", _RULES)
    new = cluster / f"{_FILE}.new"
    new.touch(mode=0o600)
    _write(new, password)
    new.rename(cluster / _FILE)


def _write(path: Path, text: str) -> None:
    """Into the file that is there: it keeps its owner, who has to read it."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
