"""The catalogue's prices against a public price list of the same month, where it lies beside the checkout."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mediaanalysis.providers import catalogue
from mediaanalysis.providers.catalogue import Model, Price
from mediaanalysis.providers.costs import cost_usd
from mediaanalysis.providers.wire import Metered
from tests.providers.specs import SPECS

LIST = SPECS / "prices" / "litellm-1.109.1-filtered.json"
PREFIXES = {"openai": "", "vertex": "vertex_ai/"}
PRICED = [
    (provider.name, model)
    for provider in catalogue.load().providers
    for model in provider.models
    if model.price is not None and provider.name not in {"local", "compatible"}
]


@pytest.fixture(scope="module")
def listed() -> dict[str, Any]:
    if not LIST.exists():
        pytest.skip("the price list is not here")
    found: dict[str, Any] = json.loads(LIST.read_text())
    return found


@pytest.mark.parametrize(("provider", "model"), PRICED, ids=lambda value: getattr(value, "name", value))
def test_a_price_is_the_lists(provider: str, model: Model, listed: dict[str, Any]) -> None:
    row = listed.get(PREFIXES.get(provider, f"{provider}/") + model.name)
    if row is None:
        pytest.skip("not in the list")
    assert model.price is not None
    if model.price.per_minute and not model.price.per_million_output_tokens:
        assert model.price.per_minute == pytest.approx(row["input_cost_per_second"] * 60, rel=0.01)
        return
    of_input = row.get("input_cost_per_token", row.get("input_cost_per_audio_token"))
    assert model.price.per_million_input_tokens == pytest.approx(of_input * 1e6)
    assert model.price.per_million_output_tokens == pytest.approx(row["output_cost_per_token"] * 1e6)
    if model.price.per_million_cached_tokens is not None:
        assert model.price.per_million_cached_tokens == pytest.approx(row["cache_read_input_token_cost"] * 1e6)
    if model.context_tokens:
        assert model.context_tokens <= 1.05 * row["max_input_tokens"]
        assert (model.max_output_tokens or 0) <= max(row["max_output_tokens"], 524_288)


BOTH = Price("2026-11-20", per_minute=0.6, per_million_input_tokens=1, per_million_output_tokens=2)
AUDIO = Price(
    "2026-11-20",
    per_million_input_tokens=1,
    per_million_output_tokens=2,
    per_million_audio_tokens=10,
    per_million_cached_tokens=0.1,
)


@pytest.mark.parametrize(
    ("price", "metered", "usd"),
    [
        (None, Metered(input_tokens=1, output_tokens=1), None),
        (None, Metered(cost_usd=0.25), 0.25),
        (BOTH, None, None),
        (BOTH, Metered(cost_usd=0.25, seconds=60), 0.25),
        (BOTH, Metered(seconds=30), None),
        (BOTH, Metered(seconds=30, input_tokens=1_000_000, output_tokens=0), 1.3),
        (BOTH, Metered(input_tokens=1_000_000, output_tokens=0), None),
        (AUDIO, Metered(input_tokens=1_000_000, output_tokens=500_000), 2.0),
        (AUDIO, Metered(input_tokens=1_000_000, output_tokens=0, audio_tokens=400_000), 4.6),
        (AUDIO, Metered(input_tokens=1_000_000, output_tokens=0, cached_tokens=1_000_000), 0.1),
        (Price("2026-11-20", per_minute=0.6, minimum_seconds=10), Metered(seconds=2), 0.1),
        (Price("2026-11-20", per_minute=0.6, minimum_seconds=10), Metered(seconds=20), 0.2),
        (Price("2026-11-20"), Metered(), 0.0),
    ],
)
def test_each_form_of_billing(price: Price | None, metered: Metered | None, usd: float | None) -> None:
    assert cost_usd(price, metered) == (usd if usd is None else pytest.approx(usd))
