"""Deepgram's `/v1/listen`: the audio is the body, everything else stands in the query."""

from __future__ import annotations

from collections.abc import Iterator

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.languages import code
from mediaanalysis.providers.vendors.client import Answer, Client, Post, Upload
from mediaanalysis.providers.vendors.failures import Failure, Kind
from mediaanalysis.providers.vendors.fields import Object, label, mapping, mappings, number, share, text
from mediaanalysis.providers.wire import Clip, Heard, Metered
from mediaanalysis.structs.transcript import Segment, Word

WORK_MAX_SECONDS = 630.0
"""It gives up by itself (504) after ten minutes."""


class Deepgram:
    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def hear(self, clip: Clip, model: Model) -> Heard:
        post = Post(
            "/v1/listen",
            Upload(clip.path, clip.mime_type),
            min(WORK_MAX_SECONDS, 60 + clip.duration_seconds / 4),
            headers={"Authorization": f"Token {self._account.key}"},
            params=query(clip, model),
        )
        answer = await self._client.send(self._account, post)
        return self._heard(answer, clip)

    def _heard(self, answer: Answer, clip: Clip) -> Heard:
        results = mapping(answer.body.get("results"))
        facts = mapping(answer.body.get("metadata"))
        duration = number(facts.get("duration"))
        metered = Metered(seconds=clip.duration_seconds if duration is None else duration)
        request = text(facts.get("request_id")) or answer.request_id
        channel = next(mappings(results.get("channels")), {})
        best = next(mappings(channel.get("alternatives")), None)
        if best is None or not isinstance(best.get("transcript"), str):
            name = self._account.provider.name
            raise Failure(
                Kind.UNUSABLE, "the answer holds no transcript", provider=name, metered=metered, request_id=request
            )
        said = text(best["transcript"]).strip()
        return Heard(
            text=said,
            metered=metered,
            language=code(text(channel.get("detected_language"))) or clip.language,
            confidence=share(best.get("confidence")) if said else None,
            words=tuple(_words(best)),
            segments=tuple(_segments(results)),
            duration_seconds=duration,
            request_id=request,
        )


def query(clip: Clip, model: Model) -> list[tuple[str, str]]:
    """Without `model` an old one would be taken. The audio is kept out of the training of models."""
    parameters = [
        ("model", model.name),
        ("smart_format", "true"),
        ("punctuate", "true"),
        ("utterances", "true"),
        ("mip_opt_out", "true"),
        ("language", clip.language) if clip.language else ("detect_language", "true"),
    ]
    if clip.speakers:
        parameters.append(("diarize_model", "latest"))
    return [*parameters, *((name, str(value)) for name, value in model.extra.items())]


def _words(best: Object) -> Iterator[Word]:
    for word in mappings(best.get("words")):
        start, end = number(word.get("start")), number(word.get("end"))
        if start is not None and end is not None:
            said = text(word.get("punctuated_word")) or text(word.get("word"))
            yield Word(said, start, end, share(word.get("confidence")), label(word.get("speaker")))


def _segments(results: Object) -> Iterator[Segment]:
    for phrase in mappings(results.get("utterances")):
        start, end = number(phrase.get("start")), number(phrase.get("end"))
        if start is not None and end is not None:
            said = text(phrase.get("transcript")).strip()
            yield Segment(said, start, end, share(phrase.get("confidence")), label(phrase.get("speaker")))
