"""Providers and their models, as data: what each can do, its limits, its prices.

`catalogue.toml` beside this file is the data; a file of the same form, named by PROVIDERS_FILE, changes and adds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from mediaanalysis.errors import ConfigurationError

OWN = Path(__file__).with_name("catalogue.toml")


class Operation(StrEnum):
    TRANSCRIPTION = "transcription"
    ANSWER = "answer"


Usd = Annotated[float, Meta(ge=0)]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Count = Annotated[int, Meta(ge=1)]


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """In USD, as of `date`. What is not named costs nothing; audio and cached tokens cost as input unless named.

    A call is billed as at least `minimum_seconds` of audio.
    """

    date: Day
    per_minute: Usd = 0.0
    minimum_seconds: float = 0.0
    per_million_input_tokens: Usd = 0.0
    per_million_output_tokens: Usd = 0.0
    per_million_audio_tokens: Usd | None = None
    per_million_cached_tokens: Usd | None = None


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One model for one operation. `languages` None: any. `words`: gives times of words. `sees`: looks at pictures.

    `price` None: unknown, which is never the same as free. `json`: how it is held to JSON. `reasons`: it thinks
    first, and takes no temperature. `token_field`: what its protocol calls the limit of the answer. `image_side`:
    pixels of the longer side beyond which a picture gains nothing. `shutdown`: the day it is switched off.
    `style` and `extra` are for its protocol: a variant, and fields to send as they are.
    """

    name: str
    operation: Operation
    languages: frozenset[str] | None = None
    words: bool = False
    speakers: bool = False
    sees: bool = False
    json: Literal["schema", "object", "prompt"] = "prompt"
    reasons: bool = False
    token_field: str = "max_tokens"  # noqa: S105 - the name of a field
    max_bytes: Count | None = None
    max_seconds: Annotated[float, Meta(gt=0)] | None = None
    max_images: Count | None = None
    image_max_bytes: Count | None = None
    image_side: Count = 1024
    image_detail: str | None = "auto"
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    formats: tuple[str, ...] = ("flac", "ogg", "mp3", "wav")
    price: Price | None = None
    shutdown: Day | None = None
    style: str = ""
    extra: dict[str, Any] = {}

    def speaks(self, language: str | None) -> bool:
        """Whether it takes a language tag (`en`, `en-GB`); no tag leaves it to the model."""
        return language is None or self.languages is None or language.split("-")[0].lower() in self.languages

    def lives(self, day: str) -> bool:
        """Whether it is not switched off yet on a day (`2026-11-20`)."""
        return self.shutdown is None or day < self.shutdown


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """The first model for an operation is the default. `transcription` and `answer` name the wire protocols.

    `keys` are the variables that may hold its key, the first that is set wins; `base_url_variable` moves it
    elsewhere. `any_model`: models that are not listed may be named, at unknown prices. `calls`: at once, per process.
    `tokens_per_second`: its slowest pace; a call that takes longer is given up.
    """

    name: str
    about: str
    models: tuple[Model, ...] = ()
    transcription: str | None = None
    answer: str | None = None
    base_url: str | None = None
    base_url_variable: str | None = None
    keys: tuple[str, ...] = ()
    key_optional: bool = False
    any_model: bool = False
    calls: Count = 4
    tokens_per_second: Count = 25

    def protocol(self, operation: Operation) -> str | None:
        return self.transcription if operation is Operation.TRANSCRIPTION else self.answer

    def listed(self, operation: Operation) -> list[Model]:
        return [model for model in self.models if model.operation is operation]


class Catalogue(Struct, frozen=True):
    """`order`: whose turn comes first, by operation."""

    providers: tuple[Provider, ...]
    order: dict[Operation, tuple[str, ...]] = {}

    def find(self, name: str) -> Provider | None:
        return next((one for one in self.providers if one.name == name), None)


def load(changes: Path | None = None) -> Catalogue:
    """The catalogue, with an operator's changes. Raises ConfigurationError naming the file and the place."""
    tables = _read(OWN)
    if changes is None:
        return _catalogue(tables, OWN)
    return _catalogue(_merged(tables, _read(changes)), changes)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"PROVIDERS_FILE={path}: {error}") from None


def _merged(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Provider by provider and model by model; a field that is named replaces, the others stay.

    A new model stands behind those there are, and so is not the default.
    """
    merged = dict(tables)
    for name, change in changes.items():
        known = dict(merged.get(name, {}))
        models = _merged_models(known.get("models", []), change.get("models", []))
        merged[name] = {**known, **change, **({"models": models} if models else {})}
    return merged


def _merged_models(known: Sequence[Any], changes: Sequence[Any]) -> list[Any]:
    merged = {(model["name"], model["operation"]): model for model in known}
    for change in changes:
        key = (change.get("name"), change.get("operation"))
        merged[key] = {**merged.get(key, {}), **change}
    return list(merged.values())


def _catalogue(tables: dict[str, Any], path: Path) -> Catalogue:
    order = tables.pop("order", {})
    providers = [{"name": name, **table} for name, table in tables.items()]
    try:
        return msgspec.convert({"providers": providers, "order": order}, Catalogue)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"PROVIDERS_FILE={path}: {error}") from None


LOCAL = "local"
"""The provider that is always there."""
