"""What a key allows, as it is written on the command line and shown again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mediaanalysis import sizes
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.store.api_keys import Grants
from mediaanalysis.structs.principals import SCOPES

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
NEVER = "never"
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
    """None: never. Raises ConfigurationError."""
    if text is None or text == NEVER:
        return None
    try:
        span_seconds = seconds(text)
        found = datetime.now(UTC) + timedelta(seconds=span_seconds) if span_seconds else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"--expires {text}: expected a date, a time, a span such as 12h or 90d, or {NEVER}"
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found <= datetime.now(UTC):
        raise ConfigurationError(f"--expires {text}: has passed")
    return found


def seconds(text: str) -> int | None:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    return int(found[1]) * SPANS[found[2]] if found else None


def limits(text: str | None) -> dict[str, int]:
    """`submit=60,upload=2G` as the fields of `Grants`. Raises ConfigurationError."""
    return dict(_limit(part.strip()) for part in (text or "").split(",") if part.strip())


def _limit(text: str) -> tuple[str, int]:
    """A number alone is of submissions."""
    name, _, number = (part.strip() for part in text.lower().rpartition("="))
    name = name or "submit"
    value = sizes.read(number) if name == "upload" else int(number) if re.fullmatch("[0-9]{1,12}", number) else None
    if name not in RATES or value is None:
        raise ConfigurationError(f"--rate {text}: expected submit=N, poll=N, upload=BYTES or active=N")
    if value >= (2**63 if name == "upload" else 2**31):
        raise ConfigurationError(f"--rate {text}: too large; 0 means no limit")
    return RATES[name], value


def words(grants: Grants) -> str:
    """The limits, as they would be typed."""
    typed = {name: sizes.words if name == "upload" else str for name in RATES}
    set_here = {name: getattr(grants, field) for name, field in RATES.items()}
    return ", ".join(f"{name}={typed[name](value)}" for name, value in set_here.items() if value is not None)
