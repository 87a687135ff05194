"""Transcribe: what was said. Sound without a voice in it is never sent to a provider and never becomes words."""

from __future__ import annotations

from mediaanalysis.analysis.audio import AUDIO, audio_path
from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Ledger, Produced, Stage
from mediaanalysis.errors import WARNINGS
from mediaanalysis.store import transcriptions
from mediaanalysis.store.pool import Connection
from mediaanalysis.structs.answers import TranscriptionRequest
from mediaanalysis.structs.media import AudioTrack, Notice
from mediaanalysis.structs.transcript import Transcript

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
    }


def _wanted(context: Context) -> bool:
    return context.of(AUDIO) is not None


async def _run(context: Context) -> Produced[Transcript]:
    track = context.need(AUDIO)
    if not track.speech:
        return Produced(SILENT, ledger=Ledger(SILENT.provider, SILENT.model, cost_usd=0))
    transcript = await context.services.providers.transcribe(
        await _request(context, track), context.analysis.config, on_progress=context.reporter(TRANSCRIBE)
    )
    usage = transcript.usage
    ledger = Ledger(transcript.provider, transcript.model, usage.input_tokens, usage.output_tokens, usage.cost_usd)
    return Produced(transcript, ledger=ledger)


async def _request(context: Context, track: AudioTrack) -> TranscriptionRequest:
    config = context.analysis.config
    return TranscriptionRequest(
        audio=await audio_path(context),
        duration_seconds=track.duration_seconds,
        speech=track.speech,
        silences=track.silences,
        language=config.language,
        model=config.transcription_model,
    )


async def _record(connection: Connection, context: Context, transcript: Transcript) -> None:
    await transcriptions.put(connection, context.analysis.id, transcript)


TRANSCRIBE = Stage(
    name="transcribe",
    version=1,
    weight=40,
    output=Transcript,
    run=_run,
    after=(AUDIO,),
    parameters=_parameters,
    wanted=_wanted,
    warning="transcription_failed",
    record=_record,
)
