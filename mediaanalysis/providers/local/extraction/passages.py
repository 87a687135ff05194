"""Passages: what was heard and read, as sentences that can be quoted, each with its time or page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from mediaanalysis.structs.answers import AnswerRequest, Evidence
from mediaanalysis.structs.media import Page, ScreenText
from mediaanalysis.structs.transcript import Transcript

SENTENCE_END = re.compile(r"""(?<=[.!?…])["')\]]*\s+(?=["'(\[]*[^\Wa-z_])""")
ABBREVIATION = re.compile(r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|No|Fig|vs|e\.g|i\.e|etc|approx|Inc|Ltd|Nr|z\.B|bzw|ca)\.$")
LONGEST_QUOTE = 400
LONGEST_PARAGRAPH = 4000
"""Nothing is joined to more: a book without a full stop must not take quadratic time."""


class Passage(Struct, frozen=True):
    """`source` as in `Evidence`. Times in seconds; `page` is 1-based."""

    source: str
    text: str
    start: float | None = None
    end: float | None = None
    page: int | None = None

    @property
    def quote(self) -> str:
        return self.text if len(self.text) <= LONGEST_QUOTE else f"{self.text[: LONGEST_QUOTE - 1].rstrip()}…"

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.source, self.quote, self.start, self.end, self.page)


def passages(request: AnswerRequest) -> list[Passage]:
    """All of them, in the order of pages, then of time: documents, speech, screen."""
    return [*_of_pages(request.pages), *_of_transcript(request.transcript), *_of_screen(request.screen_texts)]


def _of_pages(pages: Sequence[Page]) -> Iterator[Passage]:
    for page in pages:
        for line in paragraphs(page.text):
            for sentence in sentences(line):
                yield Passage("page", sentence, page=page.number)


def _of_transcript(transcript: Transcript | None) -> Iterator[Passage]:
    """Segments where there are any: a recogniser without punctuation still ends them at pauses."""
    if transcript is None:
        return
    for segment in transcript.segments:
        if segment.text.strip():
            yield Passage("transcript", segment.text.strip(), segment.start, segment.end)
    if not transcript.segments:
        for sentence in sentences(transcript.text):
            yield Passage("transcript", sentence)


def _of_screen(texts: Sequence[ScreenText]) -> Iterator[Passage]:
    """The lines of one picture are one passage, without those that the picture before showed already."""
    shown: set[str] = set()
    for text in texts:
        lines = {line.text.strip().casefold(): line.text.strip() for line in text.lines}
        new = [line for key, line in lines.items() if line and key not in shown]
        shown = set(lines)
        if not new:
            continue
        if text.page is not None:
            yield from (Passage("page", one, page=text.page) for one in paragraphs("\n".join(new)))
        else:
            yield Passage("screen_text", " / ".join(new), text.at_seconds, text.at_seconds)


def paragraphs(text: str) -> list[str]:
    """Lines, joined where a sentence only ran into the edge of its column."""
    joined: list[str] = []
    width = max(map(len, text.split("\n")), default=0)
    before = ""
    for line in map(str.strip, text.split("\n")):
        if before and line and len(joined[-1]) < LONGEST_PARAGRAPH and _continues(before, line, width):
            joined[-1] = joined[-1][:-1] + line if _is_hyphenated(before, line) else f"{joined[-1]} {line}"
        elif line:
            joined.append(line)
        before = line
    return joined


def _continues(before: str, line: str, width: int) -> bool:
    if before[-1] in ".!?:;…|" or line[0] in "-*•#|":
        return False
    return line[0].islower() or before[-1] in ",-" or len(before) > 0.75 * width > 30


def _is_hyphenated(before: str, line: str) -> bool:
    return len(before) > 1 and before[-1] == "-" and before[-2].isalpha() and line[0].islower()


def sentences(text: str) -> list[str]:
    """Split where a sentence ends and another begins, not behind abbreviations."""
    found: list[str] = []
    for part in (piece.strip() for line in text.split("\n") for piece in SENTENCE_END.split(line)):
        if found and part and len(found[-1]) < LONGEST_QUOTE and ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        elif part:
            found.append(part)
    return found
