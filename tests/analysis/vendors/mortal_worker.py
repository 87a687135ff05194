"""A worker process that is killed in the middle of its nth call: `mortal_worker.py DSN DATA_DIR LEDGER NTH`; 0: never.

Every call that was answered, and so would be on a bill, is a line in the ledger file.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import httpx

from mediaanalysis.app import open_services, worker_for
from mediaanalysis.settings import Settings
from tests.analysis.vendors.fake import GOOD, Asked, Heard, Vendor, fake_vendors, said, transcript

SETTLED_SECONDS = 0.5
"""What was answered before has been written down by then."""


class Mortal:
    def __init__(self, ledger: Path, nth: int) -> None:
        self._ledger = ledger
        self._nth = nth
        self._count = itertools.count(1)

    async def hear(self, clip: Heard) -> httpx.Response:
        await self._live(f"clip {clip.seconds:.3f}")
        return transcript(clip)

    async def say(self, asked: Asked) -> httpx.Response:
        await self._live("answer")
        return said(GOOD)

    async def _live(self, what: str) -> None:
        if next(self._count) == self._nth:
            await asyncio.sleep(SETTLED_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)
        with self._ledger.open("a") as file:
            file.write(f"{what}\n")


async def main(dsn: str, data_dir: Path, ledger: Path, nth: int) -> None:
    vendor, mortal = Vendor(), Mortal(ledger, nth)
    vendor.hear, vendor.say = mortal.hear, mortal.say
    settings = Settings(database_url=dsn, data_dir=data_dir, pool_min=1, pool_max=8)
    async with open_services(settings, dsn, fake_vendors(data_dir), network=vendor) as services:
        worker = worker_for(services)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
