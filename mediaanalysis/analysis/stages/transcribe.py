"""Transcribe: what was said. Sound without a voice in it is never sent to a provider and never becomes words.

A vendor gets the sound in parts, each kept as soon as it is heard: after a failure or a crash only the others are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.listening.cleaning import placed
from mediaanalysis.analysis.listening.plan import MIME_TYPES, plan
from mediaanalysis.analysis.listening.stitching import HeardPart, stitched
from mediaanalysis.analysis.money.prices import of_sound
from mediaanalysis.analysis.money.spending import reserved
from mediaanalysis.analysis.parts import Part, pass_part
from mediaanalysis.analysis.stage import Ledger, Produced, Stage
from mediaanalysis.analysis.stages.audio import AUDIO, audio_path
from mediaanalysis.errors import WARNINGS, ProviderError
from mediaanalysis.media import audio
from mediaanalysis.providers.catalogue import LOCAL
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.wire import Clip
from mediaanalysis.store import transcriptions
from mediaanalysis.store.pool import Connection
from mediaanalysis.structs.answers import TranscriptionRequest
from mediaanalysis.structs.media import AudioTrack, Notice, Span
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.structs.usage import Call

OnProgress = Callable[[float], Awaitable[None]]

SILENT = Transcript(
    text="",
    provider="local",
    model="voice-activity",
    no_speech=True,
    notices=(Notice("no_speech", WARNINGS["no_speech"]),),
)


def _parameters(context: Context) -> object:
    config = context.analysis.config
    return {
        "providers": context.services.providers.transcribers(config),
        "model": config.transcription_model,
        "language": config.language,
        "partial": context.analysis.options.partial,
    }


def _wanted(context: Context) -> bool:
    return context.of(AUDIO) is not None


async def _run(context: Context) -> Produced[Transcript]:
    track = context.need(AUDIO)
    if not track.speech:
        return Produced(SILENT, ledger=Ledger(SILENT.provider, SILENT.model, cost_usd=0))
    chain = context.services.providers.transcription_chain(context.analysis.config)
    vendors = [one for one in chain if one.provider != LOCAL]
    if not vendors or chain[0].provider == LOCAL:
        transcript = await _hear_here(context, track, track.speech, context.reporter(TRANSCRIBE))
    else:
        transcript = await _hear_in_parts(context, track, vendors, falls_back=len(vendors) < len(chain))
    usage = transcript.usage
    ledger = Ledger(transcript.provider, transcript.model, usage.input_tokens, usage.output_tokens, usage.cost_usd)
    return Produced(transcript, ledger=ledger)


async def _hear_here(
    context: Context, track: AudioTrack, speech: Sequence[Span], on_progress: OnProgress
) -> Transcript:
    """By the local provider, which takes the sound as it is."""
    config = context.analysis.config
    request = TranscriptionRequest(
        audio=await audio_path(context),
        duration_seconds=track.duration_seconds,
        speech=tuple(speech),
        silences=track.silences,
        language=config.language,
        model=config.transcription_model,
    )
    return await context.services.providers.transcribe(request, config, on_progress=on_progress)


async def _hear_in_parts(
    context: Context, track: AudioTrack, vendors: Sequence[Candidate], *, falls_back: bool
) -> Transcript:
    """All parts side by side, as many as their provider takes at once. One that fails does not stop the others."""
    path = await audio_path(context)
    planned = plan(track, path.stat().st_size, [one.model for one in vendors])
    report, done = context.reporter(TRANSCRIBE), 0

    async def hear(number: int, span: Span) -> Transcript:
        nonlocal done
        part = PartOfTalk(number, span, planned.form, path if planned.whole else None)
        heard = await _hear_part(context, track, part, vendors, falls_back)
        done += 1
        await report(done / len(planned.parts))
        return heard

    hearing = (hear(number, span) for number, span in enumerate(planned.parts, start=1))
    heard = await asyncio.gather(*hearing, return_exceptions=True)
    return stitched(_settled(context, planned.parts, heard))


class PartOfTalk(Struct, frozen=True):
    """`file` is there already where the part is the whole sound."""

    number: int
    span: Span
    form: str
    file: Path | None


async def _hear_part(
    context: Context, track: AudioTrack, part: PartOfTalk, vendors: Sequence[Candidate], falls_back: bool
) -> Transcript:
    """What is said in a part, in its place; kept from an earlier attempt, or heard now."""
    config = context.analysis.config
    parameters = (part.span, [one.label for one in vendors], falls_back, config.language, config.transcription_model)

    async def run(calls: list[Call]) -> Transcript:
        try:
            heard = await _ask(context, part, vendors, calls)
        except ProviderError as error:
            if not falls_back or not error.retryable:
                raise
            speech = [span for span in track.speech if span.end > part.span.start and span.start < part.span.end]
            return await _hear_here(context, track, speech, _unheard)
        return msgspec.structs.replace(placed(heard, part.span, track.speech), calls=())

    return await pass_part(context, Part(TRANSCRIBE, part.number, parameters), Transcript, run)


async def _ask(context: Context, part: PartOfTalk, vendors: Sequence[Candidate], calls: list[Call]) -> Transcript:
    """One call of whoever takes it, its times from the start of the part."""
    seconds = part.span.end - part.span.start
    async with reserved(context, vendors, of_sound(seconds)) as able:
        path = part.file or await _cut(context, part)
        clip = Clip(path, MIME_TYPES[part.form], seconds, path.stat().st_size, context.analysis.config.language)
        heard = await context.services.providers.hear(clip, able, calls, context.job)
    return heard.transcript


async def _cut(context: Context, part: PartOfTalk) -> Path:
    file = context.folder / f"part_{part.number:03}.{part.form}"
    return await audio.cut(context.services.sandbox, await audio_path(context), part.span, into=file)


async def _unheard(_fraction: float) -> None:
    """Progress inside a part is not told."""


def _settled(context: Context, parts: Sequence[Span], heard: Sequence[Transcript | BaseException]) -> list[HeardPart]:
    """What was heard, and gaps for what is lost for good, where the client lets that be.

    Raises the first failure that must not be a gap, or that another attempt may mend: what was heard is kept.
    """
    failures = [one for one in heard if isinstance(one, BaseException)]
    lasting = [one for one in failures if not isinstance(one, ProviderError)]
    last = context.job.attempt >= context.job.max_attempts
    again = [one for one in failures if isinstance(one, ProviderError) and one.retryable and not last]
    may_stay = context.analysis.options.partial and len(failures) < len(heard)
    if lasting or again or (failures and not may_stay):
        raise [*lasting, *again, *failures][0]
    return [_part(span, one) for span, one in zip(parts, heard, strict=True)]


def _part(span: Span, heard: Transcript | BaseException) -> HeardPart:
    if isinstance(heard, ProviderError):
        return HeardPart(span, None, heard.detail)
    assert isinstance(heard, Transcript)
    return HeardPart(span, heard)


async def _record(connection: Connection, context: Context, transcript: Transcript) -> None:
    await transcriptions.put(connection, context.analysis.id, transcript)


TRANSCRIBE = Stage(
    name="transcribe",
    version=2,
    weight=40,
    output=Transcript,
    run=_run,
    after=(AUDIO,),
    parameters=_parameters,
    wanted=_wanted,
    warning="transcription_failed",
    reusable=lambda transcript: not transcript.gaps,
    record=_record,
)
