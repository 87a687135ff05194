"""How a request goes to models: how many pictures, and the material in how many parts. Made for all who may be asked,
so that whoever takes over takes it as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from mediaanalysis.analysis.answering.asking import ANSWER_FORM, ROLE
from mediaanalysis.analysis.answering.material import Line, parts, tokens
from mediaanalysis.analysis.money import prices
from mediaanalysis.providers.catalogue import Model
from mediaanalysis.providers.vendors.openai_chat import answer_tokens

UNKNOWN_CONTEXT_TOKENS = 32_000
USED_SHARE = 0.9
"""Of the context: we only guess how many tokens a text has."""
FEWEST_TOKENS = 1_000
FEWEST_NOTE_TOKENS, MOST_NOTE_TOKENS = 150, 2_000
WORDS_PER_TOKEN = 0.6

One = TypeVar("One")


class Plan(Struct, frozen=True):
    """`parts`: one, or none, is answered at once; of more, notes of `note_tokens` each are taken first. `pictures` is
    how many are shown, in the last message."""

    parts: tuple[tuple[Line, ...], ...]
    pictures: int
    note_tokens: int = 0

    @property
    def at_once(self) -> bool:
        return len(self.parts) <= 1

    @property
    def note_words(self) -> int:
        return int(self.note_tokens * WORDS_PER_TOKEN)


def plan(prompt: str, material: Sequence[Line], pictures: int, models: Sequence[Model], max_tokens: int | None) -> Plan:
    """As few messages as the smallest of the models' contexts allows."""
    seeing = [model for model in models if model.sees]
    shown = min([pictures, *(m.max_images for m in seeing if m.max_images is not None)]) if seeing else 0
    room = min(_room(model, prompt, max_tokens) for model in models)
    looks = max((prices.of_picture(model) for model in seeing), default=0)
    shown = min(shown, max(0, room // 2) // looks) if looks else 0
    at_once = parts(material, max(FEWEST_TOKENS, room - shown * looks))
    if len(at_once) <= 1:
        return Plan(tuple(map(tuple, at_once)), shown)
    divided = parts(material, max(FEWEST_TOKENS, room))
    fair = max(FEWEST_TOKENS, room - shown * looks) // len(divided)
    return Plan(tuple(map(tuple, divided)), shown, max(FEWEST_NOTE_TOKENS, min(MOST_NOTE_TOKENS, fair)))


def _room(model: Model, prompt: str, max_tokens: int | None) -> int:
    """Tokens of the context that are left for pictures and material."""
    context = int(USED_SHARE * (model.context_tokens or UNKNOWN_CONTEXT_TOKENS))
    answer = min(answer_tokens(max_tokens, model), context // 2)
    return context - answer - tokens(ROLE) - tokens(ANSWER_FORM) - 200 - tokens(prompt)


def spread(pieces: Sequence[One], count: int) -> list[One]:
    """So many of them, evenly; the first and the last among them where there are two or more."""
    if count >= len(pieces):
        return list(pieces)
    if count <= 1:
        return list(pieces[len(pieces) // 2 :][:count])
    return [pieces[round(n * (len(pieces) - 1) / (count - 1))] for n in range(count)]
