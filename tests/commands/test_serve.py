"""Whom `serve` lets in, and what it says when everything is open."""

from __future__ import annotations

import socket

import pytest
from structlog.testing import capture_logs

from mediaanalysis import settings
from mediaanalysis.commands import serve
from mediaanalysis.web.access.keyring import Access
from tests.commands.conftest import Run


def test_without_a_key_only_this_machine_is_served(run_here: Run, operator_dsn: str) -> None:
    refused = run_here("serve", "--host", "0.0.0.0", "--port", "0", DATABASE_URL=operator_dsn)
    assert refused.returncode == 1
    for way in ("keys create", "127.0.0.1", "ALLOW_WITHOUT_KEYS"):
        assert way in refused.stderr


@pytest.mark.parametrize(
    ("host", "variables", "has_keys", "access", "said"),
    [
        ("127.0.0.1", {}, False, Access.OPEN, "this machine alone"),
        ("127.0.0.1", {}, True, Access.OPEN, "whoever has a key"),
        ("0.0.0.0", {}, True, Access.KEYS, "whoever has a key"),
        ("0.0.0.0", {"ALLOW_WITHOUT_KEYS": "true"}, False, Access.OPEN, "EVERYONE"),
    ],
)
def test_who_is_let_in_is_said(host: str, variables: dict[str, str], has_keys: bool, access: Access, said: str) -> None:
    with socket.create_server((host, 0)) as listener, capture_logs() as logged:
        found = serve._access(settings.load(variables), listener, has_keys=has_keys)
        assert found is access
        assert said in serve._callers(found, listener, has_keys=has_keys)
    assert [line["event"] for line in logged] == (["open_to_everyone"] if variables else [])


def greeting(host: str, *, has_keys: bool) -> str:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        port = str(listener.getsockname()[1])
        return serve._greeting(settings.load({}), listener, "", has_keys=has_keys).replace(port, "PORT")


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::"])
def test_what_to_try_is_an_address_that_answers(host: str) -> None:
    said = greeting(host, has_keys=False)
    assert said.count("http://127.0.0.1:PORT/api/media/") == 3
    assert ("every address" in said) == (host != "127.0.0.1")


@pytest.mark.parametrize("has_keys", [True, False])
def test_what_to_try_takes_a_key_where_one_is_asked_for(has_keys: bool) -> None:
    keyed = greeting("127.0.0.1", has_keys=has_keys).count("curl -H 'Authorization: Bearer KEY'")
    assert keyed == (3 if has_keys else 0)


@pytest.mark.parametrize("variable", ["TRUSTED_PROXIES", "CORS_ORIGINS"])
def test_nothing_is_announced_that_then_fails(run: Run, operator_dsn: str, variable: str) -> None:
    done = run("serve", "--port", "0", DATABASE_URL=operator_dsn, **{variable: "no//such"})
    assert (done.returncode, done.stdout) == (1, "")
    assert variable in done.stderr.splitlines()[-1]
