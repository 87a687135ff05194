"""Damaged media: every analysis ends completed or failed with a stable code that is the media's own, no worker dies, no
process or file stays.

300 in `make test`; `make fuzz` takes FUZZ of them, from FUZZ_SEED on, which it prints. One again, by its number:
`make fuzz PARTS=tests/fuzz FUZZ=1 FUZZ_SEED=4711`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.fuzz.mutations import Mutant, mutant
from tests.fuzz.ordeal import Ordeal, memory_bytes, programs

SHORT, GROUP = 300, 75
LONG, FIRST = int(os.environ.get("FUZZ", "250")), int(os.environ.get("FUZZ_SEED", "1000"))
LONG_GROUP = 250
FIRST_FEW, MAY_GROW_BYTES = 20, 96 * 1024**2
"""What is loaded once is loaded with the first few."""


def groups(first: int, count: int, size: int) -> list[range]:
    return [range(start, min(start + size, first + count)) for start in range(first, first + count, size)]


@pytest.mark.xdist_group("mutations")  # one service, and its models, for all of them
@pytest.mark.parametrize("numbers", groups(0, SHORT, GROUP), ids=str)
async def test_damaged_media_ends_with_a_stable_code(
    ordeal: Ordeal, whole_files: Mapping[str, bytes], kept: Path, numbers: range
) -> None:
    await survive(ordeal, [mutant(whole_files, number) for number in numbers], kept)


@pytest.mark.fuzz
@pytest.mark.parametrize("numbers", groups(FIRST, LONG, LONG_GROUP), ids=str)
async def test_thousands_of_damaged_media(
    ordeal: Ordeal, real_files: Mapping[str, bytes], kept: Path, numbers: range
) -> None:
    await survive(ordeal, [mutant(real_files, number) for number in numbers], kept)


async def survive(ordeal: Ordeal, mutants: Sequence[Mutant], kept: Path) -> None:
    running = programs()
    ended = await ordeal.pass_all(mutants[:FIRST_FEW])
    before = memory_bytes()
    ended += await ordeal.pass_all(mutants[FIRST_FEW:])
    broken = [each for each in ended if each.broken]
    for each in broken:
        (kept / f"{each.mutant.number}.{each.mutant.seed}").write_bytes(each.mutant.data)
    assert not broken, "\n".join([f"kept in {kept}:", *map(str, broken)])
    assert (await ordeal.health())["status"] == "ready"
    assert programs() <= running
    assert memory_bytes() - before < MAY_GROW_BYTES
    assert await ordeal.clear([each.analysis_id for each in ended]) == []
