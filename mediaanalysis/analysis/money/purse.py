"""Money set aside for the calls under way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Purse:
    """One for each run of an analysis: side by side, its calls must not spend the same dollar."""

    reserved_usd: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
