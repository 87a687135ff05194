"""A wire between worker and database that can be cut in the ways real ones are."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from pathlib import Path


class Proxy:
    """Forwards TCP to a UNIX socket. `go_silent`: what is connected stays connected and hears nothing any more.
    `cut`: what is connected is reset, and nobody else gets through until `restore`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._silent: set[asyncio.Event] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[StreamWriter] = set()
        self._is_cut = False
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def go_silent(self) -> None:
        """New connections are forwarded as before."""
        for flag in self._silent:
            flag.set()

    def cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def restore(self) -> None:
        self._is_cut = False

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        silent = asyncio.Event()
        self._silent.add(silent)
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, silent))
                group.create_task(_pump(far_reader, writer, silent))
        except* ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            self._silent.discard(silent)
            self._pumps.discard(task)
            for end in (writer, far_writer):
                end.close()


async def _pump(source: StreamReader, sink: StreamWriter, silent: asyncio.Event) -> None:
    while data := await source.read(65536):
        if not silent.is_set():
            sink.write(data)
            await sink.drain()
    if not silent.is_set():
        sink.close()
