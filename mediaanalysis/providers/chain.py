"""Who is tried, in which order, and when the next one gets its turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from mediaanalysis.errors import ProviderError, RequestError
from mediaanalysis.providers.catalogue import Model, Operation, Provider

Result = TypeVar("Result")


class Candidate(Struct, frozen=True):
    """A provider's model that is configured and can do what is asked."""

    provider: str
    model: Model

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.model.name}"


class Wanted(Struct, frozen=True):
    """What a request asks for. `pointer` is where its body names the provider, `model_pointer` the model."""

    operation: Operation
    provider: str | None
    model: str | None
    pointer: str
    model_pointer: str


def candidates(catalogue: Sequence[Provider], wanted: Wanted) -> list[Candidate]:
    """Who may be tried, in order; never empty.

    Raises RequestError unknown_provider or invalid_value, which names what is available.
    """
    offered = [
        Candidate(provider.name, model)
        for provider in catalogue
        for model in provider.models
        if model.operation is wanted.operation
    ]
    named = [one for one in offered if wanted.provider in (None, one.provider)]
    if not named:
        names = ", ".join(dict.fromkeys(one.provider for one in offered))
        detail = f"{wanted.provider} is not available for {wanted.operation}: use one of {names}"
        raise RequestError(detail, code="unknown_provider", pointer=wanted.pointer)
    chosen = [one for one in named if wanted.model in (None, one.model.name)]
    if not chosen:
        names = ", ".join(one.model.name for one in named)
        detail = f"{wanted.model} is no model for {wanted.operation} that is available: use one of {names}"
        raise RequestError(detail, pointer=wanted.model_pointer)
    return chosen


def speaking(chain: Sequence[Candidate], language: str | None) -> list[Candidate]:
    """Those who take the language; never empty. Raises ProviderError provider_rejected."""
    able = [one for one in chain if one.model.speaks(language)]
    if not able:
        known = "; ".join(f"{one.label}: {', '.join(sorted(one.model.languages or ()))}" for one in chain)
        raise ProviderError(
            f"no available recogniser takes the language {language} ({known})",
            provider=chain[0].provider,
            code="provider_rejected",
        )
    return able


async def first(chain: Sequence[Candidate], call: Callable[[Candidate], Awaitable[Result]]) -> Result:
    """The result of the first candidate that gives one.

    The next one is tried when a failure may be the provider's; what is wrong with the request is raised at once.
    Raises the last failure when none is left.
    """
    for candidate in chain[:-1]:
        try:
            return await call(candidate)
        except ProviderError as error:
            if not error.retryable:
                raise
    return await call(chain[-1])
