"""The door to the providers: what is available, what a request may name, what is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from mediaanalysis.errors import ProviderError, RequestError
from mediaanalysis.metrics import Metrics
from mediaanalysis.providers import Providers
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.settings import Settings
from mediaanalysis.structs.answers import AnswerRequest, TranscriptionRequest
from mediaanalysis.structs.media import MediaProbe
from mediaanalysis.structs.requests import Config, MediaType

IMAGE = MediaProbe(MediaType.IMAGE, "image/png", "png", 100)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest_asyncio.fixture
async def providers(metrics: Metrics) -> AsyncIterator[Providers]:
    async with Providers.open(Settings(cpu_slots=1), Sandbox(1), metrics) as providers:
        yield providers


def test_local_is_there_without_any_key(providers: Providers) -> None:
    assert providers.names() == {"transcription": ["local"], "answer": ["local"]}
    assert providers.transcribers(Config()) == ["local/pocketsphinx-en-us"]
    assert providers.answerers(Config()) == ["local/extractive-1"]
    assert not any(one.model.sees for one in providers.answer_chain(Config(), pictures=True))


def test_a_request_may_name_what_is_there(providers: Providers) -> None:
    providers.check(Config())
    providers.check(Config(provider="local", model="extractive-1", transcription_provider="local"))


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        (Config(provider="openai"), "/config/provider"),
        (Config(model="gpt-9"), "/config/model"),
        (Config(transcription_provider="deepgram"), "/config/transcription_provider"),
        (Config(transcription_model="whisper-9"), "/config/transcription_model"),
    ],
)
def test_a_request_may_not_name_what_is_not(providers: Providers, config: Config, pointer: str) -> None:
    with pytest.raises(RequestError) as raised:
        providers.check(config)
    assert raised.value.pointer == pointer


async def test_an_answer_is_counted(providers: Providers, metrics: Metrics) -> None:
    answer = await providers.answer(AnswerRequest(prompt="What is it?", probe=IMAGE), Config())
    assert answer.extractive
    assert metrics.provider_calls.labels("local", "answer", "done")._value.get() == 1


async def test_another_language_is_refused_with_what_is_known(providers: Providers) -> None:
    async def ignore(_fraction: float) -> None:
        pass

    request = TranscriptionRequest(audio=Path("audio.flac"), duration_seconds=1, language="de")
    with pytest.raises(ProviderError, match="language de"):
        await providers.transcribe(request, Config(language="de"), on_progress=ignore)
