"""What a key allows, as it is written on the command line and shown again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.store.api_keys import Grants
from mediaanalysis.structs.principals import SCOPES

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
RATES = {
    "submit": "submits_per_minute",
    "poll": "polls_per_minute",
    "upload": "upload_bytes_per_minute",
    "active": "max_active",
}


def scopes(text: str) -> tuple[str, ...]:
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    if not named or set(named) - set(SCOPES):
        raise ConfigurationError(f"--scopes {text}: expected some of {','.join(SCOPES)}")
    return named


def moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        span_seconds = seconds(text)
        found = datetime.now(UTC) + timedelta(seconds=span_seconds) if span_seconds else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"--expires {text}: expected a date, a time, or a span such as 12h or 90d") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found <= datetime.now(UTC):
        raise ConfigurationError(f"--expires {text}: has passed")
    return found


def seconds(text: str) -> int | None:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    return int(found[1]) * SPANS[found[2]] if found else None


def limits(text: str | None) -> dict[str, int]:
    """`submit=60,upload=2G` as the fields of `Grants`."""
    found_limits: dict[str, int] = {}
    for part in (text or "").split(","):
        found = re.fullmatch(r"\s*(?:([a-z]+)=)?(\d{1,12})([kmgt]?)\s*", part, re.IGNORECASE)
        name = (found[1] or "submit").lower() if found else ""
        if not found or name not in RATES or (found[3] and name != "upload"):
            if part.strip():
                raise ConfigurationError(f"--rate {part.strip()}: expected submit=N, poll=N, upload=BYTES or active=N")
            continue
        found_limits[RATES[name]] = int(found[2]) * SIZES[found[3].lower()]
        if found_limits[RATES[name]] >= (2**63 if name == "upload" else 2**31):
            raise ConfigurationError(f"--rate {part.strip()}: too large; 0 means no limit")
    return found_limits


def words(grants: Grants) -> str:
    set_here = {name: getattr(grants, field) for name, field in RATES.items()}
    return ", ".join(f"{name}={value}" for name, value in set_here.items() if value is not None)
