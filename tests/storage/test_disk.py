"""The disk fills up: said once, and shown while it lasts."""

from __future__ import annotations

import pytest

from mediaanalysis.storage import disk
from mediaanalysis.storage.disk import DiskUsage, Watch


def seen(percents: list[float], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the log says of a disk that is filled to these percents, one after the other."""
    said: list[tuple[str, str]] = []

    class Ear:
        def warning(self, event: str, *, state: str, used: float) -> None:
            said.append((event, state))

        info = warning

    monkeypatch.setattr(disk, "_log", Ear())
    watch = Watch()
    for percent in percents:
        watch.see(DiskUsage(used_bytes=round(percent * 100), free_bytes=10_000 - round(percent * 100)))
    return said


def test_each_mark_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen([50, 79, 80, 85, 81, 90, 95, 50, 40], monkeypatch) == [
        ("disk_filling", "warning"),
        ("disk_filling", "critical"),
        ("disk_relieved", "ok"),
    ]


def test_around_a_mark_it_is_not_said_each_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen([80.1, 79.9, 80.1, 79.9, 78.9, 80.1], monkeypatch) == [
        ("disk_filling", "warning"),
        ("disk_relieved", "ok"),
        ("disk_filling", "warning"),
    ]
