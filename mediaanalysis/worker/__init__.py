"""The edge that works: claims jobs, runs their handlers, records how they ended."""

from mediaanalysis.worker.loop import Worker
from mediaanalysis.worker.run import Control, Finish, Handler

__all__ = ["Control", "Finish", "Handler", "Worker"]
