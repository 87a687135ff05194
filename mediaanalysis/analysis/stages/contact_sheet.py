"""Contact sheet: all frames on one picture, each with its time."""

from __future__ import annotations

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Artifact, Produced, Stage
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.media import sheet
from mediaanalysis.store import contact_sheets
from mediaanalysis.store.pool import Connection
from mediaanalysis.structs.media import ContactSheet


def _wanted(context: Context) -> bool:
    made = context.of(FRAMES)
    return context.analysis.options.generate_contact_sheet and made is not None and bool(made.frames)


async def _run(context: Context) -> Produced[ContactSheet]:
    frames = context.need(FRAMES).frames
    for frame in frames:
        await context.picture(frame.filename)
    made = await sheet.compose(context.services.sandbox, frames, folder=context.folder)
    width, height = (int(part) for part in made.resolution.split("x"))
    artifact = Artifact(made.filename, context.folder / made.filename, "image/jpeg", width, height)
    return Produced(made, (artifact,))


async def _record(connection: Connection, context: Context, made: ContactSheet) -> None:
    await contact_sheets.put(connection, context.analysis.id, made)


CONTACT_SHEET = Stage(
    name="contact_sheet",
    version=1,
    weight=5,
    output=ContactSheet,
    run=_run,
    after=(FRAMES,),
    wanted=_wanted,
    warning="frames_failed",
    file_kind="contact_sheet",
    record=_record,
)
