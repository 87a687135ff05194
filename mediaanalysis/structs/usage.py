"""What a call of a provider took."""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True):
    """Tokens and money of one call. `cost_usd` None means unknown, never 0 for unknown; the local provider costs 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
