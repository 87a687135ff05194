"""Words made comparable: lower case, without endings, without those that say nothing."""

from __future__ import annotations

import re
from functools import lru_cache

WORD = re.compile(r"\w+(?:['’]\w+)*")  # noqa: RUF001 - the typographic apostrophe is meant
_STOP_WORDS = """
a about above after again against all also am an and any are as at be because been before being below between
both but by can could did do does doing don down during each few for from further get had has have having he her
here hers him his how i if in into is it its itself just let like may me might more most must my no nor not now
of off on once one only or other our ours out over own per same shall she should so some such than that the
their theirs them then there these they this those through to too under until up upon us very was we were what
when where which while who whom whose why will with would yes you your yours ah oh uh um er hmm okay ok well
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", ""))
SHORTEST_STEM = 3


def words(text: str) -> list[str]:
    return WORD.findall(text)


def terms(text: str) -> list[str]:
    """Stems of the words that carry meaning."""
    return [stem(word) for word in words(text.lower()) if word not in STOP_WORDS]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A light stem: plurals and common endings go, so that `meeting` finds `meets`. Numbers stay."""
    word = re.split(r"['’]", word)[0]  # noqa: RUF001
    for ending, replacement in ENDINGS:
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= SHORTEST_STEM:
            return (word[: -len(ending)] + replacement).rstrip("e")
    return word.rstrip("e") if len(word) > SHORTEST_STEM else word
