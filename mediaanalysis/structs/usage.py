"""What calls of providers took."""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True):
    """Tokens and money of one call. `cost_usd` None means unknown, never 0 for unknown; the local provider costs 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0


class Call(Struct, frozen=True):
    """One call of a provider's model, whatever came of it: what was billed counts, also where nothing was gained.

    `operation` is transcription or answer. `outcome` is `done`, or why not: rejected, refused, credentials, quota,
    busy, failed, timeout, unusable, cancelled. `attempt` counts from 1 over all calls made for the same request,
    whoever was called. `cost_usd` None: unknown, because there is no price or no answer came back.
    """

    provider: str
    model: str
    operation: str
    outcome: str
    attempt: int
    latency_ms: int
    input_tokens: int = 0
    output_tokens: int = 0
    audio_seconds: float = 0.0
    cost_usd: float | None = 0.0
    request_id: str | None = None
    detail: str | None = None


def total(calls: tuple[Call, ...]) -> Usage:
    """The sum; its cost is unknown as soon as one is."""
    costs = [call.cost_usd for call in calls if call.cost_usd is not None]
    return Usage(
        sum(call.input_tokens for call in calls),
        sum(call.output_tokens for call in calls),
        sum(costs) if len(costs) == len(calls) else None,
    )
