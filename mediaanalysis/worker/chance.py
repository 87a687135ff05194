"""Chance, to spread what would otherwise happen at the same moment everywhere."""

from __future__ import annotations

import random


def draw() -> float:
    """0 up to 1."""
    return random.random()  # noqa: S311


def jittered(seconds: float, share: float) -> float:
    """`seconds`, or longer by up to that share of it."""
    return seconds * (1 + share * draw())
