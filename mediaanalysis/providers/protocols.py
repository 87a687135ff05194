"""Wire protocols by the name the catalogue gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.providers.client import Client
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.deepgram import Deepgram
from mediaanalysis.providers.gemini import Gemini
from mediaanalysis.providers.minimax_speech import MiniMaxSpeech
from mediaanalysis.providers.openai_audio import OpenAIAudio
from mediaanalysis.providers.openai_chat import OpenAIChat
from mediaanalysis.providers.wire import Ear, Mouth

EARS: dict[str, Callable[[Client, Account], Ear]] = {
    "openai_audio": OpenAIAudio,
    "deepgram": Deepgram,
    "gemini": Gemini,
    "minimax_speech": MiniMaxSpeech,
}
MOUTHS: dict[str, Callable[[Client, Account], Mouth]] = {
    "openai_chat": OpenAIChat,
    "gemini": Gemini,
}


Made = TypeVar("Made")


def ear(client: Client, account: Account) -> Ear | None:
    """Who listens for a provider; None where it does not transcribe. Raises ConfigurationError for an unknown name."""
    return _made(EARS, account.provider.transcription, client, account)


def mouth(client: Client, account: Account) -> Mouth | None:
    """Who answers for a provider; None where it does not answer. Raises ConfigurationError for an unknown name."""
    return _made(MOUTHS, account.provider.answer, client, account)


def _made(
    known: Mapping[str, Callable[[Client, Account], Made]], name: str | None, client: Client, account: Account
) -> Made | None:
    if name is None:
        return None
    if name not in known:
        detail = f"PROVIDERS_FILE: {account.provider.name} speaks {name}, which is none of {', '.join(known)}"
        raise ConfigurationError(detail)
    return known[name](client, account)
