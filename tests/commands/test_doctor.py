"""What the doctor says of providers, of callers, and of the database's role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from mediaanalysis import settings
from mediaanalysis.commands import doctor
from mediaanalysis.store.api_keys import ApiKey
from tests.commands.conftest import Run
from tests.databases import SERVICE, own_database

KEY = "sk-proj-0123456789secret"


def test_lists_the_variables_of_providers_and_never_a_key(run: Run) -> None:
    seen = run("doctor", "--settings", OPENAI_API_KEY=KEY, GROQ_BASE_URL="https://groq.example/v1")
    assert seen.returncode == 0
    assert "OPENAI_API_KEY" in seen.stdout
    assert "https://groq.example/v1" in seen.stdout
    assert KEY not in seen.stdout + seen.stderr


def test_a_wrong_variable_is_one_line(run: Run) -> None:
    seen = run("doctor", ANSWER_PROVIDERS="openai")
    assert seen.returncode == 1
    assert seen.stderr.strip() == "mediaanalysis: ANSWER_PROVIDERS names openai, but OPENAI_API_KEY is not set"


@pytest.mark.parametrize(("user", "said"), [(SERVICE, "cannot alter it"), ("postgres", "but postgres can alter it")])
def test_tells_whether_the_audit_log_is_safe_from_the_service(run: Run, server: str, user: str, said: str) -> None:
    with own_database(server, "doctored") as dsn:
        seen = run("doctor", DATABASE_URL=dsn.replace(SERVICE, user))
    assert seen.returncode == 0, seen.stdout + seen.stderr
    [line] = [line for line in seen.stdout.splitlines() if " audit " in line]
    assert said in line
    assert ("warn" in line) == (user != SERVICE)
    assert "no key: only this machine" in seen.stdout


NOW = datetime.now(UTC)


def key(name: str, days: float | None) -> ApiKey:
    return ApiKey(
        id=uuid4(),
        name=name,
        owner_id=uuid4(),
        key_hash="",
        prefix=f"ma_{name}",
        created_at=NOW,
        last_used_at=None,
        revoked_at=None,
        expires_at=None if days is None else NOW + timedelta(days=days),
    )


@pytest.mark.parametrize(
    ("keys", "variables", "said", "fix"),
    [
        ([], {}, "only this machine", None),
        ([], {"ALLOW_WITHOUT_KEYS": "true"}, "whoever reaches", "keys create"),
        ([key("ci", None), key("web", 90), key("old", -1)], {}, "2 valid keys", None),
        ([key("old", -1)], {}, "nobody", "keys create"),
        ([key("ci", 13), key("web", 12)], {}, "2 valid keys; web only until", "keys rotate ma_web"),
        ([key("ci", 90), key("ci", 1)], {}, "2 valid keys", None),
    ],
)
def test_tells_who_may_call_and_whose_key_ends(
    keys: list[ApiKey], variables: dict[str, str], said: str, fix: str | None
) -> None:
    found = doctor._who_calls(keys, settings.load(variables))
    assert said in found.found
    assert fix in (found.fix or "") if fix else found.fix is None
    assert found.warning == bool(fix)
