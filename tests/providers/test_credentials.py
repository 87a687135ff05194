"""Who is set up by which variables, and what is said where they are wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.providers import credentials
from mediaanalysis.providers.catalogue import LOCAL, Operation
from tests.providers.vendors import KEYS, every_vendor, vendors

EXAMPLE = Path(__file__).parents[2] / "deploy" / "env.example"


def test_nothing_is_set_up_without_a_variable() -> None:
    assert vendors().accounts == {}
    assert vendors().order == dict.fromkeys(Operation, ((LOCAL, None),))


def test_each_key_sets_up_its_provider_at_its_address() -> None:
    accounts = every_vendor().accounts
    assert {name: account.base_url for name, account in accounts.items()} == {
        "compatible": "http://models.lan:8000/v1",
        "deepgram": "https://api.deepgram.com",
        "openai": "https://api.openai.com/v1",
        "groq": "https://api.groq.com/openai/v1",
        "gemini": "https://generativelanguage.googleapis.com/v1beta",
        "minimax": "https://api.minimax.io/v1",
        "openrouter": "https://openrouter.ai/api/v1",
        "novita": "https://api.novita.ai/openai/v1",
    }
    assert accounts["openai"].key == KEYS["OPENAI_API_KEY"]
    assert accounts["compatible"].key is None


def test_an_address_moves_a_provider_and_google_names_its_key_twice() -> None:
    accounts = vendors(
        MINIMAX_API_KEY="k", MINIMAX_BASE_URL="https://api.minimaxi.com/v1/", GEMINI_API_KEY="a", GOOGLE_API_KEY="b"
    ).accounts
    assert accounts["minimax"].base_url == "https://api.minimaxi.com/v1"
    assert accounts["gemini"].key == "b"


def test_a_key_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    assert vendors(GROQ_API_KEY_FILE=str(tmp_path / "key")).accounts["groq"].key == "from-a-file"
    with pytest.raises(ConfigurationError, match="GROQ_API_KEY_FILE"):
        vendors(GROQ_API_KEY_FILE=str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_vertex_needs_a_project_and_a_login(location: str, host: str) -> None:
    assert not vendors(GOOGLE_CLOUD_PROJECT="p").accounts
    own = vendors(GOOGLE_CLOUD_PROJECT="p", GOOGLE_GENAI_USE_VERTEXAI="true", GOOGLE_CLOUD_LOCATION=location)
    assert own.accounts["vertex"].base_url == f"https://{host}/v1"
    google = vendors(GOOGLE_CLOUD_PROJECT="p", GOOGLE_APPLICATION_CREDENTIALS="/f.json").accounts["vertex"].google
    assert google is not None
    assert (google.project, google.location, google.login) == ("p", "global", Path("/f.json"))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"OPENAI_API_KEY": "two words"}, "OPENAI_API_KEY: the key holds"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "ftp://x"}, "OPENAI_BASE_URL: expected"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://user:pw@x/v1"}, "OPENAI_BASE_URL: expected"),
        ({"ANSWER_PROVIDERS": "openai"}, "ANSWER_PROVIDERS names openai, but OPENAI_API_KEY is not set"),
        ({"ANSWER_PROVIDERS": "deepgram"}, "deepgram is not known for answer"),
        ({"TRANSCRIPTION_PROVIDERS": "nobody"}, "nobody is not known"),
        ({"OPENAI_API_KEY": "k", "ANSWER_PROVIDERS": "openai/gpt-9"}, "openai has no gpt-9 for answer; it has gpt-6"),
        ({"GOOGLE_CLOUD_PROJECT": "a/b", "GOOGLE_GENAI_USE_VERTEXAI": "1"}, "GOOGLE_CLOUD_PROJECT='a/b'"),
        ({"PROVIDERS_FILE": "/nowhere.toml"}, "PROVIDERS_FILE=/nowhere.toml"),
    ],
)
def test_what_is_wrong_is_said_by_the_variables_name(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        vendors(**environ)
    assert "pw" not in raised.value.detail


def test_no_key_is_ever_shown() -> None:
    shown = repr(every_vendor())
    assert not [key for key in KEYS.values() if "ecret" in key and key in shown]


def test_the_example_lists_every_variable_with_its_meaning() -> None:
    documented = re.findall(r"^# (.*)\n#([A-Z_]+)=$", EXAMPLE.read_text(), re.MULTILINE)
    for variable in credentials.variables():
        assert (variable.about + " (secret)" * variable.secret, variable.name) in documented


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = "import sys, mediaanalysis.__main__; print(sorted({'google.auth', 'numpy', 'requests'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
