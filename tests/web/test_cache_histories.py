"""Any interleaving of reads, changes, lost hints and outages: nobody is shown less than was shown before he asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from mediaanalysis.errors import StoreError
from mediaanalysis.metrics import Metrics
from mediaanalysis.web.responses.cache import Answer, Cache

OWNER = UUID(int=1)
ID = "a"

State = tuple[int, int]
"""The version of the analysis, and its place in line, which moves without one."""


@dataclass
class World:
    """The database, the connection that hears of it, time, and what was shown to anybody."""

    state: State = (0, 0)
    is_away: bool = False
    ear: object | None = 0
    now: float = 0
    version_shown: int = 0
    status_shown: State = (0, 0)
    stales: int = 0
    reads: list[tuple[asyncio.Event, asyncio.Event, asyncio.Task[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache = Cache(lambda: self.ear, Metrics(), clock=lambda: self.now)

    def show(self, kind: str, shown: State, before: tuple[int, State]) -> None:
        """`before`: what had been shown when this was asked for."""
        version, status = before
        assert shown[0] >= version
        assert kind != "status" or shown >= status
        self.version_shown = max(self.version_shown, shown[0])
        if kind == "status":
            self.status_shown = max(self.status_shown, shown)

    async def read(self, kind: str, look: asyncio.Event, answer: asyncio.Event) -> None:
        before = self.version_shown, self.status_shown

        async def load() -> Answer:
            await look.wait()
            seen, was_away = self.state, self.is_away
            await answer.wait()
            if was_away:
                raise StoreError("away")
            text = f"{seen[0]} {seen[1] if kind == 'status' else 0}"
            return Answer(text.encode(), text, keep_seconds=10, version=seen[0])

        try:
            answered = await self.cache.read(kind, ID, OWNER, load)
        except StoreError:
            return
        self.stales += any(name == b"age" for name, _ in answered.headers)
        first, second = answered.body.split()
        self.show(kind, (int(first), int(second)), before)

    def begin(self, kind: str) -> None:
        look, answer = asyncio.Event(), asyncio.Event()
        self.reads.append((look, answer, asyncio.create_task(self.read(kind, look, answer))))

    def proceed(self, number: int, *, to_the_end: bool) -> None:
        """One of the reads looks at the database, and answers."""
        under_way = [(look, answer) for look, answer, task in self.reads if not task.done()]
        if under_way:
            look, answer = under_way[number % len(under_way)]
            look.set()
            if to_the_end:
                answer.set()

    def list_all(self) -> None:
        """A page of history."""
        if not self.is_away:
            self.cache.saw(ID, self.state[0])
            self.show("list", (self.state[0], 0), (self.version_shown, self.status_shown))

    def move(self, *, version: int = 0, place: int = 0) -> None:
        self.state = (self.state[0] + version, self.state[1] + place)

    def hear(self) -> None:
        """One of the hints arrives; the others are late, or lost."""
        if self.ear is not None:
            self.cache.forget(ID)

    def turn_deaf_or_hear_again(self) -> None:
        self.ear = None if self.ear is not None else object()

    def go_or_return(self) -> None:
        self.is_away = not self.is_away

    def wait(self, seconds: int) -> None:
        self.now += seconds


ACTIONS: dict[str, Callable[[World, int], None]] = {
    "read status": lambda world, _: world.begin("status"),
    "read result": lambda world, _: world.begin("result"),
    "look": lambda world, number: world.proceed(number, to_the_end=False),
    "answer": lambda world, number: world.proceed(number, to_the_end=True),
    "change": lambda world, _: world.move(version=1),
    "move": lambda world, _: world.move(place=1),
    "hear": lambda world, _: world.hear(),
    "list": lambda world, _: world.list_all(),
    "ear": lambda world, _: world.turn_deaf_or_hear_again(),
    "outage": lambda world, _: world.go_or_return(),
    "wait": lambda world, number: world.wait(number),
}


OFTEN = 2 * ["read status", "read result", "look", "answer", "answer", "change", "move"]


async def play(history: list[tuple[str, int]]) -> int:
    """How many stale answers there were."""
    world = World()
    for action, number in history:
        ACTIONS[action](world, number)
        for _ in range(4):
            await asyncio.sleep(0)
    for look, answer, _ in world.reads:
        look.set()
        answer.set()
    await asyncio.gather(*(task for *_, task in world.reads))
    return world.stales


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OFTEN + sorted(ACTIONS)), st.integers(0, 9)), min_size=5, max_size=40))
def test_nobody_is_shown_less_than_was_shown_before_he_asked(history: list[tuple[str, int]]) -> None:
    asyncio.run(play(history))


def test_such_histories_have_stale_answers() -> None:
    kept_then_away = ["read status", "answer", "ear", "outage", "read status", "answer"]
    assert asyncio.run(play([(action, n // 3) for n, action in enumerate(kept_then_away)])) == 1
