"""Providers and their models, as data: what each can do, its limits, its prices."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Operation(StrEnum):
    TRANSCRIPTION = "transcription"
    ANSWER = "answer"


class Price(Struct, frozen=True):
    """In USD, as of `date`."""

    date: str
    per_minute: float = 0.0
    per_million_input_tokens: float = 0.0
    per_million_output_tokens: float = 0.0


class Model(Struct, frozen=True):
    """One model for one operation. `languages` None: any. `words`: gives times of words. `sees`: looks at pictures.

    `price` None: unknown, which is never the same as free.
    """

    name: str
    operation: Operation
    languages: frozenset[str] | None = None
    words: bool = False
    sees: bool = False
    price: Price | None = None

    def speaks(self, language: str | None) -> bool:
        """Whether it takes a language tag (`en`, `en-GB`); no tag leaves it to the model."""
        return language is None or self.languages is None or language.split("-")[0].lower() in self.languages


class Provider(Struct, frozen=True):
    """The first model for an operation is the default."""

    name: str
    about: str
    models: tuple[Model, ...]


FREE = Price(date="2026-11-20")

LOCAL = Provider(
    name="local",
    about="this machine: no key, no network, no cost",
    models=(
        Model("pocketsphinx-en-us", Operation.TRANSCRIPTION, languages=frozenset({"en"}), words=True, price=FREE),
        Model("extractive-1", Operation.ANSWER, price=FREE),
    ),
)

CATALOGUE: tuple[Provider, ...] = (LOCAL,)
"""In the default order of trying."""
