"""Damage, by number: the same number and the same whole files give the same damaged one."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Mutation = Callable[[random.Random, bytes, bytes], bytes]
"""Of chance, a whole file and another one."""

EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
NAME = re.compile(rb"[A-Za-z][A-Za-z0-9 ]{3}")
"""A box, chunk or atom; its size stands before or after it."""
PNG, ZIP = b"\x89PNG\r\n\x1a\n", b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Mutant:
    number: int
    seed: str
    mutation: str
    data: bytes

    def __str__(self) -> str:
        return f"mutant {self.number} ({self.mutation} of {self.seed})"


def mutant(seeds: Mapping[str, bytes], number: int) -> Mutant:
    """Numbers in a row go through all files, and with each round through all mutations of each."""
    names, mutations = sorted(seeds), sorted(MUTATIONS)
    rounds, place = divmod(number, len(names))
    seed, mutation = names[place], mutations[(rounds + place) % len(mutations)]
    chance = random.Random(number)
    return Mutant(number, seed, mutation, MUTATIONS[mutation](chance, seeds[seed], seeds[chance.choice(names)]))


def flip_few(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return _flipped(chance, data, chance.randint(1, 8), len(data))


def flip_head(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return _flipped(chance, data, chance.randint(1, 16), 512)


def flip_many(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return _flipped(chance, data, max(1, len(data) // chance.choice((10, 100, 1000))), len(data))


def truncate(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def transplant(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """The head of one on the body of the other."""
    neck = chance.choice((12, 32, 64, 256, 1024, 4096))
    return data[:neck] + other[neck:]


def duplicate(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _block(chance, data)
    return data[:stop] + data[start:stop] * chance.choice((1, 1, 1, 8)) + data[stop:]


def remove(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _block(chance, data)
    return data[:start] + data[stop:]


def zero(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _block(chance, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def exaggerate(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """Sizes and counts that cannot be true, mostly beside the names of boxes and chunks."""
    changed = bytearray(data)
    beside = [found.start() + shift for found in NAME.finditer(data) for shift in (-4, 4, 8, 12)]
    places = [place for place in beside if 0 <= place <= len(data) - 4] or [0]
    for _ in range(chance.randint(1, 3)):
        place = chance.choice(places) if chance.random() < 0.8 else chance.randrange(len(data))
        struct.pack_into(chance.choice("<>") + "I", padded := changed + bytes(4), place, chance.choice(EXTREMES))
        changed = padded[: len(data)]
    return bytes(changed)


def mend(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """Damage below a checksum that is right again, where the kind has one: it gets farther than other damage."""
    if data.startswith(ZIP):
        return _repacked(chance, data)
    damaged = flip_few(chance, data, other)
    return _with_true_sums(damaged) if damaged.startswith(PNG) else damaged


MUTATIONS: dict[str, Mutation] = {
    each.__name__: each
    for each in (
        flip_few, flip_head, flip_many, truncate, splice, transplant, duplicate, remove, zero, exaggerate, mend,
    )
}  # fmt: skip


def _flipped(chance: random.Random, data: bytes, count: int, within: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[chance.randrange(min(within, len(data)))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _block(chance: random.Random, data: bytes) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 4, 16, 64, 188, 512, 2048)))


def _repacked(chance: random.Random, data: bytes) -> bytes:
    """A member of the package is damaged, the package is whole."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new:
        victim = chance.choice([name for name in old.namelist() if name.endswith((".xml", ".rels"))])
        for name in old.namelist():
            content = old.read(name)
            new.writestr(zipfile.ZipInfo(name), _nested(chance, content) if name == victim else content)
    return into.getvalue()


def _nested(chance: random.Random, content: bytes) -> bytes:
    """XML that is well-formed still, but not what is expected: a name or a value of it changed, a part of it gone."""
    words = re.findall(rb"(?<=[<\"/:])[A-Za-z][A-Za-z0-9]*(?=[\">\s/=])", content)
    change = chance.choice((flip_few, truncate, remove, None, None, None))
    if change is not None:
        return change(chance, content, content)
    return content.replace(
        chance.choice(words), chance.choice((b"", b"x", b"0", b"-1", b"9" * 30, chance.choice(words)))
    )


def _with_true_sums(data: bytes) -> bytes:
    """A PNG whose chunks carry the checksum of what they hold now, as far as it can be followed."""
    changed, place = bytearray(data), len(PNG)
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        if end + 4 > len(data):
            break
        struct.pack_into(">I", changed, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(changed)
