"""What a model may look at: frames with their times, scanned pages; made as small as is still useful to it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.analysis.stages.pages import PAGES
from mediaanalysis.media import pictures
from mediaanalysis.providers.wire import Image
from mediaanalysis.structs.requests import MediaType


class Look(Struct, frozen=True):
    """A picture of the media, by its file name. `caption` is put before it."""

    filename: str
    caption: str
    at_seconds: float = -1.0


def looks(context: Context) -> tuple[Look, ...]:
    """All there is to see, in order."""
    frames, document = context.of(FRAMES), context.of(PAGES)
    if frames is not None:
        still = context.outputs["probe"].media_type is MediaType.IMAGE and len(frames.frames) == 1
        return tuple(
            Look(frame.filename, "The picture:" if still else f"Frame at {frame.at_seconds:.1f} s:", frame.at_seconds)
            for frame in frames.frames
        )
    scanned = [page for page in document.pages if page.scanned and page.filename] if document else []
    return tuple(Look(page.filename, f"Page {page.number}:") for page in scanned if page.filename)


async def shown(context: Context, chosen: Sequence[Look], side: int) -> tuple[Image, ...]:
    """As JPEG files, no side longer than `side` pixels."""
    if not chosen:
        return ()
    paths = [await context.picture(look.filename) for look in chosen]
    small = await pictures.shrink(context.services.sandbox, paths, side, into=context.folder)
    return tuple(Image(path, caption=look.caption) for look, path in zip(chosen, small, strict=True))
