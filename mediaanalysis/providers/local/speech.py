"""Local transcription: English speech by pocketsphinx in guarded children, one for each core."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

import msgspec

from mediaanalysis.errors import WARNINGS, ResourceError
from mediaanalysis.providers.catalogue import LOCAL
from mediaanalysis.sandbox import Limits, Reach, Resident, Sandbox
from mediaanalysis.structs.answers import TranscriptionRequest
from mediaanalysis.structs.media import Notice, Span
from mediaanalysis.structs.transcript import Gap, Segment, Transcript, Word

CHUNK_SECONDS = 10
"""Speech per call: progress is told and cancelling is felt between calls."""
SLOWEST = 10
"""Times real time, on a core that others want too, before a call is given up; loading takes `LOAD_SECONDS`."""
LOAD_SECONDS = 30
PAUSE_SECONDS = 0.5
LONGEST_SEGMENT_SECONDS = 12


class LocalSpeech:
    def __init__(self, sandbox: Sandbox, *, idle_seconds: float, copies: int) -> None:
        module = "mediaanalysis.providers.local.children.recogniser"
        limits, reach = Limits(cpu_seconds=3600), Reach(reads=sandbox.work)
        self._recogniser = Resident(
            sandbox, module, idle_seconds=idle_seconds, limits=limits, reach=reach, copies=copies
        )

    async def transcribe(
        self, request: TranscriptionRequest, model: str, on_progress: Callable[[float], Awaitable[None]]
    ) -> Transcript:
        """Words with times and confidence; segments end at pauses. A part that could not be heard is a gap.

        Raises ResourceError where nothing could be heard for lack of time or memory.
        """
        parts = chunks(request.speech)
        heard: list[list[Word] | ResourceError] = [[] for _ in parts]
        done = 0

        async def hear(number: int) -> None:
            nonlocal done
            try:
                heard[number] = await self._hear(request, parts[number])
            except ResourceError as error:
                heard[number] = error
            done += 1
            await on_progress(done / len(parts))

        await _together(hear(number) for number in range(len(parts)))
        return _stitched(parts, heard, model)

    async def _hear(self, request: TranscriptionRequest, spans: Sequence[Span]) -> list[Word]:
        payload = {"audio": str(request.audio), "spans": [(span.start, span.end) for span in spans]}
        seconds = sum(span.end - span.start for span in spans)
        found = await self._recogniser.call(payload, timeout_seconds=LOAD_SECONDS + SLOWEST * seconds)
        return [Word(*word) for word in msgspec.convert(found, list[tuple[str, float, float, float]])]

    async def aclose(self) -> None:
        await self._recogniser.aclose()


async def _together(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them side by side; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


def chunks(spans: Sequence[Span]) -> list[list[Span]]:
    """Neighbouring spans together, at most `CHUNK_SECONDS` of speech in each unless a span is longer."""
    grouped: list[list[Span]] = []
    seconds = float(CHUNK_SECONDS)
    for span in spans:
        if seconds + span.end - span.start > CHUNK_SECONDS:
            grouped.append([])
            seconds = 0.0
        grouped[-1].append(span)
        seconds += span.end - span.start
    return grouped


def _stitched(parts: list[list[Span]], heard: list[list[Word] | ResourceError], model: str) -> Transcript:
    failures = [(part, found) for part, found in zip(parts, heard, strict=True) if isinstance(found, ResourceError)]
    if failures and len(failures) == len(parts):
        raise failures[0][1]
    words = [word for found in heard if not isinstance(found, ResourceError) for word in found]
    said = list(segments(words))
    gaps = tuple(Gap(part[0].start, part[-1].end, error.detail) for part, error in failures)
    notices = [Notice("transcription_failed", f"{len(gaps)} of {len(parts)} parts could not be heard.")] if gaps else []
    if not words and not gaps:
        notices = [Notice("no_speech", WARNINGS["no_speech"])]
    return Transcript(
        text="\n".join(segment.text for segment in said),
        provider=LOCAL,
        model=model,
        language="en",
        confidence=_confidence(words),
        words=tuple(words),
        segments=tuple(said),
        gaps=gaps,
        no_speech=not words and not gaps,
        notices=tuple(notices),
    )


def segments(words: Sequence[Word]) -> Iterator[Segment]:
    """Words between pauses; the recogniser knows no punctuation."""
    run: list[Word] = list(words[:1])
    for before, word in pairwise(words):
        if word.start - before.end >= PAUSE_SECONDS or word.end - run[0].start > LONGEST_SEGMENT_SECONDS:
            yield _segment(run)
            run = []
        run.append(word)
    if run:
        yield _segment(run)


def _segment(words: Sequence[Word]) -> Segment:
    text = " ".join(word.text for word in words)
    return Segment(text, words[0].start, words[-1].end, _confidence(words))


def _confidence(words: Sequence[Word]) -> float | None:
    known = [word.confidence for word in words if word.confidence is not None]
    return round(fmean(known), 3) if known else None
