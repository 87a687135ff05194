"""Pages: the text of a document, page by page, and pictures of its pages where it has any."""

from __future__ import annotations

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Artifact, Produced, Stage
from mediaanalysis.analysis.stages.fetch import FETCH
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.media import documents
from mediaanalysis.structs.media import Document, Page


def _artifact(context: Context, page: Page, filename: str) -> Artifact:
    mime_type = "image/png" if filename.endswith(".png") else "image/jpeg"
    return Artifact(filename, context.folder / filename, mime_type, page.width, page.height)


async def _run(context: Context) -> Produced[Document]:
    document = await documents.read(
        context.services.models.documents,
        await context.original(),
        context.need(FETCH).identity,
        context.limits,
        into=context.folder,
    )
    artifacts = tuple(_artifact(context, page, page.filename) for page in document.pages if page.filename)
    return Produced(document, artifacts)


PAGES = Stage(name="pages", version=1, weight=20, output=Document, run=_run, after=(PROBE,), file_kind="page")
