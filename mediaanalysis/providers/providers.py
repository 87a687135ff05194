"""The providers of this process, behind one door: check a request's wishes, transcribe, answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from mediaanalysis.metrics import Metrics
from mediaanalysis.providers import chain
from mediaanalysis.providers.catalogue import CATALOGUE, LOCAL, Operation
from mediaanalysis.providers.chain import Candidate, Wanted
from mediaanalysis.providers.local_answer import LocalAnswer
from mediaanalysis.providers.local_speech import LocalSpeech
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.settings import Settings
from mediaanalysis.structs.answers import Answer, AnswerRequest, TranscriptionRequest
from mediaanalysis.structs.requests import Config
from mediaanalysis.structs.transcript import Transcript

OnProgress = Callable[[float], Awaitable[None]]


class Transcriber(Protocol):
    async def transcribe(self, request: TranscriptionRequest, model: str, on_progress: OnProgress) -> Transcript: ...

    async def aclose(self) -> None: ...


class Answerer(Protocol):
    async def answer(self, request: AnswerRequest, model: str) -> Answer: ...


class Providers:
    """`transcribers` and `answerers` by provider name; every model of the catalogue has one of them behind it."""

    def __init__(self, metrics: Metrics, transcribers: dict[str, Transcriber], answerers: dict[str, Answerer]) -> None:
        self._metrics = metrics
        self._transcribers = transcribers
        self._answerers = answerers

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, sandbox: Sandbox, metrics: Metrics) -> AsyncIterator[Providers]:
        speech = LocalSpeech(sandbox, idle_seconds=settings.model_idle_seconds, copies=settings.cpu_slots)
        providers = cls(metrics, {LOCAL.name: speech}, {LOCAL.name: LocalAnswer()})
        try:
            yield providers
        finally:
            await providers.aclose()

    async def aclose(self) -> None:
        for transcriber in self._transcribers.values():
            await transcriber.aclose()

    def names(self) -> dict[str, list[str]]:
        """The available providers by operation, in the order they are tried."""
        return {
            Operation.TRANSCRIPTION.value: list(self._transcribers),
            Operation.ANSWER.value: list(self._answerers),
        }

    def check(self, config: Config) -> None:
        """Raise RequestError, with a pointer, where a request names a provider or model that is not available."""
        _transcription(config)
        _answer(config)

    def transcribers(self, config: Config) -> list[str]:
        """`provider/model` of those who will be tried, in order."""
        return [one.label for one in _transcription(config)]

    def answerers(self, config: Config) -> list[str]:
        """`provider/model` of those who will be tried, in order."""
        return [one.label for one in _answer(config)]

    def sees(self, config: Config) -> bool:
        """Whether one of those who may answer looks at pictures."""
        return any(one.model.sees for one in _answer(config))

    async def transcribe(self, request: TranscriptionRequest, config: Config, *, on_progress: OnProgress) -> Transcript:
        """What is said in the speech spans. `on_progress` is told a fraction, 0 to 1.

        Raises ProviderError, ResourceError or MediaError.
        """

        async def call(candidate: Candidate) -> Transcript:
            with self._watched(candidate):
                who = self._transcribers[candidate.provider]
                return await who.transcribe(request, candidate.model.name, on_progress)

        return await chain.first(chain.speaking(_transcription(config), request.language), call)

    async def answer(self, request: AnswerRequest, config: Config) -> Answer:
        """Answer the prompt. Raises ProviderError."""

        async def call(candidate: Candidate) -> Answer:
            with self._watched(candidate):
                return await self._answerers[candidate.provider].answer(request, candidate.model.name)

        return await chain.first(_answer(config), call)

    @contextmanager
    def _watched(self, candidate: Candidate) -> Iterator[None]:
        """Count and time one call."""
        labels = (candidate.provider, candidate.model.operation.value)
        started = time.monotonic()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            self._metrics.provider_calls.labels(*labels, outcome).inc()
            self._metrics.provider_call_seconds.labels(*labels).observe(time.monotonic() - started)


def _transcription(config: Config) -> Sequence[Candidate]:
    wanted = Wanted(
        Operation.TRANSCRIPTION,
        config.transcription_provider,
        config.transcription_model,
        "/config/transcription_provider",
        "/config/transcription_model",
    )
    return chain.candidates(CATALOGUE, wanted)


def _answer(config: Config) -> Sequence[Candidate]:
    wanted = Wanted(Operation.ANSWER, config.provider, config.model, "/config/provider", "/config/model")
    return chain.candidates(CATALOGUE, wanted)
