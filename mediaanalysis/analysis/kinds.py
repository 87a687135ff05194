"""Which stages an analysis runs, by media type. Stages of one branch run in order, branches side by side."""

from __future__ import annotations

from typing import Any

from mediaanalysis.analysis.stage import Stage
from mediaanalysis.analysis.stages.answer import ANSWER
from mediaanalysis.analysis.stages.audio import AUDIO
from mediaanalysis.analysis.stages.contact_sheet import CONTACT_SHEET
from mediaanalysis.analysis.stages.fetch import FETCH
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.analysis.stages.pages import PAGES
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.analysis.stages.publish import PUBLISH
from mediaanalysis.analysis.stages.read_text import READ_TEXT
from mediaanalysis.analysis.stages.transcribe import TRANSCRIBE
from mediaanalysis.structs.requests import MediaType

Branch = tuple[Stage[Any], ...]

FIRST: Branch = (FETCH, PROBE)

BRANCHES: dict[MediaType, tuple[Branch, ...]] = {
    MediaType.VIDEO: ((FRAMES, CONTACT_SHEET, READ_TEXT), (AUDIO, TRANSCRIBE)),
    MediaType.AUDIO: ((AUDIO, TRANSCRIBE),),
    MediaType.IMAGE: ((FRAMES, READ_TEXT),),
    MediaType.DOCUMENT: ((PAGES, READ_TEXT),),
}

LAST: Branch = (ANSWER, PUBLISH)


def stages(media_type: MediaType) -> Branch:
    """All stages of a media type, in the order a reader expects them."""
    middle = tuple(stage for branch in BRANCHES[media_type] for stage in branch)
    return (*FIRST, *middle, *LAST)
