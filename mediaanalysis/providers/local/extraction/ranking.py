"""Which passages answer a prompt, which stand for the whole, and what it is all about."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from mediaanalysis.providers.local.extraction.words import STOP_WORDS, stem, terms, words

SATURATION, LENGTH_WEIGHT = 1.2, 0.75
"""BM25's k1 and b."""
LONGEST_PHRASE = 3
FEWEST_TERMS = 3


def nearest(prompt: Sequence[str], texts: Sequence[str], most: int) -> list[int]:
    """Numbers of the texts nearest to the prompt's terms by BM25, best first; only those that share one."""
    counted = [Counter(terms(text)) for text in texts]
    mean = sum(map(Counter.total, counted)) / max(1, len(counted)) or 1
    weights = {term: _rarity(sum(term in counts for counts in counted), len(texts)) for term in set(prompt)}

    def score(counts: Counter[str]) -> float:
        damping = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * counts.total() / mean)
        return sum(
            weight * counts[term] * (SATURATION + 1) / (counts[term] + damping) for term, weight in weights.items()
        )

    scores = [score(counts) for counts in counted]
    best = sorted(range(len(texts)), key=lambda number: -scores[number])[:most]
    return [number for number in best if scores[number] > 0]


def _rarity(holding: int, total: int) -> float:
    return math.log(1 + (total - holding + 0.5) / (holding + 0.5))


def central(texts: Sequence[str], most: int) -> list[int]:
    """Numbers of the texts that share most with all others, in their order; none that repeats an earlier one.

    A text's weight is the mean of how many texts hold each of its terms; openings weigh a little more.
    """
    held = [frozenset(terms(text)) for text in texts]
    spread = Counter(term for each in held for term in each)
    scores = [
        sum(math.log(1 + spread[term]) for term in each) / math.sqrt(max(FEWEST_TERMS, len(each))) * _opening(number)
        for number, each in enumerate(held)
    ]
    chosen: list[int] = []
    for number in sorted(range(len(texts)), key=lambda number: -scores[number]):
        if len(chosen) == most:
            break
        if scores[number] > 0 and not any(_same(held[number], held[other]) for other in chosen):
            chosen.append(number)
    return sorted(chosen)


def _opening(number: int) -> float:
    return 1 + 0.3 / (1 + number)


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) > 0.7 * min(len(one), len(other))


def topics(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """Key phrases of one to three words: those said often, and of words that are said often; none within another."""
    phrases = [phrase for text in texts for phrase in _phrases(text)]
    spoken = Counter(stem(word.lower()) for phrase in phrases for word in phrase)
    keyed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for phrase in phrases:
        keyed.setdefault(_key(phrase), phrase)
    counted = Counter(map(_key, phrases))
    ranked = sorted(keyed, key=lambda key: -counted[key] * sum(spoken[part] for part in key) / math.sqrt(len(key)))
    chosen: list[tuple[str, ...]] = []
    for key in ranked:
        if len(chosen) == most:
            break
        if not any(set(key) <= set(other) or set(other) <= set(key) for other in chosen):
            chosen.append(key)
    return tuple(" ".join(keyed[key]) for key in chosen)


def _key(phrase: Sequence[str]) -> tuple[str, ...]:
    return tuple(stem(word.lower()) for word in phrase)


def _phrases(text: str) -> Iterator[tuple[str, ...]]:
    """Runs of words that carry meaning, shortened to the last three: in English the noun stands there."""
    for carries, run in groupby(words(text), key=_carries):
        if carries:
            yield tuple(run)[-LONGEST_PHRASE:]


def _carries(word: str) -> bool:
    return len(word) > 2 and not word[0].isdigit() and word.lower() not in STOP_WORDS
