"""Answer: the prompt, and all that was seen, heard and read, go to a provider; a new prompt costs only this stage."""

from __future__ import annotations

from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.frames import FRAMES
from mediaanalysis.analysis.pages import PAGES
from mediaanalysis.analysis.probe import PROBE
from mediaanalysis.analysis.read_text import READ_TEXT
from mediaanalysis.analysis.stage import Ledger, Produced, Stage
from mediaanalysis.analysis.transcribe import TRANSCRIBE
from mediaanalysis.structs.answers import Answer, AnswerRequest, Picture


def _parameters(context: Context) -> object:
    """The options decide which stages spoke before; their own keys need not be repeated for the same media."""
    analysis = context.analysis
    return {
        "prompt": analysis.prompt,
        "config": analysis.config,
        "options": analysis.options,
        "providers": context.services.providers.answerers(analysis.config),
    }


async def _run(context: Context) -> Produced[Answer]:
    answer = await context.services.providers.answer(await _request(context), context.analysis.config)
    usage = answer.usage
    ledger = Ledger(answer.provider, answer.model, usage.input_tokens, usage.output_tokens, usage.cost_usd)
    return Produced(answer, ledger=ledger)


async def _request(context: Context) -> AnswerRequest:
    analysis, document, texts = context.analysis, context.of(PAGES), context.of(READ_TEXT)
    return AnswerRequest(
        prompt=analysis.prompt,
        probe=context.need(PROBE),
        pictures=await _pictures(context),
        transcript=context.of(TRANSCRIBE),
        screen_texts=texts.texts if texts else (),
        pages=document.pages if document else (),
        model=analysis.config.model,
        max_tokens=analysis.config.max_tokens,
        temperature=analysis.config.temperature,
        language=analysis.config.language,
    )


async def _pictures(context: Context) -> tuple[Picture, ...]:
    """Frames on disk, only where a provider will look at them."""
    frames = context.of(FRAMES)
    if frames is None or not context.services.providers.sees(context.analysis.config):
        return ()
    return tuple([Picture(await context.picture(frame.filename), frame) for frame in frames.frames])


ANSWER = Stage(name="answer", version=1, weight=10, output=Answer, run=_run, after=(PROBE,), parameters=_parameters)
