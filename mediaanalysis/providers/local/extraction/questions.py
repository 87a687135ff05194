"""What a prompt asks for, told by its words. English; a prompt in another language is matched by its words alone."""

from __future__ import annotations

import re
from enum import StrEnum

from mediaanalysis.providers.local.extraction.words import stem, terms, words


class Question(StrEnum):
    LENGTH = "length"
    PAGES = "pages"
    RESOLUTION = "resolution"
    SOUND = "sound"
    FORMAT = "format"
    SAID = "said"
    TEXT = "text"
    OVERVIEW = "overview"


PATTERNS: dict[Question, re.Pattern[str]] = {
    question: re.compile(pattern, re.IGNORECASE)
    for question, pattern in {
        Question.LENGTH: r"\bhow long\b|\bduration\b|\blength\b|\brun(?:ning)? ?time\b"
        r"|\bhow many (?:seconds|minutes)\b",
        Question.PAGES: r"\b(?:how many|number of|count(?: the)?) (?:pages|sections|slides)\b|\bpage count\b",
        Question.RESOLUTION: r"\bresolution\b|\bdimensions\b|\bhow (?:big|large|wide|tall|high)\b|\bpixels?\b"
        r"|\b(?:frame|image|picture|video) size\b|\baspect ratio\b",
        Question.SOUND: r"\baudio tracks?\b|\b(?:any|have|has|is there|with) (?:an? |any )?(?:sound|audio)\b",
        Question.FORMAT: r"\b(?:what|which) (?:kind|type|sort|format)\b|\bfile ?(?:type|format|size)\b|\bcodecs?\b",
        Question.SAID: r"\bsaid\b|\bsay(?:s|ing)?\b|\bspoken\b|\bsp(?:eak|oke)\w*\b|\bspeech\b|\btranscri\w+\b"
        r"|\btalk(?:s|ed|ing)?\b|\bhear[ds]?\b|\bdialog(?:ue)?\b|\bquotes?\b",
        Question.TEXT: r"\btext\b|\bwritten\b|\breads?\b|\bocr\b|\bcaptions?\b|\bsigns?\b|\bon[- ]?screen\b"
        r"|\bwords? shown\b",
        Question.OVERVIEW: r"\bsumm\w+\b|\bdescri\w+\b|\boverview\b|\babout\b|\b(?:main|key) (?:points?|ideas?)\b"
        r"|\btl;?dr\b|\bgist\b|\bwhat happens\b|\bhappening\b|\banaly[sz]e\b|\bexplain\b|\btopics?\b|\bcontents?\b",
    }.items()
}

ABOUT_MEDIA = frozenset(
    stem(word)
    for word in words(
        "video audio image picture photo document file clip media recording movie film track sound frame page slide "
        "pdf content person people someone speaker somebody please tell give list show shown find get see seen main "
        "point idea many much long kind type describe summary summarise summarize short brief detail sentence answer "
        "question word line thing anything something everything exactly happen explain analyse analyze topic key make "
        "write extract visible appear contain"
    )
)


def asked(prompt: str) -> list[Question]:
    """The questions that a prompt puts, in the order in which they are answered."""
    return [question for question, pattern in PATTERNS.items() if pattern.search(prompt)]


def subject(prompt: str) -> list[str]:
    """Stems of what it asks about: without the words that only put the question."""
    rest = prompt
    for pattern in PATTERNS.values():
        rest = pattern.sub(" ", rest)
    return [term for term in terms(rest) if term not in ABOUT_MEDIA]
