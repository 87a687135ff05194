"""What the doctor says of providers, and of the database's role."""

from __future__ import annotations

import pytest

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
