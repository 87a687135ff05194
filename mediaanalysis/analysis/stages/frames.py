"""Frames: pictures out of the media at their true times, the original's metadata left behind."""

from __future__ import annotations

from msgspec import Struct

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Artifact, Produced, Stage
from mediaanalysis.analysis.stages.fetch import FETCH
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.media import frames
from mediaanalysis.structs.media import Frame, MediaProbe, Notice
from mediaanalysis.structs.requests import MediaType


class FrameSet(Struct, frozen=True):
    frames: tuple[Frame, ...]
    notices: tuple[Notice, ...] = ()


def _count(context: Context, probe: MediaProbe) -> int:
    """A still picture gives one frame; an animation no more than it has."""
    wanted = context.analysis.options.frame_count
    return min(wanted, probe.pictures or 1) if probe.media_type is MediaType.IMAGE else wanted


def _parameters(context: Context) -> object:
    return {"count": context.analysis.options.frame_count}


def _wanted(context: Context) -> bool:
    return context.analysis.options.extract_frames and context.need(PROBE).video is not None


async def _run(context: Context) -> Produced[FrameSet]:
    probe = context.need(PROBE)
    found, notices = await frames.extract(
        context.services.sandbox,
        await context.original(),
        probe,
        context.need(FETCH).identity,
        count=_count(context, probe),
        into=context.folder,
    )
    artifacts = tuple(
        Artifact(f.filename, context.folder / f.filename, "image/jpeg", f.width, f.height, f.at_seconds) for f in found
    )
    return Produced(FrameSet(found, notices), artifacts)


FRAMES = Stage(
    name="frames",
    version=1,
    weight=15,
    output=FrameSet,
    run=_run,
    after=(PROBE,),
    parameters=_parameters,
    wanted=_wanted,
    warning="frames_failed",
    file_kind="frame",
)
