"""How full the disk is, and when that is too full."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

WARNING_FRACTION = 0.80
CRITICAL_FRACTION = 0.90


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


def usage(path: Path) -> DiskUsage:
    """Of the disk that holds the path."""
    found = shutil.disk_usage(path)
    return DiskUsage(used_bytes=found.used, free_bytes=found.free)
