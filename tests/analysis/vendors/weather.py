"""A vendor in bad weather: 30 % of its answers are 429, 10 % are 5xx, 5 % never come, 5 % are garbage. It may have a
rate limit besides, which it keeps with 429 and a Retry-After that tells the truth."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter

import httpx

from tests.analysis.vendors.fake import GOOD, Asked, Heard, failed, said, transcript

BUSY, BROKEN, HANGING, GARBAGE = 0.30, 0.10, 0.05, 0.05
HANG_SECONDS = 0.3
"""After which the connection gives up, instead of our minute: the weather's clock runs faster."""


class Weather:
    """`served` counts the good answers by what was asked: these are what a bill is made of."""

    def __init__(self, seed: int, calls_per_second: float | None = None) -> None:
        self._random = random.Random(seed)
        self._interval = 1 / calls_per_second if calls_per_second else 0.0
        self._free_at = 0.0
        self.served: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    async def hear(self, clip: Heard) -> httpx.Response:
        return await self._trouble() or self._serve(f"clip {clip.samples_hash}", transcript(clip))

    async def say(self, asked: Asked) -> httpx.Response:
        question = re.search(r"Question \d+", asked.text)
        reply = said({**GOOD, "answer": question[0] if question else "?"})
        return await self._trouble() or self._serve(question[0] if question else "repair", reply)

    def _serve(self, what: str, response: httpx.Response) -> httpx.Response:
        self.seen["served"] += 1
        self.served[what] += 1
        return response

    async def _trouble(self) -> httpx.Response | None:
        wait = self._over_limit()
        if wait:
            self.seen["limited"] += 1
            return failed(429, "slow down", **{"retry-after-ms": str(int(wait * 1000) + 1)})
        await asyncio.sleep(0.02)
        chance = self._random.random()
        for share, name in ((BUSY, "busy"), (BROKEN, "broken"), (HANGING, "hanging"), (GARBAGE, "garbage")):
            if chance < share:
                self.seen[name] += 1
                return await self._give(name)
            chance -= share
        return None

    async def _give(self, name: str) -> httpx.Response:
        if name == "busy":
            return failed(429, "busy", **{"retry-after-ms": "50"})
        if name == "broken":
            return failed(self._random.choice([500, 502, 503]), "broken")
        if name == "hanging":
            await asyncio.sleep(HANG_SECONDS)
            raise httpx.ReadTimeout("it hangs")
        return httpx.Response(200, content=self._random.randbytes(64), headers={"content-type": "application/json"})

    def _over_limit(self) -> float:
        """Seconds until there is room; 0: this one goes through."""
        now = time.monotonic()
        if now < self._free_at:
            return self._free_at - now
        self._free_at = max(self._free_at, now - self._interval) + self._interval
        return 0.0
