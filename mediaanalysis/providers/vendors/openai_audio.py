"""OpenAI's `/audio/transcriptions`: OpenAI, Groq, OpenRouter, and any server that speaks it.

`Model.style` is the response format: `verbose_json` (words and segments), `diarized_json` (speakers), else `json`.
A compatible server is asked for `verbose_json` and may answer less: only `text` is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.credentials import COMPATIBLE, Account
from mediaanalysis.providers.languages import code
from mediaanalysis.providers.vendors.client import Client, Form, Post
from mediaanalysis.providers.vendors.failures import Failure, Kind
from mediaanalysis.providers.vendors.fields import count, label, mapping, mappings, number, text
from mediaanalysis.providers.wire import Clip, Heard, Metered
from mediaanalysis.structs.transcript import Segment, Word

EXTENSIONS = {
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
}


class OpenAIAudio:
    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def hear(self, clip: Clip, model: Model) -> Heard:
        post = Post("/audio/transcriptions", self._form(clip, model), work_seconds(clip), headers=bearer(self._account))
        answer = await self._client.send(self._account, post)
        body = answer.body
        if not isinstance(body.get("text"), str):
            raise Failure(
                Kind.UNUSABLE,
                "the answer holds no text",
                provider=self._account.provider.name,
                metered=_metered(body, clip),
                request_id=answer.request_id,
            )
        return Heard(
            text=text(body["text"]).strip(),
            metered=_metered(body, clip),
            language=_language(body),
            words=tuple(_words(body)),
            segments=tuple(_segments(body)),
            duration_seconds=number(body.get("duration")),
            request_id=answer.request_id,
        )

    def _form(self, clip: Clip, model: Model) -> Form:
        style = model.style or ("verbose_json" if self._account.provider.name == COMPATIBLE else "json")
        fields = [("model", model.name), ("response_format", style)]
        if clip.language:
            fields.append(("language", clip.language.split("-")[0].lower()))
        if style == "verbose_json":
            wanted = ("word", "segment") if clip.words and model.words else ("segment",)
            fields += [("timestamp_granularities[]", each) for each in wanted]
        if style == "diarized_json" and clip.duration_seconds > 30:
            fields.append(("chunking_strategy", "auto"))
        fields += [(name, str(value)) for name, value in model.extra.items()]
        return Form(fields, clip.path, f"audio.{EXTENSIONS.get(clip.mime_type, 'bin')}", clip.mime_type)


def bearer(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.key}"} if account.key else {}


def work_seconds(clip: Clip) -> float:
    """Real time is far too slow for a vendor; a model on one's own machine may need it."""
    return 60 + clip.duration_seconds


def _metered(body: dict[str, Any], clip: Clip) -> Metered:
    """Tokens, seconds or dollars, as the vendor says; else the length of what was sent."""
    usage = mapping(body.get("usage"))
    seconds = number(usage.get("seconds"))
    duration = number(body.get("duration")) or clip.duration_seconds
    return Metered(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        seconds=duration if seconds is None else seconds,
        cost_usd=number(usage.get("cost")),
    )


def _language(body: dict[str, Any]) -> str | None:
    """A name, a code, or a list of codes."""
    listed = next(mappings(body.get("languages")), {})
    return code(text(body.get("language")) or text(listed.get("code")))


def _words(body: dict[str, Any]) -> Iterator[Word]:
    for word in mappings(body.get("words")):
        start, end = number(word.get("start")), number(word.get("end"))
        if start is not None and end is not None:
            yield Word(text(word.get("word")).strip(), start, end)


def _segments(body: dict[str, Any]) -> Iterator[Segment]:
    for segment in mappings(body.get("segments")):
        start, end = number(segment.get("start")), number(segment.get("end"))
        if start is None or end is None:
            continue
        likely = number(segment.get("avg_logprob"))
        confidence = None if likely is None else round(math.exp(min(0.0, likely)), 3)
        said = text(segment.get("text")).strip()
        yield Segment(said, start, end, confidence, label(segment.get("speaker")))
