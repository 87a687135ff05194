"""A transcript as subtitles, pure: words to cues, cues to SubRip or WebVTT.

Guarantees of `cues`, whatever the words' times are: at most two lines of 42 characters (a longer word is cut), no
empty line, start < end, in order, never overlapping, at least a second on screen where the next cue leaves room.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain

from msgspec import Struct

from mediaanalysis.structs.transcript import Segment, Transcript, Word

LINE_CHARACTERS = 42
CUE_LINES = 2
CUE_MAX_MS = 7_000
CUE_MIN_MS = 1_000
PAUSE_MS = 800
SENTENCE_ENDS = (".", "!", "?", "…", "。", "\N{FULLWIDTH EXCLAMATION MARK}", "\N{FULLWIDTH QUESTION MARK}")


class Cue(Struct, frozen=True):
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


class _Token(Struct, frozen=True):
    """A piece of text without whitespace, at most a line long."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str | None


def cues(transcript: Transcript) -> list[Cue]:
    """The transcript's words, or its segments where a provider gives no words, as cues."""
    spoken: Iterable[Word] = transcript.words or chain.from_iterable(map(_spread, transcript.segments))
    groups = list(_groups(chain.from_iterable(map(_tokens, spoken))))
    starts = list(accumulate((group[0].start_ms for group in groups), lambda before, start: max(start, before + 1)))
    return [_cue(*each) for each in zip(groups, starts, [*starts[1:], sys.maxsize], strict=False)]


def srt(transcript: Transcript) -> str:
    """SubRip. The format has no escape, so an arrow in the text is written as a character of its own."""
    return "\n".join(
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{_text(cue).replace('-->', '→')}\n"
        for number, cue in enumerate(cues(transcript), start=1)
    )


def vtt(transcript: Transcript) -> str:
    """WebVTT. `&`, `<` and `>` are escaped, so that no text can open a tag or look like a cue's times."""
    blocks = (
        f"\n{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_escape(_text(cue))}\n"
        for cue in cues(transcript)
    )
    return "WEBVTT\n" + "".join(blocks)


def _spread(segment: Segment) -> Iterator[Word]:
    """The segment's words, with its time shared out by their length."""
    words = segment.text.split()
    total = sum(map(len, words)) or 1
    moment, span = segment.start, max(segment.end - segment.start, 0.0)
    for word in words:
        end = moment + span * len(word) / total
        yield Word(text=word, start=moment, end=end, speaker=segment.speaker)
        moment = end


def _tokens(word: Word) -> Iterator[_Token]:
    start, end = round(word.start * 1000), round(word.end * 1000)
    for part in word.text.replace("\0", " ").split():
        for at in range(0, len(part), LINE_CHARACTERS):
            yield _Token(part[at : at + LINE_CHARACTERS], start, end, word.speaker)


def _groups(tokens: Iterable[_Token]) -> Iterator[list[_Token]]:
    """Tokens that share a cue: cut at a pause, a sentence's end, another speaker, and where the cue is full."""
    group: list[_Token] = []
    for token in tokens:
        if group and (_is_break(group, token) or len(_lines([*group, token])) > CUE_LINES):
            yield group
            group = []
        group.append(token)
    if group:
        yield group


def _is_break(group: list[_Token], token: _Token) -> bool:
    first, last = group[0], group[-1]
    return (
        token.start_ms - last.end_ms > PAUSE_MS
        or token.end_ms - first.start_ms > CUE_MAX_MS
        or token.speaker != last.speaker
        or (last.text.endswith(SENTENCE_ENDS) and last.end_ms - first.start_ms >= CUE_MIN_MS)
    )


def _cue(group: list[_Token], start: int, limit: int) -> Cue:
    end = max(start + CUE_MIN_MS, *(token.end_ms for token in group))
    return Cue(start, min(end, limit), tuple(_balanced(group)))


def _lines(group: list[_Token]) -> list[str]:
    """Greedy lines."""
    lines = [group[0].text]
    for token in group[1:]:
        if len(lines[-1]) + 1 + len(token.text) <= LINE_CHARACTERS:
            lines[-1] += " " + token.text
        else:
            lines.append(token.text)
    return lines


def _balanced(group: list[_Token]) -> list[str]:
    """Greedy lines, or two of about the same length where one line does not do."""
    lines = _lines(group)
    if len(lines) < 2:
        return lines
    texts = [token.text for token in group]
    halves = ((" ".join(texts[:cut]), " ".join(texts[cut:])) for cut in range(1, len(texts)))
    return list(min(halves, key=lambda pair: max(map(len, pair))))


def _text(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"
