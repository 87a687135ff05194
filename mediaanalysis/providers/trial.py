"""A trial of everybody who is set up: two seconds of sound to those who listen, one word asked of those who answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

from msgspec import Struct

from mediaanalysis.errors import MediaAnalysisError, ProviderError
from mediaanalysis.providers.catalogue import LOCAL, Model, Operation
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.providers.providers import Providers
from mediaanalysis.providers.wire import Clip, Message
from mediaanalysis.structs.answers import AnswerRequest, TranscriptionRequest
from mediaanalysis.structs.media import MediaProbe, Span
from mediaanalysis.structs.requests import Config, MediaType
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
    """The default model of each for each operation, the local one too, all at once. Costs a fraction of a cent.

    `folder` is for the sound, below the work folders of the sandbox: the local provider's child reads nowhere else.
    """
    clip = await asyncio.to_thread(made_clip, folder / "trial.flac")
    return await asyncio.gather(*(_tried(providers, one, clip) for one in defaults(providers.vendors)))


def defaults(vendors: Vendors) -> list[Candidate]:
    here = vendors.catalogue.find(LOCAL)
    others = [account.provider for name, account in vendors.accounts.items() if name != LOCAL]
    return [
        Candidate(provider.name, provider.listed(operation)[0])
        for operation in Operation
        for provider in ([here] if here else []) + others
        if provider.listed(operation)
    ]


def made_clip(path: Path) -> Clip:
    """A hum: something to hear, nothing to understand."""
    import numpy as np  # noqa: PLC0415 - only for this
    import soundfile  # noqa: PLC0415

    at = np.arange(int(SECONDS * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * 130 * harmonic * at) / harmonic for harmonic in range(1, 12))
    soundfile.write(path, 0.1 * hum * np.sin(np.pi * 3 * at) ** 2, RATE, format="FLAC", subtype="PCM_16")
    return Clip(path, "audio/flac", SECONDS, path.stat().st_size, language="en")


async def _tried(providers: Providers, one: Candidate, clip: Clip) -> Trial:
    if one.provider == LOCAL:
        return await _here(providers, one, clip)
    if one.model.operation is Operation.TRANSCRIPTION:
        return await _outcome(one, _heard(providers, one, clip))
    return await _outcome(one, _said(providers, one))


async def _here(providers: Providers, one: Candidate, clip: Clip) -> Trial:
    """The local provider makes no calls and costs nothing."""
    started, trouble = time.monotonic(), None
    probe = MediaProbe(MediaType.AUDIO, clip.mime_type, "flac", clip.size_bytes, SECONDS)
    try:
        if one.model.operation is Operation.TRANSCRIPTION:
            request = TranscriptionRequest(clip.path, SECONDS, (Span(0, SECONDS),))
            await providers.transcribe(request, Config(), on_progress=_untold)
        else:
            await providers.answer(AnswerRequest("How long is it?", probe), Config())
    except MediaAnalysisError as error:
        trouble = error.detail
    took_ms = round(1000 * (time.monotonic() - started))
    return Trial(one.model.operation.value, one.provider, one.model.name, limits(one.model), trouble, took_ms, 0.0)


async def _untold(_fraction: float) -> None:
    """Progress of two seconds is not told."""


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
