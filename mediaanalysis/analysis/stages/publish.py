"""Publish: the result as files for people (`result.json`, `summary.txt`) and as rows, which end the analysis."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.stage import Artifact, Produced, Stage
from mediaanalysis.analysis.stages.answer import ANSWER
from mediaanalysis.analysis.stages.contact_sheet import CONTACT_SHEET
from mediaanalysis.analysis.stages.fetch import FETCH
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.analysis.stages.pages import PAGES
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.analysis.stages.read_text import READ_TEXT
from mediaanalysis.analysis.stages.transcribe import TRANSCRIBE


class Published(Struct, frozen=True):
    filenames: tuple[str, ...]


def document(context: Context) -> dict[str, Any]:
    """The result as one JSON document, readable without this service."""
    analysis = context.analysis
    return {
        "analysis_id": analysis.id,
        "prompt": analysis.prompt,
        "media": context.need(PROBE),
        "checksum": context.need(FETCH).checksum,
        "answer": context.need(ANSWER),
        "transcript": context.of(TRANSCRIBE),
        "screen_texts": context.of(READ_TEXT),
        "document": context.of(PAGES),
        "frames": context.of(FRAMES),
        "contact_sheet": context.of(CONTACT_SHEET),
        "warnings": context.notices,
    }


async def _run(context: Context) -> Produced[Published]:
    answer = context.need(ANSWER)
    texts = {
        "result.json": (msgspec.json.format(msgspec.json.encode(document(context))), "application/json"),
        "summary.txt": (f"{answer.text}\n\n{answer.summary}\n".encode(), "text/plain; charset=utf-8"),
    }
    artifacts = tuple(_artifact(context, name, *text) for name, text in texts.items())
    return Produced(Published(tuple(texts)), artifacts)


def _artifact(context: Context, filename: str, content: bytes, mime_type: str) -> Artifact:
    path = context.folder / filename
    path.write_bytes(content)
    return Artifact(filename, path, mime_type)


PUBLISH = Stage(
    name="publish",
    version=1,
    weight=2,
    output=Published,
    run=_run,
    parameters=lambda context: context.analysis.id,
    file_kind="output",
)
