"""The schemas of bodies: those of the structs, and what the service asks for beyond their types."""

from __future__ import annotations

from typing import Any

import msgspec

from mediaanalysis.structs.requests import AnalyzeRequest
from mediaanalysis.web.description.contract import OPERATIONS
from mediaanalysis.web.problems import Problem

REFERENCE = "#/components/schemas/{name}"
FORM = "AnalyzeForm"
FILE = {"type": "string", "format": "binary", "description": "The media. In any place among the fields."}
SOURCES = ("media_url", "source_analysis_id")
"""Exactly one of them names the media, or the file of a form."""
REFUSED = ("callback_url",)
"""Fields that are known, and not taken yet."""


def reference(struct: type) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=struct.__name__)}


def components() -> dict[str, Any]:
    """Every struct that is sent or answered, by its name."""
    bodies = [content.body for each in OPERATIONS.values() for content in each.answers.values()]
    structs = {body for body in bodies if isinstance(body, type)} | {AnalyzeRequest, Problem}
    _, found = msgspec.json.schema_components(structs, ref_template=REFERENCE)
    request = found[AnalyzeRequest.__name__]
    return {**found, AnalyzeRequest.__name__: _request(request), FORM: _form(request)}


def _request(described: dict[str, Any]) -> dict[str, Any]:
    refused = {name: _only_null(described["properties"][name]) for name in REFUSED}
    one = [{"required": [name], "properties": {name: {"type": "string"}}} for name in SOURCES]
    return {**described, "properties": {**described["properties"], **refused}, "oneOf": one}


def _form(described: dict[str, Any]) -> dict[str, Any]:
    """The same fields as parts of a form: there is no null, a part is there or not."""
    given = {name: _not_null(each) for name, each in described["properties"].items() if name not in REFUSED}
    one = [{"required": [name]} for name in (*SOURCES, "file")]
    return {**described, "title": FORM, "properties": {**given, "file": FILE}, "oneOf": one}


def _only_null(described: dict[str, Any]) -> dict[str, Any]:
    return {"description": described["description"], "type": "null", "default": None}


def _not_null(described: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" not in described:
        return described
    (some,) = [each for each in described["anyOf"] if each != {"type": "null"}]
    return {"description": described["description"], **some}
