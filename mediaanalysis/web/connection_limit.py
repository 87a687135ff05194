"""Everyone who is connected to one server, and what happens when they are too many."""

from __future__ import annotations

import resource
from asyncio import Transport
from contextlib import suppress
from typing import Protocol

from uvicorn.server import ServerState

OVERRUN_CONNECTIONS = 256
OTHER_DESCRIPTORS = 1024
"""For the database, files, pipes to children, and those who are told that there is no room."""


def capacity(connections_max: int) -> int:
    """How many connections there are descriptors for, once this process has asked for as many as it may: the soft limit
    is raised, up to the hard one."""
    wanted = connections_max + OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < wanted:
        possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
            soft = possible
    room = wanted if soft == resource.RLIM_INFINITY else soft
    return min(connections_max, max(room - OTHER_DESCRIPTORS, room // 2))


class Waiting(Protocol):
    """A connection without a request under way."""

    @property
    def transport(self) -> Transport: ...


class Crowd(ServerState):
    """`waiting`: those without a request under way, the longest first. An idle connection only makes its client's next
    request quicker; so when a new one comes and there is no room, the one that has been idle longest is closed."""

    def __init__(self, connections_max: int) -> None:
        super().__init__()
        self._connections_max = connections_max
        self.waiting: dict[Waiting, None] = {}

    def admit(self) -> bool:
        """Whether there is room for the one that has just come, if need be in the place of one that waits."""
        if len(self.connections) <= self._connections_max:
            return True
        longest = next(iter(self.waiting), None)
        if longest is None:
            return False
        del self.waiting[longest]
        longest.transport.close()
        return True

    @property
    def is_overrun(self) -> bool:
        """So many come that there is no room even to tell them so."""
        return len(self.connections) > self._connections_max + OVERRUN_CONNECTIONS
