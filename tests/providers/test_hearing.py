"""Transcription, vendor by vendor: the request is what its description allows, the answer is read for what it says."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import pytest

from mediaanalysis.errors import ProviderError
from mediaanalysis.providers.wire import Hearing
from mediaanalysis.structs.requests import Config
from mediaanalysis.structs.transcript import Segment, Word
from tests.providers.fake import SECONDS, SOUND, Fake, clip, opened
from tests.providers.specs import fields, parts
from tests.providers.vendors import KEYS, every_vendor

VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": "8.47",
    "text": " Ask not. ",
    "words": [{"word": " Ask", "start": 0.0, "end": 0.4}, {"word": "not.", "start": 0.5, "end": 0.9}],
    "segments": [{"id": 0, "start": 0.0, "end": 3.3, "text": " Ask not.", "avg_logprob": -0.1, "no_speech_prob": 0.01}],
}
DEEPGRAM = {
    "metadata": {"request_id": "2479c8c8", "duration": 8.5, "channels": 1},
    "results": {
        "channels": [
            {
                "detected_language": "en",
                "alternatives": [
                    {
                        "transcript": "Ask not.",
                        "confidence": 0.99,
                        "words": [
                            {"word": "ask", "start": 0.1, "end": 0.4, "confidence": 0.98, "punctuated_word": "Ask"},
                            {"word": "not", "start": 0.5, "end": 0.9, "confidence": 0.97, "speaker": 0},
                        ],
                    }
                ],
            }
        ],
        "utterances": [{"start": 0.1, "end": 0.9, "confidence": 0.9, "transcript": "Ask not.", "speaker": 0}],
    },
}
GEMINI = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {
                        "audioTranscription": {
                            "speakerLabel": "spk_1",
                            "words": [
                                {"word": "Ask", "endOffset": "0.4s"},
                                {"word": "not.", "startOffset": "0.500s", "endOffset": "0.900s"},
                            ],
                        }
                    },
                    {
                        "text": "What?",
                        "audioTranscription": {"words": [{"word": "What?", "startOffset": "2s", "endOffset": "3s"}]},
                    },
                ],
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 256,
        "candidatesTokenCount": 20,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 256}],
    },
    "responseId": "abc",
}
MINIMAX = {
    "text": "Ask not.",
    "duration": 8.5,
    "n_speakers": 1,
    "segments": [
        {"id": 0, "start": 0.1, "end": 0.4, "speaker": "S1", "text": "Ask"},
        {"id": 1, "start": 0.5, "end": 0.9, "speaker": "S1", "text": "not."},
    ],
    "trace_id": "0217",
}


async def hear(vendor: Fake, folder: Path, provider: str, model: str | None = None, **wishes: Any) -> Hearing:
    setup = every_vendor(GOOGLE_CLOUD_PROJECT="p")
    async with opened(vendor, setup) as providers:
        config = Config(transcription_provider=provider, transcription_model=model)
        return await providers.hear(clip(folder, **wishes), providers.transcription_chain(config))


@pytest.mark.parametrize("provider", ["openai", "groq", "openrouter", "compatible"])
async def test_openai_and_those_who_speak_it(provider: str, tmp_path: Path) -> None:
    vendor = Fake(VERBOSE)
    heard = await hear(vendor, tmp_path, provider, language="en-US")
    sent = fields(vendor.request)
    assert ("response_format", "verbose_json") in sent
    assert ("language", "en") in sent
    assert [value for name, value in sent if name == "timestamp_granularities[]"] == ["word", "segment"]
    assert ("file", "audio.flac") in sent
    file = next(part for part in parts(vendor.request) if part.get_filename())
    assert (file.get_payload(decode=True), file.get_content_type()) == (SOUND, "audio/flac")
    transcript = heard.transcript
    assert (transcript.text, transcript.language, transcript.provider) == ("Ask not.", "en", provider)
    assert transcript.words == (Word("Ask", 0.0, 0.4), Word("not.", 0.5, 0.9))
    assert transcript.segments == (Segment("Ask not.", 0.0, 3.3, 0.905),)
    assert transcript.confidence == 0.905
    assert heard.duration_seconds == 8.47


async def test_the_key_stands_in_its_header_and_nowhere_else(tmp_path: Path) -> None:
    for provider, header, value in [
        ("openai", "authorization", f"Bearer {KEYS['OPENAI_API_KEY']}"),
        ("minimax", "authorization", f"Bearer {KEYS['MINIMAX_API_KEY']}"),
        ("gemini", "x-goog-api-key", KEYS["GEMINI_API_KEY"]),
        ("deepgram", "authorization", f"Token {KEYS['DEEPGRAM_API_KEY']}"),
    ]:
        vendor = Fake({"openai": VERBOSE, "minimax": MINIMAX, "gemini": GEMINI, "deepgram": DEEPGRAM}[provider])
        await hear(vendor, tmp_path, provider)
        assert vendor.request.headers[header] == value
        assert value.rpartition(" ")[2] not in str(vendor.request.url)
        assert vendor.request.headers["accept-encoding"] == "identity"


async def test_a_server_without_a_key_gets_none(tmp_path: Path) -> None:
    vendor = Fake({"text": "Ask not."})
    heard = await hear(vendor, tmp_path, "compatible")
    assert "authorization" not in vendor.request.headers
    assert heard.transcript.segments == (Segment("Ask not.", 0.0, SECONDS),)


@pytest.mark.parametrize(
    ("model", "style", "body", "language", "cost"),
    [
        ("gpt-transcribe", "json", {"text": "Hi.", "languages": [{"code": "de"}]}, "de", 0.0045 * SECONDS / 60),
        (
            "gpt-4o-transcribe",
            "json",
            {"text": "Hi.", "usage": {"type": "tokens", "input_tokens": 1000, "output_tokens": 100}},
            None,
            0.0035,
        ),
        ("gpt-4o-mini-transcribe", "json", {"text": "Hi."}, None, None),
        (
            "gpt-4o-transcribe-diarize",
            "diarized_json",
            {
                "text": "Hi.",
                "segments": [{"type": "transcript.text.segment", "start": 0, "end": 1, "text": "Hi.", "speaker": "A"}],
                "usage": {"type": "tokens", "input_tokens": 0, "output_tokens": 0},
            },
            None,
            0.0,
        ),
        ("whisper-1", "verbose_json", VERBOSE | {"usage": {"type": "duration", "seconds": 9}}, "en", 0.0009),
    ],
)
async def test_openais_models_by_their_formats_and_prices(
    model: str, style: str, body: dict[str, Any], language: str | None, cost: float | None, tmp_path: Path
) -> None:
    vendor = Fake(body)
    heard = await hear(vendor, tmp_path, "openai", model)
    assert ("response_format", style) in fields(vendor.request)
    assert heard.transcript.language == language
    (call,) = heard.transcript.calls
    assert call.cost_usd == (cost if cost is None else pytest.approx(cost))
    assert heard.transcript.usage.cost_usd == call.cost_usd


async def test_groq_bills_ten_seconds_at_least_and_openrouter_says_the_cost_itself(tmp_path: Path) -> None:
    body = {"text": "Hi.", "duration": 2.0, "x_groq": {"id": "req_1"}}
    heard = await hear(Fake(body), tmp_path, "groq")
    assert heard.transcript.calls[0].cost_usd == pytest.approx(10 / 60 * 0.0006666)
    body = {"text": "Hi.", "usage": {"seconds": 9.2, "cost": 0.000508, "input_tokens": 83, "output_tokens": 30}}
    heard = await hear(Fake(body), tmp_path, "openrouter")
    assert heard.transcript.calls[0].cost_usd == 0.000508


async def test_deepgram(tmp_path: Path) -> None:
    vendor = Fake(httpx.Response(200, json=DEEPGRAM, headers={"dg-request-id": "r"}))
    heard = await hear(vendor, tmp_path, "deepgram", speakers=True)
    request = vendor.request
    assert (request.content, request.headers["content-type"]) == (SOUND, "audio/flac")
    assert request.headers["content-length"] == str(len(SOUND))
    query = dict(request.url.params.multi_items())
    assert (query["model"], query["detect_language"], query["diarize_model"]) == ("nova-3", "true", "latest")
    assert query["mip_opt_out"] == "true"
    assert "language" not in query
    transcript = heard.transcript
    assert transcript.words == (Word("Ask", 0.1, 0.4, 0.98), Word("not", 0.5, 0.9, 0.97, "0"))
    assert transcript.segments == (Segment("Ask not.", 0.1, 0.9, 0.9, "0"),)
    assert (transcript.language, transcript.confidence) == ("en", 0.99)
    (call,) = transcript.calls
    assert (call.request_id, call.audio_seconds) == ("2479c8c8", 8.5)
    assert call.cost_usd == pytest.approx(8.5 / 60 * 0.0043)


async def test_deepgram_takes_a_language_or_finds_it_never_both(tmp_path: Path) -> None:
    vendor = Fake(DEEPGRAM)
    await hear(vendor, tmp_path, "deepgram", language="de")
    query = dict(vendor.request.url.params.multi_items())
    assert (query.get("language"), query.get("detect_language")) == ("de", None)


async def test_silence_is_no_speech(tmp_path: Path) -> None:
    empty = {"transcript": "", "confidence": 0, "words": []}
    body = {"metadata": {"duration": 8.5}, "results": {"channels": [{"alternatives": [empty]}]}}
    transcript = (await hear(Fake(body), tmp_path, "deepgram")).transcript
    assert transcript.no_speech
    assert (transcript.text, transcript.confidence) == ("", None)
    assert [notice.code for notice in transcript.notices] == ["no_speech"]
    assert transcript.calls[0].cost_usd


async def test_gemini_transcribes(tmp_path: Path) -> None:
    vendor = Fake(GEMINI)
    heard = await hear(vendor, tmp_path, "gemini", language="en-US")
    assert vendor.request.url.path == "/v1beta/models/gemini-3.5-transcribe:generateContent"
    part = vendor.json["contents"][0]["parts"][0]["inlineData"]
    assert (b64decode(part["data"]), part["mimeType"]) == (SOUND, "audio/flac")
    options = vendor.json["generationConfig"]["audioTranscriptionConfig"]
    assert options == {"wordTimestamp": True, "diarization": False, "languageCodes": ["en-US"]}
    assert "systemInstruction" not in vendor.json
    transcript = heard.transcript
    assert transcript.text == "Ask not.\nWhat?"
    assert transcript.words == (
        Word("Ask", 0, 0.4, None, "spk_1"),
        Word("not.", 0.5, 0.9, None, "spk_1"),
        Word("What?", 2, 3),
    )
    (call,) = transcript.calls
    assert (call.input_tokens, call.output_tokens, call.request_id) == (256, 20, "abc")
    assert call.cost_usd == pytest.approx((256 * 2 + 20 * 12) / 1e6)


async def test_a_general_model_of_google_is_asked_for_json(tmp_path: Path) -> None:
    told = {"language": "de", "segments": [{"start": 0, "end": 2.5, "text": "Guten Tag."}]}
    thought = {"thought": True, "text": "Hm."}
    body = {
        "candidates": [{"content": {"parts": [thought, {"text": json.dumps(told)}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 300, "thoughtsTokenCount": 50, "candidatesTokenCount": 10},
    }
    vendor = Fake(body)
    heard = await hear(vendor, tmp_path, "gemini", "gemini-3.8-flash")
    assert vendor.json["generationConfig"]["responseMimeType"] == "application/json"
    assert vendor.json["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}
    transcript = heard.transcript
    assert (transcript.language, transcript.segments) == ("de", (Segment("Guten Tag.", 0, 2.5),))
    assert transcript.calls[0].output_tokens == 60


async def test_minimax_has_the_language_in_a_header(tmp_path: Path) -> None:
    vendor = Fake(MINIMAX)
    heard = await hear(vendor, tmp_path, "minimax", language="en-GB")
    assert vendor.request.headers["language"] == "en"
    assert ("timestamp_level", "word") in fields(vendor.request)
    assert heard.transcript.words == (Word("Ask", 0.1, 0.4, None, "S1"), Word("not.", 0.5, 0.9, None, "S1"))
    (call,) = heard.transcript.calls
    assert (call.cost_usd, call.audio_seconds, call.request_id) == (None, 8.5, "0217")


async def test_sentences_are_not_taken_for_words(tmp_path: Path) -> None:
    sentence = {"id": 0, "start": 0.1, "end": 5.0, "speaker": "S1", "text": "Ask not what."}
    transcript = (await hear(Fake(MINIMAX | {"segments": [sentence]}), tmp_path, "minimax")).transcript
    assert not transcript.words
    assert transcript.segments == (Segment("Ask not what.", 0.1, 5.0, None, "S1"),)


WRONG: list[tuple[str, Any, str]] = [
    ("openai", {}, "holds no text"),
    ("openai", {"text": None}, "holds no text"),
    ("openai", [], "is no JSON object"),
    ("deepgram", {"results": {"channels": []}}, "holds no transcript"),
    ("deepgram", {"results": {"channels": "none"}}, "holds no transcript"),
    ("deepgram", {"request_id": "callback mode"}, "holds no transcript"),
    ("minimax", {"segments": []}, "holds no text"),
    ("gemini", {}, "no answer"),
    ("gemini", {"promptFeedback": {"blockReason": "OTHER"}}, r"input was blocked \(OTHER\)"),
    ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}, r"answer was blocked \(SAFETY\)"),
    ("gemini", {"candidates": [{"finishReason": "NEW_REASON"}]}, r"finishReason NEW_REASON"),
    ("gemini", {"candidates": [{"finishReason": "MAX_TOKENS", "content": {"parts": [{"text": "a"}]}}]}, "cut off"),
]


@pytest.mark.parametrize(("provider", "body", "message"), WRONG)
async def test_an_answer_that_is_none_is_a_failure_of_the_provider(
    provider: str, body: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaanalysis.providers.chain.TRIES", 1)
    with pytest.raises(ProviderError, match=message) as raised:
        await hear(Fake(httpx.Response(200, json=body)), tmp_path, provider)
    assert raised.value.provider == provider
    assert len(raised.value.calls) == 1


async def test_wrong_types_inside_cost_words_never_the_transcript(tmp_path: Path) -> None:
    body = VERBOSE | {
        "language": 7,
        "duration": "long",
        "words": [
            {"word": 1, "start": 0, "end": 1},
            "x",
            {"word": "not", "start": None, "end": 1},
        ],
        "segments": {"0": "x"},
        "usage": [],
    }
    vendor = Fake(body)
    transcript = (await hear(vendor, tmp_path, "openai")).transcript
    assert (transcript.text, transcript.words, transcript.language) == ("Ask not.", (), None)


async def test_a_language_nobody_there_takes_is_refused_before_anything_is_sent() -> None:
    vendor = Fake(MINIMAX)
    async with opened(vendor) as providers:
        with pytest.raises(ProviderError, match="takes no sw"):
            providers.transcription_chain(Config(transcription_provider="minimax", language="sw"))
    assert not vendor.requests


@pytest.mark.parametrize("written", ["", "I hear nothing.", "[]", '{"segments": "none"}', "[" * 10_000])
async def test_a_general_model_that_says_something_else_is_unusable(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaanalysis.providers.chain.TRIES", 1)
    body = {"candidates": [{"content": {"parts": [{"text": written}]}, "finishReason": "STOP"}], "usageMetadata": {}}
    with pytest.raises(ProviderError, match="not of the form asked for"):
        await hear(Fake(body), tmp_path, "gemini", "gemini-3.8-flash")


async def test_a_fenced_answer_and_odd_segments_are_read_for_what_they_hold(tmp_path: Path) -> None:
    told = {
        "segments": [{"start": "x", "end": 1, "text": "?"}, {"start": 1, "end": 2, "text": "Yes."}, {"text": "No."}]
    }
    fenced = f"```json\n{json.dumps(told)}\n```"
    body = {"candidates": [{"content": {"parts": [{"text": fenced}]}, "finishReason": "STOP"}]}
    heard = await hear(Fake(body), tmp_path, "gemini", "gemini-3.8-flash", language="en")
    assert heard.transcript.segments == (Segment("Yes.", 1, 2),)
    assert heard.transcript.calls[0].cost_usd is None


async def test_turns_without_times_are_text_all_the_same(tmp_path: Path) -> None:
    turns = [{"thought": True, "text": "Hm."}, {"audioTranscription": {"text": "Hello."}}, {"text": "World."}]
    body = {"candidates": [{"content": {"parts": turns}, "finishReason": "STOP"}]}
    transcript = (await hear(Fake(body), tmp_path, "gemini")).transcript
    assert transcript.text == "Hello.\nWorld."
    assert transcript.segments == (Segment("Hello.\nWorld.", 0, SECONDS),)


async def test_fields_of_an_operator_are_sent_along(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(
        '[[compatible.models]]\nname = "whisper-small"\noperation = "transcription"\nstyle = "json"\n'
        'extra = { prompt = "names" }\n'
    )
    vendor = Fake({"text": "Hi."})
    async with opened(vendor, every_vendor(PROVIDERS_FILE=str(path))) as providers:
        chain = providers.transcription_chain(Config(transcription_provider="compatible"))
        await providers.hear(clip(tmp_path), chain)
    assert ("response_format", "json") in fields(vendor.request)
    assert ("prompt", "names") in fields(vendor.request)
