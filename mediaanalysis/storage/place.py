"""Which store a STORAGE_URL means.

Credentials, region and endpoint of an object store come from its own well-known variables (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_KEY, ...), never from the URL.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore.store
from msgspec import Struct
from obstore.exceptions import BaseError

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.storage import folders

REMOTE_SCHEMES = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss"})
_RETRY: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}


class Place(Struct, frozen=True):
    """`root` is the directory of a local store, None for a remote one; `work_root` is always on local disk."""

    store: Any
    root: Path | None
    work_root: Path
    about: str


def find(url: str | None, data_dir: Path) -> Place:
    """The store behind the URL, ready to use. Raises ConfigurationError in one line that says what to change."""
    if url is None:
        return _local(data_dir / "storage", "DATA_DIR")
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return _local(Path(unquote(parts.path)), "STORAGE_URL")
    if parts.scheme in REMOTE_SCHEMES and parts.netloc and "@" not in parts.netloc:
        return _remote(url, _prepare(data_dir / "storage", "DATA_DIR"))
    raise ConfigurationError(
        f"STORAGE_URL with scheme {parts.scheme!r}: expected s3://bucket/prefix, gs://bucket/prefix, "
        "az://container/prefix or file:///absolute/path, without credentials"
    )


def _local(root: Path, variable: str) -> Place:
    folder = _prepare(root, variable)
    return Place(store=obstore.store.LocalStore(folder), root=folder, work_root=folder, about=f"directory {folder}")


def _remote(url: str, work_root: Path) -> Place:
    try:
        store = obstore.store.from_url(url, retry_config=_RETRY)
    except (BaseError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"STORAGE_URL={url}: {reason}") from None
    return Place(store=store, root=None, work_root=work_root, about=url)


def _prepare(root: Path, variable: str) -> Path:
    """The directory made and seen to be writable, its own links resolved once."""
    try:
        folders.make(root)
        (root / ".writable").touch()
        (root / ".writable").unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{variable}: {root} cannot be written ({error.strerror})") from None
    return root.resolve()
