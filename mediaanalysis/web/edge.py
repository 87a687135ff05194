"""What handlers work with: the services, and what this edge keeps of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from mediaanalysis.services import Services
    from mediaanalysis.store.analyses import Accepted, NewAnalysis, Status
    from mediaanalysis.store.batch import Batch
    from mediaanalysis.web.cache import Cache
    from mediaanalysis.web.changes import Changes
    from mediaanalysis.web.outlook import Outlook


@dataclass(frozen=True, slots=True)
class Edge:
    """`acceptance` and `statuses` (by analysis and owner) share a statement among the requests that arrive together."""

    services: Services
    acceptance: Batch[NewAnalysis, Accepted]
    statuses: Batch[tuple[UUID, UUID], Status | None]
    cache: Cache
    changes: Changes
    outlook: Outlook
