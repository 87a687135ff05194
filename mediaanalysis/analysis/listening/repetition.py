"""Loops: recognisers that lose the thread say the same words again and again. Found and cut to one.

A phrase of n words counts as a loop when it stands there at least four times in a row and twelve words long in all:
people repeat themselves too, but not so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_PHRASE_WORDS = 24
FEWEST_TIMES = 4
FEWEST_WORDS = 12

_NOT_A_LETTER = re.compile(r"[\W_]+")
_UNSPACED_LOOP = re.compile(r"([^\s\d._\-*=~#]{2,20}?)\1{11,}")
"""As Chinese and Japanese ones are."""


def plain(word: str) -> str:
    """As compared: lower case, letters and digits only (the word itself where it has none)."""
    return _NOT_A_LETTER.sub("", word).casefold() or word


def kept(words: Sequence[str]) -> list[int]:
    """Indices of the words that stay: all, but the repeats of each loop."""
    known = [plain(word) for word in words]
    stay: list[int] = []
    at = 0
    while at < len(known):
        phrase, loop = _loop(known, at)
        stay.extend(range(at, at + phrase))
        at += loop
    return stay


def _loop(words: Sequence[str], at: int) -> tuple[int, int]:
    """Length of the phrase that repeats from here, and of all its repeats; (1, 1) where none does."""
    for phrase in range(1, min(LONGEST_PHRASE_WORDS, (len(words) - at) // FEWEST_TIMES) + 1):
        same = 0
        while at + phrase + same < len(words) and words[at + same] == words[at + phrase + same]:
            same += 1
        times = same // phrase + 1
        if times >= FEWEST_TIMES and times * phrase >= FEWEST_WORDS:
            breaks_off = at + phrase + same == len(words)
            return phrase, phrase + same if breaks_off else times * phrase
    return 1, 1


def cut(text: str) -> str:
    """The text without the repeats of its loops; as it was where there is none."""
    words = text.split()
    stay = kept(words)
    if len(stay) < len(words):
        text = " ".join(words[index] for index in stay)
    return _UNSPACED_LOOP.sub(r"\1", text)
