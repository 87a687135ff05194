"""Vendors that are set up, without an environment."""

from __future__ import annotations

from mediaanalysis.providers import credentials
from mediaanalysis.providers.credentials import Vendors

KEYS = {
    "DEEPGRAM_API_KEY": "dg-secret-0123456789",
    "OPENAI_API_KEY": "sk-proj-secret0123456789",
    "GROQ_API_KEY": "gsk_secret0123456789",
    "GEMINI_API_KEY": "AIzaSecret0123456789",
    "MINIMAX_API_KEY": "sk-api-secret0123456789",
    "OPENROUTER_API_KEY": "sk-or-secret0123456789",
    "NOVITA_API_KEY": "sk_secret0123456789",
    "COMPATIBLE_BASE_URL": "http://models.lan:8000/v1/",
    "COMPATIBLE_MODEL": "llava",
    "COMPATIBLE_TRANSCRIPTION_MODEL": "whisper-small",
}


def vendors(**environ: str) -> Vendors:
    """Those whose variables are given."""
    return credentials.load(environ)


def every_vendor(**environ: str) -> Vendors:
    return credentials.load({**KEYS, **environ})
