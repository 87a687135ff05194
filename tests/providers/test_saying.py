"""Answers, vendor by vendor: the request is what its description allows, the answer is read for what it says."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from mediaanalysis.errors import ProviderError
from mediaanalysis.providers.vendors.openai_chat import without_thinking
from mediaanalysis.providers.wire import Reply
from mediaanalysis.structs.requests import Config
from tests.providers.fake import PICTURE, SCHEMA, Fake, message, opened
from tests.providers.vendors import every_vendor

CHAT = ["openai", "groq", "minimax", "openrouter", "novita", "compatible"]


def chat(content: Any = "It is a boardwalk.", **fields: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1117, "completion_tokens": 46, "prompt_tokens_details": {"cached_tokens": 100}},
        **fields,
    }


def ended(reason: str, **said: Any) -> dict[str, Any]:
    return chat(choices=[{"index": 0, "message": {"role": "assistant", **said}, "finish_reason": reason}])


def gemini(text: str = "It is a boardwalk.", **usage: int) -> dict[str, Any]:
    thought = {"thought": True, "text": "Let me see."}
    counts = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "thoughtsTokenCount": 50, **usage}
    return {
        "candidates": [{"content": {"parts": [thought, {"text": text}]}, "finishReason": "STOP"}],
        "usageMetadata": counts,
        "responseId": "r",
    }


async def say(vendor: Fake, folder: Path, provider: str, model: str | None = None, **fields: Any) -> Reply:
    async with opened(vendor, every_vendor()) as providers:
        chain = providers.answer_chain(Config(provider=provider, model=model), pictures=True)
        return await providers.say(message(folder, **fields), chain)


@pytest.mark.parametrize("provider", CHAT)
async def test_openai_and_those_who_speak_it(provider: str, tmp_path: Path) -> None:
    vendor = Fake(chat())
    reply = await say(vendor, tmp_path, provider)
    assert (reply.text, reply.provider, reply.cut) == ("It is a boardwalk.", provider, False)
    system, user = vendor.json["messages"]
    assert system == {"role": "system", "content": "Answer in JSON."}
    kinds = [part["type"] for part in user["content"]]
    assert kinds == ["text", "text", "image_url", "image_url"]
    link = user["content"][2]["image_url"]
    assert b64decode(link["url"].removeprefix("data:image/jpeg;base64,")) == PICTURE
    assert link["detail"] == ("default" if provider == "minimax" else "auto")
    (call,) = reply.calls
    assert (call.operation, call.input_tokens, call.output_tokens) == ("answer", 1117, 46)
    assert call.request_id == "chatcmpl-1"


@pytest.mark.parametrize(
    ("provider", "model", "field", "limit", "temperature", "form"),
    [
        ("openai", "gpt-6-luna", "max_completion_tokens", 800 + 16_384, None, "json_schema"),
        ("openai", "gpt-4o", "max_completion_tokens", 800, 0.2, "json_schema"),
        ("groq", None, "max_completion_tokens", 800, 0.2, "json_object"),
        ("minimax", None, "max_completion_tokens", 800, 0.2, None),
        ("minimax", "MiniMax-M2.7", "max_completion_tokens", 800 + 16_384, None, None),
        ("openrouter", None, "max_tokens", 800, 0.2, "json_schema"),
        ("novita", None, "max_tokens", 800, 0.2, "json_object"),
        ("novita", "zai-org/glm-4.6v", "max_tokens", 800, 0.2, None),
        ("compatible", None, "max_tokens", 800, 0.2, None),
    ],
)
async def test_each_familys_own_words(
    provider: str,
    model: str | None,
    field: str,
    limit: int,
    temperature: float | None,
    form: str | None,
    tmp_path: Path,
) -> None:
    vendor = Fake(chat())
    await say(vendor, tmp_path, provider, model, max_tokens=800, temperature=0.2)
    sent = vendor.json
    assert sent[field] == limit
    assert {"max_tokens", "max_completion_tokens"} & set(sent) == {field}
    assert sent.get("temperature") == temperature
    assert sent.get("response_format", {}).get("type") == form
    assert sent.get("store") == (False if provider == "openai" else None)
    assert sent.get("provider") == ({"require_parameters": True} if provider == "openrouter" else None)


async def test_a_schema_goes_as_it_is(tmp_path: Path) -> None:
    vendor = Fake(chat())
    await say(vendor, tmp_path, "openai")
    assert vendor.json["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}


async def test_minimax_keeps_its_thoughts_apart(tmp_path: Path) -> None:
    vendor = Fake(chat("<think>\nThe user asks.\n</think>\n\nA portrait.", base_resp={"status_code": 0}))
    reply = await say(vendor, tmp_path, "minimax")
    assert reply.text == "A portrait."
    assert (vendor.json["reasoning_split"], vendor.json["thinking"]) == (True, {"type": "disabled"})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("plain", "plain"),
        ("<think>a</think>b", "b"),
        (" <THINKING>a\nb</THINKING> c", "c"),
        ("thoughts without a beginning</think>\nb", "b"),
        ("<think>without an end", ""),
        ("what <think> means", "what <think> means"),
    ],
)
def test_thoughts_are_no_answer(said: str, kept: str) -> None:
    assert without_thinking(said) == kept


async def test_a_blind_model_gets_no_pictures_and_a_seeing_one_no_more_than_it_takes(tmp_path: Path) -> None:
    vendor = Fake(chat())
    await say(vendor, tmp_path, "minimax", "MiniMax-M2.7")
    assert vendor.json["messages"][1]["content"] == "What is it?"
    many = message(tmp_path).images * 5
    await say(vendor, tmp_path, "novita", images=many)
    assert [part["type"] for part in vendor.json["messages"][1]["content"]].count("image_url") == 2


async def test_gemini(tmp_path: Path) -> None:
    vendor = Fake(gemini())
    reply = await say(vendor, tmp_path, "gemini", max_tokens=800, temperature=0.2)
    assert (reply.text, reply.cut) == ("It is a boardwalk.", False)
    caption, picture, other, text = vendor.json["contents"][0]["parts"]
    assert (caption, text) == ({"text": "0:01"}, {"text": "What is it?"})
    assert b64decode(picture["inlineData"]["data"]) == b64decode(other["inlineData"]["data"]) == PICTURE
    config = vendor.json["generationConfig"]
    assert (config["maxOutputTokens"], config["temperature"]) == (800 + 16_384, 0.2)
    assert config["responseJsonSchema"] == SCHEMA
    assert vendor.json["systemInstruction"]["parts"] == [{"text": "Answer in JSON."}]
    (call,) = reply.calls
    assert (call.input_tokens, call.output_tokens) == (1000, 150)
    assert call.cost_usd == pytest.approx((1000 * 0.75 + 150 * 3.75) / 1e6)


@pytest.mark.parametrize(
    ("provider", "body", "cost"),
    [
        ("openai", chat(), (1017 * 0.1 + 100 * 0.01 + 46 * 0.5) / 1e6),
        ("minimax", chat(), (1017 * 0.3 + 100 * 0.06 + 46 * 1.2) / 1e6),
        ("novita", chat(), (1117 * 0.2 + 46 * 0.7) / 1e6),
        ("groq", chat(), (1117 * 0.8 + 46 * 4) / 1e6),
        ("openrouter", chat(usage={"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.0125}), 0.0125),
        ("openrouter", chat(), None),
        ("compatible", chat(), None),
        ("openai", chat(usage=None), None),
    ],
)
async def test_what_it_cost(provider: str, body: dict[str, Any], cost: float | None, tmp_path: Path) -> None:
    reply = await say(Fake(body), tmp_path, provider)
    assert reply.calls[0].cost_usd == (cost if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    ("provider", "body", "cut"),
    [
        ("openai", ended("length", content="It is a"), True),
        ("openai", ended("stop", content=[{"type": "text", "text": "It is a"}]), False),
        ("compatible", ended("stop", content="It is a", reasoning_content="Hm."), False),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": "It is a"}]}, "finishReason": "MAX_TOKENS"}]}, True),
    ],
)
async def test_an_answer_that_was_cut_is_marked(provider: str, body: Any, cut: bool, tmp_path: Path) -> None:
    reply = await say(Fake(body), tmp_path, provider)
    assert (reply.text, reply.cut) == ("It is a", cut)


@pytest.mark.parametrize(
    ("provider", "body", "outcome", "message"),
    [
        ("openai", ended("length", content=None), "unusable", r"empty \(finish_reason length"),
        ("openai", ended("stop", content=None, refusal="I cannot."), "refused", "refused to answer"),
        ("openai", ended("content_filter", content=""), "refused", "content filter"),
        ("openai", chat(choices=[]), "unusable", "empty"),
        ("openai", chat(choices=None), "unusable", "empty"),
        ("openai", chat(content=12), "unusable", "empty"),
        ("compatible", ended("stop", content="<think>for ever"), "unusable", "empty"),
        ("openrouter", ended("error", content="It"), "failed", "ended in an error"),
        ("gemini", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "refused", "input was blocked"),
        ("gemini", {"candidates": [{"content": {}, "finishReason": "STOP"}]}, "unusable", "empty"),
        ("gemini", {"candidates": [{"finishReason": "RECITATION"}]}, "refused", "answer was blocked"),
    ],
)
async def test_an_answer_that_is_none(
    provider: str, body: Any, outcome: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaanalysis.providers.chain.TRIES", 1)
    with pytest.raises(ProviderError, match=message) as raised:
        await say(Fake(body), tmp_path, provider)
    (call,) = raised.value.calls
    assert call.outcome == outcome
    if "usage" in body:
        assert call.output_tokens == 46
