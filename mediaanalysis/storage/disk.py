"""How full the disk is, and when that is too full."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from mediaanalysis import log

WARNING_FRACTION = 0.80
CRITICAL_FRACTION = 0.90
RELIEF_SHARE = 0.01
"""So far below a mark the disk must be before it counts as below it: on the mark, it would be told each moment."""

_log = log.get("storage")


class DiskState(StrEnum):
    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


class DiskUsage(Struct, frozen=True):
    """`free_bytes` is what this process may still use: as in df, root's reserve is neither used nor free."""

    used_bytes: int
    free_bytes: int

    @property
    def fraction(self) -> float:
        """0 to 1."""
        return self.used_bytes / max(1, self.used_bytes + self.free_bytes)

    @property
    def state(self) -> DiskState:
        return self.state_with(0)

    def state_with(self, size_bytes: int) -> DiskState:
        """The state once that many more bytes are written."""
        fraction = (self.used_bytes + size_bytes) / max(1, self.used_bytes + self.free_bytes)
        if fraction >= CRITICAL_FRACTION:
            return DiskState.CRITICAL
        return DiskState.WARNING if fraction >= WARNING_FRACTION else DiskState.OK


class Watch:
    """Says in the log when the disk passes a mark, once each way."""

    def __init__(self) -> None:
        self._said = DiskState.OK

    def see(self, found: DiskUsage) -> None:
        relief_bytes = int(RELIEF_SHARE * (found.used_bytes + found.free_bytes))
        if _rank(found.state) > _rank(self._said):
            _log.warning("disk_filling", state=found.state.value, used=round(found.fraction, 3))
        elif _rank(found.state_with(relief_bytes)) < _rank(self._said):
            _log.info("disk_relieved", state=found.state.value, used=round(found.fraction, 3))
        else:
            return
        self._said = found.state


def _rank(state: DiskState) -> int:
    return list(DiskState).index(state)


def usage(path: Path) -> DiskUsage:
    """Of the disk that holds the path."""
    found = shutil.disk_usage(path)
    return DiskUsage(used_bytes=found.used, free_bytes=found.free)
