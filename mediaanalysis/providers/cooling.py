"""Who asked to be left alone, and until when: known here at once, and by every worker through callbacks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

from mediaanalysis import log
from mediaanalysis.errors import MediaAnalysisError

Tell = Callable[[str, float, str], Awaitable[None]]
"""Let all workers know: provider, seconds, reason."""
Ask = Callable[[], Awaitable[Mapping[str, float]]]
"""Whom others found busy: provider → seconds left."""

ASK_EVERY_SECONDS = 1.0

_log = log.get("providers")


async def _tell_nobody(_provider: str, _seconds: float, _reason: str) -> None:
    pass


async def _ask_nobody() -> Mapping[str, float]:
    return {}


class Cooling:
    def __init__(
        self, tell: Tell = _tell_nobody, ask: Ask = _ask_nobody, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._ask = ask
        self._clock = clock
        self._until: dict[str, float] = {}
        self._asked_at = float("-inf")

    async def cool(self, provider: str, seconds: float, reason: str) -> None:
        """Never shortens a longer pause. A store that is away is no reason to fail: this process knows anyway.

        A pause that is over before others would ask is not told.
        """
        self._until[provider] = max(self._until.get(provider, 0), self._clock() + seconds)
        if seconds < ASK_EVERY_SECONDS:
            return
        try:
            await self._tell(provider, seconds, reason)
        except MediaAnalysisError as error:
            _log.warning("cool_down_not_told", provider=provider, error=error.detail)

    async def remaining_seconds(self, provider: str) -> float:
        """How long the provider is to be left alone; 0: not at all. Others are asked once a second at most."""
        if self._clock() - self._asked_at >= ASK_EVERY_SECONDS:
            self._asked_at = self._clock()
            await self._listen()
        return max(0.0, self._until.get(provider, 0) - self._clock())

    async def _listen(self) -> None:
        try:
            told = await self._ask()
        except MediaAnalysisError as error:
            _log.warning("cool_downs_unknown", error=error.detail)
            return
        for provider, seconds in told.items():
            self._until[provider] = max(self._until.get(provider, 0), self._clock() + seconds)
