"""A vendor that hears and answers as we tell it, behind the real client: it sees what is sent, and counts it."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import httpx
import msgspec
import soundfile

from mediaanalysis.providers import credentials
from mediaanalysis.providers.credentials import Vendors

CATALOGUE = """
[fake]
about = "a vendor of the tests"
transcription = "openai_audio"
answer = "openai_chat"
base_url = "http://fake.test/v1"
calls = 8

[[fake.models]]
name = "ears"
operation = "transcription"
words = true
style = "verbose_json"
max_seconds = 30
max_bytes = 25_000_000
price = { date = "2026-11-20", per_minute = 0.006 }

[[fake.models]]
name = "patient-ears"
operation = "transcription"
words = true
style = "verbose_json"
max_seconds = 600
max_bytes = 25_000_000
price = { date = "2026-11-20", per_minute = 0.006 }

[[fake.models]]
name = "opus-ears"
operation = "transcription"
words = true
style = "verbose_json"
max_seconds = 30
formats = ["ogg"]
price = { date = "2026-11-20", per_minute = 0.006 }

[[fake.models]]
name = "unpriced-ears"
operation = "transcription"
words = true
style = "verbose_json"

[[fake.models]]
name = "mouth"
operation = "answer"
sees = true
json = "schema"
max_images = 4
image_side = 256
context_tokens = 100_000
price = { date = "2026-11-20", per_million_input_tokens = 1, per_million_output_tokens = 4 }

[[fake.models]]
name = "small-mouth"
operation = "answer"
json = "prompt"
context_tokens = 12_000
max_output_tokens = 2000
price = { date = "2026-11-20", per_million_input_tokens = 1, per_million_output_tokens = 4 }

[other]
about = "another one"
transcription = "openai_audio"
answer = "openai_chat"
base_url = "http://other.test/v1"

[[other.models]]
name = "other-ears"
operation = "transcription"
style = "json"
price = { date = "2026-11-20", per_minute = 0.01 }

[[other.models]]
name = "other-mouth"
operation = "answer"
context_tokens = 100_000
price = { date = "2026-11-20", per_million_input_tokens = 2, per_million_output_tokens = 8 }
"""

GOOD = {"answer": "Yes.", "summary": "A talk.", "topics": ["talk"], "evidence": []}


class Heard(msgspec.Struct):
    """A clip that was sent. `seconds` is what its own header and samples say."""

    host: str
    filename: str
    seconds: float
    samples_hash: int
    fields: dict[str, str]


class Asked(msgspec.Struct):
    """A message that was sent."""

    host: str
    instructions: str
    text: str
    images: list[str]
    body: dict[str, Any]


Hear = Callable[[Heard], Awaitable[httpx.Response] | httpx.Response]
Say = Callable[[Asked], Awaitable[httpx.Response] | httpx.Response]


@dataclass
class Vendor(httpx.AsyncBaseTransport):
    """`hear` and `say` answer; `heard` and `asked` are all that came, in order."""

    hear: Hear = field(init=False)
    say: Say = field(init=False)
    heard: list[Heard] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reset()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        if request.url.path.endswith("/audio/transcriptions"):
            clip = await asyncio.to_thread(_clip, request, body)
            self.heard.append(clip)
            answer: Any = self.hear(clip)
        else:
            asked = _asked(request, body)
            self.asked.append(asked)
            answer = self.say(asked)
        return answer if isinstance(answer, httpx.Response) else await answer

    def reset(self) -> None:
        self.heard, self.asked = [], []
        self.hear, self.say = transcript, lambda _: said(GOOD)


def _clip(request: httpx.Request, body: bytes) -> Heard:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    fields, file, filename = {}, b"", ""
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        disposition = part["Content-Disposition"]
        name = re.search(r'name="([^"]*)"', disposition)
        named = re.search(r'filename="([^"]*)"', disposition)
        assert name is not None
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        if named:
            file, filename = payload, named[1]
        else:
            fields[name[1]] = payload.decode()
    samples, rate = soundfile.read(io.BytesIO(file), dtype="int16")
    assert soundfile.info(io.BytesIO(file)).frames == len(samples), "the header tells another length"
    return Heard(request.url.host, filename, len(samples) / rate, hash(samples.tobytes()), fields)


def _asked(request: httpx.Request, body: bytes) -> Asked:
    decoded = msgspec.json.decode(body)
    texts = {message["role"]: message["content"] for message in decoded["messages"]}
    content = texts["user"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    words = [part["text"] for part in parts if part["type"] == "text"]
    images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return Asked(request.url.host, texts.get("system", ""), "\n".join(words), images, decoded)


def transcript(clip: Heard, *texts: str) -> httpx.Response:
    """A word a second, or the given ones."""
    words = list(texts) or [f"w{n}" for n in range(max(1, int(clip.seconds)))]
    timed = [{"word": word, "start": n + 0.2, "end": n + 0.6} for n, word in enumerate(words)]
    body = {"text": " ".join(words), "language": "english", "duration": clip.seconds, "words": timed, "segments": []}
    return httpx.Response(200, json=body, headers={"x-request-id": "req_1"})


def said(reply: object, *, input_tokens: int = 1000, output_tokens: int = 100) -> httpx.Response:
    """A reply: JSON, or a text as it is."""
    text = reply if isinstance(reply, str) else msgspec.json.encode(reply).decode()
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return httpx.Response(200, json={"choices": [choice], "usage": usage})


def failed(status: int, message: str = "no", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": message, "type": "x"}}, headers=headers)


def fake_vendors(folder: Path, **environ: str) -> Vendors:
    """Both of them set up, the fake one first, the local provider not in the chain."""
    file = folder / "providers.toml"
    file.write_text(CATALOGUE)
    order = {"TRANSCRIPTION_PROVIDERS": "fake", "ANSWER_PROVIDERS": "fake"}
    return credentials.load({"PROVIDERS_FILE": str(file), **order, **environ})
