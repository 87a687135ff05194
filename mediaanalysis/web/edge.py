"""What handlers work with: the services, and what this edge keeps of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaanalysis.structs.health import WorkerHealth

if TYPE_CHECKING:
    from uuid import UUID

    from mediaanalysis.services import Services
    from mediaanalysis.store.analyses import Accepted, NewAnalysis, Outcome, Status, Unwanted
    from mediaanalysis.store.batch import Batch
    from mediaanalysis.web.access.concurrency import Concurrency
    from mediaanalysis.web.access.keyring import Keyring
    from mediaanalysis.web.access.meter import Meter
    from mediaanalysis.web.responses.cache import Cache
    from mediaanalysis.web.responses.changes import Changes
    from mediaanalysis.web.responses.outlook import Outlook


Crew = Callable[[], WorkerHealth]


@dataclass(frozen=True, slots=True)
class Edge:
    """`acceptance`, `statuses` (by analysis and owner) and `removal` share a statement among those who come together.
    `crew` tells how the worker of this process is; None: there is none."""

    services: Services
    acceptance: Batch[NewAnalysis, Accepted]
    statuses: Batch[tuple[UUID, UUID], Status | None]
    removal: Batch[Unwanted, Outcome | None]
    cache: Cache
    changes: Changes
    outlook: Outlook
    keyring: Keyring
    meter: Meter
    estimates: Concurrency
    crew: Crew | None
