"""Read text: the words shown in frames, pictures and scanned pages, each with the time or the page it stands on."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Produced, Stage
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.analysis.stages.pages import PAGES
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.media import text
from mediaanalysis.structs.media import Notice, ScreenText
from mediaanalysis.structs.requests import MediaType


class ScreenTexts(Struct, frozen=True):
    texts: tuple[ScreenText, ...]
    notices: tuple[Notice, ...] = ()


def _wanted(context: Context) -> bool:
    return context.analysis.options.read_text and bool(_places(context))


def _places(context: Context) -> list[ScreenText]:
    """Where to read, without the words yet. A still picture is read from the original: its frame may be smaller."""
    frames, document, probe = context.of(FRAMES), context.of(PAGES), context.need(PROBE)
    if document is not None:
        scanned = [page for page in document.pages if page.scanned and page.filename]
        return [ScreenText((), filename=page.filename, page=page.number) for page in scanned]
    if probe.media_type is MediaType.IMAGE and (probe.pictures or 1) == 1:
        return [ScreenText(())]
    if frames is None:
        return []
    return [ScreenText((), filename=frame.filename, at_seconds=frame.at_seconds) for frame in frames.frames]


async def _picture(context: Context, place: ScreenText) -> Path:
    return await context.picture(place.filename) if place.filename else await context.original()


async def _run(context: Context) -> Produced[ScreenTexts]:
    places = _places(context)
    report = context.reporter(READ_TEXT)
    read: list[ScreenText] = []
    for place in places:
        (lines,) = await text.read(context.services.models.text, [await _picture(context, place)])
        read.append(msgspec.structs.replace(place, lines=lines))
        await report(len(read) / len(places))
    return Produced(ScreenTexts(tuple(read)))


READ_TEXT = Stage(
    name="read_text",
    version=1,
    weight=20,
    output=ScreenTexts,
    run=_run,
    after=(PROBE,),
    parameters=lambda context: {
        "pictures": [place.filename for place in _places(context)],
        "count": context.analysis.options.frame_count,
    },
    wanted=_wanted,
    warning="text_unreadable",
)
