"""Numbers of bytes as people write them: 500M, 2G; a number alone is bytes. Units are powers of 1024."""

from __future__ import annotations

import re

UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def read(text: str) -> int | None:
    """The number of bytes; None where the text is none."""
    found = re.fullmatch(r"([0-9]{1,18})([kmgt]?)", text.strip(), re.IGNORECASE)
    return int(found[1]) * UNITS[found[2].lower()] if found else None


def words(count: int) -> str:
    """The shortest text that `read` reads as that number."""
    unit = max((name for name, size in UNITS.items() if count and count % size == 0), key=UNITS.__getitem__, default="")
    return f"{count // UNITS[unit]}{unit.upper()}"
