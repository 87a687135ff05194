"""Google's generateContent, by an API key (Gemini API) or a project (Vertex AI): pictures and sound stand in the body.

Transcription in two ways, by `Model.style`: `transcribe`, a model that hears only and gives times of words, and
`prompt`, a general model asked for JSON, whose times are its guess.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.vendors.client import Answer, Client, Post
from mediaanalysis.providers.vendors.failures import Failure, Kind
from mediaanalysis.providers.vendors.fields import Object, count, mapping, mappings, text
from mediaanalysis.providers.vendors.gemini_hearing import heard_by_prompt, heard_by_transcriber, hearing_config
from mediaanalysis.providers.vendors.openai_chat import answer_tokens, encoded_image, work_seconds
from mediaanalysis.providers.vendors.vertex_token import VertexToken
from mediaanalysis.providers.wire import Clip, Heard, Message, Metered, Said

FINE = {"", "STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED"}
REFUSALS = {
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY", "MODEL_ARMOR",
}  # fmt: skip


class Gemini:
    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account
        self._token = VertexToken(account.google, account.provider.name) if account.google else None

    async def say(self, message: Message, model: Model) -> Said:
        seconds = work_seconds(message, model, self._account.provider.tokens_per_second)
        answer = await self._generate(model, await _body(message, model), seconds)
        metered = metered_of(answer.body)
        said = _text(self._candidate(answer, metered))
        if not said:
            raise self._failure(Kind.UNUSABLE, "the answer is empty", answer, metered)
        ended = text(_first(answer.body).get("finishReason"))
        return Said(said, metered, cut=ended == "MAX_TOKENS", request_id=answer.request_id)

    async def hear(self, clip: Clip, model: Model) -> Heard:
        data = await asyncio.to_thread(lambda: b64encode(clip.path.read_bytes()).decode())
        parts: list[dict[str, Any]] = [{"inlineData": {"mimeType": clip.mime_type, "data": data}}]
        config, instruction = hearing_config(clip, model)
        if instruction:
            parts.append({"text": instruction})
        body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
        answer = await self._generate(model, body, 60 + clip.duration_seconds)
        metered = metered_of(answer.body, clip.duration_seconds)
        candidate = self._candidate(answer, metered)
        if text(candidate.get("finishReason")) == "MAX_TOKENS":
            raise self._failure(Kind.UNUSABLE, "the transcript was cut off", answer, metered)
        read = heard_by_transcriber if model.style == "transcribe" else heard_by_prompt
        heard = read(candidate, clip, metered, answer.request_id)
        if heard is None:
            raise self._failure(Kind.UNUSABLE, "the transcript is not of the form asked for", answer, metered)
        return heard

    async def _generate(self, model: Model, body: Mapping[str, Any], seconds: float) -> Answer:
        post = Post(self._path(model), body, seconds)
        if self._token is None:
            headers = {"x-goog-api-key": self._account.key or ""}
            return await self._client.send(self._account, _with(post, headers))
        token = await self._token.get()
        try:
            return await self._client.send(self._account, _with(post, {"Authorization": f"Bearer {token}"}))
        except Failure as failure:
            if failure.kind is not Kind.CREDENTIALS:
                raise
        token = await self._token.get(refused=token)
        return await self._client.send(self._account, _with(post, {"Authorization": f"Bearer {token}"}))

    def _path(self, model: Model) -> str:
        google = self._account.google
        where = f"/projects/{google.project}/locations/{google.location}/publishers/google" if google else ""
        return f"{where}/models/{model.name}:generateContent"

    def _candidate(self, answer: Answer, metered: Metered) -> Object:
        """The first candidate. Raises Failure where the prompt or the answer was blocked."""
        feedback = mapping(answer.body.get("promptFeedback"))
        blocked = text(feedback.get("blockReason"))
        if blocked:
            raise self._failure(Kind.REFUSED, f"the input was blocked ({blocked[:40]})", answer, metered)
        candidate = _first(answer.body)
        ended = text(candidate.get("finishReason"))
        if ended in REFUSALS:
            raise self._failure(Kind.REFUSED, f"the answer was blocked ({ended})", answer, metered)
        if not candidate or ended not in FINE:
            raise self._failure(Kind.UNUSABLE, f"no answer (finishReason {ended[:40] or 'missing'})", answer, metered)
        return candidate

    def _failure(self, kind: Kind, detail: str, answer: Answer, metered: Metered) -> Failure:
        name = self._account.provider.name
        return Failure(kind, detail, provider=name, metered=metered, request_id=answer.request_id)


def _with(post: Post, headers: dict[str, str]) -> Post:
    return Post(post.path, post.body, post.work_seconds, headers)


def _first(body: Object) -> Object:
    return next(mappings(body.get("candidates")), {})


def _text(candidate: Object) -> str:
    """The parts of the answer, without those that are thoughts."""
    parts = mappings(mapping(candidate.get("content")).get("parts"))
    return "".join(text(part.get("text")) for part in parts if part.get("thought") is not True).strip()


async def _body(message: Message, model: Model) -> dict[str, Any]:
    """Pictures stand before the text, as Google advises."""
    parts: list[dict[str, Any]] = []
    images = message.images[: model.max_images] if model.sees else ()
    for image, data in zip(images, await asyncio.gather(*map(encoded_image, images)), strict=True):
        if image.caption:
            parts.append({"text": image.caption})
        parts.append({"inlineData": {"mimeType": image.mime_type, "data": data}})
    parts.append({"text": message.text})
    config: dict[str, Any] = {"maxOutputTokens": answer_tokens(message.max_tokens, model)}
    if model.extra.get("thinkingLevel"):
        config["thinkingConfig"] = {"thinkingLevel": model.extra["thinkingLevel"]}
    if message.temperature is not None:
        config["temperature"] = message.temperature
    if message.schema is not None:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": message.schema}
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    if message.instructions:
        body["systemInstruction"] = {"role": "user", "parts": [{"text": message.instructions}]}
    return body


def metered_of(body: Object, seconds: float | None = None) -> Metered:
    """Fields with the value 0 are left out; thoughts are billed as output."""
    usage = mapping(body.get("usageMetadata"))
    if not usage:
        return Metered(seconds=seconds)
    details = mappings(usage.get("promptTokensDetails"))
    audio = sum(count(part.get("tokenCount")) or 0 for part in details if part.get("modality") == "AUDIO")
    return Metered(
        input_tokens=count(usage.get("promptTokenCount")) or 0,
        output_tokens=(count(usage.get("candidatesTokenCount")) or 0) + (count(usage.get("thoughtsTokenCount")) or 0),
        cached_tokens=count(usage.get("cachedContentTokenCount")) or 0,
        audio_tokens=audio,
        seconds=seconds,
    )
