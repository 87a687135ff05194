"""The vendors' own descriptions of their requests, where they lie beside the checkout.

`complaints(request)` names what a description does not allow; nothing where there is none. Quirks of the
descriptions are told in their README: overlapping `oneOf` are read as `anyOf` except Groq's file-or-url; list fields
of forms are `name[]` on the wire; Google's schemas are strict copies; Novita follows OpenAI's chat.
"""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml
from jsonschema import Draft202012Validator

SPECS = Path(__file__).parents[3] / "shared" / "specs"
STRICT_ONE_OF = {"groq/openapi.yaml"}
NUMBERS = {"temperature": float}
DROPPED = ("example", "examples", "discriminator", "xml")

OPERATIONS: dict[str, tuple[str, str]] = {
    "api.openai.com/v1/audio/transcriptions": ("openai/openapi.yaml", "/audio/transcriptions"),
    "api.openai.com/v1/chat/completions": ("openai/openapi.yaml", "/chat/completions"),
    "api.groq.com/openai/v1/audio/transcriptions": ("groq/openapi.yaml", "/openai/v1/audio/transcriptions"),
    "api.groq.com/openai/v1/chat/completions": ("groq/openapi.yaml", "/openai/v1/chat/completions"),
    "openrouter.ai/api/v1/audio/transcriptions": ("openrouter/openapi.yaml", "/audio/transcriptions"),
    "openrouter.ai/api/v1/chat/completions": ("openrouter/openapi.yaml", "/chat/completions"),
    "api.minimax.io/v1/chat/completions": ("minimax/openapi-chat-openai.yaml", "/v1/chat/completions"),
    "api.minimax.io/v1/speech_to_text": ("minimax/openapi-speech-to-text.yaml", "/v1/speech_to_text"),
    "api.novita.ai/openai/v1/chat/completions": ("openai/openapi.yaml", "/chat/completions"),
    "models.lan/v1/audio/transcriptions": ("openai/openapi.yaml", "/audio/transcriptions"),
    "models.lan/v1/chat/completions": ("openai/openapi.yaml", "/chat/completions"),
}
GOOGLE = {
    "generativelanguage.googleapis.com": "google-gemini/strict/generateContent.request.schema.json",
    "aiplatform.googleapis.com": "google-vertex/strict/generateContent.request.schema.json",
}


def complaints(request: httpx.Request) -> list[str]:
    """What the vendor's description forbids in this request; empty also where no description is at hand."""
    if not SPECS.exists():
        return []
    if request.url.host in GOOGLE:
        return _errors(_schema(GOOGLE[request.url.host]), json.loads(request.content))
    if request.url.host == "api.deepgram.com":
        return list(_query_errors(request))
    spec, path = OPERATIONS[f"{request.url.host}{request.url.path}"]
    kind = request.headers["content-type"].partition(";")[0]
    keep = spec.startswith("openrouter")
    body = _form(request, keep) if kind == "multipart/form-data" else json.loads(request.content)
    return _errors(_operation(spec, path, kind), body)


def parts(request: httpx.Request) -> list[Message]:
    """The parts of a multipart body."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    payload = email.message_from_bytes(head + request.content).get_payload()
    assert isinstance(payload, list)
    return [part for part in payload if isinstance(part, Message)]


def fields(request: httpx.Request) -> list[tuple[str, str]]:
    """Names and values of a form, files by their name."""
    return [(_name(part), part.get_filename() or _value(part)) for part in parts(request)]


def _name(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _value(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def _form(request: httpx.Request, keep_brackets: bool) -> dict[str, Any]:
    """The object a description means: repeated fields with brackets are a list, numbers are numbers."""
    body: dict[str, Any] = {}
    for name, value in fields(request):
        key = name if keep_brackets or not name.endswith("[]") else name[:-2]
        typed = NUMBERS.get(key, str)(value)
        if name.endswith("[]"):
            body.setdefault(key, []).append(typed)
        else:
            body[key] = typed
    return body


@cache
def _load(path: str) -> Any:
    text = (SPECS / path).read_text()
    return json.loads(text) if path.endswith(".json") else yaml.load(text, Loader=yaml.CSafeLoader)


@cache
def _schema(path: str) -> Draft202012Validator:
    return Draft202012Validator(_load(path))


@cache
def _components(path: str) -> dict[str, Any]:
    components: dict[str, Any] = _normal({"components": _load(path).get("components", {})}, path in STRICT_ONE_OF)
    return components


@cache
def _operation(path: str, url: str, kind: str) -> Draft202012Validator:
    body = _resolved(path, _load(path)["paths"][url]["post"]["requestBody"])
    schema = _normal(body["content"][kind]["schema"], path in STRICT_ONE_OF)
    return Draft202012Validator({**_components(path), "allOf": [schema]})


def _resolved(path: str, node: Any) -> Any:
    while "$ref" in node:
        target = _load(path)
        for step in node["$ref"].lstrip("#/").split("/"):
            target = target[step]
        node = target
    return node


def _normal(node: Any, one_of: bool) -> Any:
    """OpenAPI 3.0 as JSON Schema."""
    if isinstance(node, list):
        return [_normal(one, one_of) for one in node]
    if not isinstance(node, dict):
        return node
    out = {key: _normal(value, one_of) for key, value in node.items() if key not in DROPPED}
    if not one_of and "oneOf" in out and "anyOf" not in out:
        out["anyOf"] = out.pop("oneOf")
    if out.pop("nullable", False) is True:
        out = {"anyOf": [{k: v for k, v in out.items() if k not in ("description", "default")}, {"type": "null"}]}
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if out.get(exclusive) is True:
            out[exclusive] = out.pop(limit)
        elif out.get(exclusive) is False:
            out.pop(exclusive)
    return out


def _query_errors(request: httpx.Request) -> Iterator[str]:
    """Deepgram's options stand in the query, each with a schema of its own."""
    path = "deepgram/openapi.yml"
    operation = _load(path)["paths"]["/v1/listen"]["post"]
    known = {one["name"]: one for one in (_resolved(path, each) for each in operation["parameters"])}
    for name, value in request.url.params.multi_items():
        if name not in known:
            yield f"unknown query parameter {name}"
            continue
        schema = {**_components(path), "allOf": [_normal(known[name]["schema"], one_of=False)]}
        typed = {"true": True, "false": False}.get(value, value)
        if all(_errors(Draft202012Validator(schema), form) for form in (typed, value, [value])):
            yield f"{name}={value} is not allowed"


def _errors(validator: Draft202012Validator, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]
