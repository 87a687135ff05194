"""Micro-batching, with a flush that the test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store.batch import Batch


class Hand:
    """A flush that doubles numbers, waits to be let go, and raises the error that an item carries."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.faults: dict[int, Exception] = {}

    async def flush(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.go.wait()
        for item in items:
            if item in self.faults:
                raise self.faults[item]
        return [2 * item for item in items]


async def begun(batch: Batch[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    """Callers that have added their items and wait."""
    tasks = [asyncio.create_task(batch.add(item)) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_one_leaves_at_once_and_the_rest_together() -> None:
    hand = Hand()
    batch = Batch(hand.flush)
    first = await begun(batch, [1])
    rest = await begun(batch, [2, 3, 4])
    assert hand.batches == [[1]]
    hand.go.set()
    assert await asyncio.gather(*first, *rest) == [2, 4, 6, 8]
    assert hand.batches == [[1], [2, 3, 4]]


async def test_batches_are_bounded() -> None:
    hand = Hand()
    hand.go.set()
    assert await asyncio.gather(*await begun(Batch(hand.flush, max_items=2), range(5))) == [0, 2, 4, 6, 8]
    assert hand.batches == [[0, 1], [2, 3], [4]]


async def test_poisoned_item_fails_alone() -> None:
    hand = Hand()
    hand.faults[2] = StoreError("no", code="internal", retryable=False)
    hand.go.set()
    outcomes = await asyncio.gather(*await begun(Batch(hand.flush), [1, 2, 3]), return_exceptions=True)
    assert outcomes == [2, hand.faults[2], 6]
    assert hand.batches == [[1, 2, 3], [1], [2], [3]]


async def test_passing_fault_is_everybodys_and_is_not_repeated() -> None:
    """A database that is away is not asked once for each item."""
    hand = Hand()
    hand.faults[2] = StoreError("away")
    hand.go.set()
    outcomes = await asyncio.gather(*await begun(Batch(hand.flush), [1, 2, 3]), return_exceptions=True)
    assert outcomes == [hand.faults[2]] * 3
    assert hand.batches == [[1, 2, 3]]


async def test_cancelled_caller_takes_its_item_back() -> None:
    hand = Hand()
    batch = Batch(hand.flush)
    [first] = await begun(batch, [1])
    second, third = await begun(batch, [2, 3])
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    hand.go.set()
    assert await asyncio.gather(first, third) == [2, 6]
    assert hand.batches == [[1], [3]]


async def test_closing_waits_for_what_was_added() -> None:
    hand = Hand()
    batch = Batch(hand.flush)
    tasks = await begun(batch, [1, 2])
    closing = asyncio.create_task(batch.aclose())
    hand.go.set()
    await closing
    assert await asyncio.gather(*tasks) == [2, 4]
    await batch.aclose()
