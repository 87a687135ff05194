"""What a stage is: a function of its inputs, so that what was done once need not be done again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from mediaanalysis.analysis.context import Context
from mediaanalysis.store.pool import Connection

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file a stage made, to be kept: `path` on disk now, `filename` under which clients find it."""

    filename: str
    path: Path
    mime_type: str
    width: int | None = None
    height: int | None = None
    at_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Who did it and what it took. `cost_usd` None means unknown."""

    provider: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Produced(Generic[Output]):
    output: Output
    artifacts: tuple[Artifact, ...] = ()
    ledger: Ledger = Ledger()


def _nothing(_context: Context) -> object:
    return None


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[Output]):
    """`parameters` names what, besides the media and the stages `after` which it runs, its output depends on.

    Raise `version` when the same inputs give another output. `warning` is the code under which a failure lets the
    analysis go on without this stage; None: the analysis fails. `record` writes the stage's own rows in the
    transaction of its checkpoint. `file_kind` is the kind of the files it keeps. What is not `reusable` (another
    attempt may give more) is no checkpoint: it is done again when it is needed again.
    """

    name: str
    version: int
    weight: int
    output: type[Output]
    run: Callable[[Context], Awaitable[Produced[Output]]]
    after: tuple[Stage[Any], ...] = ()
    parameters: Callable[[Context], object] = _nothing
    wanted: Callable[[Context], bool] = _always
    warning: str | None = None
    file_kind: str | None = None
    reusable: Callable[[Output], bool] = _always
    record: Callable[[Connection, Context, Output], Awaitable[None]] | None = field(default=None)

    def input_key(self, context: Context) -> str:
        """SHA-256 over all that decides the output, hexadecimal."""
        parts = (
            self.name,
            self.version,
            context.media_checksum,
            self.parameters(context),
            [stage.input_key(context) for stage in self.after],
        )
        return sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
