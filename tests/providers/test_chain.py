"""Who is tried, in which order, and what is said when nobody can."""

from __future__ import annotations

import pytest

from mediaanalysis.errors import ProviderError, RequestError
from mediaanalysis.providers.catalogue import CATALOGUE, Model, Operation, Provider
from mediaanalysis.providers.chain import Candidate, Wanted, candidates, first, speaking

TWO = (
    Provider("near", "", (Model("small", Operation.ANSWER), Model("ear", Operation.TRANSCRIPTION, frozenset({"en"})))),
    Provider("far", "", (Model("large", Operation.ANSWER, sees=True), Model("huge", Operation.ANSWER))),
)


def wanted(provider: str | None = None, model: str | None = None) -> Wanted:
    return Wanted(Operation.ANSWER, provider, model, "/config/provider", "/config/model")


def labels(found: list[Candidate]) -> list[str]:
    return [one.label for one in found]


def test_all_are_tried_in_their_order_unless_one_is_named() -> None:
    assert labels(candidates(TWO, wanted())) == ["near/small", "far/large", "far/huge"]
    assert labels(candidates(TWO, wanted("far"))) == ["far/large", "far/huge"]
    assert labels(candidates(TWO, wanted("far", "huge"))) == ["far/huge"]
    assert labels(candidates(TWO, wanted(model="large"))) == ["far/large"]


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(RequestError, match="use one of near, far") as raised:
        candidates(TWO, wanted("nobody"))
    assert (raised.value.code, raised.value.pointer) == ("unknown_provider", "/config/provider")


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(RequestError, match="use one of large, huge") as raised:
        candidates(TWO, wanted("far", "small"))
    assert (raised.value.code, raised.value.pointer) == ("invalid_value", "/config/model")


@pytest.mark.parametrize(("language", "able"), [(None, True), ("en", True), ("EN-gb", True), ("de", False)])
def test_a_language_filters(language: str | None, able: bool) -> None:
    chain = [Candidate("near", TWO[0].models[1])]
    if able:
        assert speaking(chain, language) == chain
        return
    with pytest.raises(ProviderError, match=r"language de .*near/ear: en") as raised:
        speaking(chain, language)
    assert (raised.value.code, raised.value.retryable) == ("provider_rejected", False)


async def test_the_next_is_tried_after_a_failure_that_may_be_the_providers() -> None:
    tried: list[str] = []

    async def call(candidate: Candidate) -> str:
        tried.append(candidate.label)
        if len(tried) < 3:
            raise ProviderError("busy", provider=candidate.provider)
        return "done"

    assert await first(candidates(TWO, wanted()), call) == "done"
    assert tried == ["near/small", "far/large", "far/huge"]


@pytest.mark.parametrize(("code", "calls"), [("provider_rejected", 1), ("provider_failed", 3)])
async def test_the_last_failure_is_raised_and_a_refusal_at_once(code: str, calls: int) -> None:
    tried: list[str] = []

    async def call(candidate: Candidate) -> str:
        tried.append(candidate.label)
        raise ProviderError("no", provider=candidate.provider, code=code)

    with pytest.raises(ProviderError):
        await first(candidates(TWO, wanted()), call)
    assert len(tried) == calls


def test_the_catalogue_prices_what_it_offers() -> None:
    models = [model for provider in CATALOGUE for model in provider.models]
    assert {"pocketsphinx-en-us", "extractive-1"} <= {model.name for model in models}
    assert all(model.price is None or model.price.date for model in models)
