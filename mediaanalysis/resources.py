"""Where `sql/`, `migrations/` and `deploy/grants.sql` lie: inside the package in a wheel, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from mediaanalysis.errors import ConfigurationError

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder of that name. Raises ConfigurationError where the installation lacks it."""
    for place in (_PACKAGE / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise ConfigurationError(f"the installation lacks its folder {name}/: install mediaanalysis again")
