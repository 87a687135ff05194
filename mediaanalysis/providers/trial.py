"""A trial of everybody who is set up: two seconds of sound to those who listen, one word asked of those who answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

from msgspec import Struct

from mediaanalysis.errors import MediaAnalysisError, ProviderError
from mediaanalysis.providers.catalogue import LOCAL, Model, Operation
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.providers.providers import Providers
from mediaanalysis.providers.wire import Clip, Message
from mediaanalysis.structs.usage import Call

SECONDS = 2.0
RATE = 16_000
QUESTION = Message("Answer with the one word: yes", max_tokens=16)


class Trial(Struct, frozen=True):
    """`trouble` None: it works. `latency_ms` of the last call; `cost_usd` of all, None where unknown."""

    operation: str
    provider: str
    model: str
    limits: str
    trouble: str | None = None
    latency_ms: int | None = None
    cost_usd: float | None = None


async def try_all(providers: Providers, folder: Path) -> list[Trial]:
    """The default model of each vendor for each operation, all at once. Costs a fraction of a cent."""
    clip = await asyncio.to_thread(made_clip, folder / "trial.flac")
    return await asyncio.gather(*(_tried(providers, one, clip) for one in defaults(providers.vendors)))


def defaults(vendors: Vendors) -> list[Candidate]:
    return [
        Candidate(name, account.provider.listed(operation)[0])
        for operation in Operation
        for name, account in vendors.accounts.items()
        if name != LOCAL and account.provider.listed(operation)
    ]


def made_clip(path: Path) -> Clip:
    """A hum: something to hear, nothing to understand."""
    import numpy as np  # noqa: PLC0415 - only for this
    import soundfile  # noqa: PLC0415

    time = np.arange(int(SECONDS * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * 130 * harmonic * time) / harmonic for harmonic in range(1, 12))
    soundfile.write(path, 0.1 * hum * np.sin(np.pi * 3 * time) ** 2, RATE, format="FLAC", subtype="PCM_16")
    return Clip(path, "audio/flac", SECONDS, path.stat().st_size, language="en")


async def _tried(providers: Providers, one: Candidate, clip: Clip) -> Trial:
    if one.model.operation is Operation.TRANSCRIPTION:
        return await _outcome(one, _heard(providers, one, clip))
    return await _outcome(one, _said(providers, one))


async def _heard(providers: Providers, one: Candidate, clip: Clip) -> tuple[Call, ...]:
    return (await providers.hear(clip, [one])).transcript.calls


async def _said(providers: Providers, one: Candidate) -> tuple[Call, ...]:
    return (await providers.say(QUESTION, [one])).calls


async def _outcome(one: Candidate, trying: Awaitable[tuple[Call, ...]]) -> Trial:
    trouble = None
    calls: Sequence[Call] = ()
    try:
        calls = await trying
    except MediaAnalysisError as error:
        trouble = error.detail
        calls = error.calls if isinstance(error, ProviderError) else ()
    costs = [call.cost_usd for call in calls]
    return Trial(
        one.model.operation.value,
        one.provider,
        one.model.name,
        limits(one.model),
        trouble,
        calls[-1].latency_ms if calls else None,
        sum(cost for cost in costs if cost is not None) if None not in costs else None,
    )


def limits(model: Model) -> str:
    """What it takes at most, in words."""
    known = [
        (model.max_bytes, f"{(model.max_bytes or 0) / 1e6:g} MB"),
        (model.max_seconds, f"{(model.max_seconds or 0) / 60:.3g} min"),
        (model.max_images, f"{model.max_images} pictures"),
        (model.context_tokens, f"{(model.context_tokens or 0) // 1000}k tokens"),
        (model.shutdown, f"until {model.shutdown}"),
    ]
    return ", ".join(text for value, text in known if value is not None)
