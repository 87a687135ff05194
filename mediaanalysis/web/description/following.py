"""Which call may follow an answer, and what it takes from it: OpenAPI's links."""

from __future__ import annotations

from typing import Any, NamedTuple

from mediaanalysis.web.description.contract import operation_id
from mediaanalysis.web.handlers.results import ResultAnswer
from mediaanalysis.web.responses.answers import AcceptedAnswer, FramesAnswer, HistoryAnswer, StatusAnswer


class Following(NamedTuple):
    """The operation, where its parameters stand in the answer (JSON pointers), and its body, if it has one."""

    about: str
    method: str
    path: str
    parameters: dict[str, str]
    body: dict[str, str] | None = None


ID = {"analysis_id": "/analysis_id"}
ANALYSIS = "/api/media/{analysis_id}"
FOLLOWING: dict[str, Following] = {
    "status": Following("Where it stands", "GET", "/api/media/status/{analysis_id}", ID),
    "result": Following("What came of it", "GET", ANALYSIS, ID),
    "cancel": Following("End it", "POST", f"{ANALYSIS}/cancel", ID),
    "retry": Following("Run it again once it has failed", "POST", f"{ANALYSIS}/retry", ID),
    "delete": Following("Hide it", "DELETE", ANALYSIS, ID),
    "transcript": Following("What is said in it", "GET", f"{ANALYSIS}/transcript", ID),
    "contact_sheet": Following("Its frames in one picture", "GET", f"{ANALYSIS}/contact-sheet", ID),
    "frames": Following("Its frames", "GET", f"{ANALYSIS}/frames", ID),
    "links": Following("Links that need no key", "GET", f"{ANALYSIS}/links", ID),
    "ask_again": Following(
        "Another question about the same media",
        "POST",
        "/api/media/analyze",
        {},
        {"prompt": "And what else?", "source_analysis_id": "$response.body#/analysis_id"},
    ),
    "frame": Following("The first frame", "GET", f"{ANALYSIS}/frames/{{n}}", {**ID, "n": "/frames/0/n"}),
    "file": Following("The first file", "GET", f"{ANALYSIS}/files/{{name}}", {**ID, "name": "/files/0/filename"}),
    "latest": Following("The first of the page", "GET", ANALYSIS, {"analysis_id": "/data/0/analysis_id"}),
    "next_page": Following("The next page", "GET", "/api/media/history", {"cursor": "/pagination/next_cursor"}),
}
AFTER: dict[type, tuple[str, ...]] = {
    AcceptedAnswer: (
        *("status", "result", "cancel", "retry", "delete", "transcript", "contact_sheet", "frames", "links"),
        "ask_again",
    ),
    StatusAnswer: ("result",),
    ResultAnswer: ("file", "frames", "links"),
    FramesAnswer: ("frame",),
    HistoryAnswer: ("latest", "next_page"),
}
"""By the struct that is answered."""


def links() -> dict[str, Any]:
    """OpenAPI's components, by name."""
    return {name: _link(each) for name, each in FOLLOWING.items()}


def references(struct: object) -> dict[str, Any]:
    """What an answer of this struct refers to."""
    names = AFTER.get(struct, ()) if isinstance(struct, type) else ()
    return {name: {"$ref": f"#/components/links/{name}"} for name in names}


def _link(following: Following) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": following.about,
        "operationId": operation_id(following.method, following.path),
        "parameters": {name: f"$response.body#{pointer}" for name, pointer in following.parameters.items()},
    }
    return described if following.body is None else {**described, "requestBody": following.body}
