"""Answers with anything in place of anything: they are read, or refused as the provider's failure; never a fault."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mediaanalysis.providers import protocols
from mediaanalysis.providers.catalogue import Operation
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.vendors.client import Client
from mediaanalysis.providers.vendors.failures import Failure
from mediaanalysis.providers.vendors.transcripts import transcript
from tests.providers.fake import clip, message
from tests.providers.test_hearing import DEEPGRAM, GEMINI, MINIMAX, VERBOSE
from tests.providers.test_saying import chat, gemini
from tests.providers.vendors import every_vendor

ODD = [
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    10**30,
    10**400,
    "",
    "x",
    "NaN",
    "1e999",
    "\0",
    "\ud800",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
]
ODD += [{"message": {"code": []}}, {"status_code": {}}, {"status_code": "1008"}, [{"text": 3}], "é" * 1000]
ROUNDS = 250
ACCOUNTS = every_vendor().accounts


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from _places(value, (*path, key))


def _spoiled(body: Any, chance: random.Random) -> Any:
    """With one to three values replaced, or fields of errors added."""
    spoiled = copy.deepcopy(body)
    if chance.random() < 0.2:
        spoiled[chance.choice(["error", "base_resp", "promptFeedback", "detail"])] = copy.deepcopy(chance.choice(ODD))
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(list(_places(spoiled)))
        if not path:
            continue
        holder = spoiled
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = copy.deepcopy(chance.choice(ODD))
    return spoiled


@pytest.mark.parametrize(
    ("provider", "body"),
    [("openai", VERBOSE), ("deepgram", DEEPGRAM), ("gemini", GEMINI), ("minimax", MINIMAX), ("groq", VERBOSE)],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_was_heard(provider: str, body: Any, tmp_path: Path) -> None:
    sound = clip(tmp_path)
    for answer, send in _answers(body):
        ear, _ = protocols.pair(send, ACCOUNTS[provider])
        assert ear is not None
        one = _candidate(provider, Operation.TRANSCRIPTION)
        try:
            found = transcript(one, sound, await ear.hear(sound, one.model), ())
        except Failure:
            continue
        assert all(0 <= word.start <= word.end for word in found.words), answer
        found.text.encode()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("provider", "body"),
    [("openai", chat()), ("minimax", chat(base_resp={"status_code": 0})), ("openrouter", chat()), ("gemini", gemini())],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_was_said(provider: str, body: Any, tmp_path: Path) -> None:
    asked = message(tmp_path)
    for answer, send in _answers(body):
        _, mouth = protocols.pair(send, ACCOUNTS[provider])
        assert mouth is not None
        try:
            said = await mouth.say(asked, _candidate(provider, Operation.ANSWER).model)
        except Failure:
            continue
        assert said.text, answer
        assert (said.metered.input_tokens or 0) >= 0


def _answers(body: Any) -> Iterator[tuple[Any, Client]]:
    """Spoiled answers, with every status that carries one, and a client that gets nothing else."""
    chance = random.Random(9)
    for _ in range(ROUNDS):
        answer = _spoiled(body, chance)
        content = json.dumps(answer).encode()
        status = chance.choice([200, 200, 200, 400, 429, 500])
        yield answer, Client(httpx.MockTransport(lambda _request, c=content, s=status: httpx.Response(s, content=c)))


def _candidate(provider: str, operation: Operation) -> Candidate:
    return Candidate(provider, ACCOUNTS[provider].provider.listed(operation)[0])
