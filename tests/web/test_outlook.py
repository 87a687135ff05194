"""What is expected of the queue: only what waits stands before a new analysis."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from mediaanalysis.services import Services
from mediaanalysis.structs.principals import LOCAL_OWNER
from mediaanalysis.structs.requests import MediaType
from mediaanalysis.web.problems import Refusal
from mediaanalysis.web.responses.outlook import Outlook
from tests.store.cases import claimed
from tests.web.conftest import Submit


async def test_what_runs_does_not_wait(services: Services, submit: Submit) -> None:
    settings = msgspec.structs.replace(services.settings, queue_max_jobs=2)
    limited = replace(services, settings=settings)
    first, _ = await submit(), await submit()
    full = Outlook(limited)
    await full.seconds(LOCAL_OWNER, MediaType.VIDEO)
    with pytest.raises(Refusal, match="2 analyses wait"):
        await full.require_room()
    await claimed(services.database.pool, first)
    roomy = Outlook(limited)
    await roomy.seconds(LOCAL_OWNER, MediaType.VIDEO)
    await roomy.require_room()
