"""Who is to be left alone, as every worker sees it."""

from __future__ import annotations

import math

import pytest

from mediaanalysis.store import lanes
from mediaanalysis.store.pool import Pool


async def test_cooling_providers_are_known_to_all_until_their_time_is_over(db: Pool) -> None:
    assert await lanes.cooling_providers(db) == {}
    await lanes.cool_provider(db, "deepgram", 60, "429")
    await lanes.cool_provider(db, "openai", -1, "over")
    await db.execute("insert into lanes (scope, name, paused_until) values ('provider', 'groq', 'infinity')")
    await db.execute("insert into lanes (scope, name, paused_until) values ('kind', 'analyze', 'infinity')")
    found = await lanes.cooling_providers(db)
    assert found == {"deepgram": pytest.approx(60, abs=5), "groq": math.inf}
