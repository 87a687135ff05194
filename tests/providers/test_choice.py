"""Who is tried, in which order, with which model, and what is said when nobody can."""

from __future__ import annotations

import pytest

from mediaanalysis.errors import ProviderError, RequestError
from mediaanalysis.providers.catalogue import Model, Operation
from mediaanalysis.providers.choice import Candidate, Needs, Wanted, capable, offered
from mediaanalysis.providers.credentials import Vendors
from tests.providers.vendors import every_vendor, vendors


def labels(found: list[Candidate]) -> list[str]:
    return [one.label for one in found]


def defaults(setup: Vendors, operation: Operation, provider: str | None = None, model: str | None = None) -> list[str]:
    wanted = Wanted(operation, provider, model, "/config/provider", "/config/model")
    return [group[0].label for group in offered(setup, wanted, day="2026-11-20")]


def test_the_local_provider_does_everything_without_a_key() -> None:
    assert defaults(vendors(), Operation.TRANSCRIPTION) == ["local/pocketsphinx-en-us"]
    assert defaults(vendors(), Operation.ANSWER) == ["local/extractive-1"]


def test_with_a_key_its_provider_is_the_default_and_local_is_asked_by_name_only() -> None:
    setup = vendors(DEEPGRAM_API_KEY="k")
    assert defaults(setup, Operation.TRANSCRIPTION) == ["deepgram/nova-3"]
    assert defaults(setup, Operation.ANSWER) == ["local/extractive-1"]
    assert defaults(setup, Operation.TRANSCRIPTION, "local") == ["local/pocketsphinx-en-us"]


def test_all_are_tried_in_the_order_of_the_catalogue() -> None:
    assert defaults(every_vendor(), Operation.TRANSCRIPTION) == [
        "compatible/whisper-small",
        "deepgram/nova-3",
        "openai/whisper-1",
        "groq/whisper-large-v3-turbo",
        "gemini/gemini-3.5-transcribe",
        "minimax/asr-1.0",
        "openrouter/openai/whisper-large-v3",
    ]
    assert defaults(every_vendor(), Operation.ANSWER) == [
        "compatible/llava",
        "openai/gpt-6-luna",
        "gemini/gemini-3.8-flash",
        "minimax/MiniMax-M3",
        "openrouter/google/gemini-3.8-flash",
        "novita/qwen/qwen3-vl-30b-a3b-instruct",
        "groq/qwen/qwen3.8-27b",
    ]


def test_the_operator_orders_and_may_name_models() -> None:
    setup = every_vendor(ANSWER_PROVIDERS="openrouter/any/model, gemini/gemini-4-argon,local")
    assert defaults(setup, Operation.ANSWER) == [
        "openrouter/any/model",
        "gemini/gemini-4-argon",
        "local/extractive-1",
    ]
    assert defaults(setup, Operation.ANSWER, "openai") == ["openai/gpt-6-luna"]


def test_a_request_names_a_model_of_whoever_has_it() -> None:
    assert defaults(every_vendor(), Operation.ANSWER, model="gemini-4-argon") == ["gemini/gemini-4-argon"]
    assert defaults(every_vendor(), Operation.ANSWER, "openrouter", "x/y") == ["openrouter/x/y"]


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(RequestError, match="use one of deepgram, local") as raised:
        defaults(vendors(DEEPGRAM_API_KEY="k"), Operation.TRANSCRIPTION, "openai")
    assert (raised.value.code, raised.value.pointer) == ("unknown_provider", "/config/provider")


@pytest.mark.parametrize("model", ["gpt-9", "nova-3"])
def test_an_unknown_model_is_refused_with_those_there_are(model: str) -> None:
    with pytest.raises(RequestError, match=r"use one of gpt-6-luna, gpt-6-sol") as raised:
        defaults(vendors(OPENAI_API_KEY="k"), Operation.ANSWER, "openai", model)
    assert (raised.value.code, raised.value.pointer) == ("invalid_value", "/config/model")


def test_a_model_is_gone_after_its_last_day() -> None:
    wanted = Wanted(Operation.TRANSCRIPTION, "openai", None, "", "")
    for day, first in (("2027-02-25", "whisper-1"), ("2027-02-26", "gpt-transcribe")):
        assert offered(vendors(OPENAI_API_KEY="k"), wanted, day=day)[0][0].model.name == first


def ear(provider: str, **fields: object) -> Candidate:
    return Candidate(provider, Model("m", Operation.TRANSCRIPTION, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(("language", "able"), [(None, True), ("en", True), ("EN-gb", True), ("de", False)])
def test_a_language_filters(language: str | None, able: bool) -> None:
    group = [ear("near", languages=frozenset({"en"}))]
    if able:
        assert capable([group], Needs(language)) == group
        return
    with pytest.raises(ProviderError, match=r"language de: near/m takes no de, but en") as raised:
        capable([group], Needs(language))
    assert (raised.value.code, raised.value.retryable) == ("provider_rejected", False)


def test_limits_filter_within_a_provider_and_across() -> None:
    small, large = ear("a", max_bytes=10), ear("a", max_bytes=100, max_seconds=60)
    other = ear("b", max_seconds=600)
    assert capable([[small, large], [other]], Needs(size_bytes=50)) == [large, other]
    assert capable([[small, large], [other]], Needs(size_bytes=50, seconds=100)) == [other]
    with pytest.raises(ProviderError, match="takes at most"):
        capable([[small], [other]], Needs(size_bytes=50, seconds=1000))


def test_those_who_fulfil_the_wishes_come_first_and_the_others_stay() -> None:
    plain, words = ear("a"), ear("b", words=True)
    assert capable([[plain], [words]], Needs(words=True)) == [words, plain]
    assert capable([[ear("a"), ear("a", words=True)]], Needs(words=True)) == [ear("a", words=True)]
    blind, seeing = ear("a"), ear("b", sees=True)
    assert capable([[blind], [seeing]], Needs(pictures=True)) == [seeing, blind]
