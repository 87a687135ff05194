"""How a hostile client asks: see the fixture `ask`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Ask = Callable[..., Awaitable[bytes]]
