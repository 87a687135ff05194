"""Probe: what the media is, by its content; refuses what is of another type than asked for, too long or too large."""

from __future__ import annotations

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Produced, Stage
from mediaanalysis.analysis.stages.fetch import FETCH
from mediaanalysis.errors import MediaError
from mediaanalysis.media import documents, probe
from mediaanalysis.structs.media import MediaProbe
from mediaanalysis.structs.requests import MediaType


async def _run(context: Context) -> Produced[MediaProbe]:
    identity = context.need(FETCH).identity
    path = await context.original()
    if identity.media_type is MediaType.DOCUMENT:
        found = await documents.probe(context.services.models.documents, path, identity, context.limits)
    else:
        found = await probe.probe(context.services.sandbox, path, identity, context.limits)
    return Produced(found)


def require_type(context: Context, found: MediaProbe) -> None:
    """Raise media_type_mismatch where the client required another media type than the content is of."""
    required = context.analysis.required_type
    if required not in (MediaType.UNKNOWN, found.media_type):
        raise MediaError(
            f"{required} was required, but the content is {found.media_type} ({found.mime_type}): "
            f"send it to /api/media/analyze, or as {found.media_type}",
            code="media_type_mismatch",
        )


PROBE = Stage(name="probe", version=1, weight=2, output=MediaProbe, run=_run)
