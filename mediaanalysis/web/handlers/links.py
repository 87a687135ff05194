"""Links that open an analysis's artifacts without a key, for a player or a page, until they expire."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from mediaanalysis.store import files, transcriptions
from mediaanalysis.web.access import links as signing
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.handlers import polls
from mediaanalysis.web.handlers.files import TRANSCRIPT_FORMS
from mediaanalysis.web.requests import parameters
from mediaanalysis.web.responses import answers


class LinkAnswer(Struct, frozen=True):
    """One artifact. `url` is relative to the service."""

    kind: str
    name: str
    mime_type: str
    url: str


class LinksAnswer(Struct, frozen=True):
    analysis_id: UUID
    expires_at: datetime
    links: tuple[LinkAnswer, ...]


async def links(edge: Edge, request: Request) -> Response:
    """A link to each file and to each form of the transcript. They also end with the key that asks for them."""
    analysis_id = parameters.analysis_id(request)
    seconds = parameters.number(
        request,
        "expires_in",
        signing.USUAL_SECONDS,
        minimum=signing.SHORTEST_SECONDS,
        maximum=signing.LONGEST_SECONDS,
    )
    await polls.current(edge, analysis_id, parameters.owner(request))
    expires = int(time.time()) + seconds
    made = [
        LinkAnswer(kind, name, mime_type, _signed(edge, request, path, rest, expires))
        async for kind, name, mime_type, path, rest in _artifacts(edge, analysis_id)
    ]
    return answers.reply(LinksAnswer(analysis_id, datetime.fromtimestamp(expires, UTC), tuple(made)))


Artifact = tuple[str, str, str, str, str]
"""Kind, name, MIME type, path and query."""


async def _artifacts(edge: Edge, analysis_id: UUID) -> AsyncIterator[Artifact]:
    db, top = edge.services.database.pool, f"/api/media/{analysis_id}"
    for row in await files.list_all(db, analysis_id):
        if row.deleted_at is None:
            yield row.kind, row.filename, row.mime_type, f"{top}/files/{row.filename}", ""
    if await transcriptions.exists(db, analysis_id):
        for form, (mime_type, _) in TRANSCRIPT_FORMS.items():
            yield "transcript", f"transcript.{form}", mime_type, f"{top}/transcript", f"format={form}"


def _signed(edge: Edge, request: Request, path: str, rest: str, expires: int) -> str:
    key_id = parameters.principal(request).key_id
    return f"{quote(path)}?{signing.sign(edge.keyring.secret, path, rest, key_id, expires)}"
