from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from mediaanalysis.commands import keys as key_commands
from mediaanalysis.structs.principals import LOCAL_OWNER
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
        (["create", "a\nb"], "printable"),
        (["create", "x" * 101], "at most 100"),
        (["create", "local"], "without keys"),
        (["create", "ma_3fK9xY"], "begin with ma_"),
        (["create", "3d0c5b6a-0000-4000-8000-000000000000"], "UUID"),
        (["create", "x", "--scopes", "read,root"], "read,write,admin"),
        (["create", "x", "--scopes", ","], "read,write,admin"),
        (["create", "x", "--expires", "soon"], "12h or 90d"),
        (["create", "x", "--expires", "2020-01-01"], "has passed"),
        (["create", "x", "--rate", "fast=1"], "submit=N"),
        (["create", "x", "--rate", "submit=2g"], "submit=N"),
        (["create", "x", "--rate", "99999999999"], "too large"),
        (["create", "x", "--rate", "upload=9999999T"], "too large"),
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
    old, new = rows(operator_dsn, "owner_id, scopes, submits_per_minute")
    assert old == new
    [(ends,), (stays,)] = rows(operator_dsn, "expires_at")
    assert isinstance(ends, datetime)
    assert f"the old one ({first[:10]}…) works until {ends:%F %R} UTC" in second.stderr
    assert stays is None


def test_a_name_means_the_newest_valid_key(keys: Run, operator_dsn: str) -> None:
    first = keys("create", "ci").stdout
    second = keys("rotate", "ci", "--grace", "24h").stdout
    revoked = keys("revoke", "ci")
    assert second[:10] in revoked.stdout
    assert f"another key named ci, {first[:10]}…" in revoked.stderr, (
        "one that still works is not passed over in silence"
    )
    assert rows(operator_dsn, "revoked_at is not null") == [(False,), (True,)]
    assert first[:10] in keys("revoke", "ci").stdout
    assert f"'ci' ({second[:10]}…) was revoked on" in keys("revoke", "ci").stderr


def test_an_id_and_first_characters_mean_that_key(keys: Run, operator_dsn: str) -> None:
    first = keys("create", "ci").stdout
    keys("rotate", "ci", "--grace", "24h")
    [(first_id,), (second_id,)] = rows(operator_dsn, "id::text")
    keys("create", "other")
    with psycopg.connect(operator_dsn) as connection:
        connection.execute("update api_keys set name = %s where name = 'other'", [str(first_id)])
    assert "was rotated" in keys("rotate", str(first_id)).stderr
    assert first[:10] in keys("revoke", str(first_id).upper()).stdout
    assert f"({first[:10]}…) was revoked on" in keys("revoke", first[:10]).stderr
    assert keys("revoke", str(second_id)).returncode == 0
    assert rows(operator_dsn, "revoked_at is not null") == [(True,), (True,), (False,)]


def test_a_new_key_lives_as_long_as_the_old_one_was_made_for(keys: Run, operator_dsn: str) -> None:
    keys("create", "ci", "--expires", "90d")
    with psycopg.connect(operator_dsn) as connection:
        long_ago = "created_at - interval '89 days', expires_at - interval '89 days'"
        connection.execute(f"update api_keys set (created_at, expires_at) = ({long_ago})")
    said = keys("rotate", "ci", "--grace", "30d").stderr
    (old, _), (ends, made) = rows(operator_dsn, "expires_at, created_at")
    assert isinstance(old, datetime)
    assert isinstance(ends, datetime)
    assert isinstance(made, datetime)
    assert f"works until {old:%F %R} UTC" in said, "a grace makes no key live longer"
    assert abs(ends - made - timedelta(days=90)) < timedelta(minutes=5)
    assert keys("rotate", "ci", "--expires", "never").returncode == 0
    assert rows(operator_dsn, "expires_at")[-1] == (None,)


def test_revoking_is_said_and_final(keys: Run) -> None:
    keys("create", "two words")
    assert "refused from now on" in keys("revoke", "two words").stdout
    for action in ("revoke", "rotate"):
        assert re.search(r"key 'two words' \(ma_.{7}…\) was revoked on \d{4}-", keys(action, "two words").stderr)
    assert keys("create", "two words").returncode == 0, "the name is free again"
    assert "valid key named two words" in keys("create", "two words").stderr


def test_an_expired_key_is_said_to_be(keys: Run, operator_dsn: str) -> None:
    keys("create", "ci", "--expires", "1d")
    with psycopg.connect(operator_dsn) as connection:
        connection.execute("update api_keys set expires_at = now()")
    assert "expired on" in keys("revoke", "ci").stderr


def test_the_first_key_says_what_changes(keys: Run) -> None:
    said = keys("create", "ci").stderr
    assert "every caller needs a key" in said
    assert "keys create NAME --owner local" in said
    assert "every caller" not in keys("create", "second").stderr


def create_into(output: str, environment: dict[str, str], dsn: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mediaanalysis", "keys", "create", "ci"]
    shell = ["sh", "-c", f'exec "$@" >{output}', "sh", *command]
    variables = {**environment, "DATABASE_URL": dsn}
    return subprocess.run(shell, env=variables, stderr=subprocess.PIPE, text=True, check=False)


def test_a_key_that_nobody_saw_is_not_valid(environment: dict[str, str], keys: Run, operator_dsn: str) -> None:
    done = create_into("/dev/full", environment, operator_dsn)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("mediaanalysis: the key could not be shown (No space left")
    assert "Exception" not in done.stderr
    assert rows(operator_dsn, "revoked_at is not null") == [(True,)]
    assert keys("create", "ci").returncode == 0


def test_no_key_is_made_that_nobody_can_see(environment: dict[str, str], operator_dsn: str) -> None:
    done = create_into("&-", environment, operator_dsn)
    assert (done.returncode, done.stderr) == (1, "mediaanalysis: there is no standard output to write to\n")
    assert rows(operator_dsn, "id") == []


@pytest.mark.parametrize("action", ["create", "list", "revoke", "rotate"])
def test_each_action_says_what_it_does(run_here: Run, action: str) -> None:
    shown = " ".join(run_here("keys", action, "--help").stdout.split())
    assert key_commands.ABOUT[action] in shown


def test_owners_are_shared_by_wish_alone(keys: Run, operator_dsn: str) -> None:
    keys("create", "first")
    keys("create", "second")
    keys("create", "third", "--owner", "first")
    keys("create", "heir", "--owner", "local")
    first, second, third, heir = (owner for (owner,) in rows(operator_dsn, "owner_id"))
    assert first == third != second
    assert heir == LOCAL_OWNER


def test_the_list_says_what_became_of_each(keys: Run) -> None:
    keys("create", "ci", "--rate", "active=9,upload=2G")
    keys("create", "gone")
    keys("revoke", "gone")
    shown = keys("list").stdout
    assert "upload=2G, active=9" in shown, "as it was typed"
    assert "revoked" in shown
    listed = msgspec.json.decode(keys("list", "--json").stdout)
    assert [key["name"] for key in listed] == ["gone", "ci"]
    assert all("key_hash" not in key for key in listed)
