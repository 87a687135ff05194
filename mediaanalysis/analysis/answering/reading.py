"""What a model replied, read as JSON, however it was wrapped; its evidence held against the media."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mediaanalysis.analysis.answering.asking import SOURCES
from mediaanalysis.analysis.answering.material import Line
from mediaanalysis.structs.answers import Evidence
from mediaanalysis.structs.media import MediaProbe

MOST_TOPICS, LONGEST_TOPIC = 8, 80
MOST_EVIDENCE, LONGEST_QUOTE = 32, 1000
LONGEST_REPLY = 1_000_000
MOST_BRACES = 50
NEAR_SECONDS = 3.0
"""Models round times, and name the line before or after."""
SUPPORTED_SHARE = 0.6
"""Of a quote's words, so many must stand where it says it is from."""

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"\w+")


class Reading(Struct, frozen=True):
    """A reply that has all it must have."""

    answer: str
    summary: str
    topics: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class UnreadableReply(Exception):
    """The reply is not what was asked for; says in what way, for the model to mend it."""


def read(reply: str) -> Reading:
    """The first JSON object of the reply that holds an answer. Raises UnreadableReply."""
    fault = "it holds no JSON object"
    for found in _objects(_THINKING.sub("", reply[:LONGEST_REPLY])):
        if _text(found.get("answer")) and _text(found.get("summary")):
            return _reading(found)
        fault = "answer or summary is missing, empty or no string"
    raise UnreadableReply(fault)


def plain(reply: str) -> str:
    """A reply in words, without thoughts. Raises UnreadableReply where nothing is left."""
    text = _text(_THINKING.sub("", reply[:LONGEST_REPLY]))
    if not text:
        raise UnreadableReply("it is empty")
    return text


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects in a text, from the first brace on; fences and words around them do not matter."""
    decoder = json.JSONDecoder()  # unlike msgspec's it stops where the object ends, and takes half a surrogate pair
    for brace in islice(re.finditer(r"\{", text), MOST_BRACES):
        try:
            found, _ = decoder.raw_decode(text, brace.start())
        except (ValueError, RecursionError):
            continue
        yield found


def _reading(found: dict[str, Any]) -> Reading:
    topics = found.get("topics")
    named = topics if isinstance(topics, list) else str(topics or "").split(",")
    clean = [topic.strip()[:LONGEST_TOPIC] for topic in named if isinstance(topic, str) and topic.strip()]
    said = found.get("evidence")
    evidence = [_evidence(one) for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return Reading(
        _text(found["answer"]),
        _text(found["summary"]),
        tuple(dict.fromkeys(clean))[:MOST_TOPICS],
        tuple(one for one in evidence if one.quote)[:MOST_EVIDENCE],
    )


def _text(value: Any) -> str:
    """Storable text: PostgreSQL takes no NUL, nor half a surrogate pair."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = "\n".join(value)
    return value.replace("\0", "").encode(errors="replace").decode().strip() if isinstance(value, str) else ""


def _evidence(said: dict[str, Any]) -> Evidence:
    source = said.get("source")
    page = said.get("page")
    return Evidence(
        source=source if source in SOURCES else "media",
        quote=_text(said.get("quote"))[:LONGEST_QUOTE],
        start=_seconds(said.get("start")),
        end=_seconds(said.get("end")),
        page=page if isinstance(page, int) and not isinstance(page, bool) else None,
    )


def _seconds(value: Any) -> float | None:
    """A number, or a clock time as models like to write it."""
    if isinstance(value, str):
        parts = value.strip().rstrip("s").split(":")
        try:
            value = sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
        except ValueError:
            return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return round(float(value), 3) if is_number and 0 <= value < 1e7 else None


class _Told(Struct, frozen=True):
    """A line and the words in it."""

    line: Line
    words: frozenset[str]


def supported(
    evidence: Sequence[Evidence], material: Sequence[Line], probe: MediaProbe, seen: Sequence[float]
) -> tuple[Evidence, ...]:
    """The evidence that the media bears out. Words that were not said or written are left out; a right quote at a
    wrong time or page gets the right one, or none. `seen`: the times of the pictures that were shown."""
    wanted = {one.source for one in evidence}
    told = [_Told(line, _words(line.text)) for line in material if line.source in wanted]
    checked = [_checked(one, told, probe, seen) for one in evidence]
    return tuple(one for one in checked if one is not None)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _checked(one: Evidence, told: Sequence[_Told], probe: MediaProbe, seen: Sequence[float]) -> Evidence | None:
    if one.source not in ("transcript", "screen_text", "page"):
        return _within(replace(one, page=None), probe, seen)
    line = _where_it_stands(one, [each for each in told if each.line.source == one.source])
    if line is None or _agrees(one, line):
        return one if line else None
    return replace(one, start=line.start, end=line.end, page=line.page)


def _where_it_stands(one: Evidence, told: Sequence[_Told]) -> Line | None:
    """The line that holds most of the quote's words: one at the time or page it names, else any. Quotes run over the
    end of a line, so its neighbours count too."""
    words = _words(one.quote)
    if not words:
        return None
    for there in ([n for n, each in enumerate(told) if _agrees(one, each.line)], range(len(told))):
        best = max(there, key=lambda n: len(words & told[n].words), default=None)
        if best is not None:
            near = frozenset().union(*(each.words for each in told[max(0, best - 1) : best + 2]))
            if len(words & near) >= SUPPORTED_SHARE * len(words):
                return told[best].line
    return None


def _agrees(one: Evidence, line: Line) -> bool:
    """Whether the evidence names the line's time, or page."""
    if line.page is not None:
        return one.page == line.page
    if line.start is None or one.start is None:
        return False
    end = line.end if line.end is not None else line.start
    return line.start - NEAR_SECONDS <= one.start <= end + NEAR_SECONDS


def _within(one: Evidence, probe: MediaProbe, seen: Sequence[float]) -> Evidence:
    """Without times that no picture was shown at."""
    duration = probe.duration_seconds
    near = [at for at in seen if one.start is not None and abs(at - one.start) <= NEAR_SECONDS]
    if one.start is None or duration is None or one.start > duration or (one.source == "frame" and not near):
        return replace(one, start=None, end=None)
    return replace(one, end=min(one.end, duration) if one.end is not None and one.end >= one.start else None)
