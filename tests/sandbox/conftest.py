from __future__ import annotations

import os
import select
from collections.abc import Callable

import pytest

from mediaanalysis.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return Sandbox(2)


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether the process `pid` ends within five seconds (a zombie has ended)."""

    def gone(pid: int) -> bool:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([descriptor], [], [], 5)[0])
        finally:
            os.close(descriptor)

    return gone
