"""Local answers: quoted out of what was heard and read, with the facts of the media. Nothing is made up.

A prompt may put questions that facts or listings answer ("How long is it?", "What is said?"), and it may have a
subject, which is looked for. Whatever it asks, the answer says what it is: an extract, by a program that does not see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from mediaanalysis.providers.catalogue import LOCAL
from mediaanalysis.providers.local.extraction import facts
from mediaanalysis.providers.local.extraction.passages import Passage, passages
from mediaanalysis.providers.local.extraction.questions import Question, asked, subject
from mediaanalysis.providers.local.extraction.ranking import central, nearest, topics
from mediaanalysis.providers.local.extraction.words import terms
from mediaanalysis.sandbox import Limits, Resident, Sandbox
from mediaanalysis.structs.answers import Answer, AnswerRequest, Evidence

SHORT_CHARACTERS = 50_000
EXTRACT_SECONDS = 120
MOST_LISTED = 12
MOST_NEAREST = 5
MOST_CENTRAL = 3
MOST_TOPICS = 8
NOTE = "(An extract: quoted from what was heard and read; pictures were not interpreted.)"


class Part(Struct, frozen=True):
    """One paragraph of an answer and where it is taken from."""

    text: str
    evidence: tuple[Evidence, ...] = ()


class Material(Struct, frozen=True):
    request: AnswerRequest
    passages: list[Passage]

    def of(self, *sources: str) -> list[Passage]:
        return [passage for passage in self.passages if passage.source in sources]


class LocalAnswer:
    def __init__(self, sandbox: Sandbox, *, idle_seconds: float) -> None:
        module = "mediaanalysis.providers.local.children.extractor"
        limits = Limits(cpu_seconds=4 * EXTRACT_SECONDS)
        self._extractor = Resident(sandbox, module, idle_seconds=idle_seconds, limits=limits)

    async def answer(self, request: AnswerRequest, model: str) -> Answer:
        """A short text in a thread, a long one in a child: a thread would hold the interpreter, and so the service."""
        if _characters(request) <= SHORT_CHARACTERS:
            return await asyncio.to_thread(extract, request, model)
        plain = msgspec.to_builtins(msgspec.structs.replace(request, pictures=()))
        told = await self._extractor.call({"request": plain, "model": model}, timeout_seconds=EXTRACT_SECONDS)
        return msgspec.convert(told, Answer)

    async def aclose(self) -> None:
        await self._extractor.aclose()


def _characters(request: AnswerRequest) -> int:
    shown = sum(len(line.text) for text in request.screen_texts for line in text.lines)
    said = len(request.transcript.text) if request.transcript else 0
    return said + shown + sum(len(page.text) for page in request.pages) + len(request.prompt)


def extract(request: AnswerRequest, model: str) -> Answer:
    material = Material(request, passages(request))
    about = subject(request.prompt)
    parts = _parts(material, asked(request.prompt), about)
    evidence = tuple(one for part in parts for one in part.evidence)
    return Answer(
        text="\n\n".join([*(part.text for part in parts), NOTE]),
        summary=_overview(material).text.replace("\n", " "),
        topics=topics([passage.text for passage in material.passages], MOST_TOPICS),
        provider=LOCAL,
        model=model,
        extractive=True,
        confidence=_confidence(about, evidence),
        evidence=evidence,
        detailed_analysis={"facts": facts.facts(request.probe), "passages": len(material.passages)},
    )


def _parts(material: Material, questions: Sequence[Question], about: Sequence[str]) -> list[Part]:
    """Found passages answer better than a listing of all; without either there is still an overview."""
    found = _nearest(material, about)
    answers = [ANSWERS[question](material) for question in questions if not (found and question in LISTINGS)]
    parts = [*(part for part in answers if part is not None), *([found] if found else [])]
    if not any(part.evidence for part in parts):
        parts.append(_overview(material))
    if about and not found and not any(question in FACTS for question in questions):
        parts.append(Part("Nothing that was heard or read matches the prompt's words; this is what there is."))
    return parts


def _nearest(material: Material, about: Sequence[str]) -> Part | None:
    numbers = nearest(about, [passage.text for passage in material.passages], MOST_NEAREST)
    if not numbers:
        return None
    return _listed("Nearest to the prompt:", [material.passages[number] for number in numbers])


def _length(material: Material) -> Part | None:
    length = facts.length(material.request.probe)
    return _fact(f"It lasts {length}." if length else "It has no duration.")


def _pages(material: Material) -> Part | None:
    known, read = material.request.probe.pages, material.request.pages
    if known is not None:
        return _fact(f"It has {known} page{'s' * (known != 1)}.")
    if read:
        return _fact(f"Its format knows no pages; it was read as {len(read)} section{'s' * (len(read) != 1)}.")
    return _fact("It has no pages.")


def _resolution(material: Material) -> Part | None:
    resolution = facts.resolution(material.request.probe)
    return _fact(f"Its resolution is {resolution} pixels.") if resolution else None


def _sound(material: Material) -> Part | None:
    return _fact(f"It has {facts.sound(material.request.probe)}.")


def _format(material: Material) -> Part | None:
    return _fact(facts.sentence(material.request.probe))


def _fact(text: str) -> Part:
    return Part(text, (Evidence("media", text),))


def _said(material: Material) -> Part | None:
    heard = material.of("transcript")
    if heard:
        return _listed("Said:", heard)
    if material.request.transcript is not None:
        return _fact("The sound was heard and holds no speech.")
    return _fact("Nothing was transcribed.") if material.request.probe.audio else _fact("There is no sound.")


def _text(material: Material) -> Part | None:
    read = material.of("screen_text", "page")
    return _listed("Text:", read) if read else _fact("No text was found.")


def _overview(material: Material) -> Part:
    """A sentence of facts, then the passages that stand for the whole, in their order."""
    first = facts.sentence(material.request.probe)
    numbers = central([passage.text for passage in material.passages], MOST_CENTRAL)
    chosen = [material.passages[number] for number in numbers]
    evidence = (Evidence("media", first), *(passage.evidence for passage in chosen))
    return Part("\n".join([first, *map(_quoted, chosen)]), evidence)


def _listed(heading: str, found: Sequence[Passage]) -> Part:
    shown = found[:MOST_LISTED]
    more = [f"… and {len(found) - len(shown)} more."] if len(found) > len(shown) else []
    return Part("\n".join([heading, *map(_quoted, shown), *more]), tuple(passage.evidence for passage in shown))


def _quoted(passage: Passage) -> str:
    """`[0:05] “text”`, or with the page."""
    if passage.page is not None:
        return f"[page {passage.page}] “{passage.quote}”"
    kind = "on screen: " if passage.source == "screen_text" else ""
    at = f"[{facts.clock(passage.start)}] " if passage.start is not None else ""
    return f"{at}{kind}“{passage.quote}”"


ANSWERS: dict[Question, Callable[[Material], Part | None]] = {
    Question.LENGTH: _length,
    Question.PAGES: _pages,
    Question.RESOLUTION: _resolution,
    Question.SOUND: _sound,
    Question.FORMAT: _format,
    Question.SAID: _said,
    Question.TEXT: _text,
    Question.OVERVIEW: _overview,
}
LISTINGS = frozenset({Question.SAID, Question.TEXT, Question.OVERVIEW})
FACTS = frozenset(ANSWERS) - LISTINGS


def _confidence(about: Sequence[str], evidence: Iterable[Evidence]) -> float | None:
    """The share of the subject's words that what is quoted holds; None for a prompt without a subject."""
    if not about:
        return None
    held = {term for one in evidence if one.source != "media" for term in terms(one.quote)}
    return round(len(held.intersection(about)) / len(set(about)), 3)
