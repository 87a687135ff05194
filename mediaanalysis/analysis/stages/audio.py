"""Audio: the sound made ready for speech recognition, with its quiet and its spoken parts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Produced, Stage
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.media import audio, speech
from mediaanalysis.structs.media import AudioTrack


def _parameters(context: Context) -> object:
    return {"language": context.analysis.config.language}


def _wanted(context: Context) -> bool:
    return context.analysis.options.transcribe_audio and bool(context.need(PROBE).audio)


async def _run(context: Context) -> Produced[AudioTrack]:
    track = await _extract(context)
    spans = await speech.find(context.services.models.voice, context.folder / track.filename)
    return Produced(msgspec.structs.replace(track, speech=spans))


async def _extract(context: Context) -> AudioTrack:
    return await audio.extract(
        context.services.sandbox,
        await context.original(),
        context.need(PROBE),
        into=context.folder,
        language=context.analysis.config.language,
    )


async def audio_path(context: Context) -> Path:
    """The extracted sound on disk; made again where an earlier attempt made it (cheaper than keeping every copy)."""
    path = context.folder / context.need(AUDIO).filename
    if not path.exists():
        await _extract(context)
    return path


AUDIO = Stage(
    name="audio",
    version=1,
    weight=10,
    output=AudioTrack,
    run=_run,
    after=(PROBE,),
    parameters=_parameters,
    wanted=_wanted,
    warning="transcription_failed",
)
