"""Answer: the prompt, and all that was seen, heard and read, go to a provider; a new prompt costs only this stage.

A vendor's model gets one message; or, where there is more than it takes, one for each part, to take notes, and one with
the notes. Each message is a checkpoint: none is paid for twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from mediaanalysis.analysis.answering import asking, reading
from mediaanalysis.analysis.answering.asking import Asking
from mediaanalysis.analysis.answering.dialogue import Understood, converse
from mediaanalysis.analysis.answering.looking import Look, looks, shown
from mediaanalysis.analysis.answering.material import Line, lines, within
from mediaanalysis.analysis.answering.plan import Plan, plan, spread
from mediaanalysis.analysis.answering.reading import Reading
from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.parts import Part
from mediaanalysis.analysis.stage import Ledger, Produced, Stage
from mediaanalysis.analysis.stages.pages import PAGES
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.analysis.stages.read_text import READ_TEXT
from mediaanalysis.analysis.stages.transcribe import TRANSCRIBE
from mediaanalysis.errors import WARNINGS
from mediaanalysis.providers.catalogue import LOCAL
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.wire import Message
from mediaanalysis.structs.answers import Answer, AnswerRequest
from mediaanalysis.structs.media import Notice


def _parameters(context: Context) -> object:
    """What it was told besides what the media is. What it may cost does not matter once it is there."""
    analysis = context.analysis
    return {
        "prompt": analysis.prompt,
        "config": msgspec.structs.replace(analysis.config, max_cost_usd=None),
        "options": analysis.options,
        "providers": context.services.providers.answerers(analysis.config),
        "material": _material(context),
    }


async def _run(context: Context) -> Produced[Answer]:
    candidates = looks(context)
    chain = context.services.providers.answer_chain(context.analysis.config, pictures=bool(candidates))
    if chain[0].provider == LOCAL:
        answer = await context.services.providers.answer(_request(context), context.analysis.config)
    else:
        answer = await _ask(context, [one for one in chain if one.provider != LOCAL], candidates)
    usage = answer.usage
    ledger = Ledger(answer.provider, answer.model, usage.input_tokens, usage.output_tokens, usage.cost_usd)
    return Produced(answer, ledger=ledger)


def _request(context: Context) -> AnswerRequest:
    """For the local provider."""
    analysis, document, texts = context.analysis, context.of(PAGES), context.of(READ_TEXT)
    return AnswerRequest(
        prompt=analysis.prompt,
        probe=context.need(PROBE),
        transcript=context.of(TRANSCRIBE),
        screen_texts=texts.texts if texts else (),
        pages=document.pages if document else (),
        model=analysis.config.model,
        max_tokens=analysis.config.max_tokens,
        temperature=analysis.config.temperature,
        language=analysis.config.language,
    )


def _material(context: Context) -> tuple[Line, ...]:
    document, texts = context.of(PAGES), context.of(READ_TEXT)
    return lines(context.of(TRANSCRIBE), texts.texts if texts else (), document.pages if document else ())


async def _ask(context: Context, chain: Sequence[Candidate], candidates: Sequence[Look]) -> Answer:
    prompt, config, material = context.analysis.prompt, context.analysis.config, _material(context)
    planned = plan(prompt, material, len(candidates), [one.model for one in chain], config.max_tokens)
    seen = spread(candidates, planned.pictures)
    notes = () if planned.at_once else await _take_notes(context, chain, planned)
    probe = context.need(PROBE)
    asked = asking.from_notes(prompt, probe, notes) if notes else asking.for_answer(prompt, probe, material)
    answered = await _final(context, chain, asked, seen, [material, notes], len(planned.parts) + 1)
    read = msgspec.convert(answered.reading, Reading)
    return Answer(
        text=read.answer,
        summary=read.summary,
        topics=read.topics,
        provider=answered.provider,
        model=answered.model,
        evidence=reading.supported(read.evidence, material, probe, [look.at_seconds for look in seen]),
        detailed_analysis={"parts": max(1, len(planned.parts)), "pictures_shown": len(seen)},
        notices=_notices(planned, len(candidates)),
    )


async def _final(
    context: Context, chain: Sequence[Candidate], asked: Asking, seen: Sequence[Look], given: object, number: int
) -> Understood:
    """The message that answers. `given` is what it depends on besides the request."""
    config = context.analysis.config
    images = await shown(context, seen, min(one.model.image_side for one in chain))
    message = Message(
        text=asked.text,
        instructions=asked.instructions,
        images=images,
        schema=asking.SCHEMA,
        max_tokens=config.max_tokens,
        temperature=config.temperature,
    )
    parameters = _telling(context, chain, [given, [look.filename for look in seen]])
    _, understood = await converse(context, Part(ANSWER, number, parameters), message, chain, reading.read)
    return understood


async def _take_notes(context: Context, chain: Sequence[Candidate], planned: Plan) -> tuple[str, ...]:
    """Side by side. One that fails does not stop the others: they are kept for the next attempt."""
    report, done, count = context.reporter(ANSWER), 0, len(planned.parts)

    async def note(number: int, material: Sequence[Line]) -> str:
        nonlocal done
        written = await _note(context, chain, planned, number, material)
        done += 1
        await report(done / (count + 1))
        return within(written, planned.note_tokens)

    taken = (note(number, material) for number, material in enumerate(planned.parts, start=1))
    notes = await asyncio.gather(*taken, return_exceptions=True)
    failures = [one for one in notes if isinstance(one, BaseException)]
    if failures:
        raise failures[0]
    return tuple(one for one in notes if isinstance(one, str))


async def _note(
    context: Context, chain: Sequence[Candidate], planned: Plan, number: int, material: Sequence[Line]
) -> str:
    analysis, count = context.analysis, len(planned.parts)
    asked = asking.for_notes(analysis.prompt, context.need(PROBE), material, number, count, int(planned.note_words))
    limit = 2 * planned.note_tokens
    message = Message(asked.text, asked.instructions, max_tokens=limit, temperature=analysis.config.temperature)
    part = Part(ANSWER, number, _telling(context, chain, [material, number, count]))
    text, _ = await converse(context, part, message, chain, reading.plain)
    return text


def _telling(context: Context, chain: Sequence[Candidate], given: object) -> object:
    """What a reply depends on."""
    config = context.analysis.config
    return [context.analysis.prompt, [one.label for one in chain], config.max_tokens, config.temperature, given]


def _notices(planned: Plan, pictures: int) -> tuple[Notice, ...]:
    said = []
    if not planned.at_once:
        said.append(Notice("answered_in_parts", f"{WARNINGS['answered_in_parts']} {len(planned.parts)} parts."))
    if planned.pictures < pictures:
        shown_of = f"{planned.pictures} of {pictures} were."
        said.append(Notice("pictures_limited", f"{WARNINGS['pictures_limited']} {shown_of}"))
    return tuple(said)


ANSWER = Stage(name="answer", version=2, weight=10, output=Answer, run=_run, after=(PROBE,), parameters=_parameters)
