"""What a call cost: by the vendor's own figure, else by the price list; unknown where neither says it."""

from __future__ import annotations

from mediaanalysis.providers.catalogue import Price
from mediaanalysis.providers.wire import Metered

MILLION = 1_000_000


def cost_usd(price: Price | None, metered: Metered | None) -> float | None:
    """None: unknown. Seconds, tokens or both, as the price names them."""
    if metered is None:
        return None
    if metered.cost_usd is not None:
        return metered.cost_usd
    if price is None:
        return None
    parts = [_by_seconds(price, metered), _by_tokens(price, metered)]
    known = [part for part in parts if part is not None]
    return round(sum(known), 9) if len(known) == len(parts) else None


def _by_seconds(price: Price, metered: Metered) -> float | None:
    if not price.per_minute:
        return 0.0
    if metered.seconds is None:
        return None
    return max(metered.seconds, price.minimum_seconds) / 60 * price.per_minute


def _by_tokens(price: Price, metered: Metered) -> float | None:
    if not (price.per_million_input_tokens or price.per_million_output_tokens):
        return 0.0
    if metered.input_tokens is None or metered.output_tokens is None:
        return None
    audio, cached = metered.audio_tokens, metered.cached_tokens
    plain = max(0, metered.input_tokens - audio - cached)
    own = price.per_million_input_tokens
    return (
        plain * own
        + audio * (own if price.per_million_audio_tokens is None else price.per_million_audio_tokens)
        + cached * (own if price.per_million_cached_tokens is None else price.per_million_cached_tokens)
        + metered.output_tokens * price.per_million_output_tokens
    ) / MILLION
