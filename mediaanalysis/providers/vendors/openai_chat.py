"""OpenAI's `/chat/completions`: OpenAI, OpenRouter, Novita, Groq, MiniMax, and any server that speaks it.

What differs between them stands in the catalogue: the name of the token limit, whether a temperature is taken, how
JSON is asked for, which image detail is known, fields of their own (`extra`).
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from typing import Any

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.vendors.client import Answer, Client, Post
from mediaanalysis.providers.vendors.failures import Failure, Kind
from mediaanalysis.providers.vendors.fields import Object, count, mapping, mappings, number, text
from mediaanalysis.providers.vendors.openai_audio import bearer
from mediaanalysis.providers.wire import Image, Message, Metered, Said

ANSWER_TOKENS = 4096
"""Where neither the request nor the model says more; some servers demand a number."""
REASONING_TOKENS = 16_384
"""Room for thinking, which counts against the limit: without it the answer may come out empty."""
THOUGHTS_PER_SECOND = 100
"""Thinking is quicker than its room is large."""
WORK_MAX_SECONDS = 900.0
THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
UNOPENED = re.compile(r"\A.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)


class OpenAIChat:
    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def say(self, message: Message, model: Model) -> Said:
        body = {
            "model": model.name,
            "messages": await _messages(message, model),
            model.token_field: answer_tokens(message.max_tokens, model),
            **self._options(message, model),
            **model.extra,
        }
        seconds = work_seconds(message, model, self._account.provider.tokens_per_second)
        post = Post("/chat/completions", body, seconds, headers=bearer(self._account))
        return self._said(await self._client.send(self._account, post))

    def _options(self, message: Message, model: Model) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if message.temperature is not None and not model.reasons:
            options["temperature"] = message.temperature
        if message.schema is not None and model.json == "schema":
            form = {"name": "answer", "strict": True, "schema": message.schema}
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        elif message.schema is not None and model.json == "object":
            options["response_format"] = {"type": "json_object"}
        if "response_format" in options and self._account.provider.name == "openrouter":
            options["provider"] = {"require_parameters": True}
        if self._account.provider.name == "openai":
            options["store"] = False
        return options

    def _said(self, answer: Answer) -> Said:
        metered = _metered(answer.body)
        choice = next(mappings(answer.body.get("choices")), {})
        message = mapping(choice.get("message"))
        ended = text(choice.get("finish_reason"))
        said = without_thinking(_content(message))
        trouble = _trouble(message, ended, said)
        if trouble:
            kind, why = trouble
            name = self._account.provider.name
            raise Failure(kind, why, provider=name, metered=metered, request_id=answer.request_id)
        return Said(said, metered, cut=ended == "length", request_id=answer.request_id)


def _trouble(message: Object, ended: str, said: str) -> tuple[Kind, str] | None:
    """An answer that is none."""
    if message.get("refusal"):
        return Kind.REFUSED, "the model refused to answer"
    if ended == "content_filter":
        return Kind.REFUSED, "the answer was stopped by a content filter"
    if ended == "error":
        return Kind.FAILED, "the answer ended in an error"
    if not said:
        return Kind.UNUSABLE, f"the answer is empty (finish_reason {ended[:20] or 'missing'})"
    return None


def _content(message: Object) -> str:
    """Text, or parts of it."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(text(part.get("text")) for part in mappings(content))
    return text(content)


def without_thinking(said: str) -> str:
    """The answer without the thoughts in front of it; a block that never ends leaves nothing."""
    if re.match(r"\s*<think", said, re.IGNORECASE) and not THINKING.match(said):
        return ""
    return UNOPENED.sub("", THINKING.sub("", said), count=1).strip()


def _metered(body: Object) -> Metered:
    usage = mapping(body.get("usage"))
    cost = number(usage.get("cost"))
    return Metered(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cached_tokens=count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens")) or 0,
        cost_usd=cost if cost is not None and cost >= 0 else None,
    )


def answer_tokens(max_tokens: int | None, model: Model) -> int:
    """The limit of an answer, with room for thinking, within what the model may say."""
    wanted = max_tokens or ANSWER_TOKENS
    thinks = model.reasons or "thinkingLevel" in model.extra
    room = wanted + REASONING_TOKENS if thinks else wanted
    return min(room, model.max_output_tokens or room)


def work_seconds(message: Message, model: Model, tokens_per_second: int) -> float:
    """How long an answer may take: some time for the beginning and each picture, then its length at a slow pace."""
    room = answer_tokens(message.max_tokens, model)
    written = min(room, message.max_tokens or ANSWER_TOKENS)
    seconds = 60 + 2 * len(message.images) + written / tokens_per_second + (room - written) / THOUGHTS_PER_SECOND
    return min(seconds, WORK_MAX_SECONDS)


async def _messages(message: Message, model: Model) -> list[dict[str, Any]]:
    """Text first, then the pictures, each behind its caption. A text alone is no list: every server takes that."""
    content: Any = message.text
    if message.images and model.sees:
        encoded = await asyncio.gather(*(encoded_image(image) for image in message.images[: model.max_images]))
        content = [{"type": "text", "text": message.text}]
        for image, data in zip(message.images, encoded, strict=False):
            if image.caption:
                content.append({"type": "text", "text": image.caption})
            content.append(_image_part(image, data, model))
    system = [{"role": "system", "content": message.instructions}] if message.instructions else []
    return [*system, {"role": "user", "content": content}]


def _image_part(image: Image, data: str, model: Model) -> dict[str, Any]:
    link = {"url": f"data:{image.mime_type};base64,{data}"}
    if model.image_detail:
        link["detail"] = model.image_detail
    return {"type": "image_url", "image_url": link}


async def encoded_image(image: Image) -> str:
    """Base64 of a picture, off the event loop."""
    return await asyncio.to_thread(lambda: b64encode(image.path.read_bytes()).decode())
