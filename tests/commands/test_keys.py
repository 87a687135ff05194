from __future__ import annotations

import hashlib
import re
import socket
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from structlog.testing import capture_logs

from mediaanalysis import settings
from mediaanalysis.commands import serve
from mediaanalysis.structs.principals import LOCAL_OWNER
from mediaanalysis.web.access.keyring import Access
from tests.commands.conftest import Run

KEY = re.compile(r"ma_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def keys(run_here: Run, operator_dsn: str) -> Run:
    return lambda *arguments: run_here("keys", *arguments, DATABASE_URL=operator_dsn)


def rows(dsn: str, columns: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(f"select {columns} from api_keys order by created_at").fetchall()


def test_a_key_is_shown_once_and_kept_as_its_hash(keys: Run, operator_dsn: str) -> None:
    made = keys("create", "ci")
    assert made.returncode == 0
    assert KEY.fullmatch(made.stdout), "stdout is the key alone, for scripts"
    assert "read, write" in made.stderr
    digest = hashlib.sha256(made.stdout.strip().encode()).hexdigest()
    assert rows(operator_dsn, "key_hash, prefix") == [(digest, made.stdout[:10])]
    with psycopg.connect(operator_dsn) as connection:
        dump = str(connection.execute("select to_jsonb(k), to_jsonb(a) from api_keys k, audit_log a").fetchall())
    assert made.stdout.strip() not in dump
    assert keys("list").stdout.count(made.stdout.strip()) == 0
    assert "run by" in dump, "the audit log says who"


def test_what_a_key_may_is_said_when_it_is_made(keys: Run, operator_dsn: str) -> None:
    scopes, rate = ("--scopes", "read,admin"), ("--rate", "submit=60, poll=600,upload=2g,active=5")
    assert keys("create", "ci", *scopes, *rate, "--expires", "90d").returncode == 0
    columns = "scopes, submits_per_minute, polls_per_minute, upload_bytes_per_minute, max_active, expires_at"
    [(found_scopes, *limits, expires_at)] = rows(operator_dsn, columns)
    assert (found_scopes, limits) == (["read", "admin"], [60, 600, 2 * 1024**3, 5])
    assert isinstance(expires_at, datetime)
    assert timedelta(days=89) < expires_at - datetime.now(UTC) <= timedelta(days=90)


def test_a_number_alone_is_the_rate_of_submissions(keys: Run, operator_dsn: str) -> None:
    assert keys("create", "ci", "--rate", "7", "--expires", "2999-01-01").returncode == 0
    assert rows(operator_dsn, "submits_per_minute, polls_per_minute, expires_at::text") == [
        (7, None, "2999-01-01 00:00:00+00")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", " "], "printable"),
        (["create", "x", "--scopes", "read,root"], "read,write,admin"),
        (["create", "x", "--scopes", ","], "read,write,admin"),
        (["create", "x", "--expires", "soon"], "12h or 90d"),
        (["create", "x", "--expires", "2020-01-01"], "has passed"),
        (["create", "x", "--rate", "fast=1"], "submit=N"),
        (["create", "x", "--rate", "submit=2g"], "submit=N"),
        (["create", "x", "--rate", "99999999999"], "too large"),
        (["create", "x", "--owner", "nobody"], "keys list"),
        (["revoke", "nobody"], "keys list"),
        (["rotate", "nobody"], "keys list"),
    ],
)
def test_what_is_wrong_is_said(keys: Run, arguments: list[str], said: str) -> None:
    refused = keys(*arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr


def test_rotating_keeps_owner_and_rights(keys: Run, operator_dsn: str) -> None:
    first = keys("create", "ci", "--scopes", "read", "--rate", "5").stdout
    second = keys("rotate", "ci", "--grace", "1h")
    assert KEY.fullmatch(second.stdout)
    assert second.stdout != first
    assert "works for 1h more" in second.stderr
    old, new = rows(operator_dsn, "owner_id, scopes, submits_per_minute")
    assert old == new
    [(ends,), (stays,)] = rows(operator_dsn, "expires_at")
    assert isinstance(ends, datetime)
    assert stays is None
    assert "several keys" in keys("revoke", "ci").stderr
    assert keys("revoke", first[:10]).returncode == 0
    assert keys("rotate", "ci").returncode == 0
    assert [is_revoked for (is_revoked,) in rows(operator_dsn, "revoked_at is not null")] == [True, True, False]


def test_revoking_is_said_and_final(keys: Run) -> None:
    keys("create", "ci")
    assert "refused from now on" in keys("revoke", "ci").stdout
    assert "no longer valid" in keys("revoke", "ci").stderr
    assert "no longer valid" in keys("rotate", "ci").stderr
    assert keys("create", "ci").returncode == 0, "the name is free again"
    assert "valid key named ci" in keys("create", "ci").stderr


def test_owners_are_shared_by_wish_alone(keys: Run, operator_dsn: str) -> None:
    keys("create", "first")
    keys("create", "second")
    keys("create", "third", "--owner", "first")
    keys("create", "heir", "--owner", "local")
    first, second, third, heir = (owner for (owner,) in rows(operator_dsn, "owner_id"))
    assert first == third != second
    assert heir == LOCAL_OWNER


def test_the_list_says_what_became_of_each(keys: Run) -> None:
    keys("create", "ci", "--rate", "active=9")
    keys("create", "gone")
    keys("revoke", "gone")
    shown = keys("list").stdout
    assert "active=9" in shown
    assert "revoked" in shown
    listed = msgspec.json.decode(keys("list", "--json").stdout)
    assert [key["name"] for key in listed] == ["gone", "ci"]
    assert all("key_hash" not in key for key in listed)


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
