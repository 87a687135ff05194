"""What the doctor says of providers."""

from __future__ import annotations

from tests.commands.conftest import Run

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
