"""The HTTP server: uvicorn on a socket that is already bound, stopped by a call instead of by signals of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from mediaanalysis.web.connection_limit import Crowd
from mediaanalysis.web.connections import Connection

KEEP_ALIVE_SECONDS = 30
STOP_SECONDS = 5


class Server(uvicorn.Server):
    """Serves until `stop`, at most `connections_max` at once. Signals are the composition root's: they also concern the
    worker beside it."""

    def __init__(self, application: ASGIApp, connections_max: int = 12_000) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=True,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
                proxy_headers=False,
                backlog=2048,
            )
        )
        self.server_state = Crowd(connections_max)

    def stop(self) -> None:
        """Stop taking requests; those under way have `STOP_SECONDS` to end. Twice: at once."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of them: uvicorn would raise them again in the middle of our own stopping."""
        yield
