"""What Schemathesis cannot know of this service, loaded by its own process (`schemathesis.toml`)."""

from __future__ import annotations

import re

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData

UNSAYABLE = {
    "unknown_provider": ".*",  # which there are depends on the keys of the operator
    "url_not_allowed": ".*",  # which addresses are private
    "media_unusable": ".*",  # what is behind a URL, and in the bytes of a file
    "idempotency_mismatch": ".*",  # with which request the key came before
    "deleted": ".*",  # what was done before
    "bad_parameter": "cursor: .*|date_from: expected a time before date_to.",  # what a page gave; what comes first
    "invalid_value": "|".join(
        (
            ".*NUL.*",  # PostgreSQL's text cannot hold it
            "/source_analysis_id: there is no such analysis.",
            "/media_type: must be .*",  # one schema describes what all of these addresses take
            ".* is no model for .* that is available: .*",
            "Name the media once: .*",  # the schema says so, but a template of all fields does not heed oneOf
            ".*Expected `int( . null)?`, got `float`.",  # 2.0: an integer to JSON Schema, and to nobody who writes JSON
        )
    ),
}
"""Refusals of requests that fit the schemas: by code, the details for which no schema could tell."""

schemathesis.openapi.format(
    "uri", st.from_regex(r"https?://example\.(com|org)(/[a-z0-9_.-]{1,12}){1,3}", fullmatch=True)
)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: schemathesis.Case, response: Response) -> bool:
    """Whether it is one."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    return not re.fullmatch(UNSAYABLE.get(problem["code"], ""), problem["detail"], re.DOTALL)
