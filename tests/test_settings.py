from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediaanalysis import settings, sizes
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.providers import credentials
from mediaanalysis.settings import Settings, variables

EXAMPLE = Path(__file__).parents[1] / "deploy" / "env.example"
OTHERS = {"POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"}
FOREIGN = ("AWS_", "GOOGLE_", "AZURE_")


def _documented() -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each variable in the example."""
    yield from re.findall(r"^# (?P<about>.*)\n#(?P<name>[A-Z_]+)=(?P<default>.*)$", EXAMPLE.read_text(), re.MULTILINE)


def _default(field: str) -> str:
    """As one would write it; nothing where the default depends on the machine."""
    default: Any = Settings.__struct_defaults__[Settings.__struct_fields__.index(field)]
    if default is None or not isinstance(default, int | float | str | tuple):
        return ""
    return ",".join(default) if isinstance(default, tuple) else str(default)


def test_the_example_says_what_the_code_says() -> None:
    code = [
        (variable.about + " (secret)" * variable.secret, variable.name, _default(field))
        for field, variable in variables().items()
    ]
    assert list(_documented())[: len(code)] == code


def test_the_example_names_nothing_else() -> None:
    named = set(re.findall(r"^#([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    vendors = {variable.name for variable in credentials.variables()}
    others = named - {variable.name for variable in variables().values()} - OTHERS - vendors
    assert all(name.startswith(FOREIGN) for name in others)


def test_the_example_as_it_stands_means_the_defaults() -> None:
    environ = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert settings.load(environ) == Settings()


def test_an_empty_environment_means_the_defaults() -> None:
    assert settings.load({}) == settings.load({"DATABASE_URL": "", "WORKER_SLOTS": ""}) == Settings()


def test_values_are_converted() -> None:
    loaded = settings.load(
        {
            "WORKER_SLOTS": "0",
            "FETCH_MAX_SECONDS": "1.5",
            "FETCH_ALLOW": " nas.lan, 10.0.0.0/8 ,,",
            "DATA_DIR": "~/media",
        }
    )
    assert (loaded.worker_slots, loaded.fetch_max_seconds) == (0, 1.5)
    assert loaded.fetch_allow == ("nas.lan", "10.0.0.0/8")
    assert loaded.data_dir == Path.home() / "media"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_POOL_MIN", "0"),
        ("DATABASE_POOL_MAX", "many"),
        ("LISTEN_PORT", "65536"),
        ("WORKER_SLOTS", "-1"),
        ("FETCH_MAX_SECONDS", "0"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "INFO"),
        ("UPLOAD_MAX_BYTES", "0"),
        ("UPLOAD_MAX_BYTES", "4X"),
        ("UPLOAD_MAX_BYTES", "9999999999999999999999G"),
        ("CACHE_BYTES", "-1"),
        ("ALLOW_WITHOUT_KEYS", "maybe"),
    ],
)
def test_a_wrong_value_names_the_variable_the_value_and_the_form(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings.load({name: value})
    about = next(variable.about for variable in variables().values() if variable.name == name)
    assert caught.value.detail.startswith(f"{name}='{value}': ")
    assert about in caught.value.detail
    assert "\n" not in caught.value.detail


def test_bytes_may_have_a_unit() -> None:
    loaded = settings.load({"UPLOAD_MAX_BYTES": "2G", "CACHE_BYTES": "500m", "UPLOAD_BYTES_PER_MINUTE": "0"})
    assert (loaded.upload_max_bytes, loaded.cache_bytes, loaded.upload_bytes_per_minute) == (2 * 1024**3, 500 << 20, 0)


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (1000, "1000"), (1024, "1K"), (1536, "1536"), (3 << 40, "3T")])
def test_bytes_in_words_mean_the_same(count: int, text: str) -> None:
    assert sizes.words(count) == text
    assert sizes.read(text) == count


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [("ALLOW_WITHOUT_KEYS", "maybe", "true or false"), ("CACHE_BYTES", "big", "500M or 2G")],
)
def test_what_to_write_is_said_in_words(name: str, value: str, form: str) -> None:
    with pytest.raises(ConfigurationError, match=form):
        settings.load({name: value})


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://u:p@h/db\n")
    assert settings.load({"DATABASE_URL_FILE": str(tmp_path / "secret")}).database_url == "postgresql://u:p@h/db"


def test_a_secret_file_that_cannot_be_read() -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL_FILE=/nowhere: cannot be read \("):
        settings.load({"DATABASE_URL_FILE": "/nowhere"})


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"POSTGRES_HOST": "db"}, "postgresql://postgres@db:5432/mediaanalysis"),
        (
            {"POSTGRES_HOST": "db", "POSTGRES_PORT": "6", "POSTGRES_DB": "a/b", "POSTGRES_USER": "m@x"},
            "postgresql://m%40x@db:6/a%2Fb",
        ),
        (
            {"POSTGRES_HOST": "db", "POSTGRES_PASSWORD": "p:/@"},
            "postgresql://postgres:p%3A%2F%40@db:5432/mediaanalysis",
        ),
        ({"POSTGRES_USER": "alone"}, None),
        ({"DATABASE_URL": "postgresql://x/y", "POSTGRES_HOST": "db"}, "postgresql://x/y"),
    ],
)
def test_the_database_by_its_parts(environ: dict[str, str], url: str | None) -> None:
    assert settings.load(environ).database_url == url


def test_a_password_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("planted\n")
    environ = {"POSTGRES_HOST": "db", "POSTGRES_PASSWORD_FILE": str(tmp_path / "password")}
    assert settings.load(environ).database_url == "postgresql://postgres:planted@db:5432/mediaanalysis"


def test_a_wrong_port_of_the_database() -> None:
    with pytest.raises(ConfigurationError, match="POSTGRES_PORT='x'"):
        settings.load({"POSTGRES_HOST": "db", "POSTGRES_PORT": "x"})


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().worker_slots = 5  # type: ignore[misc]
    assert msgspec.structs.replace(Settings(), worker_slots=5).worker_slots == 5
