"""MiniMax's `/v1/speech_to_text`: multipart, the language in a header, words as segments of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.vendors.client import Client, Form, Post
from mediaanalysis.providers.vendors.failures import Failure, Kind
from mediaanalysis.providers.vendors.fields import Object, label, mappings, number, text
from mediaanalysis.providers.vendors.openai_audio import EXTENSIONS, bearer, work_seconds
from mediaanalysis.providers.wire import Clip, Heard, Metered
from mediaanalysis.structs.transcript import Segment, Word

LONGEST_MEAN_WORD_SECONDS = 1.5


class MiniMaxSpeech:
    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def hear(self, clip: Clip, model: Model) -> Heard:
        level = "word" if clip.words else "sentence"
        fields = [("model", model.name), ("response_format", "verbose_json"), ("timestamp_level", level)]
        form = Form(fields, clip.path, f"audio.{EXTENSIONS.get(clip.mime_type, 'bin')}", clip.mime_type)
        language = {"language": clip.language.split("-")[0].lower()} if clip.language else {}
        headers = {**bearer(self._account), **language}
        answer = await self._client.send(
            self._account, Post("/speech_to_text", form, work_seconds(clip), headers=headers)
        )
        body = answer.body
        duration = number(body.get("duration"))
        metered = Metered(seconds=clip.duration_seconds if duration is None else duration)
        if not isinstance(body.get("text"), str):
            name = self._account.provider.name
            raise Failure(
                Kind.UNUSABLE, "the answer holds no text", provider=name, metered=metered, request_id=answer.request_id
            )
        pieces = list(_pieces(body))
        by_word = clip.words and _are_words(pieces)
        return Heard(
            text=text(body["text"]).strip(),
            metered=metered,
            language=clip.language,
            words=tuple(Word(one.text, one.start, one.end, None, one.speaker) for one in pieces if by_word),
            segments=() if by_word else tuple(pieces),
            duration_seconds=duration,
            request_id=answer.request_id,
        )


def _pieces(body: Object) -> Iterator[Segment]:
    for piece in mappings(body.get("segments")):
        start, end = number(piece.get("start")), number(piece.get("end"))
        said = text(piece.get("text")).strip()
        if start is not None and end is not None and said:
            yield Segment(said, start, end, None, label(piece.get("speaker")))


def _are_words(pieces: Sequence[Segment]) -> bool:
    """Whether the level that was asked for is the one that came: no single word takes so long."""
    return bool(pieces) and fmean(piece.end - piece.start for piece in pieces) < LONGEST_MEAN_WORD_SECONDS
