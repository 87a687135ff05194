"""Wire protocols by the name the catalogue gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.vendors.client import Client
from mediaanalysis.providers.vendors.deepgram import Deepgram
from mediaanalysis.providers.vendors.gemini import Gemini
from mediaanalysis.providers.vendors.minimax_speech import MiniMaxSpeech
from mediaanalysis.providers.vendors.openai_audio import OpenAIAudio
from mediaanalysis.providers.vendors.openai_chat import OpenAIChat
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


def pair(client: Client, account: Account) -> tuple[Ear | None, Mouth | None]:
    """Who listens and who answers for a provider; None where it does not. Google's are one, with one login.

    Raises ConfigurationError for a protocol nobody knows.
    """
    ear = _made(EARS, account.provider.transcription, client, account)
    if isinstance(ear, Gemini) and account.provider.answer == account.provider.transcription:
        return ear, ear
    return ear, _made(MOUTHS, account.provider.answer, client, account)


def _made(
    known: Mapping[str, Callable[[Client, Account], Made]], name: str | None, client: Client, account: Account
) -> Made | None:
    if name is None:
        return None
    if name not in known:
        detail = f"PROVIDERS_FILE: {account.provider.name} speaks {name}, which is none of {', '.join(known)}"
        raise ConfigurationError(detail)
    return known[name](client, account)
