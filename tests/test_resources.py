from __future__ import annotations

import pytest

from mediaanalysis import resources
from mediaanalysis.errors import CODES, WARNINGS, ConfigurationError, MediaAnalysisError


def test_sql_and_migrations_are_found_beside_the_package() -> None:
    assert list(resources.folder("sql").glob("*.sql"))
    assert list(resources.folder("migrations").glob("*.sql"))


def test_a_missing_folder_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="install mediaanalysis again"):
        resources.folder("nowhere")


def test_errors_take_their_retryability_from_the_list_of_codes() -> None:
    assert MediaAnalysisError("x", code="fetch_timeout").retryable
    assert not MediaAnalysisError("x", code="media_empty").retryable
    assert not MediaAnalysisError("x", code="fetch_timeout", retryable=False).retryable
    with pytest.raises(KeyError):
        MediaAnalysisError("x", code="no_such_code")


def test_codes_and_warnings_are_words() -> None:
    for code in (*CODES, *WARNINGS):
        assert code.isidentifier()
        assert code == code.lower()
