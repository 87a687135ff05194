"""What the edges and the stages work with. Built and closed by `app` alone, handed down, never global."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaanalysis.media.download import Downloader
    from mediaanalysis.metrics import Metrics
    from mediaanalysis.providers import Providers
    from mediaanalysis.sandbox import Resident, Sandbox
    from mediaanalysis.settings import Settings
    from mediaanalysis.storage.storage import Storage
    from mediaanalysis.store.pool import Database
    from mediaanalysis.store.signals import Signals


@dataclass(frozen=True, slots=True)
class Models:
    """Guarded children that read: documents, text in pictures, voices in sound. They load on first use."""

    documents: Resident
    text: Resident
    voice: Resident


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    metrics: Metrics
    database: Database
    signals: Signals
    storage: Storage
    sandbox: Sandbox
    models: Models
    downloader: Downloader
    providers: Providers
