"""The catalogue as it is delivered, and what an operator's file makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.providers import catalogue, protocols
from mediaanalysis.providers.catalogue import LOCAL, Operation
from tests.providers.vendors import vendors

CHANGES = """
[openai]
calls = 2

[[openai.models]]
name = "gpt-6-luna"
operation = "answer"
price = { date = "2027-01-01", per_million_input_tokens = 9, per_million_output_tokens = 90 }

[[openai.models]]
name = "gpt-7"
operation = "answer"
sees = true

[lab]
about = "the machine in the cellar"
answer = "openai_chat"
base_url = "http://lab:8000/v1"
keys = ["LAB_KEY"]
key_optional = true

[[lab.models]]
name = "llava"
operation = "answer"
price = { date = "2027-01-01" }
"""


def test_every_provider_offers_what_its_protocols_speak() -> None:
    for provider in catalogue.load().providers:
        for operation, known in ((Operation.TRANSCRIPTION, protocols.EARS), (Operation.ANSWER, protocols.MOUTHS)):
            protocol = provider.protocol(operation)
            assert protocol is None or provider.name == LOCAL or protocol in known
            assert protocol or not provider.listed(operation)
            names = [model.name for model in provider.listed(operation)]
            assert len(names) == len(set(names))


def test_only_those_who_say_the_price_themselves_have_none() -> None:
    unpriced = {
        provider.name for provider in catalogue.load().providers for model in provider.models if model.price is None
    }
    assert unpriced == {"openrouter", "minimax"}


def test_the_order_names_every_vendor_once() -> None:
    known = catalogue.load()
    for operation, names in known.order.items():
        offering = {one.name for one in known.providers if one.protocol(operation) and one.name != LOCAL}
        assert sorted(names) == sorted(offering)


def test_a_file_changes_and_adds(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(CHANGES)
    setup = vendors(PROVIDERS_FILE=str(path), OPENAI_API_KEY="k", LAB_KEY="secret")
    openai = setup.accounts["openai"].provider
    luna, *_, new = openai.listed(Operation.ANSWER)
    assert (openai.calls, openai.base_url) == (2, "https://api.openai.com/v1")
    assert luna.price is not None
    assert (luna.name, luna.price.per_million_output_tokens, luna.sees) == ("gpt-6-luna", 90, True)
    assert (new.name, new.price) == ("gpt-7", None)
    assert setup.accounts["lab"].key == "secret"
    assert setup.order[Operation.ANSWER] == (("openai", None), ("lab", None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[openai\n", "PROVIDERS_FILE="),
        ('[openai]\nbase_uri = "x"\nabout = "y"\n', "base_uri"),
        ('[[openai.models]]\nname = "x"\noperation = "dream"\n', "dream"),
        ('[[openai.models]]\nname = "x"\noperation = "answer"\nprice = { date = "today" }\n', "price.date"),
    ],
)
def test_a_wrong_file_is_refused_by_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        catalogue.load(path)
