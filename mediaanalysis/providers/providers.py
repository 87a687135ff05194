"""The providers of this process, behind one door: check a request's wishes, hear, say, transcribe, answer.

A vendor hears clips (`hear`) and answers messages (`say`), through the chain of those a request may use. The local
provider takes whole requests (`transcribe`, `answer`), since it needs neither splitting nor a prompt.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from msgspec import Struct, field

from mediaanalysis.metrics import Metrics
from mediaanalysis.providers import protocols
from mediaanalysis.providers.catalogue import LOCAL, Model, Operation
from mediaanalysis.providers.chain import Chain, Taken
from mediaanalysis.providers.choice import Candidate, Needs, Wanted, capable, offered
from mediaanalysis.providers.cooling import Cooling
from mediaanalysis.providers.credentials import Vendors, nobody
from mediaanalysis.providers.local.answer import LocalAnswer
from mediaanalysis.providers.local.speech import LocalSpeech
from mediaanalysis.providers.turns import Turns
from mediaanalysis.providers.vendors.client import Client, Network
from mediaanalysis.providers.vendors.transcripts import transcript
from mediaanalysis.providers.wire import Clip, Ear, Heard, Hearing, Message, Mouth, Reply, Said
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.settings import Settings
from mediaanalysis.structs.answers import Answer, AnswerRequest, TranscriptionRequest
from mediaanalysis.structs.jobs import Job
from mediaanalysis.structs.requests import Config
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.structs.usage import Call

OnProgress = Callable[[float], Awaitable[None]]


class Agreed(Struct, frozen=True):
    """What this process and the others hold to together: whom to leave alone, and how many calls there may be."""

    cooling: Cooling = field(default_factory=Cooling)
    turns: Turns = field(default_factory=Turns)


class Providers:
    def __init__(
        self,
        metrics: Metrics,
        vendors: Vendors,
        speech: LocalSpeech,
        answer: LocalAnswer,
        client: Client,
        agreed: Agreed,
    ) -> None:
        self._metrics = metrics
        self._vendors = vendors
        self._speech = speech
        self._answer = answer
        self._client = client
        pairs = {name: protocols.pair(client, account) for name, account in vendors.accounts.items()}
        self._ears: dict[str, Ear] = {name: ear for name, (ear, _) in pairs.items() if ear}
        self._mouths: dict[str, Mouth] = {name: mouth for name, (_, mouth) in pairs.items() if mouth}
        permits = {name: account.provider.calls for name, account in vendors.accounts.items()}
        self._chain = Chain(metrics, agreed.cooling, permits, agreed.turns)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        sandbox: Sandbox,
        metrics: Metrics,
        vendors: Vendors | None = None,
        *,
        agreed: Agreed | None = None,
        network: Network | None = None,
    ) -> AsyncIterator[Providers]:
        """No `vendors`: the local provider alone. `network` stands for what lies between, in tests."""
        speech = LocalSpeech(sandbox, idle_seconds=settings.model_idle_seconds, copies=settings.cpu_slots)
        answer = LocalAnswer(sandbox, idle_seconds=settings.model_idle_seconds)
        providers = cls(metrics, vendors or nobody(), speech, answer, Client(network), agreed or Agreed())
        try:
            yield providers
        finally:
            await providers.aclose()

    async def aclose(self) -> None:
        await self._speech.aclose()
        await self._answer.aclose()
        await self._client.aclose()

    @property
    def vendors(self) -> Vendors:
        """Who is set up, with the catalogue they are from."""
        return self._vendors

    def names(self) -> dict[str, list[str]]:
        """The available providers by operation, in the order they are tried; then those only tried by name."""
        return {operation.value: self._names(operation) for operation in Operation}

    def _names(self, operation: Operation) -> list[str]:
        ready = self._ears if operation is Operation.TRANSCRIPTION else self._mouths
        order = [name for name, _ in self._vendors.order.get(operation, ())]
        return list(dict.fromkeys([*order, *ready, LOCAL]))

    def check(self, config: Config) -> None:
        """Raise RequestError, with a pointer, where a request names a provider or model that is not available."""
        offered(self._vendors, _listening(config))
        offered(self._vendors, _answering(config))

    def transcription_chain(self, config: Config, *, size_bytes: int = 0, seconds: float = 0) -> list[Candidate]:
        """Who may hear, in order: those with times of words first. Raises RequestError or ProviderError."""
        needs = Needs(config.language, size_bytes, seconds, words=True)
        return capable(offered(self._vendors, _listening(config)), needs)

    def answer_chain(self, config: Config, *, pictures: bool = False) -> list[Candidate]:
        """Who may answer, in order: with `pictures` those who see first. Raises RequestError."""
        return capable(offered(self._vendors, _answering(config)), Needs(pictures=pictures))

    def transcribers(self, config: Config) -> list[str]:
        """`provider/model` of those who may be tried: what a transcript depends on."""
        return [one.label for group in offered(self._vendors, _listening(config)) for one in group[:1]]

    def answerers(self, config: Config) -> list[str]:
        """`provider/model` of those who may be tried: what an answer depends on."""
        return [one.label for group in offered(self._vendors, _answering(config)) for one in group[:1]]

    async def hear(
        self, clip: Clip, chain: Sequence[Candidate], calls: list[Call] | None = None, job: Job | None = None
    ) -> Hearing:
        """What a vendor of the chain hears in the clip. Raises ProviderError, whose `calls` are the path taken.

        A list given as `calls` gets each call as it ends, however this one ends. The provider's limit of calls counts
        those of a job; raises StaleJob where it is no longer held.
        """

        async def call(candidate: Candidate) -> Taken[Heard]:
            heard = await self._ears[candidate.provider].hear(clip, candidate.model)
            return Taken(heard, heard.metered, heard.request_id)

        candidate, heard, taken = await self._chain.first(chain, call, calls, job)
        return Hearing(transcript(candidate, clip, heard, taken), heard.duration_seconds)

    async def say(
        self, message: Message, chain: Sequence[Candidate], calls: list[Call] | None = None, job: Job | None = None
    ) -> Reply:
        """What a vendor of the chain answers. Raises ProviderError, whose `calls` are the path taken; `calls` and `job`
        as in `hear`."""

        async def call(candidate: Candidate) -> Taken[Said]:
            said = await self._mouths[candidate.provider].say(message, candidate.model)
            return Taken(said, said.metered, said.request_id)

        candidate, said, taken = await self._chain.first(chain, call, calls, job)
        return Reply(said.text, candidate.provider, candidate.model.name, said.cut, taken)

    async def transcribe(self, request: TranscriptionRequest, config: Config, *, on_progress: OnProgress) -> Transcript:
        """What is said in the speech spans, by the local provider. `on_progress` is told a fraction, 0 to 1.

        Raises ProviderError, ResourceError or MediaError.
        """
        model = self._local(Operation.TRANSCRIPTION)
        capable([[Candidate(LOCAL, model)]], Needs(request.language))
        with self._watched(Operation.TRANSCRIPTION):
            return await self._speech.transcribe(request, model.name, on_progress)

    async def answer(self, request: AnswerRequest, config: Config) -> Answer:
        """Answer the prompt, by the local provider."""
        with self._watched(Operation.ANSWER):
            return await self._answer.answer(request, self._local(Operation.ANSWER).name)

    def _local(self, operation: Operation) -> Model:
        provider = self._vendors.catalogue.find(LOCAL)
        assert provider is not None
        return provider.listed(operation)[0]

    @contextmanager
    def _watched(self, operation: Operation) -> Iterator[None]:
        """Count and time the work of the local provider."""
        labels, started, outcome = (LOCAL, operation.value), time.monotonic(), "failed"
        try:
            yield
            outcome = "done"
        finally:
            self._metrics.provider_calls.labels(*labels, outcome).inc()
            self._metrics.provider_call_seconds.labels(*labels).observe(time.monotonic() - started)


def _listening(config: Config) -> Wanted:
    return Wanted(
        Operation.TRANSCRIPTION,
        config.transcription_provider,
        config.transcription_model,
        "/config/transcription_provider",
        "/config/transcription_model",
    )


def _answering(config: Config) -> Wanted:
    return Wanted(Operation.ANSWER, config.provider, config.model, "/config/provider", "/config/model")
