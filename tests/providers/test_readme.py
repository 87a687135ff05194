"""The README's table of providers is the catalogue's."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaanalysis.analysis.money import prices
from mediaanalysis.providers import catalogue
from mediaanalysis.providers.catalogue import LOCAL, Model, Operation, Provider
from mediaanalysis.providers.costs import cost_usd
from mediaanalysis.providers.trial import limits
from mediaanalysis.providers.wire import Metered
from tests.providers.vendors import vendors

README = Path(__file__).parents[2] / "README.md"
PROVIDERS = catalogue.load().providers

MINUTES = 10
FRAMES = 6
TRANSCRIPT_TOKENS = 4.5 * 60 * MINUTES
PROMPT_TOKENS, WRITTEN_TOKENS = 600, 800


def hearing_usd(model: Model) -> float | None:
    return cost_usd(model.price, prices.of_sound(60))


def answering_usd(model: Model) -> float | None:
    """A tenth of one answer about ten minutes: six frames, the transcript, the prompt."""
    pictures = min(FRAMES, model.max_images or FRAMES) * prices.of_picture(model) if model.sees else 0
    read = round(pictures + TRANSCRIPT_TOKENS + PROMPT_TOKENS)
    whole = cost_usd(model.price, Metered(input_tokens=read, output_tokens=WRITTEN_TOKENS, seconds=0))
    return None if whole is None else whole / MINUTES


def usd(amount: float | None) -> str:
    return "its own figure" if amount is None else "free" if amount == 0 else f"{amount:.4f}"


def ear(provider: Provider) -> str:
    models = provider.listed(Operation.TRANSCRIPTION)
    if not models:
        return ""
    first = models[0]
    can = [word for word, has in (("words", first.words), ("speakers", first.speakers)) if has]
    known = ", ".join([*can, *([limits(first)] if limits(first) else [])])
    price = "unknown" if first.price is None and provider.name == "minimax" else usd(hearing_usd(first))
    return f"`{first.name}`: {known}; {price}"


def mouth(provider: Provider) -> str:
    models = provider.listed(Operation.ANSWER)
    if not models:
        return ""
    first = models[0]
    json = {"schema": "JSON schema", "object": "JSON", "prompt": "text"}[first.json]
    known = ", ".join([json, *([limits(first)] if limits(first) else [])])
    return f"`{first.name}`: {known}; {usd(answering_usd(first))}"


def needed(provider: Provider) -> str:
    if provider.name == LOCAL:
        return "nothing"
    if provider.name == "vertex":
        return "`GOOGLE_CLOUD_PROJECT`, `GOOGLE_APPLICATION_CREDENTIALS`"
    if provider.name == "compatible":
        return "`COMPATIBLE_BASE_URL`, `COMPATIBLE_MODEL`"
    return " or ".join(f"`{key}`" for key in provider.keys)


def row(provider: Provider) -> str:
    hears, answers = ear(provider), mouth(provider)
    if provider.name == "compatible":
        hears = answers = "any model it has"
    return f"| `{provider.name}` | {needed(provider)} | {hears} | {answers} |"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_each_provider_has_its_row(provider: Provider) -> None:
    assert row(provider) in README.read_text().splitlines()


def test_the_example_of_a_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(README.read_text().partition("```toml\n")[2].partition("```")[0])
    cellar = vendors(PROVIDERS_FILE=str(path)).accounts["cellar"]
    assert (cellar.base_url, cellar.provider.models[0].sees) == ("http://cellar:8000/v1", True)
