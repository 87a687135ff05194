"""How much a call will take, before it is made: seconds and tokens, to be priced by the list. Rather more than less."""

from __future__ import annotations

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.vendors.openai_chat import answer_tokens
from mediaanalysis.providers.wire import Metered

AUDIO_TOKENS_PER_SECOND = 32
WRITTEN_TOKENS_PER_SECOND = 5
"""Of a transcript: 150 words a minute are 3.4; times and names of fields come on top."""
PICTURE_SIDE_PER_TOKEN = 27.4
"""Pixels of a square side for the square root of a token: about 1,400 tokens at 1,024 x 1,024."""


def of_sound(seconds: float) -> Metered:
    """For a recogniser, whether it is paid by the minute or by the token."""
    heard = round(AUDIO_TOKENS_PER_SECOND * seconds)
    written = round(WRITTEN_TOKENS_PER_SECOND * seconds)
    return Metered(input_tokens=heard, output_tokens=written, audio_tokens=heard, seconds=seconds)


def of_picture(model: Model) -> int:
    """Tokens of a picture as large as is useful."""
    return round((model.image_side / PICTURE_SIDE_PER_TOKEN) ** 2)


def of_message(input_tokens: int, model: Model, max_tokens: int | None) -> Metered:
    """For a model that answers with all the tokens it may."""
    return Metered(input_tokens=input_tokens, output_tokens=answer_tokens(max_tokens, model), seconds=0.0)
